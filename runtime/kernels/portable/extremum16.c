/* SPDX-License-Identifier: Apache-2.0 */
/* extremum16.c: maximum and minimum of int16 codes in plain C99. */
#include "portable/portable.h"
#include "portable/walk.h"
#include "qrt_math16.h"

/* The larger code of a and b times `sign`, which is 1 or -1. */
static void extremum(const qrt_broadcast *s, const int8_t *const *inputs, int16_t *y, int32_t sign) {
    int32_t last = s->rank - 1, size = s->shape[last];
    walk at_a = {{0}, 0}, at_b = {{0}, 0};
    for (ptrdiff_t row = row_count(s->rank, s->shape); row > 0; row--) {
        const int16_t *a = qrt_codes16(inputs[0]) + at_a.position, *b = qrt_codes16(inputs[1]) + at_b.position;
        for (int32_t i = 0; i < size; i++, a += s->a_stride[last], b += s->b_stride[last]) {
            *y++ = *a * sign > *b * sign ? *a : *b;
        }
        walk_next(&at_a, s->rank, s->shape, s->a_stride);
        walk_next(&at_b, s->rank, s->shape, s->b_stride);
    }
}

void qrt_maximum16_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_binary_params *p = params;
    (void)scratch;
    extremum(&p->broadcast, inputs, qrt_output16(output), 1);
}

void qrt_minimum16_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_binary_params *p = params;
    (void)scratch;
    extremum(&p->broadcast, inputs, qrt_output16(output), -1);
}
