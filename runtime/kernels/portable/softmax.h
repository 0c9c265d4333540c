/* SPDX-License-Identifier: Apache-2.0 */
/* softmax.h: what softmax and log_softmax share. */
#ifndef QRT_PORTABLE_SOFTMAX_H
#define QRT_PORTABLE_SOFTMAX_H

#include "qrt_math.h"

/* inverse(a) of SPEC.md: 1 / (1 + a) in units of 2^-31, where `sum` is 1 + a in these units, by Newton's method. */
static inline int32_t softmax_inverse(uint32_t sum) {
    int32_t h = (int32_t)(sum >> 1);
    int32_t v = 1515870810 + qrt_high_mul(h, -1010580540);
    for (int32_t i = 0; i < 3; i++) v += 4 * qrt_high_mul((1 << 29) - qrt_high_mul(h, v), v);
    return v < 1 << 30 ? 2 * v : INT32_MAX;
}

/* Without a branch, which nothing could predict. */
static inline uint32_t exponential(const uint32_t *table, int32_t count, int32_t distance) {
    int32_t inside = (distance - count) >> 31; /* all bits or none */
    return table[distance & inside] & (uint32_t)inside;
}

static inline int32_t row_maximum(const int8_t *x, int32_t channels) {
    int32_t max = -128;
    for (int32_t i = 0; i < channels; i++) max = x[i] > max ? x[i] : max;
    return max;
}

#endif
