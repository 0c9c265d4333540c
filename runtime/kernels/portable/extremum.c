/* SPDX-License-Identifier: Apache-2.0 */
/* extremum.c: maximum and minimum in plain C99. */
#include "portable/portable.h"
#include "portable/walk.h"

/* The larger code of a and b times `sign`, which is 1 or -1. */
static void extremum(const qrt_broadcast *s, const int8_t *const *inputs, int8_t *output, int32_t sign) {
    int32_t last = s->rank - 1;
    walk at_a = {{0}, 0}, at_b = {{0}, 0};
    for (ptrdiff_t row = row_count(s->rank, s->shape); row > 0; row--) {
        const int8_t *a = inputs[0] + at_a.position, *b = inputs[1] + at_b.position;
        int32_t a_step = s->a_stride[last], b_step = s->b_stride[last], size = s->shape[last];
        for (int32_t i = 0; i < size; i++, a += a_step, b += b_step) *output++ = *a * sign > *b * sign ? *a : *b;
        walk_next(&at_a, s->rank, s->shape, s->a_stride);
        walk_next(&at_b, s->rank, s->shape, s->b_stride);
    }
}

void qrt_maximum_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_binary_params *p = params;
    (void)scratch;
    extremum(&p->broadcast, inputs, output, 1);
}

void qrt_minimum_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_binary_params *p = params;
    (void)scratch;
    extremum(&p->broadcast, inputs, output, -1);
}
