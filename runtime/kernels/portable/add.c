/* add.c: add in plain C99. */
#include "portable/portable.h"
#include "portable/walk.h"
#include "qrt_math.h"

static int32_t add_common_shift(const qrt_add_params *p, int32_t a, int32_t b) {
    int64_t sum = (int64_t)a * p->a_multiplier + (int64_t)b * p->b_multiplier + p->addend;
    return qrt_clamp64(sum >> p->shift, p->output_min, p->output_max);
}

static int32_t scale_down(int32_t value, int32_t multiplier, int32_t shift) {
    return qrt_rounding_shift(qrt_high_mul(value, multiplier), shift - 31);
}

static int32_t add_tflite(const qrt_add_params *p, int32_t a, int32_t b) {
    int32_t real_a = scale_down((a - p->a_zero_point) * (1 << 20), p->a_multiplier, p->a_shift);
    int32_t real_b = scale_down((b - p->b_zero_point) * (1 << 20), p->b_multiplier, p->b_shift);
    int32_t y = scale_down(real_a + p->b_sign * real_b, p->y_multiplier, p->y_shift) + p->y_zero_point;
    return qrt_clamp(y, p->output_min, p->output_max);
}

void qrt_add_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_add_params *p = params;
    const qrt_broadcast *s = &p->broadcast;
    int32_t last = s->rank - 1;
    ptrdiff_t rows = row_count(s->rank, s->shape);
    walk at_a = {{0}, 0}, at_b = {{0}, 0};
    (void)scratch;
    for (ptrdiff_t row = 0; row < rows; row++) {
        const int8_t *a = inputs[0] + at_a.position, *b = inputs[1] + at_b.position;
        int32_t a_step = s->a_stride[last], b_step = s->b_stride[last], size = s->shape[last];
        for (int32_t i = 0; i < size; i++, a += a_step, b += b_step) {
            *output++ = (int8_t)(p->form == 0 ? add_common_shift(p, *a, *b) : add_tflite(p, *a, *b));
        }
        walk_next(&at_a, s->rank, s->shape, s->a_stride);
        walk_next(&at_b, s->rank, s->shape, s->b_stride);
    }
}
