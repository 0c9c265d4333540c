/* SPDX-License-Identifier: Apache-2.0 */
/* walk.h: walks over the axes of a tensor in the order of memory. */
#ifndef QRT_PORTABLE_WALK_H
#define QRT_PORTABLE_WALK_H

#include "qrt_kernels.h"

/* Walks over all axes of a shape but the last, in order; `position` is sum(index * stride). */
typedef struct walk {
    int32_t index[QRT_KERNEL_MAX_RANK];
    ptrdiff_t position;
} walk;

static inline void walk_next(walk *at, int32_t rank, const int32_t *shape, const int32_t *stride) {
    for (int32_t axis = rank - 2; axis >= 0; axis--) {
        at->position += stride[axis];
        if (++at->index[axis] < shape[axis]) return;
        at->position -= (ptrdiff_t)shape[axis] * stride[axis];
        at->index[axis] = 0;
    }
}

/* How often walk_next() can be called before everything has been seen: rows of the last axis. */
static inline ptrdiff_t row_count(int32_t rank, const int32_t *shape) {
    ptrdiff_t rows = 1;
    for (int32_t axis = 0; axis < rank - 1; axis++) rows *= shape[axis];
    return rows;
}

#endif
