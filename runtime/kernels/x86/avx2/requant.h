/* SPDX-License-Identifier: Apache-2.0 */
/* requant.h: requantization with AVX2, 8 channels in a register, as derived in lanes.h. */
#ifndef QRT_AVX2_REQUANT_H
#define QRT_AVX2_REQUANT_H

#include "x86/lanes.h"
#include "x86/x86.h"

#ifdef QRT_X86

/* Half of a qrt_lanes in registers. Fields that a form does not use are never loaded. */
typedef struct requant8 {
    __m256i multiplier, multiplier_odd, even, odd, shift, left, round, sign_shift;
} requant8;

QRT_AVX2 QRT_INLINE __m256i load_lanes(const void *lanes) { return _mm256_load_si256(lanes); }

QRT_AVX2 QRT_INLINE requant8 requant8_load(const qrt_lanes *lanes, const int half) {
    requant8 r;
    r.multiplier = load_lanes(lanes->multiplier + 8 * half);
    r.multiplier_odd = _mm256_srli_epi64(r.multiplier, 32);
    r.even = load_lanes(lanes->even + 4 * half);
    r.odd = load_lanes(lanes->odd + 4 * half);
    r.shift = load_lanes(lanes->shift + 8 * half);
    r.left = load_lanes(lanes->left + 8 * half);
    r.round = load_lanes(lanes->round + 8 * half);
    r.sign_shift = load_lanes(lanes->sign_shift + 8 * half);
    return r;
}

/* 8 accumulators to 8 numbers that saturate to codes; `form` is a constant: SINGLE, SINGLE_LEFT or DOUBLE. */
QRT_AVX2 QRT_INLINE __m256i requant8_apply(__m256i acc, const requant8 *r, const int form) {
    if (form != QRT_LANES_SINGLE) acc = _mm256_sllv_epi32(acc, r->left);
    __m256i even = _mm256_add_epi64(_mm256_mul_epi32(acc, r->multiplier), r->even);
    __m256i odd = _mm256_mul_epi32(_mm256_shuffle_epi32(acc, 0xF5), r->multiplier_odd);
    odd = _mm256_add_epi64(odd, r->odd);
    /* The upper halves of both, in the order of channels. Multiplications and shifts share ports; shuffles have others.
     */
    __m256i high = _mm256_blend_epi32(_mm256_shuffle_epi32(even, 0xF5), odd, 0xAA);
    if (form == QRT_LANES_DOUBLE) {
        __m256i negative = _mm256_srlv_epi32(high, r->sign_shift);
        high = _mm256_sub_epi32(_mm256_add_epi32(high, r->round), negative);
    }
    return _mm256_srav_epi32(high, r->shift);
}

/* Four registers of numbers to 32 codes, with groups of four in the order a0 b0 c0 d0 a1 b1 c1 d1. */
QRT_AVX2 QRT_INLINE __m256i narrow32(__m256i a, __m256i b, __m256i c, __m256i d) {
    return _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
}

/* The first `count` <= 16 of 16 codes. */
QRT_AVX2 QRT_INLINE void store_codes(int8_t *y, __m128i codes, int32_t count) {
    if (count == 16) {
        _mm_storeu_si128((__m128i *)y, codes);
        return;
    }
    if (count & 8) {
        _mm_storel_epi64((__m128i *)y, codes);
        codes = _mm_srli_si128(codes, 8);
        y += 8;
    }
    if (count & 4) {
        int32_t four = _mm_cvtsi128_si32(codes);
        memcpy(y, &four, sizeof four);
        codes = _mm_srli_si128(codes, 4);
        y += 4;
    }
    if (count & 2) {
        int16_t two = (int16_t)_mm_extract_epi16(codes, 0);
        memcpy(y, &two, sizeof two);
        codes = _mm_srli_si128(codes, 2);
        y += 2;
    }
    if (count & 1) *y = (int8_t)_mm_extract_epi8(codes, 0);
}

/* The first `count` <= 16 of 16 codes; the rest is 0. Reads no more. */
QRT_AVX2 QRT_INLINE __m128i load_codes(const int8_t *x, int32_t count) {
    if (count == 16) return _mm_loadu_si128((const __m128i *)x);
    int8_t codes[16] = {0};
    for (int32_t i = 0; i < count; i++) codes[i] = x[i];
    return _mm_loadu_si128((const __m128i *)codes);
}

/* Requantization that is the same for all lanes. Returns its form. */
QRT_AVX2 static inline int32_t requant8_uniform(const qrt_requant *requant, int64_t largest, requant8 *r) {
    qrt_lanes lanes;
    memset(&lanes, 0, sizeof lanes);
    int32_t form = qrt_lane_fill(&lanes, 0, requant, 0, 0, largest);
    r->multiplier = r->multiplier_odd = _mm256_set1_epi32(lanes.multiplier[0]);
    r->even = r->odd = _mm256_set1_epi64x(lanes.even[0]);
    r->shift = _mm256_set1_epi32(lanes.shift[0]);
    r->left = _mm256_set1_epi32(lanes.left[0]);
    r->round = _mm256_set1_epi32(lanes.round[0]);
    r->sign_shift = _mm256_set1_epi32(lanes.sign_shift[0]);
    return form;
}

#endif
#endif
