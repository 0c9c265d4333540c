/* SPDX-License-Identifier: Apache-2.0 */
/* gather.h: copies codes that lie at constant strides. */
#ifndef QRT_PORTABLE_GATHER_H
#define QRT_PORTABLE_GATHER_H

#include <string.h>

#include "portable/walk.h"

/* Codes of `x` that lie `stride` apart along each axis, one after another. */
static inline void gather(const int8_t *x, int32_t rank, const int32_t *shape, const int32_t *stride, int8_t *output) {
    int32_t last = rank - 1;
    ptrdiff_t size = shape[last], step = stride[last];
    walk at = {{0}, 0};
    for (ptrdiff_t row = row_count(rank, shape); row > 0; row--) {
        const int8_t *from = x + at.position;
        if (step == 1) {
            memcpy(output, from, (size_t)size);
        } else {
            for (ptrdiff_t i = 0; i < size; i++) output[i] = from[i * step];
        }
        output += size;
        walk_next(&at, rank, shape, stride);
    }
}

#endif
