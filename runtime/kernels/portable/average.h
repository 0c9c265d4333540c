/* SPDX-License-Identifier: Apache-2.0 */
/* average.h: sums over positions, and the quotient of an average. */
#ifndef QRT_PORTABLE_AVERAGE_H
#define QRT_PORTABLE_AVERAGE_H

#include "qrt_math.h"

/* The sums of this many channels are on the stack. */
#define QRT_SUM_BLOCK 32

/* Adds the codes of `positions` to sum[0..size); those of a position are `channels` bytes from those of the next. */
static inline void add_positions(const int8_t *x, int32_t positions, int32_t channels, int32_t size, int32_t *sum) {
    for (int32_t position = 0; position < positions; position++, x += channels) {
        for (int32_t i = 0; i < size; i++) sum[i] += x[i];
    }
}

/* sum / count to nearest, count > 0; ties as SPEC.md says for average_pool2d. */
static inline int32_t average(int32_t sum, int32_t count, int32_t rounding) {
    int32_t magnitude = sum < 0 ? -sum : sum;
    int32_t quotient = magnitude / count, rest = magnitude % count;
    int32_t up = rounding == 0 ? rest >= count - rest : rest > count - rest || (rest == count - rest && quotient % 2);
    quotient += up;
    return sum < 0 ? -quotient : quotient;
}

/* The codes of an average_pool2d for the sums of `count` positions. */
static inline void put_averages(const qrt_pool2d_params *p, const int32_t *sum, int32_t count, int32_t size,
                                int8_t *y) {
    int32_t zero_point = p->rounding == 1 ? p->x_zero_point : 0; /* HALF_EVEN alone counts from it */
    for (int32_t i = 0; i < size; i++) {
        int32_t mean = average(sum[i] - count * zero_point, count, p->rounding) + zero_point;
        y[i] = (int8_t)qrt_clamp(mean, p->output_min, p->output_max);
    }
}

/* The codes of a mean for the sums of all positions. */
static inline void put_means(const qrt_mean_params *p, const int32_t *sum, int32_t size, int8_t *y) {
    qrt_channel requant = qrt_requant_channel(&p->requant, 0);
    int32_t zero = p->positions * p->x_zero_point;
    for (int32_t i = 0; i < size; i++) y[i] = qrt_requantize(&p->requant, requant, sum[i] - zero);
}

#endif
