/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_split.h: splits large steps into parts that threads run in parallel.
 *
 * A part is a step with the same kernel, which is unaware of threads: its parameters have fewer rows and pointers to
 * the first of them, or a range of output channels (qrt_part). Parts share the packed weights of the step, and each
 * needs its own scratch buffer. Not for firmware, which has one thread and runs the steps unsplit.
 */
#ifndef QRT_SPLIT_H
#define QRT_SPLIT_H

#include "engine/qrt_prepare.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One step, or its parts. No part reads what another part writes. */
typedef struct qrt_stage {
    const qrt_step *parts;
    uint32_t count;
} qrt_stage;

typedef struct qrt_split {
    const qrt_stage *stages;
    uint32_t stage_count;  /* equal to the number of steps */
    uint32_t thread_count; /* that can run in parallel; 1: nothing is split */
    size_t scratch_size;   /* bytes for each thread */
} qrt_split;

/* Bytes that qrt_split_init() needs, aligned to 64. */
size_t qrt_split_size(const qrt_program *program, uint32_t threads, int32_t speed);

/* The steps of `program`, bands layer by layer, split for up to `threads` threads; `program`, `arena`, `places`, as in
 * qrt_steps_init(), and `memory` must outlive the split.
 * `speed` is the number of multiplications of a convolution per thread and microsecond: a part takes at least half a
 * microsecond, since synchronization costs as much, and nothing is split if the total is not worth waking threads. With
 * 0, everything that can be split is. An output that overlaps its input, so that one part would overwrite what another
 * still reads, is placed in `memory` instead. */
void qrt_split_init(qrt_split *split, const qrt_program *program, void *arena, int8_t *const *places, uint32_t threads,
                    int32_t speed, void *memory);

#ifdef __cplusplus
}
#endif
#endif
