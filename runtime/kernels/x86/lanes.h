/* SPDX-License-Identifier: Apache-2.0 */
/* lanes.h: the requantization of 16 channels at once, prepared when weights are packed. For sets with wide registers.
 *
 * SPEC.md 1.1 needs a 64-bit sum for each channel, and a shift keeps the bits above the binary point. If
 * these are the upper half of the sum, no 64-bit shift is needed. So everything is
 * scaled until the binary point is there: with `k` = left,
 *
 *   SINGLE  y = (acc * m + addend) >> shift
 *             = high(acc * 2^k * m + addend * 2^k) >> (shift + k - 32)                     high(v) = v >> 32
 *   DOUBLE  high_mul((acc + bias) * 2^l, m) = high(acc * 2^k * m + bias * 2^k * m + 2^31)     k = l + 1
 *           y = (that + round - (1 when it is negative) + y_zero_point * 2^right) >> right
 *
 * DOUBLE is SINGLE where the term of the sign makes no difference: when shift <= 31, since then nothing is rounded a
 * second time, and when output_min >= y_zero_point, since then all negative numbers become output_min. A code c above
 * y_zero_point is reached where
 *
 *   high_mul(acc + bias, m) + 2^(right - 1) >= (c - y_zero_point) * 2^right                     right = shift - 31
 *   (acc + bias) * m + 2^30 + 2^(shift - 1) + y_zero_point * 2^shift >= c * 2^shift
 *
 * which is SINGLE's rounding and 2^30.
 *
 * Here `acc * 2^k` is an int32 and the sum an int64, both proved when the lanes are filled. A kernel may sum
 * other numbers than (x - x_zero_point) * w; the difference is the channel's `correction`, which is
 * added to the addend. All of it is arithmetic modulo 2^64: only the final sum must fit.
 */
#ifndef QRT_LANES_H
#define QRT_LANES_H

#include "qrt_math.h"
#include "qrt_product.h"

enum {
    QRT_LANES_SINGLE,      /* left is 0 */
    QRT_LANES_SINGLE_LEFT, /* left is nonzero for some channel */
    QRT_LANES_DOUBLE,
    QRT_LANES_WIDE, /* y = acc + correction, int32 */
    QRT_LANES_SLOW  /* a bound is exceeded: qrt_requantize() of acc + correction, channel by channel */
};

/* 64-byte aligned. Entry i of even (odd) belongs to channel 2 * i (2 * i + 1). */
typedef struct qrt_lanes {
    int32_t multiplier[QRT_LANES];
    int64_t even[QRT_LANES / 2], odd[QRT_LANES / 2]; /* the addend, at the scale of the sum */
    int32_t shift[QRT_LANES];                        /* of the upper half; 0 to 31 */
    int32_t left[QRT_LANES];                         /* of acc; 0 to 31 */
    int32_t round[QRT_LANES];                        /* DOUBLE: with y_zero_point */
    int32_t sign_shift[QRT_LANES]; /* DOUBLE: logical shift that turns a sign into 1, or, by 32, into 0 */
    int32_t correction[QRT_LANES]; /* WIDE (with bias) and SLOW */
} qrt_lanes;

/* DOUBLE's second shift is at most this. */
#define QRT_LANES_RIGHT 22

/* SINGLE, or a DOUBLE that is SINGLE. Returns QRT_LANES_SLOW if neither can compute the channel. */
static inline int32_t qrt_lane_fill_single(qrt_lanes *lanes, int32_t lane, const qrt_requant *requant, int32_t channel,
                                           int64_t correction, int64_t largest) {
    qrt_requant once = *requant;
    int32_t shift = requant->shift[channel * requant->step], twice = requant->rounding == 1 && shift > 31;
    if (twice && (shift > 31 + QRT_LANES_RIGHT || requant->output_min < requant->y_zero_point)) return QRT_LANES_SLOW;
    once.rounding = 0;
    qrt_channel single = qrt_requant_channel(&once, channel);
    if (twice) single.addend += (int64_t)1 << 30;
    int32_t left = shift < 32 ? 32 - shift : 0;
    uint64_t size = single.addend < 0 ? 0 - (uint64_t)single.addend : (uint64_t)single.addend;
    /* Unsigned, since `largest` is a looser bound than the file's rules. */
    uint64_t multiplier = (uint64_t)single.multiplier, reach = (uint64_t)largest * multiplier + size;
    if (left > 30 || (left > 0 && reach >> 31 >= (uint64_t)1 << shift)) return QRT_LANES_SLOW;
    if (largest >= (int64_t)1 << (31 - left)) return QRT_LANES_SLOW;
    lanes->multiplier[lane] = single.multiplier;
    (lane % 2 ? lanes->odd : lanes->even)[lane / 2] =
        (int64_t)(((uint64_t)single.addend + (uint64_t)correction * multiplier) << left);
    lanes->shift[lane] = shift + left - 32;
    lanes->left[lane] = left;
    /* As DOUBLE, if another channel is. */
    lanes->round[lane] = 0;
    lanes->sign_shift[lane] = 32;
    return left > 0 ? QRT_LANES_SINGLE_LEFT : QRT_LANES_SINGLE;
}

static inline int32_t qrt_lane_fill_double(qrt_lanes *lanes, int32_t lane, const qrt_requant *requant, int32_t channel,
                                           int64_t correction, int64_t largest) {
    int32_t entry = channel * requant->step, shift = requant->shift[entry];
    int64_t multiplier = requant->multiplier[entry], bias = requant->bias != NULL ? requant->bias[channel] : 0;
    int32_t left = shift < 31 ? 32 - shift : 1, right = shift > 31 ? shift - 31 : 0;
    if (right > QRT_LANES_RIGHT || left > 30 || largest >= (int64_t)1 << (31 - left)) return QRT_LANES_SLOW;
    lanes->multiplier[lane] = (int32_t)multiplier;
    (lane % 2 ? lanes->odd : lanes->even)[lane / 2] =
        (int64_t)((((uint64_t)(bias + correction) * (uint64_t)multiplier) << left) + ((uint64_t)1 << 31));
    lanes->shift[lane] = right;
    lanes->left[lane] = left;
    lanes->round[lane] = (int32_t)(qrt_round(right) + (int64_t)requant->y_zero_point * ((int64_t)1 << right));
    lanes->sign_shift[lane] = right > 0 ? 31 : 32;
    return QRT_LANES_DOUBLE;
}

/* Fills one channel. `largest` is at least |acc| as the kernel sums it and at least |acc + correction| + |bias|.
 * Returns the simplest form that can compute the channel; those up to DOUBLE can then be computed as DOUBLE, too. */
static inline int32_t qrt_lane_fill(qrt_lanes *lanes, int32_t lane, const qrt_requant *requant, int32_t channel,
                                    int64_t correction, int64_t largest) {
    int64_t bias = requant->wide && requant->bias != NULL ? requant->bias[channel] : 0;
    lanes->correction[lane] = (int32_t)(uint32_t)(uint64_t)(correction + bias);
    if (requant->wide) return QRT_LANES_WIDE;
    int32_t form = qrt_lane_fill_single(lanes, lane, requant, channel, correction, largest);
    if (form == QRT_LANES_SLOW && requant->rounding == 1) {
        form = qrt_lane_fill_double(lanes, lane, requant, channel, correction, largest);
    }
    return form;
}

#endif
