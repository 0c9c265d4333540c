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

/* Bytes that qrt_split_init() needs for up to `threads` parts a step. */
size_t qrt_split_size(uint32_t step_count, uint32_t threads);

/* `steps` are what qrt_steps_init() made of `program`; both must outlive the split.
 * A step of less work than `threshold` for each of two parts stays whole, and so does everything where the parts of all
 * would save less than a pool costs. 0 splits whatever can be. */
void qrt_split_init(qrt_split *split, const qrt_program *program, const qrt_step *steps, uint32_t step_count,
                    uint32_t threads, int64_t threshold, void *memory);

#ifdef __cplusplus
}
#endif
#endif
