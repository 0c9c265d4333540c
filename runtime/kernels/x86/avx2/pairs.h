/* SPDX-License-Identifier: Apache-2.0 */
/* pairs.h: conv2d and linear by vpmaddwd: products of positions of a band and packed weights, pairs at a time. */
#ifndef QRT_AVX2_PAIRS_H
#define QRT_AVX2_PAIRS_H

#include "x86/avx2/image.h"
#include "x86/product.h"

#ifdef QRT_X86

#define PAIR 2

/* A set that adds the products of pairs in one instruction defines both before. */
#ifndef PAIRS
#define PAIRS QRT_AVX2
#define ADD_PAIRS(sum, x, w) _mm256_add_epi32(sum, _mm256_madd_epi16(x, w))
#endif

/* acc [positions][vectors * 8]; `offset` has one entry for each pair. Both counts are constants; accumulators, weights
 * and an input fit the 16 registers. */
PAIRS QRT_INLINE void multiply(const int16_t *const *x, const int32_t *offset, int32_t pairs, const int8_t *weights,
                               int32_t *acc, const int positions, const int vectors) {
    __m256i sum[8][2];
    const int16_t *from[8];
    QRT_UNROLL
    for (int m = 0; m < positions; m++) {
        from[m] = x[m];
        sum[m][0] = sum[m][1] = _mm256_setzero_si256();
    }
    for (int32_t i = 0; i < pairs; i++, weights += PAIR * QRT_LANES) {
        __m256i w[2];
        w[0] = _mm256_cvtepi8_epi16(_mm_load_si128((const __m128i *)weights));
        if (vectors > 1) w[1] = _mm256_cvtepi8_epi16(_mm_load_si128((const __m128i *)(weights + 16)));
        ptrdiff_t at = offset[i];
        QRT_UNROLL
        for (int m = 0; m < positions; m++) {
            int32_t pair;
            memcpy(&pair, from[m] + at, sizeof pair);
            __m256i all = _mm256_set1_epi32(pair);
            sum[m][0] = ADD_PAIRS(sum[m][0], all, w[0]);
            if (vectors > 1) sum[m][1] = ADD_PAIRS(sum[m][1], all, w[1]);
        }
    }
    QRT_UNROLL
    for (int m = 0; m < positions; m++) {
        _mm256_store_si256((__m256i *)(acc + 8 * m * vectors), sum[m][0]);
        if (vectors > 1) _mm256_store_si256((__m256i *)(acc + 8 * (m * vectors + 1)), sum[m][1]);
    }
}

/* The positions of a table for one block. */
PAIRS static inline void multiply_16(const int16_t *const *x, int32_t positions, const int32_t *offset, int32_t pairs,
                                     const int8_t *weights, int32_t *acc) {
    int32_t m = 0;
    for (; m + 6 <= positions; m += 6) multiply(x + m, offset, pairs, weights, acc + 16 * m, 6, 2);
    for (; m + 3 <= positions; m += 3) multiply(x + m, offset, pairs, weights, acc + 16 * m, 3, 2);
    for (; m < positions; m++) multiply(x + m, offset, pairs, weights, acc + 16 * m, 1, 2);
}

PAIRS static inline void multiply_8(const int16_t *const *x, int32_t positions, const int32_t *offset, int32_t pairs,
                                    const int8_t *weights, int32_t *acc) {
    int32_t m = 0;
    for (; m + 8 <= positions; m += 8) multiply(x + m, offset, pairs, weights, acc + 8 * m, 8, 1);
    for (; m + 3 <= positions; m += 3) multiply(x + m, offset, pairs, weights, acc + 8 * m, 3, 1);
    for (; m < positions; m++) multiply(x + m, offset, pairs, weights, acc + 8 * m, 1, 1);
}

static inline int32_t pair_count(const qrt_product *product) { return product->runs * product->chunks; }

/* Scratch: offsets of the pairs, then the band. */
static inline size_t offsets_size(const qrt_product *product) {
    return ((size_t)pair_count(product) * sizeof(int32_t) + 63) / 64 * 64;
}

static inline void set_offsets(const qrt_conv2d_params *p, const qrt_product *product, const qrt_band *band,
                               int32_t *offset) {
    int32_t taps = product->runs / p->filter_height; /* 1, or each filter position is a run of its own */
    for (int32_t run = 0; run < product->runs; run++) {
        ptrdiff_t first = qrt_band_tap(band, p, run / taps, run % taps);
        for (int32_t i = 0; i < product->chunks; i++) *offset++ = (int32_t)(first + i * PAIR);
    }
}

#endif
#endif
