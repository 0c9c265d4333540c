/* qrt_split.h: large steps as parts that threads can run at once.
 *
 * A part is a step with the same kernel, which knows nothing of threads: parameters of its own with fewer rows, and
 * pointers to where those rows begin. Parts share the packed weights of the whole, and each needs scratch of its own.
 * Not for firmware, which has one thread and runs the steps as they are.
 */
#ifndef QRT_SPLIT_H
#define QRT_SPLIT_H

#include "qrt_prepare.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Work of the least part that is quicker on a thread of its own, in multiplications of a convolution. */
#define QRT_SPLIT_THRESHOLD 200000

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
size_t qrt_split_size(const qrt_program *program, uint32_t threads, int64_t threshold);

/* The steps of `program`, which with `arena` and `memory` must outlive the split, for up to `threads` threads.
 * A part does work of at least `threshold`, and nothing is split where all parts together are not worth a pool; with 0
 * everything is split that can be. An output that would lie over the input, which the rows of one part would be written
 * over while another reads them, lies in `memory` instead. */
void qrt_split_init(qrt_split *split, const qrt_program *program, void *arena, uint32_t threads, int64_t threshold,
                    void *memory);

#ifdef __cplusplus
}
#endif
#endif
