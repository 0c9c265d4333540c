/* SPDX-License-Identifier: Apache-2.0 */
/* requant.h: requantization with NEON, 4 channels in a register.
 *
 * Sums begin with the bias. Then the rest of SPEC.md 1.1 needs no 64-bit sum, unless the file gives an addend:
 *
 *   SINGLE  (sum * m + round + y_zero_point * 2^shift) >> shift
 *             = ((sum * m >> 31) + 2^(right - 1)) >> right) + y_zero_point                right = shift - 31 >= 1
 *   DOUBLE  rounding_shift(high_mul(sum, m), right) + y_zero_point                        right = shift - 31 >= 0
 *   ADDEND  high(sum * m + addend) >> right            high(v) = v >> 32                  right = shift - 32 >= 0
 *
 * SQDMULH is sum * m >> 31, SQRDMULH is high_mul, SRSHL adds half and shifts right by a negative number, ADDHN is the
 * upper half of a sum. Where a shift is smaller than that, the sum is shifted left first (_LEFT); m is then at least
 * 2^30, or 0, so that a sum that saturates belongs to a code that is clamped.
 */
#ifndef QRT_NEON_REQUANT_H
#define QRT_NEON_REQUANT_H

#include "arm/neon/neon.h"
#include "qrt_math.h"

#ifdef QRT_NEON

/* Of one rounding, a later form supports the earlier ones too. */
enum {
    QRT_REQUANT_SINGLE,
    QRT_REQUANT_SINGLE_LEFT,
    QRT_REQUANT_DOUBLE,
    QRT_REQUANT_DOUBLE_LEFT,
    QRT_REQUANT_ADDEND,
    QRT_REQUANT_ADDEND_LEFT,
    QRT_REQUANT_SLOW /* a bound is exceeded, or the output is int32: qrt_put_channels() */
};

/* All but SLOW, for what is compiled for each: NAME(form). */
#define QRT_REQUANT_FORMS(NAME)                                                                                        \
    NAME(SINGLE) NAME(SINGLE_LEFT) NAME(DOUBLE) NAME(DOUBLE_LEFT) NAME(ADDEND) NAME(ADDEND_LEFT)

#define QRT_REQUANT_LANES 16

/* The requantization of 16 channels. */
typedef struct qrt_requant_lanes {
    int32_t multiplier[QRT_REQUANT_LANES];
    int32_t left[QRT_REQUANT_LANES];
    int32_t right[QRT_REQUANT_LANES]; /* negative or 0, as SRSHL takes it */
    int64_t addend[QRT_REQUANT_LANES];
} qrt_requant_lanes;

/* Fills one channel and returns the form that it needs. `largest` is at least |sum|. */
static inline int32_t qrt_requant_lane_fill(qrt_requant_lanes *lanes, int32_t lane, const qrt_requant *requant,
                                            int32_t channel, int64_t largest) {
    int32_t entry = channel * requant->step, shift = requant->shift[entry], least = 32;
    int32_t multiplier = requant->multiplier[entry];
    if (requant->wide) return QRT_REQUANT_SLOW;
    if (requant->rounding == 1) least = 31;
    int32_t left = shift < least ? least - shift : 0;
    int32_t right = shift + left - (requant->addend != NULL ? 32 : 31);
    lanes->multiplier[lane] = multiplier;
    lanes->left[lane] = left;
    lanes->right[lane] = -right;
    if (requant->rounding == 1) return left > 0 || right == 0 ? QRT_REQUANT_DOUBLE_LEFT : QRT_REQUANT_DOUBLE;
    if (requant->addend == NULL) {
        if (left > 0 && multiplier != 0 && multiplier < 1 << 30) return QRT_REQUANT_SLOW;
        return left > 0 ? QRT_REQUANT_SINGLE_LEFT : QRT_REQUANT_SINGLE;
    }
    int64_t addend = requant->addend[entry];
    uint64_t size = addend < 0 ? 0 - (uint64_t)addend : (uint64_t)addend;
    uint64_t reach = (uint64_t)largest * (uint64_t)multiplier + size;
    if (left > 30 || (left > 0 && reach >> 31 >= (uint64_t)1 << shift)) return QRT_REQUANT_SLOW;
    if (largest >= (int64_t)1 << (31 - left)) return QRT_REQUANT_SLOW;
    lanes->addend[lane] = addend * ((int64_t)1 << left);
    return left > 0 ? QRT_REQUANT_ADDEND_LEFT : QRT_REQUANT_ADDEND;
}

/* A quarter of the lanes in registers. Fields that a form does not use are never loaded. */
typedef struct requant4 {
    int32x4_t multiplier, left, right;
    int64x2_t low, high; /* the addend */
} requant4;

QRT_NEON_INLINE requant4 requant4_load(const qrt_requant_lanes *lanes, const int quarter) {
    requant4 r = {vld1q_s32(lanes->multiplier + 4 * quarter), vld1q_s32(lanes->left + 4 * quarter),
                  vld1q_s32(lanes->right + 4 * quarter), vld1q_s64(lanes->addend + 4 * quarter),
                  vld1q_s64(lanes->addend + 4 * quarter + 2)};
    return r;
}

/* Requantization that is the same for all lanes. Returns its form. */
static inline int32_t requant4_uniform(const qrt_requant *requant, int64_t largest, requant4 *r) {
    qrt_requant_lanes lanes;
    memset(&lanes, 0, sizeof lanes);
    int32_t form = qrt_requant_lane_fill(&lanes, 0, requant, 0, largest);
    r->multiplier = vdupq_n_s32(lanes.multiplier[0]);
    r->left = vdupq_n_s32(lanes.left[0]);
    r->right = vdupq_n_s32(lanes.right[0]);
    r->low = r->high = vdupq_n_s64(lanes.addend[0]);
    return form;
}

/* 4 sums to 4 numbers, to which the zero point is added unless the form is ADDEND. `form` is a constant. */
QRT_NEON_INLINE int32x4_t requant4_apply(int32x4_t sum, const requant4 *r, const int form) {
    if (form == QRT_REQUANT_SINGLE_LEFT || form == QRT_REQUANT_DOUBLE_LEFT || form == QRT_REQUANT_ADDEND_LEFT) {
        sum = vqshlq_s32(sum, r->left);
    }
    if (form == QRT_REQUANT_ADDEND || form == QRT_REQUANT_ADDEND_LEFT) {
        int64x2_t low = vmull_s32(vget_low_s32(sum), vget_low_s32(r->multiplier));
        int64x2_t high = vmull_high_s32(sum, r->multiplier);
        return vshlq_s32(vaddhn_high_s64(vaddhn_s64(low, r->low), high, r->high), r->right);
    }
    if (form == QRT_REQUANT_SINGLE || form == QRT_REQUANT_SINGLE_LEFT) {
        return vrshlq_s32(vqdmulhq_s32(sum, r->multiplier), r->right);
    }
    int32x4_t high = vqrdmulhq_s32(sum, r->multiplier), sign = high;
    if (form == QRT_REQUANT_DOUBLE_LEFT) sign = vandq_s32(high, vreinterpretq_s32_u32(vcltzq_s32(r->right)));
    return vrshlq_s32(vsraq_n_s32(high, sign, 31), r->right); /* ties away from zero */
}

/* From numbers to codes. */
typedef struct codes_range {
    int16x8_t zero_point;
    int8x16_t lowest, highest;
} codes_range;

static inline codes_range codes_range_of(int32_t zero_point, int32_t output_min, int32_t output_max) {
    codes_range range = {vdupq_n_s16((int16_t)zero_point), vdupq_n_s8((int8_t)output_min),
                         vdupq_n_s8((int8_t)output_max)};
    return range;
}

/* 8 numbers to int16, with the zero point. */
QRT_NEON_INLINE int16x8_t narrow_8(int32x4_t a, int32x4_t b, const codes_range *range, const int form) {
    int16x8_t y = vqmovn_high_s32(vqmovn_s32(a), b);
    return form >= QRT_REQUANT_ADDEND ? y : vqaddq_s16(y, range->zero_point);
}

/* 16 numbers of int16 to codes. */
QRT_NEON_INLINE int8x16_t narrow_16(int16x8_t a, int16x8_t b, const codes_range *range) {
    int8x16_t codes = vqmovn_high_s16(vqmovn_s16(a), b);
    return vminq_s8(vmaxq_s8(codes, range->lowest), range->highest);
}

/* Of 16 channels, in order. */
typedef struct sums {
    int32x4_t of[4];
} sums;

QRT_NEON_INLINE void sums_add(sums *s, int16x8_t low, int16x8_t high) {
    s->of[0] = vaddw_s16(s->of[0], vget_low_s16(low));
    s->of[1] = vaddw_high_s16(s->of[1], low);
    s->of[2] = vaddw_s16(s->of[2], vget_low_s16(high));
    s->of[3] = vaddw_high_s16(s->of[3], high);
}

QRT_NEON_INLINE int8x16_t sums_requantize(const sums *s, const requant4 *r, const codes_range *range, const int form) {
    int32x4_t a = requant4_apply(s->of[0], r, form), b = requant4_apply(s->of[1], r + 1, form);
    int32x4_t c = requant4_apply(s->of[2], r + 2, form), d = requant4_apply(s->of[3], r + 3, form);
    return narrow_16(narrow_8(a, b, range, form), narrow_8(c, d, range, form), range);
}

/* The first `count` <= 16 of 16 codes. */
QRT_NEON_INLINE void store_codes(int8_t *y, int8x16_t codes, int32_t count) {
    if (count == 16) {
        vst1q_s8(y, codes);
        return;
    }
    if (count & 8) {
        vst1_s8(y, vget_low_s8(codes));
        codes = vextq_s8(codes, codes, 8);
        y += 8;
    }
    if (count & 4) {
        int32_t four = vgetq_lane_s32(vreinterpretq_s32_s8(codes), 0);
        memcpy(y, &four, sizeof four);
        codes = vextq_s8(codes, codes, 4);
        y += 4;
    }
    if (count & 2) {
        int16_t two = vgetq_lane_s16(vreinterpretq_s16_s8(codes), 0);
        memcpy(y, &two, sizeof two);
        codes = vextq_s8(codes, codes, 2);
        y += 2;
    }
    if (count & 1) *y = vgetq_lane_s8(codes, 0);
}

/* The first `count` <= 16 of 16 codes; the rest is any. Reads no more. */
QRT_NEON_INLINE int8x16_t load_codes(const int8_t *x, int32_t count) {
    if (count == 16) return vld1q_s8(x);
    if (count == 8) return vcombine_s8(vld1_s8(x), vdup_n_s8(0));
    int8_t codes[16] = {0};
    memcpy(codes, x, (size_t)count);
    return vld1q_s8(codes);
}

#endif
#endif
