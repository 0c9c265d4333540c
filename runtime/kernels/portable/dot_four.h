/* SPDX-License-Identifier: Apache-2.0 */
/* dot_four.h: four dot products of 8-bit codes at once. */
#ifndef QRT_PORTABLE_DOT_FOUR_H
#define QRT_PORTABLE_DOT_FOUR_H

#include "qrt_math.h"

/* Adds the dot products of `x` and of four rows of weights, `step` apart: each code is read and widened once for all.
 */
QRT_ALONE static void dot_four(const int8_t *restrict x, int32_t zero_point, const int8_t *restrict weights,
                               ptrdiff_t step, int32_t size, int32_t acc[4]) {
    const int8_t *restrict w0 = weights, *restrict w1 = w0 + step, *restrict w2 = w1 + step, *restrict w3 = w2 + step;
    const int8_t *end = x + size;
    int32_t acc0 = acc[0], acc1 = acc[1], acc2 = acc[2], acc3 = acc[3];
    int16_t zero = (int16_t)zero_point;
    QRT_BY_FOUR
    while (x != end) {
        int16_t value = (int16_t)(*x++ - zero), v0 = *w0++, v1 = *w1++, v2 = *w2++, v3 = *w3++;
        acc0 += value * v0;
        acc1 += value * v1;
        acc2 += value * v2;
        acc3 += value * v3;
    }
    acc[0] = acc0;
    acc[1] = acc1;
    acc[2] = acc2;
    acc[3] = acc3;
}

#endif
