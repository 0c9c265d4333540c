/* SPDX-License-Identifier: Apache-2.0 */
/* squared_difference.c: squared_difference in plain C99. */
#include "portable/portable.h"
#include "portable/walk.h"
#include "qrt_math.h"

static int8_t squared_difference(const qrt_add_params *p, int32_t a, int32_t b) {
    int32_t d = qrt_scale_down((a - p->a_zero_point) * 128, p->a_multiplier, p->a_shift);
    d -= qrt_scale_down((b - p->b_zero_point) * 128, p->b_multiplier, p->b_shift);
    int32_t y = qrt_scale_down(d * d, p->y_multiplier, p->y_shift) + p->y_zero_point;
    return (int8_t)qrt_clamp(y, p->output_min, p->output_max);
}

void qrt_squared_difference_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_add_params *p = params;
    const qrt_broadcast *s = &p->broadcast;
    int32_t last = s->rank - 1, size = s->shape[last];
    walk at_a = {{0}, 0}, at_b = {{0}, 0};
    (void)scratch;
    for (ptrdiff_t row = row_count(s->rank, s->shape); row > 0; row--) {
        const int8_t *a = inputs[0] + at_a.position, *b = inputs[1] + at_b.position;
        for (int32_t i = 0; i < size; i++, a += s->a_stride[last], b += s->b_stride[last]) {
            *output++ = squared_difference(p, *a, *b);
        }
        walk_next(&at_a, s->rank, s->shape, s->a_stride);
        walk_next(&at_b, s->rank, s->shape, s->b_stride);
    }
}
