/* SPDX-License-Identifier: Apache-2.0 */
/* mul16.c: mul with int16 codes in plain C99. */
#include "portable/portable.h"
#include "portable/walk.h"
#include "qrt_math16.h"

void qrt_mul16_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_binary_params *p = params;
    const qrt_broadcast *s = &p->broadcast;
    int32_t last = s->rank - 1, size = s->shape[last];
    qrt_channel requant = qrt_requant_channel(&p->requant, 0);
    walk at_a = {{0}, 0}, at_b = {{0}, 0};
    ptrdiff_t index = 0;
    (void)scratch;
    for (ptrdiff_t row = row_count(s->rank, s->shape); row > 0; row--) {
        ptrdiff_t a = at_a.position, b = at_b.position;
        for (int32_t i = 0; i < size; i++, a += s->a_stride[last], b += s->b_stride[last]) {
            int64_t acc = qrt_code(inputs[0], p->x_int16, a) - p->a_zero_point;
            acc *= qrt_code(inputs[1], p->x_int16, b) - p->b_zero_point;
            qrt_put16(&p->requant, requant, acc, output, index++);
        }
        walk_next(&at_a, s->rank, s->shape, s->a_stride);
        walk_next(&at_b, s->rank, s->shape, s->b_stride);
    }
}
