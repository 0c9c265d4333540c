/* SPDX-License-Identifier: Apache-2.0 */
/* rows.h: rows of codes, 64 at once, with AVX-512. */
#ifndef QRT_AVX512_ROWS_H
#define QRT_AVX512_ROWS_H

#include "portable/walk.h"
#include "x86/avx512/requant.h"
#include "x86/x86.h"

#ifdef QRT_X86

QRT_AVX512 QRT_INLINE __mmask64 first_bytes(ptrdiff_t size) {
    return size >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << size) - 1;
}

/* 64 codes from 64: an operator on one register of each operand, with its constants. */
typedef __m512i (*codes_of_two)(const void *constants, __m512i a, __m512i b);

/* y[i] = function(a[i], b[i]), where a step of 0 broadcasts one code. After inlining, the function's constants are in
 * registers. */
QRT_AVX512 QRT_INLINE void two_rows(const int8_t *a, int32_t a_step, const int8_t *b, int32_t b_step, ptrdiff_t size,
                                    int8_t *y, codes_of_two function, const void *constants) {
    const __m512i a_all = _mm512_set1_epi8(*a), b_all = _mm512_set1_epi8(*b);
    for (; size >= 64; size -= 64, a += 64 * a_step, b += 64 * b_step, y += 64) {
        __m512i left = a_step != 0 ? _mm512_loadu_si512(a) : a_all;
        __m512i right = b_step != 0 ? _mm512_loadu_si512(b) : b_all;
        _mm512_storeu_si512(y, function(constants, left, right));
    }
    if (size > 0) {
        __mmask64 rest = first_bytes(size);
        __m512i left = a_step != 0 ? _mm512_maskz_loadu_epi8(rest, a) : a_all;
        __m512i right = b_step != 0 ? _mm512_maskz_loadu_epi8(rest, b) : b_all;
        _mm512_mask_storeu_epi8(y, rest, function(constants, left, right));
    }
}

/* The same for all rows of two tensors that broadcast. */
QRT_AVX512 QRT_INLINE void broadcast_rows(const qrt_broadcast *s, const int8_t *const *inputs, int8_t *output,
                                          codes_of_two function, const void *constants) {
    int32_t last = s->rank - 1;
    walk at_a = {{0}, 0}, at_b = {{0}, 0};
    for (ptrdiff_t row = row_count(s->rank, s->shape); row > 0; row--, output += s->shape[last]) {
        two_rows(inputs[0] + at_a.position, s->a_stride[last], inputs[1] + at_b.position, s->b_stride[last],
                 s->shape[last], output, function, constants);
        walk_next(&at_a, s->rank, s->shape, s->a_stride);
        walk_next(&at_b, s->rank, s->shape, s->b_stride);
    }
}

/* 32 codes of 64 as int16: the first, or the second half. */
QRT_AVX512 QRT_INLINE __m512i widen(__m512i codes, const int half) {
    return _mm512_cvtepi8_epi16(half == 0 ? _mm512_castsi512_si256(codes) : _mm512_extracti64x4_epi64(codes, 1));
}

/* 64 codes from four registers of int32; the first two are from unpacklo and unpackhi of 32 int16, as are the others.
 */
QRT_AVX512 QRT_INLINE __m512i narrow_unpacked(const __m512i y[4]) {
    __m512i codes = narrow_in_lanes(y[0], y[1], y[2], y[3]);
    return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), codes);
}

/* A per-tensor requantization. */
typedef struct requant_all {
    requant16 r;
    __m512i output_min, output_max;
    int32_t form; /* of lanes.h */
} requant_all;

/* For accumulators of at most `largest`. */
QRT_AVX512 QRT_INLINE requant_all requant_all_load(const qrt_requant *requant, int64_t largest) {
    requant_all all;
    qrt_lanes lanes = {.left = {0}};
    all.form = qrt_lane_fill(&lanes, 0, requant, 0, 0, largest);
    all.output_min = _mm512_set1_epi8((char)requant->output_min);
    all.output_max = _mm512_set1_epi8((char)requant->output_max);
    if (all.form == QRT_LANES_SLOW) return all;
    all.r.multiplier = _mm512_set1_epi32(lanes.multiplier[0]);
    all.r.multiplier_odd = all.r.multiplier;
    all.r.even = _mm512_set1_epi64(lanes.even[0]);
    all.r.odd = all.r.even;
    all.r.shift = _mm512_set1_epi32(lanes.shift[0]);
    all.r.left = _mm512_set1_epi32(lanes.left[0]);
    all.r.round = all.r.sign_shift = _mm512_setzero_si512();
    if (all.form == QRT_LANES_DOUBLE) {
        all.r.round = _mm512_set1_epi32(lanes.round[0]);
        all.r.sign_shift = _mm512_set1_epi32(lanes.sign_shift[0]);
    }
    return all;
}

#endif
#endif
