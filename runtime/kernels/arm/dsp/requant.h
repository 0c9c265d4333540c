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
 * SINGLE, (acc * m + addend) >> shift: where the addend is a multiple of 2^32 it is added to the high word.
 */
#ifndef QRT_DSP_REQUANT_H
#define QRT_DSP_REQUANT_H

#include "arm/dsp/instructions.h"
#include "qrt_kernels.h"

/* Requantizations of codes that fill their type. */
static inline int qrt_dsp_full(const qrt_requant *requant) {
    return !requant->wide && requant->output_min == -128 && requant->output_max == 127;
}

/* Whether qrt_dsp_double() does what DOUBLE does with this multiplier and shift. */
static inline int qrt_dsp_double_fits(int32_t multiplier, int32_t shift) {
    return multiplier >= 1 << 30 && shift >= 33 && shift <= 43;
}

/* Whether it can requantize each of these channels. */
static inline int qrt_dsp_double_covers(const qrt_requant *requant, int32_t channels) {
    if (!qrt_dsp_full(requant) || requant->rounding != 1) return 0;
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

/* The power for channels whose accumulators go from `least` to `most`, 0 if there is none. Where v is added to the
 * product for ties alone and these are out of reach, nothing is added: then there is one for most larger shifts too. */
static inline int32_t qrt_dsp_double_power_within(int32_t shift, int64_t least, int64_t most) {
    if (shift < 33 || shift > 62) return 0;
    int32_t power = 1 << (63 - shift);
    if (shift <= 43 || (least > -power && most < power)) return power + 1;
    return least > -((int64_t)1 << (shift - 32)) ? power : 0;
}

/* The result before it is saturated. */
static inline int32_t qrt_dsp_double_sum(int32_t acc, int32_t multiplier, int32_t power, int32_t zero_point) {
    return smmlar(smmlar(acc, multiplier, acc), power, zero_point);
}

static inline int8_t qrt_dsp_double(int32_t acc, int32_t multiplier, int32_t power, int32_t zero_point) {
    return (int8_t)ssat8(qrt_dsp_double_sum(acc, multiplier, power, zero_point));
}

/* Whether qrt_dsp_single() can requantize each of these channels, of accumulators and of 256 times these. */
static inline int qrt_dsp_single_covers(const qrt_requant *requant, int32_t channels) {
    if (!qrt_dsp_full(requant) || requant->rounding != 0 || requant->addend != NULL) return 0;
    for (int32_t c = 0; c < channels; c++) {
        int32_t shift = requant->shift[c * requant->step];
        if (shift < 33 || shift > 46) return 0;
    }
    return 1;
}

/* Its addend, for accumulators that are 2^scale times what they are. The multiplier stays as it is. */
static inline int32_t qrt_dsp_single_addend(const qrt_requant *requant, int32_t channel, int32_t scale) {
    int32_t shift = requant->shift[channel * requant->step] + scale;
    return (int32_t)((2 * requant->y_zero_point + 1) * ((int64_t)1 << (shift - 33)));
}
static inline int32_t qrt_dsp_single_shift(const qrt_requant *requant, int32_t channel, int32_t scale) {
    return requant->shift[channel * requant->step] + scale - 32;
}

static inline int8_t qrt_dsp_single(int32_t acc, int32_t multiplier, int32_t addend, int32_t shift) {
    return (int8_t)ssat8(smmla(acc, multiplier, addend) >> shift);
}

#endif
