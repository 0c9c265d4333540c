/* SPDX-License-Identifier: Apache-2.0 */
/* log_softmax.c: log_softmax in plain C99. */
#include "portable/portable.h"
#include "portable/softmax.h"

/* log2(s) of SPEC.md: each squaring shows the next bit. */
static int32_t binary_logarithm(uint64_t s) {
    int32_t log = 0;
    for (; s >= (uint64_t)1 << 32; s >>= 1) log += 1 << 26;
    uint32_t v = (uint32_t)s;
    for (int32_t bit = 1 << 25; bit > 0; bit >>= 1) {
        uint64_t square = (uint64_t)v * v >> 31;
        if (square >= (uint64_t)1 << 32) {
            square >>= 1;
            log += bit;
        }
        v = (uint32_t)square;
    }
    return log;
}

static int32_t doubled(int32_t v) { return v < 1 << 30 ? 2 * v : INT32_MAX; }

/* v times the power of two that brings its highest bit to place 30; one less for each bit that it has fewer. */
static int32_t zeros_of(int32_t v) {
    int32_t zeros = 0;
    while (v < 1 << 30) {
        v *= 2;
        zeros++;
    }
    return zeros;
}

/* log(s) of SPEC.md. */
static int32_t logarithm(int32_t s) {
    const int32_t root = 1518500250, fourth_root = 1805811301;
    int32_t a = zeros_of(s), b = zeros_of(qrt_high_mul(s, root));
    int32_t v = doubled(qrt_high_mul(s * (1 << a), root));
    int32_t w = b > a ? doubled(s * (1 << a)) : s * (1 << b);
    int32_t r = v < w ? v : w;
    int32_t z = (11 - a) * (1 << 25) + (1 << 23), other = (12 - b) * (1 << 25) - (1 << 23);
    int32_t p = (int32_t)(((uint32_t)r + (uint32_t)fourth_root + 1) >> 1), q = 2 * (r - fourth_root);
    int32_t c = qrt_high_mul(q, q);
    int32_t n = qrt_high_mul(q, r) + qrt_high_mul(qrt_high_mul(q, c), 117049297);
    int32_t d = qrt_high_mul(p, 1057819769 + q + qrt_high_mul(127690142, c)) + qrt_high_mul(638450708, q);
    int32_t inverse = softmax_inverse((uint32_t)d + ((uint32_t)1 << 31));
    return 2 * (qrt_high_mul(z > other ? z : other, 1488522236) + qrt_high_mul(qrt_rounding_shift(n, 6), inverse));
}

static void tflite_row(const qrt_log_softmax_params *p, const int8_t *x, int32_t max, int8_t *y) {
    const uint32_t *table = p->exponential;
    int32_t channels = p->channels, count = p->exponential_count, left = 31 - p->shift;
    uint32_t sum = 0; /* at most 4095 times 2^19 */
    for (int32_t i = 0; i < channels; i++) sum += (exponential(table, count, max - x[i]) + 2048) >> 12;
    int32_t log = logarithm((int32_t)sum);
    for (int32_t i = 0; i < channels; i++) {
        int32_t distance = max - x[i], code = -128;
        if (distance < count) {
            int32_t v = qrt_high_mul(-(int32_t)((uint32_t)distance << left), (int32_t)p->multiplier);
            v = (v < -(1 << 30) ? -(1 << 30) : v) - log;
            code = qrt_clamp(qrt_rounding_shift(v, 22) + 127, -128, 127);
        }
        y[i] = (int8_t)code;
    }
}

static void exact_row(const qrt_log_softmax_params *p, const int8_t *x, int32_t max, int8_t *y) {
    const uint32_t *table = p->exponential;
    int32_t channels = p->channels, count = p->exponential_count;
    uint64_t sum = 0;
    for (int32_t i = 0; i < channels; i++) sum += exponential(table, count, max - x[i]);
    int64_t largest = p->addend - (int64_t)binary_logarithm(sum) * p->log_multiplier;
    for (int32_t i = 0; i < channels; i++) {
        y[i] = (int8_t)qrt_clamp_shifted(largest - (max - x[i]) * p->multiplier, p->shift, -128, 127);
    }
}

void qrt_log_softmax_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_log_softmax_params *p = params;
    const int8_t *x = inputs[0];
    (void)scratch;
    for (int32_t row = 0; row < p->rows; row++, x += p->channels, output += p->channels) {
        int32_t max = row_maximum(x, p->channels);
        if (p->form == 0) {
            exact_row(p, x, max, output);
        } else {
            tflite_row(p, x, max, output);
        }
    }
}
