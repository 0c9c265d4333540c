/* dot16.h: dot product of codes of 8 or 16 bits and weights. */
#ifndef QRT_PORTABLE_DOT16_H
#define QRT_PORTABLE_DOT16_H

#include "portable/dot.h"
#include "qrt_int4.h"
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

/* So many weights of int4 are unpacked at once. */
#define QRT_UNPACKED 64

/* The same with the weights from place `at` on, of int8 or of int4. */
static inline int64_t dot_weights(const int8_t *x, ptrdiff_t index, int32_t int16, int32_t zero_point,
                                  const int8_t *weights, int32_t int4, ptrdiff_t at, int32_t size) {
    int64_t sum = 0;
    if (!int4) return dot_codes(x, index, int16, zero_point, weights + at, size);
    for (int32_t part; size > 0; size -= part, index += part, at += part) {
        int8_t unpacked[QRT_UNPACKED];
        part = size < QRT_UNPACKED ? size : QRT_UNPACKED;
        qrt_unpack_int4(weights, at, part, unpacked);
        sum += dot_codes(x, index, int16, zero_point, unpacked, part);
    }
    return sum;
}

#endif
