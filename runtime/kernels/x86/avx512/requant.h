/* SPDX-License-Identifier: Apache-2.0 */
/* requant.h: requantization with AVX-512, 16 channels in a register, as derived in lanes.h. */
#ifndef QRT_AVX512_REQUANT_H
#define QRT_AVX512_REQUANT_H

#include "x86/lanes.h"
#include "x86/x86.h"

#ifdef QRT_X86

/* A qrt_lanes in registers. Fields that a form does not use are never loaded. */
typedef struct requant16 {
    __m512i multiplier, multiplier_odd, even, odd, shift, left, round, sign_shift;
} requant16;

QRT_AVX512 QRT_INLINE requant16 requant16_load(const qrt_lanes *lanes) {
    requant16 r;
    r.multiplier = _mm512_load_si512(lanes->multiplier);
    r.multiplier_odd = _mm512_srli_epi64(r.multiplier, 32);
    r.even = _mm512_load_si512(lanes->even);
    r.odd = _mm512_load_si512(lanes->odd);
    r.shift = _mm512_load_si512(lanes->shift);
    r.left = _mm512_load_si512(lanes->left);
    r.round = _mm512_load_si512(lanes->round);
    r.sign_shift = _mm512_load_si512(lanes->sign_shift);
    return r;
}

/* 16 accumulators to 16 numbers that saturate to codes; `form` is a constant: SINGLE, SINGLE_LEFT or DOUBLE. The even
 * entries of `odd` are the odd ones of `acc`. */
QRT_AVX512 QRT_INLINE __m512i requant16_apply_pair(__m512i acc, __m512i odd, const requant16 *r, const int form) {
    if (form != QRT_LANES_SINGLE) {
        acc = _mm512_sllv_epi32(acc, r->left);
        odd = _mm512_srli_epi64(acc, 32);
    }
    __m512i even = _mm512_add_epi64(_mm512_mul_epi32(acc, r->multiplier), r->even);
    odd = _mm512_add_epi64(_mm512_mul_epi32(odd, r->multiplier_odd), r->odd);
    /* The upper halves of both, in the order of channels. */
    __m512i high = _mm512_mask_shuffle_epi32(odd, 0x5555, even, _MM_PERM_DDBB);
    if (form == QRT_LANES_DOUBLE) {
        __m512i negative = _mm512_srlv_epi32(high, r->sign_shift);
        high = _mm512_sub_epi32(_mm512_add_epi32(high, r->round), negative);
    }
    return _mm512_srav_epi32(high, r->shift);
}

QRT_AVX512 QRT_INLINE __m512i requant16_apply(__m512i acc, const requant16 *r, const int form) {
    return requant16_apply_pair(acc, _mm512_srli_epi64(acc, 32), r, form);
}

/* Four registers of numbers to 64 codes: of each quarter of the registers, those of the first, the second, ... */
QRT_AVX512 QRT_INLINE __m512i narrow_in_lanes(__m512i y0, __m512i y1, __m512i y2, __m512i y3) {
    return _mm512_packs_epi16(_mm512_packs_epi32(y0, y1), _mm512_packs_epi32(y2, y3));
}

/* Four registers of numbers to 64 codes, in order. */
QRT_AVX512 QRT_INLINE __m512i narrow64(__m512i y0, __m512i y1, __m512i y2, __m512i y3) {
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_permutexvar_epi32(order, narrow_in_lanes(y0, y1, y2, y3));
}

#endif
#endif
