/* SPDX-License-Identifier: Apache-2.0 */
/* broadcast.h: how operators on two tensors walk over them. */
#ifndef QRT_DSP_BROADCAST_H
#define QRT_DSP_BROADCAST_H

#include <string.h>

#include "portable/walk.h"

/* A code that serves a whole row stands this many times in a row. */
#define REPEATED 64

/* y = a * b, or what the operator is, code by code; `constants` is what else it needs. */
typedef void broadcast_function(const void *constants, const int8_t *a, const int8_t *b, int8_t *y, int32_t size);

/* Calls `run` for all codes, in order. */
static inline void run_broadcast(const qrt_broadcast *s, const int8_t *const *inputs, int8_t *output,
                                 broadcast_function *run, const void *constants) {
    int32_t last = s->rank - 1, a_step = s->a_stride[last], b_step = s->b_stride[last];
    int32_t most = a_step == 0 || b_step == 0 ? REPEATED : s->shape[last];
    walk at_a = {{0}, 0}, at_b = {{0}, 0};
    for (ptrdiff_t rows = row_count(s->rank, s->shape); rows > 0; rows--) {
        const int8_t *a = inputs[0] + at_a.position, *b = inputs[1] + at_b.position;
        int8_t a_codes[REPEATED], b_codes[REPEATED];
        if (a_step == 0) a = memset(a_codes, *a, sizeof a_codes);
        if (b_step == 0) b = memset(b_codes, *b, sizeof b_codes);
        for (int32_t left = s->shape[last], size; left > 0; left -= size, output += size) {
            size = left < most ? left : most;
            run(constants, a, b, output, size);
            a += size * a_step;
            b += size * b_step;
        }
        walk_next(&at_a, s->rank, s->shape, s->a_stride);
        walk_next(&at_b, s->rank, s->shape, s->b_stride);
    }
}

/* How many codes run_broadcast() writes. */
static inline ptrdiff_t broadcast_count(const qrt_broadcast *s) {
    return row_count(s->rank, s->shape) * s->shape[s->rank - 1];
}

#endif
