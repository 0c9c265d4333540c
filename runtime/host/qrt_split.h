/* qrt_split.h: large steps as parts that threads can run at once.
 *
 * A part is a step with the same kernel, which knows nothing of threads: parameters of its own with fewer rows and
 * pointers to where those begin, or with a range of output channels (qrt_part). Parts share the packed weights of the
 * whole, and each needs scratch of its own. Not for firmware, which has one thread and runs the steps as they are.
 */
#ifndef QRT_SPLIT_H
#define QRT_SPLIT_H

#include "engine/qrt_prepare.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One step, or the parts of one. What the parts write, no other part of it reads. */
typedef struct qrt_stage {
    const qrt_step *parts;
    uint32_t count;
} qrt_stage;

typedef struct qrt_split {
    const qrt_stage *stages;
    uint32_t stage_count;  /* as many as there are steps */
    uint32_t thread_count; /* that can be busy at once; 1: nothing is split */
    size_t scratch_size;   /* bytes for each thread */
} qrt_split;

/* Bytes that qrt_split_init() needs, aligned to 64. */
size_t qrt_split_size(const qrt_program *program, uint32_t threads, int32_t speed);

/* The steps of `program`, which with `arena` and `memory` must outlive the split, for up to `threads` threads.
 * `speed` is how many multiplications of a convolution a thread does in a microsecond: a part does work for half of
 * one, since to wait for each other costs as much, and nothing is split where all is not worth waking threads. With 0
 * everything is split that can be. An output that would lie over the input, where one part would write what another
 * still reads, lies in `memory` instead. */
void qrt_split_init(qrt_split *split, const qrt_program *program, void *arena, uint32_t threads, int32_t speed,
                    void *memory);

#ifdef __cplusplus
}
#endif
#endif
