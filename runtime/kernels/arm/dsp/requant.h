/* SPDX-License-Identifier: Apache-2.0 */
/* requant.h: requantization in three instructions, of the two kinds that almost every channel has.
 *
 * DOUBLE, acc * multiplier / 2^31 and then / 2^right, right = shift - 31, each rounded to nearest, the second one's
 * ties away from zero:
 * - high_mul(acc, m) is the high word of acc * 2m, rounded. 2m is at least 2^31: as an int32 it is 2m - 2^32, and acc
 *   added to the high word makes up for it.
 * - Rounding v / 2^right is the high word of v * 2^(32 - right), rounded half up. Adding v to the product, far below
 * its last place, moves nothing but ties, and those away from zero. That is so while |v| < 2^(32 - right); where it is
 *   not, |v| / 2^right is at least 2^(32 - 2 * right), 256 or more, which saturates whatever the zero point.
 *
 * SINGLE, (acc * m + addend) >> shift, of any addend of 64 bits: it is bias * m + rest, 0 <= rest < m, so that sums
 * begin with the bias and add up to a = acc + bias. m and the rest are scaled so that m is at least 2^31: as an int32
 * it is m - 2^32, and the product is added to a * 2^32 + rest, which are the registers of a and of the rest as they
 * stand: SMLAL rest, a, a, m leaves the high word in a.
 *
 * Results are saturated to int8. A clamp to less comes after that, see qrt_dsp_clamp().
 */
#ifndef QRT_DSP_REQUANT_H
#define QRT_DSP_REQUANT_H

#include "arm/dsp/words.h"
#include "qrt_math.h"

/* Clamps codes, where an operator's clamp is not that of int8. They are what they would be if they were clamped before
 * they were saturated. */
static inline void qrt_dsp_clamp(const qrt_requant *requant, int8_t *codes, ptrdiff_t size) {
    int32_t minimum = requant->output_min, maximum = requant->output_max;
    if (!requant->wide && (minimum > -128 || maximum < 127)) qrt_dsp_clamp_codes(codes, codes, size, minimum, maximum);
}

/* Whether qrt_dsp_double() does what DOUBLE does with this multiplier and shift. */
static inline int qrt_dsp_double_fits(int32_t multiplier, int32_t shift) {
    return multiplier >= 1 << 30 && shift >= 33 && shift <= 43;
}

/* Whether it can requantize each of these channels. */
static inline int qrt_dsp_double_covers(const qrt_requant *requant, int32_t channels) {
    if (requant->wide || requant->rounding != 1) return 0;
    for (int32_t c = 0; c < channels; c++) {
        int32_t entry = c * requant->step;
        if (!qrt_dsp_double_fits(requant->multiplier[entry], requant->shift[entry])) return 0;
    }
    return 1;
}

/* Its constants. */
static inline int32_t qrt_dsp_double_multiplier_of(int32_t multiplier) { return (int32_t)(2u * (uint32_t)multiplier); }
static inline int32_t qrt_dsp_double_power_of(int32_t shift) { return (1 << (63 - shift)) + 1; }
static inline int32_t qrt_dsp_double_multiplier(const qrt_requant *requant, int32_t channel) {
    return qrt_dsp_double_multiplier_of(requant->multiplier[channel * requant->step]);
}
static inline int32_t qrt_dsp_double_power(const qrt_requant *requant, int32_t channel) {
    return qrt_dsp_double_power_of(requant->shift[channel * requant->step]);
}

/* The power for a channel whose accumulators, with the bias in, go from `least` to `most`, 0 if there is none. Channels
 * that hardly move, as those that training has switched off, have larger shifts. There |v| needs a bound; or else no v
 * is added, where no tie below 0 is reached, or the clamp leaves nothing below 0. */
static inline int32_t qrt_dsp_double_power_within(const qrt_requant *requant, int32_t channel, int64_t least,
                                                  int64_t most) {
    int32_t multiplier = requant->multiplier[channel * requant->step], shift = requant->shift[channel * requant->step];
    if (multiplier < 1 << 30 || shift < 33) return 0;
    int64_t furthest = most < -least ? -least : most;
    int32_t power = 1 << (63 - shift);
    if (shift <= 43 || ((furthest * multiplier) >> 31) + 1 < power) return power + 1;
    return least > -((int64_t)1 << (shift - 32)) || requant->output_min >= requant->y_zero_point ? power : 0;
}

static inline int8_t qrt_dsp_double(int32_t acc, int32_t multiplier, int32_t power, int32_t zero_point) {
    return (int8_t)ssat8(smmlar(smmlar(acc, multiplier, acc), power, zero_point));
}

/* SINGLE's constants, and what sums begin with. */
typedef struct qrt_dsp_single_constants {
    int64_t bias;
    int32_t multiplier;
    uint32_t rest;
    int32_t shift; /* less 32 */
} qrt_dsp_single_constants;

/* For accumulators that are 2^scale times what they are. The multiplier is not 0. */
static inline qrt_dsp_single_constants qrt_dsp_single_of(const qrt_requant *requant, int32_t channel, int32_t scale) {
    qrt_channel own = qrt_requant_channel(requant, channel);
    qrt_parts addend = qrt_parts_of(own.addend, own.multiplier);
    qrt_parts scaled = qrt_parts_of(addend.rest * (1 << scale), own.multiplier);
    int64_t bias = addend.quotient * (1 << scale) + scaled.quotient;
    int32_t shift = own.shift + scale - 32;
    uint32_t multiplier = (uint32_t)own.multiplier, rest = (uint32_t)scaled.rest;
    for (; multiplier < 1u << 31; shift++) {
        multiplier *= 2;
        rest *= 2;
    }
    qrt_dsp_single_constants constants = {bias, (int32_t)multiplier, rest, shift};
    return constants;
}

/* Whether there are such for accumulators from `least` to `most`. */
static inline int qrt_dsp_single_covers(const qrt_requant *requant, int32_t channel, int64_t least, int64_t most,
                                        int32_t scale) {
    const int64_t limit = (int64_t)1 << (31 - scale);
    if (requant->multiplier[channel * requant->step] == 0) return 0;
    qrt_dsp_single_constants c = qrt_dsp_single_of(requant, channel, 0);
    if (c.shift + scale < 0 || c.shift + scale > 31 || c.bias < -limit || c.bias >= limit) return 0;
    return c.bias + least >= -limit && c.bias + most < limit;
}

static inline int8_t qrt_dsp_single(int32_t acc, int32_t multiplier, uint32_t rest, int32_t shift) {
    int64_t sum = smlal((int64_t)acc * ((int64_t)1 << 32) + rest, acc, multiplier);
    return (int8_t)ssat8((int32_t)(sum >> 32) >> shift);
}

/* The same: `rest` is lost. */
#define QRT_DSP_SINGLE(acc, multiplier, rest, shift)                                                                   \
    "smlal " #rest ", " #acc ", " #acc ", " #multiplier "\n"                                                           \
    "asr " #acc ", " #acc ", " #shift "\n"                                                                             \
    "ssat " #acc ", #8, " #acc "\n"

#endif
