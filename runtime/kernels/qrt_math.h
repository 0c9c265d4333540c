/* SPDX-License-Identifier: Apache-2.0 */
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

/* QRT_BY_FOUR, before a loop of a few instructions: a core without branch prediction spends less on the loop. gcc is
 * not told, since it then makes no vectors; nor is clang for Helium, where it unrolls loops of vectors wrongly (22).
 * QRT_ALONE: a function whose loop has registers of its own; inlined into a larger one it would keep its variables in
 * memory. */
#if defined(__clang__) && !defined(__ARM_FEATURE_MVE)
#define QRT_BY_FOUR _Pragma("clang loop unroll_count(4)")
#else
#define QRT_BY_FOUR
#endif
#ifdef __GNUC__
#define QRT_ALONE __attribute__((noinline))
#else
#define QRT_ALONE
#endif

static inline int32_t qrt_clamp(int32_t value, int32_t minimum, int32_t maximum) {
    value = value < minimum ? minimum : value;
    return value > maximum ? maximum : value;
}

static inline int32_t qrt_clamp64(int64_t value, int32_t minimum, int32_t maximum) {
    value = value < minimum ? minimum : value;
    return (int32_t)(value > maximum ? maximum : value);
}

/* clamp(value >> shift). Where the lower word falls away, a core of 32 bits has one word to shift and to compare. */
static inline int32_t qrt_clamp_shifted(int64_t value, int32_t shift, int32_t minimum, int32_t maximum) {
    if (shift >= 32) return qrt_clamp((int32_t)(value >> 32) >> (shift - 32), minimum, maximum);
    return qrt_clamp64(value >> shift, minimum, maximum);
}

/* floor(a / b) for 0 < b < 2^63. Cortex-M cannot divide 64 bits, and no library is linked. */
static inline uint64_t qrt_divide(uint64_t a, uint64_t b) {
#if UINTPTR_MAX > UINT32_MAX
    return a / b;
#else
    uint64_t quotient = 0, rest = 0;
    for (int32_t bit = 63; bit >= 0; bit--) {
        rest = rest << 1 | (a >> bit & 1);
        quotient <<= 1;
        if (rest >= b) {
            rest -= b;
            quotient |= 1;
        }
    }
    return quotient;
#endif
}

/* A number as quotient * divisor + rest, 0 <= rest < divisor. */
typedef struct qrt_parts {
    int64_t quotient, rest;
} qrt_parts;

static inline qrt_parts qrt_parts_of(int64_t number, int32_t divisor) {
    uint64_t magnitude = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    uint64_t quotient = qrt_divide(magnitude, (uint64_t)divisor), rest = magnitude - quotient * (uint64_t)divisor;
    qrt_parts parts = {(int64_t)quotient, (int64_t)rest};
    if (number < 0) {
        parts.quotient = -parts.quotient - (rest > 0);
        parts.rest = rest > 0 ? divisor - parts.rest : 0;
    }
    return parts;
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

/* scale_down(v, multiplier, shift) of SPEC.md, section 2; shift is at least 31. */
static inline int32_t qrt_scale_down(int32_t v, int32_t multiplier, int32_t shift) {
    return qrt_rounding_shift(qrt_high_mul(v, multiplier), shift - 31);
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

/* SINGLE */
static inline int8_t qrt_requantize_single(const qrt_requant *requant, qrt_channel channel, int32_t acc) {
    int64_t sum = (int64_t)acc * channel.multiplier + channel.addend;
    return (int8_t)qrt_clamp_shifted(sum, channel.shift, requant->output_min, requant->output_max);
}

/* DOUBLE without the zero point; `sum` contains the bias. */
static inline int32_t qrt_rounded_twice(int32_t sum, int32_t multiplier, int32_t shift) {
    if (shift > 31) return qrt_scale_down(sum, multiplier, shift);
    return qrt_high_mul((int32_t)((uint32_t)sum << (31 - shift)), multiplier);
}

/* DOUBLE, to a code of any width; `sum` contains the bias. */
static inline int32_t qrt_double(const qrt_requant *requant, int32_t multiplier, int32_t shift, int32_t sum) {
    int32_t y = qrt_rounded_twice(sum, multiplier, shift);
    return qrt_clamp(y + requant->y_zero_point, requant->output_min, requant->output_max);
}

static inline int8_t qrt_requantize_double(const qrt_requant *requant, int32_t multiplier, int32_t shift, int32_t sum) {
    return (int8_t)qrt_double(requant, multiplier, shift, sum);
}

static inline int8_t qrt_requantize(const qrt_requant *requant, qrt_channel channel, int32_t acc) {
    if (requant->rounding == 0) return qrt_requantize_single(requant, channel, acc);
    return qrt_requantize_double(requant, channel.multiplier, channel.shift, acc + (int32_t)channel.addend);
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

/* Puts the results of neighbouring channels, `first` and on, for accumulators that contain the bias. */
static inline void qrt_put_channels_single(const qrt_requant *requant, int32_t first, const int32_t *sum, int32_t count,
                                           int8_t *output) {
    qrt_requant unbiased = *requant;
    unbiased.bias = NULL;
    for (int32_t i = 0; i < count; i++) {
        output[i] = qrt_requantize_single(requant, qrt_requant_channel(&unbiased, first + i), sum[i]);
    }
}

static inline void qrt_put_channels_double(const qrt_requant *requant, int32_t first, const int32_t *sum, int32_t count,
                                           int8_t *output) {
    int32_t step = requant->step;
    const int32_t *multiplier = requant->multiplier + first * step;
    const uint8_t *shift = requant->shift + first * step;
    for (; count > 0; count--, multiplier += step, shift += step) {
        *output++ = qrt_requantize_double(requant, *multiplier, *shift, *sum++);
    }
}

/* Either, or int32, to place `index` of an output and on. Functions that are chosen stay functions, with registers of
 * their own. */
static inline void qrt_put_channels(const qrt_requant *requant, int32_t first, const int32_t *sum, int32_t count,
                                    int8_t *output, ptrdiff_t index) {
    if (requant->wide) {
        memcpy(output + 4 * index, sum, (size_t)count * sizeof *sum);
    } else {
        (requant->rounding == 0 ? qrt_put_channels_single : qrt_put_channels_double)(requant, first, sum, count,
                                                                                     output + index);
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
