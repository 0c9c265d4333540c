/* SPDX-License-Identifier: Apache-2.0 */
/* leaky_relu.c: leaky_relu of int16 codes in plain C99. */
#include "portable/portable.h"
#include "qrt_math16.h"

void qrt_leaky_relu_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_leaky_relu_params *p = params;
    const int16_t *x = qrt_codes16(inputs[0]);
    int16_t *y = qrt_output16(output);
    (void)scratch;
    for (int32_t i = 0; i < p->size; i++) {
        int32_t d = x[i] - p->x_zero_point, v;
        if (d >= 0) {
            v = qrt_rounded_twice(d, p->multiplier, p->shift);
        } else {
            v = qrt_rounded_twice(d, p->negative_multiplier, p->negative_shift);
            v = p->negate ? -v : v;
        }
        y[i] = (int16_t)qrt_clamp(v + p->y_zero_point, INT16_MIN, INT16_MAX);
    }
}
