/* SPDX-License-Identifier: Apache-2.0 */
/* dot16.h: dot product of codes of 8 or 16 bits and weights. */
#ifndef QRT_PORTABLE_DOT16_H
#define QRT_PORTABLE_DOT16_H

#include "portable/dot.h"
#include "qrt_math16.h"

/* An int32 holds the sum of so many products: 255 * 65535 * 128 is below 2^31. */
#define QRT_PRODUCTS 255

static inline int64_t dot16(const int16_t *restrict x, int32_t zero_point, const int8_t *restrict weights,
                            int32_t size) {
    int64_t sum = 0;
    while (size > 0) {
        int32_t acc = 0, part = size < QRT_PRODUCTS ? size : QRT_PRODUCTS;
        QRT_BY_FOUR
        for (int32_t i = 0; i < part; i++) acc += (x[i] - zero_point) * weights[i];
        sum += acc;
        x += part;
        weights += part;
        size -= part;
    }
    return sum;
}

/* Of codes from place `index` of x on. Of int8 the rules have proved that the sum fits 32 bits. */
static inline int64_t dot_codes(const int8_t *x, ptrdiff_t index, int32_t int16, int32_t zero_point,
                                const int8_t *weights, int32_t size) {
    if (int16) return dot16(qrt_codes16(x) + index, zero_point, weights, size);
    return dot(x + index, zero_point, weights, size);
}

#endif
