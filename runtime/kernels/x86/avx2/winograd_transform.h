/* SPDX-License-Identifier: Apache-2.0 */
/* winograd_transform.h: the transforms of Winograd's F(4x4, 3x3) with AVX2: of a tile's inputs, and of its sums.
 *
 * Along an axis, a last tile has 2, 3 or 4 outputs. Fewer than 4 leave points out of the six of x86/winograd.h, but use
 * the same G g G': F(3) is without -2, F(2) without 2 and -2.
 *
 *   F(3)   | 2 -1 -2  1  0 |                            F(2)
 *          | 0  6  3 -3  0 |         | 1  2  2  2  0 |         | 1  0 -1  0 |
 *     B' = | 0 -2  3 -1  0 |    A' = | 0  2 -2  4  0 |    B' = | 0  3  3  0 |    A' = | 1  1  1  0 |
 *          | 0 -1  0  1  0 |         | 0  2  2  8  2 |         | 0 -3  3  0 |         | 0  1 -1  1 |
 *          | 0  2 -1 -2  1 |                                   | 0 -1  0  1 |
 *
 * A' [...] A is then 12 times 12 or 6 times 6 times the output, and 24 times 24 with four. A row of B' has an absolute
 * sum of at most 12, so that B' d B is at most 18,432, an int16. Powers of two that are in a whole row of A' are not
 * multiplied: winograd_scale() is what is left.
 */
#ifndef QRT_AVX2_WINOGRAD_TRANSFORM_H
#define QRT_AVX2_WINOGRAD_TRANSFORM_H

#include "x86/winograd.h"
#include "x86/x86.h"

#ifdef QRT_X86

/* Tiles by their outputs along an axis. */
enum { WINOGRAD_4, WINOGRAD_3, WINOGRAD_2 };

static inline int32_t winograd_outputs(int kind) { return 4 - kind; }

static inline int winograd_has_point(int kind, int point) { return point < 5 - kind || point == 5; }

/* B' d of 16 channels. */
QRT_AVX2 QRT_INLINE void winograd_inputs_axis(const __m256i d[6], __m256i t[6], const int kind) {
#define ADD _mm256_add_epi16
#define SUB _mm256_sub_epi16
    if (kind == WINOGRAD_4) {
        __m256i a = SUB(_mm256_slli_epi16(d[2], 2), d[4]), b = SUB(_mm256_slli_epi16(d[1], 2), d[3]);
        __m256i c = SUB(d[4], d[2]), e = SUB(d[3], d[1]), f = ADD(e, e);
        t[0] = ADD(_mm256_slli_epi16(SUB(d[0], d[2]), 2), c);
        t[1] = ADD(a, b);
        t[2] = SUB(a, b);
        t[3] = ADD(c, f);
        t[4] = SUB(c, f);
        t[5] = SUB(SUB(d[5], d[3]), ADD(f, f));
    } else if (kind == WINOGRAD_3) {
        __m256i a = SUB(d[2], d[3]), b = ADD(d[1], d[1]), c = ADD(a, b);
        __m256i e = SUB(d[0], d[2]), f = SUB(d[1], d[3]);
        t[0] = SUB(ADD(e, e), f);
        t[1] = ADD(ADD(c, c), c);
        t[2] = ADD(SUB(a, b), ADD(d[2], d[2]));
        t[3] = SUB(d[3], d[1]);
        t[5] = ADD(SUB(d[4], d[2]), ADD(f, f));
    } else {
        __m256i a = ADD(d[2], d[1]), b = SUB(d[2], d[1]);
        t[0] = SUB(d[0], d[2]);
        t[1] = ADD(ADD(a, a), a);
        t[2] = ADD(ADD(b, b), b);
        t[5] = SUB(d[3], d[1]);
    }
#undef ADD
#undef SUB
}

/* B' d of `columns` columns of a tile's inputs, which begin at x and are `channels` apart. */
QRT_AVX2 QRT_INLINE void winograd_inputs_columns(const int16_t *x, ptrdiff_t pitch, ptrdiff_t channels, int32_t columns,
                                                 __m256i t[6][6], const int kind) {
    for (int32_t j = 0; j < columns; j++, x += channels) {
        __m256i d[6], u[6];
        QRT_UNROLL
        for (int i = 0; i < 6; i++) {
            if (i < winograd_outputs(kind) + 2) d[i] = _mm256_loadu_si256((const void *)(x + i * pitch));
        }
        winograd_inputs_axis(d, u, kind);
        QRT_UNROLL
        for (int i = 0; i < 6; i++) {
            if (winograd_has_point(kind, i)) t[i][j] = u[i];
        }
    }
}

/* (B' d) B, for the points of `row_kind`, to points `step` apart. */
QRT_AVX2 QRT_INLINE void winograd_inputs_rows(__m256i t[6][6], int row_kind, int16_t *to, ptrdiff_t step,
                                              const int kind) {
    for (int i = 0; i < 6; i++, to += 6 * step) {
        if (!winograd_has_point(row_kind, i)) continue;
        __m256i u[6];
        winograd_inputs_axis(t[i], u, kind);
        QRT_UNROLL
        for (int j = 0; j < 6; j++) {
            if (winograd_has_point(kind, j)) _mm256_store_si256((void *)(to + j * step), u[j]);
        }
    }
}

/* A' m of 8 channels, but for powers of two. */
QRT_AVX2 QRT_INLINE void winograd_sums_axis(const __m256i m[6], __m256i y[4], const int kind) {
#define ADD _mm256_add_epi32
#define SUB _mm256_sub_epi32
    __m256i a = ADD(m[1], m[2]), b = SUB(m[1], m[2]);
    if (kind == WINOGRAD_4) {
        __m256i c = ADD(m[3], m[4]), d = SUB(m[3], m[4]);
        y[0] = ADD(ADD(m[0], c), _mm256_slli_epi32(a, 2));
        y[1] = ADD(d, ADD(b, b));
        y[2] = ADD(c, a);
        y[3] = ADD(ADD(d, d), ADD(b, m[5]));
    } else if (kind == WINOGRAD_3) {
        __m256i c = ADD(a, m[3]);
        y[0] = ADD(m[0], ADD(c, c));
        y[1] = ADD(b, ADD(m[3], m[3]));
        y[2] = ADD(ADD(a, m[5]), _mm256_slli_epi32(m[3], 2));
    } else {
        y[0] = ADD(m[0], a);
        y[1] = ADD(m[5], b);
    }
#undef ADD
#undef SUB
}

/* Output i along an axis is now 3 * 2^winograd_scale() times what it should be. */
static inline int winograd_scale(int kind, int i) {
    if (kind == WINOGRAD_4) return i == 0 ? 3 : i == 1 ? 2 : 1;
    return kind == WINOGRAD_3 && i == 0 ? 2 : 1;
}

/* A' m for the points of `column_kind`; points are `step` apart. */
QRT_AVX2 QRT_INLINE void winograd_sums_columns(const int32_t *sums, ptrdiff_t step, int column_kind, __m256i s[4][6],
                                               const int kind) {
    for (int j = 0; j < 6; j++, sums += step) {
        if (!winograd_has_point(column_kind, j)) continue;
        __m256i m[6], y[4];
        QRT_UNROLL
        for (int i = 0; i < 6; i++) {
            if (winograd_has_point(kind, i)) m[i] = _mm256_load_si256((const void *)(sums + 6 * i * step));
        }
        winograd_sums_axis(m, y, kind);
        QRT_UNROLL
        for (int i = 0; i < 4; i++) {
            if (i < winograd_outputs(kind)) s[i][j] = y[i];
        }
    }
}

/* The accumulators: (A' m) A without its factor, `width` outputs of each row. Rows of `acc` are `line` apart. */
QRT_AVX2 QRT_INLINE void winograd_sums_rows(__m256i s[4][6], int row_kind, int32_t width, int32_t *acc, ptrdiff_t line,
                                            const int kind) {
    for (int i = 0; i < winograd_outputs(row_kind); i++, acc += line) {
        uint32_t factor = (uint32_t)QRT_WINOGRAD_NINTH << (3 - winograd_scale(row_kind, i));
        const __m256i ninth = _mm256_set1_epi32((int32_t)factor);
        __m256i y[4];
        winograd_sums_axis(s[i], y, kind);
        QRT_UNROLL
        for (int j = 0; j < 4; j++) {
            if (j >= winograd_outputs(kind) || (kind == WINOGRAD_2 && j >= width)) continue;
            y[j] = _mm256_srai_epi32(_mm256_mullo_epi32(y[j], ninth), 3 + winograd_scale(kind, j));
            _mm256_store_si256((void *)(acc + QRT_LANES * j), y[j]);
        }
    }
}

#endif
#endif
