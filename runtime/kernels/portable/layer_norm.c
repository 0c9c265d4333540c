/* SPDX-License-Identifier: Apache-2.0 */
/* layer_norm.c: layer_norm in plain C99. */
#include "portable/portable.h"
#include "qrt_math.h"

/* floor(sqrt(t)), bit by bit. */
static uint32_t root(uint64_t t) {
    uint32_t q = 0;
    for (uint32_t bit = (uint32_t)1 << 31; bit != 0; bit >>= 1) {
        if ((uint64_t)(q | bit) * (q | bit) <= t) q |= bit;
    }
    return q;
}

/* What a row's d[i] become n[i] by: (d[i] * r + 2^(k - 1)) >> k. */
typedef struct norm {
    uint32_t r;
    int32_t k;
} norm;

/* The sum of (C * x - sum)^2 is C * (C * squares - sum^2). */
static norm find_norm(const qrt_layer_norm_params *p, int32_t sum, int32_t squares) {
    int64_t spread = (int64_t)p->channels * squares - (int64_t)sum * sum, least = (int64_t)1 << p->epsilon_bits;
    uint64_t t = (uint64_t)(spread * p->channels * least) + p->epsilon;
    norm found = {0, 32 - p->epsilon_bits / 2};
    if (t < (uint64_t)least) t = (uint64_t)least;
    for (; t < (uint64_t)1 << 62; t <<= 2) found.k--;
    found.r = (uint32_t)qrt_divide((uint64_t)1 << 62, root(t));
    return found;
}

void qrt_layer_norm_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_layer_norm_params *p = params;
    const int8_t *x = inputs[0];
    int32_t channels = p->channels;
    (void)scratch;
    for (int32_t row = 0; row < p->rows; row++, x += channels, output += channels) {
        int32_t sum = 0, squares = 0;
        for (int32_t i = 0; i < channels; i++) {
            sum += x[i];
            squares += x[i] * x[i];
        }
        norm by = find_norm(p, sum, squares);
        int64_t half = qrt_round(by.k);
        for (int32_t i = 0; i < channels; i++) {
            int64_t n = ((int64_t)(channels * x[i] - sum) * by.r + half) >> by.k;
            output[i] = (int8_t)qrt_clamp_shifted(n * p->multiplier[i] + p->addend[i], p->shift, -128, 127);
        }
    }
}
