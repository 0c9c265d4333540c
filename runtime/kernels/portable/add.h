/* add.h: the sum of two codes, as SPEC.md says. */
#ifndef QRT_PORTABLE_ADD_H
#define QRT_PORTABLE_ADD_H

#include "qrt_math.h"

static inline int32_t add_common_shift(const qrt_add_params *p, int32_t a, int32_t b) {
    int64_t sum = (int64_t)a * p->a_multiplier + (int64_t)b * p->b_multiplier + p->addend;
    return qrt_clamp64(sum >> p->shift, p->output_min, p->output_max);
}

static inline int32_t scale_down(int32_t value, int32_t multiplier, int32_t shift) {
    return qrt_rounding_shift(qrt_high_mul(value, multiplier), shift - 31);
}

static inline int32_t add_tflite(const qrt_add_params *p, int32_t a, int32_t b) {
    int32_t real_a = scale_down((a - p->a_zero_point) * (1 << 20), p->a_multiplier, p->a_shift);
    int32_t real_b = scale_down((b - p->b_zero_point) * (1 << 20), p->b_multiplier, p->b_shift);
    int32_t y = scale_down(real_a + p->b_sign * real_b, p->y_multiplier, p->y_shift) + p->y_zero_point;
    return qrt_clamp(y, p->output_min, p->output_max);
}

static inline int8_t add_code(const qrt_add_params *p, int32_t a, int32_t b) {
    return (int8_t)(p->form == 0 ? add_common_shift(p, a, b) : add_tflite(p, a, b));
}

#endif
