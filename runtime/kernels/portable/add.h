/* SPDX-License-Identifier: Apache-2.0 */
/* add.h: the sum of two codes, as SPEC.md says. */
#ifndef QRT_PORTABLE_ADD_H
#define QRT_PORTABLE_ADD_H

#include "qrt_math.h"

static inline int8_t add_common_shift(const qrt_add_params *p, int32_t a, int32_t b) {
    int64_t sum = (int64_t)a * p->a_multiplier + (int64_t)b * p->b_multiplier + p->addend;
    return (int8_t)qrt_clamp_shifted(sum, p->shift, p->output_min, p->output_max);
}

/* scale_down(2^20 * d, multiplier, shift) of a difference of codes. The 20 bits fall out of high_mul(), which is
 * d * (multiplier / 2^11) to nearest; in two parts it fits 32 bits, for d has 9. */
static inline int32_t scale_down(int32_t d, int32_t multiplier, int32_t shift) {
    return qrt_rounding_shift(d * (multiplier >> 11) + ((d * (multiplier & 2047) + 1024) >> 11), shift - 31);
}

static inline int8_t add_tflite(const qrt_add_params *p, int32_t a, int32_t b) {
    int32_t sum = scale_down(a - p->a_zero_point, p->a_multiplier, p->a_shift);
    sum += p->b_sign * scale_down(b - p->b_zero_point, p->b_multiplier, p->b_shift);
    sum = qrt_scale_down(sum, p->y_multiplier, p->y_shift) + p->y_zero_point;
    return (int8_t)qrt_clamp(sum, p->output_min, p->output_max);
}

#endif
