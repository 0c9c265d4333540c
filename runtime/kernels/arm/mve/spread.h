/* SPDX-License-Identifier: Apache-2.0 */
/* spread.h: elementwise operators on two tensors, one run of both at a time. */
#ifndef QRT_MVE_SPREAD_H
#define QRT_MVE_SPREAD_H

#include "arm/mve/copy.h"
#include "portable/walk.h"

/* A code that serves many outputs is repeated this often; longer runs are cut. */
enum { MVE_SPREAD = 64 };

/* `size` outputs from as many codes of a and of b. */
typedef void mve_run(const void *params, const int8_t *a, const int8_t *b, int8_t *y, int32_t size);

static inline void mve_spread(const qrt_broadcast *s, const void *params, const int8_t *const *inputs, int8_t *output,
                              mve_run *run) {
    int32_t last = s->rank - 1, size = s->shape[last];
    int a_moves = s->a_stride[last] != 0, b_moves = s->b_stride[last] != 0;
    int32_t most = a_moves && b_moves ? size : MVE_SPREAD;
    int8_t same_a[MVE_SPREAD], same_b[MVE_SPREAD];
    walk at_a = {{0}, 0}, at_b = {{0}, 0};
    for (ptrdiff_t row = row_count(s->rank, s->shape); row > 0; row--) {
        const int8_t *a = inputs[0] + at_a.position, *b = inputs[1] + at_b.position;
        if (!a_moves) mve_fill(same_a, *a, MVE_SPREAD);
        if (!b_moves) mve_fill(same_b, *b, MVE_SPREAD);
        for (int32_t done = 0; done < size; done += most) {
            int32_t count = size - done < most ? size - done : most;
            run(params, a_moves ? a + done : same_a, b_moves ? b + done : same_b, output, count);
            output += count;
        }
        walk_next(&at_a, s->rank, s->shape, s->a_stride);
        walk_next(&at_b, s->rank, s->shape, s->b_stride);
    }
}

#endif
