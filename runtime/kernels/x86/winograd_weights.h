/* SPDX-License-Identifier: Apache-2.0 */
/* winograd_weights.h: G g G' of winograd.h with AVX2: when weights are packed, or each time they are used. */
#ifndef QRT_WINOGRAD_WEIGHTS_H
#define QRT_WINOGRAD_WEIGHTS_H

#include "x86/winograd.h"
#include "x86/x86.h"

#ifdef QRT_X86

/* G g */
QRT_AVX2 QRT_INLINE void winograd_weights_axis(const __m256i g[3], __m256i u[6]) {
    const __m256i six = _mm256_set1_epi16(6);
    __m256i outer = _mm256_add_epi16(g[0], g[2]), far = _mm256_add_epi16(g[0], _mm256_slli_epi16(g[2], 2));
    __m256i twice = _mm256_add_epi16(g[1], g[1]);
    u[0] = _mm256_mullo_epi16(g[0], six);
    u[1] = _mm256_add_epi16(outer, g[1]);
    u[2] = _mm256_sub_epi16(outer, g[1]);
    u[3] = _mm256_add_epi16(far, twice);
    u[4] = _mm256_sub_epi16(far, twice);
    u[5] = _mm256_mullo_epi16(g[2], six);
}

/* G g G' of 16 weights for each tap, which are `step` apart, to points `point` apart. */
QRT_AVX2 QRT_INLINE void winograd_weights(const int8_t *taps, ptrdiff_t step, int16_t *to, ptrdiff_t point) {
    __m256i columns[3][6];
    QRT_UNROLL
    for (int x = 0; x < 3; x++) {
        __m256i g[3];
        QRT_UNROLL
        for (int y = 0; y < 3; y++)
            g[y] = _mm256_cvtepi8_epi16(_mm_loadu_si128((const void *)(taps + (3 * y + x) * step)));
        winograd_weights_axis(g, columns[x]);
    }
    QRT_UNROLL
    for (int i = 0; i < 6; i++) {
        __m256i row[3] = {columns[0][i], columns[1][i], columns[2][i]}, u[6];
        winograd_weights_axis(row, u);
        QRT_UNROLL
        for (int j = 0; j < 6; j++) _mm256_store_si256((void *)(to + (6 * i + j) * point), u[j]);
    }
}

#endif
#endif
