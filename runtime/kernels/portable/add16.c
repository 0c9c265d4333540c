/* SPDX-License-Identifier: Apache-2.0 */
/* add16.c: add with int16 codes in plain C99. */
#include "portable/portable.h"
#include "portable/walk.h"
#include "qrt_math16.h"

static int32_t common_shift(const qrt_add_params *p, int32_t a, int32_t b) {
    int64_t sum = (int64_t)a * p->a_multiplier + (int64_t)b * p->b_multiplier + p->addend;
    return qrt_clamp_shifted(sum, p->shift, p->output_min, p->output_max);
}

static int32_t tflite(const qrt_add_params *p, int32_t a, int32_t b) {
    int32_t sum = qrt_scale_down(a * 32768, p->a_multiplier, p->a_shift);
    sum += p->b_sign * qrt_scale_down(b * 32768, p->b_multiplier, p->b_shift);
    return qrt_clamp(qrt_scale_down(sum, p->y_multiplier, p->y_shift), p->output_min, p->output_max);
}

void qrt_add16_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_add_params *p = params;
    const qrt_broadcast *s = &p->broadcast;
    int32_t last = s->rank - 1, size = s->shape[last];
    walk at_a = {{0}, 0}, at_b = {{0}, 0};
    ptrdiff_t index = 0;
    (void)scratch;
    for (ptrdiff_t row = row_count(s->rank, s->shape); row > 0; row--) {
        ptrdiff_t a = at_a.position, b = at_b.position;
        for (int32_t i = 0; i < size; i++, a += s->a_stride[last], b += s->b_stride[last]) {
            int32_t a_code = qrt_code(inputs[0], p->x_int16, a), b_code = qrt_code(inputs[1], p->x_int16, b);
            int32_t code = p->form == 0 ? common_shift(p, a_code, b_code) : tflite(p, a_code, b_code);
            qrt_put_code(code, p->y_int16, output, index++);
        }
        walk_next(&at_a, s->rank, s->shape, s->a_stride);
        walk_next(&at_b, s->rank, s->shape, s->b_stride);
    }
}
