/* qrt_math.h: requantization, the clamp and the clipping of windows, shared by all kernel sets in C.
 *
 * SPEC.md 1.1 and 1.2 in integers only. Three facts hold everywhere here:
 * - `>>` of a negative number is the arithmetic shift. C99 leaves that to the compiler; every compiler
 *   that we support does it.
 * - `<<` of a negative number is undefined: multiply by a power of two instead.
 * - SPEC.md's validity rules have proved that no sum or product leaves its type.
 */
#ifndef QRT_MATH_H
#define QRT_MATH_H

#include <stdint.h>
#include <string.h>

#include "qrt_kernels.h"

static inline int32_t qrt_clamp(int32_t value, int32_t minimum, int32_t maximum) {
    value = value < minimum ? minimum : value;
    return value > maximum ? maximum : value;
}

static inline int32_t qrt_clamp64(int64_t value, int32_t minimum, int32_t maximum) {
    value = value < minimum ? minimum : value;
    return (int32_t)(value > maximum ? maximum : value);
}

/* `round` of SPEC.md 1.1: half of 2^shift. */
static inline int64_t qrt_round(int32_t shift) { return shift > 0 ? (int64_t)1 << (shift - 1) : 0; }

/* high_mul(a, m) of SPEC.md 1.1. For a * m < 0, trunc((a * m + 1 - 2^30) / 2^31) is a quotient rounded up,
 * which is floor((a * m + 1 - 2^30 + 2^31 - 1) / 2^31): the formula for a * m >= 0. One shift serves both. */
static inline int32_t qrt_high_mul(int32_t a, int32_t multiplier) {
    return (int32_t)(((int64_t)a * multiplier + ((int64_t)1 << 30)) >> 31);
}

/* rounding_shift(v, n) of SPEC.md 1.1: v / 2^n to nearest, ties away from zero; n is at most 31. Half of 2^n, added
 * behind all but one of the shifts, is 1, so that no sum needs 64 bits. */
static inline int32_t qrt_rounding_shift(int32_t value, int32_t shift) {
    return shift > 0 ? (((value - (value < 0)) >> (shift - 1)) + 1) >> 1 : value;
}

/* What a channel's requantization needs, apart from its accumulator. */
typedef struct qrt_channel {
    int64_t addend; /* SINGLE; for DOUBLE the bias */
    int32_t multiplier;
    int32_t shift;
} qrt_channel;

static inline qrt_channel qrt_requant_channel(const qrt_requant *requant, int32_t index) {
    int32_t entry = index * requant->step, zero_point = requant->y_zero_point;
    int32_t bias = requant->bias != NULL ? requant->bias[index] : 0;
    qrt_channel channel = {bias, requant->multiplier[entry], requant->shift[entry]};
    if (requant->addend != NULL) {
        channel.addend = requant->addend[entry];
    } else if (requant->rounding == 0) {
        /* zero_point * 2^shift + round, with one shift of 64 bits */
        int64_t rest = channel.shift > 0 ? (2 * zero_point + 1) * ((int64_t)1 << (channel.shift - 1)) : zero_point;
        channel.addend = (int64_t)bias * channel.multiplier + rest;
    }
    return channel;
}

static inline int8_t qrt_requantize(const qrt_requant *requant, qrt_channel channel, int32_t acc) {
    int64_t y;
    if (requant->rounding == 0) {
        y = ((int64_t)acc * channel.multiplier + channel.addend) >> channel.shift;
    } else {
        int32_t left = channel.shift < 31 ? 31 - channel.shift : 0;
        int32_t right = channel.shift > 31 ? channel.shift - 31 : 0;
        uint32_t sum = (uint32_t)(acc + (int32_t)channel.addend);
        y = qrt_rounding_shift(qrt_high_mul((int32_t)(sum << left), channel.multiplier), right) + requant->y_zero_point;
    }
    return (int8_t)qrt_clamp64(y, requant->output_min, requant->output_max);
}

/* Puts the result for `acc` into place `index` of an output of codes or of int32. */
static inline void qrt_put(const qrt_requant *requant, qrt_channel channel, int32_t acc, int8_t *output,
                           ptrdiff_t index) {
    if (requant->wide) {
        int32_t y = acc + (int32_t)channel.addend;
        memcpy(output + 4 * index, &y, sizeof y);
    } else {
        output[index] = qrt_requantize(requant, channel, acc);
    }
}

/* The filter positions [first, last) along one axis that meet the image; first == last when none does. */
typedef struct qrt_span {
    int32_t first, last;
} qrt_span;

/* `start` is where filter position 0 lies in the image, which is `size` long. */
static inline qrt_span qrt_window(int32_t start, int32_t filter, int32_t dilation, int32_t size) {
    qrt_span span = {0, filter};
    if (start < 0) span.first = (-start + dilation - 1) / dilation;
    if (start + (filter - 1) * dilation >= size) span.last = start < size ? (size - start - 1) / dilation + 1 : 0;
    if (span.last < span.first) span.last = span.first;
    return span;
}

/* What of a pooling window lies in the image. */
typedef struct qrt_pool_window {
    const int8_t *x; /* first channel of the first position */
    int32_t rows, columns;
} qrt_pool_window;

static inline qrt_pool_window qrt_pool_window_at(const qrt_pool2d_params *p, const int8_t *image, int32_t out_y,
                                                 int32_t out_x) {
    int32_t start_y = out_y * p->stride_y - p->pad_top, start_x = out_x * p->stride_x - p->pad_left;
    qrt_span rows = qrt_window(start_y, p->filter_height, 1, p->in_height);
    qrt_span columns = qrt_window(start_x, p->filter_width, 1, p->in_width);
    ptrdiff_t position = (ptrdiff_t)(start_y + rows.first) * p->in_width + start_x + columns.first;
    qrt_pool_window window = {image + position * p->channels, rows.last - rows.first, columns.last - columns.first};
    return window;
}

#endif
