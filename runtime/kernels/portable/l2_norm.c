/* SPDX-License-Identifier: Apache-2.0 */
/* l2_norm.c: l2_norm in plain C99. */
#include "portable/portable.h"
#include "qrt_math.h"

static int32_t saturate(int64_t value) { return qrt_clamp64(value, INT32_MIN, INT32_MAX); }

/* inverse_root(s) of SPEC.md: 1 / sqrt(s) is the result times 2^-(31 + *exponent). */
static int32_t inverse_root(int32_t s, int32_t *exponent) {
    int32_t e = 11, zeros = 0;
    *exponent = 0;
    if (s <= 1) return INT32_MAX;
    for (; s >= 1 << 29; e++) s /= 4;
    while (s <= INT32_MAX >> (zeros + 1)) zeros++; /* as a 32-bit number it has one zero bit more in front */
    int32_t pairs = zeros / 2 - 1;
    int32_t h = qrt_rounding_shift((s << (2 * pairs)) >> 1, 1), v = 1 << 28;
    e -= pairs;
    for (int32_t i = 0; i < 5; i++) {
        int32_t cube = saturate(64 * (int64_t)qrt_high_mul(qrt_high_mul(v, v), v));
        v = saturate(8 * (int64_t)(qrt_high_mul(402653184, v) - qrt_high_mul(h, cube)));
    }
    v = qrt_high_mul(v, 1518500250);
    for (; e < 0; e++) v *= 2;
    *exponent = e;
    return v;
}

void qrt_l2_norm_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_l2_norm_params *p = params;
    const int8_t *x = inputs[0];
    (void)scratch;
    for (int32_t row = 0; row < p->rows; row++, x += p->channels, output += p->channels) {
        int32_t sum = 0, exponent;
        for (int32_t i = 0; i < p->channels; i++) sum += (x[i] - p->x_zero_point) * (x[i] - p->x_zero_point);
        int32_t multiplier = inverse_root(sum, &exponent);
        int32_t left = 1 << (exponent < 7 ? 7 - exponent : 0);
        int32_t right = exponent > 7 ? exponent - 7 : 0;
        for (int32_t i = 0; i < p->channels; i++) {
            int32_t y = qrt_rounding_shift(qrt_high_mul((x[i] - p->x_zero_point) * left, multiplier), right);
            output[i] = (int8_t)qrt_clamp(y, -128, 127);
        }
    }
}
