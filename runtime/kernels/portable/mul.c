/* SPDX-License-Identifier: Apache-2.0 */
/* mul.c: mul in plain C99. */
#include "portable/portable.h"
#include "portable/walk.h"
#include "qrt_math.h"

void qrt_mul_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_binary_params *p = params;
    const qrt_broadcast *s = &p->broadcast;
    int32_t last = s->rank - 1;
    ptrdiff_t rows = row_count(s->rank, s->shape);
    qrt_channel requant = qrt_requant_channel(&p->requant, 0);
    walk at_a = {{0}, 0}, at_b = {{0}, 0};
    (void)scratch;
    for (ptrdiff_t row = 0; row < rows; row++) {
        const int8_t *a = inputs[0] + at_a.position, *b = inputs[1] + at_b.position;
        int32_t a_step = s->a_stride[last], b_step = s->b_stride[last], size = s->shape[last];
        for (int32_t i = 0; i < size; i++, a += a_step, b += b_step) {
            int32_t acc = (*a - p->a_zero_point) * (*b - p->b_zero_point);
            *output++ = qrt_requantize(&p->requant, requant, acc);
        }
        walk_next(&at_a, s->rank, s->shape, s->a_stride);
        walk_next(&at_b, s->rank, s->shape, s->b_stride);
    }
}
