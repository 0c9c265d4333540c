/* SPDX-License-Identifier: Apache-2.0 */
/* winograd_transforms.h: the transforms of inputs and of sums of x86/winograd.h, with AVX-512.
 *
 * A tile has 4 outputs along an axis; the last one of an axis may have 3 or 2 and then leaves points out: of
 * 0, 1, -1, 2, -2 and infinity, F(3, 3) needs all but -2, F(2, 3) neither 2 nor -2. The weights are the same, so their
 * scales are too, and B' and A' have what differs:
 *
 *        | 2 -1 -2  1  0 |                                   | 1  0 -1  0 |
 *        | 0  6  3 -3  0 |         | 1  2  2  2  0 |         | 0  3  3  0 |         | 1  1  1  0 |
 *   B' = | 0 -2  3 -1  0 |    A' = | 0  1 -1  2  0 |    B' = | 0 -3  3  0 |    A' = | 0  1 -1  1 |
 *        | 0 -1  0  1  0 |         | 0  1  1  4  1 |         | 0 -1  0  1 |
 *        | 0  2 -1 -2  1 |
 *
 * An absolute sum of 12 makes B' d B at most 18,432. Rows of A' are 3 * 2^n times what the outputs are, in F(4) too,
 * with an n for each row; so the shift behind the inverse of 9 is the row's n and the column's.
 */
#ifndef QRT_AVX512_WINOGRAD_TRANSFORMS_H
#define QRT_AVX512_WINOGRAD_TRANSFORMS_H

#include "x86/winograd.h"
#include "x86/x86.h"

#ifdef QRT_X86

/* Whether an axis with `outs` outputs has a point. */
#define HAS(outs, point) ((point) < 3 || (point) == 5 || (point) <= (outs))

/* Channels of a register. */
#define WIDE 32

/* B' d */
QRT_AVX512 QRT_INLINE void input_axis(const __m512i *d, __m512i *t, const int outs) {
    if (outs == 4) {
        __m512i a = _mm512_sub_epi16(_mm512_slli_epi16(d[2], 2), d[4]);
        __m512i b = _mm512_sub_epi16(_mm512_slli_epi16(d[1], 2), d[3]);
        __m512i c = _mm512_sub_epi16(d[4], d[2]), e = _mm512_slli_epi16(_mm512_sub_epi16(d[3], d[1]), 1);
        t[0] = _mm512_add_epi16(_mm512_slli_epi16(_mm512_sub_epi16(d[0], d[2]), 2), c);
        t[1] = _mm512_add_epi16(a, b);
        t[2] = _mm512_sub_epi16(a, b);
        t[3] = _mm512_add_epi16(c, e);
        t[4] = _mm512_sub_epi16(c, e);
        t[5] = _mm512_sub_epi16(_mm512_sub_epi16(d[5], d[3]), _mm512_slli_epi16(e, 1));
    } else if (outs == 3) {
        __m512i a = _mm512_sub_epi16(d[2], d[3]), b = _mm512_slli_epi16(d[1], 1);
        __m512i e = _mm512_add_epi16(b, a), f = _mm512_sub_epi16(d[1], d[3]);
        t[0] = _mm512_sub_epi16(_mm512_slli_epi16(_mm512_sub_epi16(d[0], d[2]), 1), f);
        t[1] = _mm512_add_epi16(_mm512_slli_epi16(e, 1), e);
        t[2] = _mm512_add_epi16(_mm512_sub_epi16(a, b), _mm512_slli_epi16(d[2], 1));
        t[3] = _mm512_sub_epi16(d[3], d[1]);
        t[5] = _mm512_add_epi16(_mm512_sub_epi16(d[4], d[2]), _mm512_slli_epi16(f, 1));
    } else {
        __m512i a = _mm512_add_epi16(d[2], d[1]), b = _mm512_sub_epi16(d[2], d[1]);
        t[0] = _mm512_sub_epi16(d[0], d[2]);
        t[1] = _mm512_add_epi16(_mm512_slli_epi16(a, 1), a);
        t[2] = _mm512_add_epi16(_mm512_slli_epi16(b, 1), b);
        t[5] = _mm512_sub_epi16(d[3], d[1]);
    }
}

/* Inputs of a row of tiles, with padding, and where the transformed ones go. */
typedef struct input_tiles {
    const int8_t *x;
    ptrdiff_t pitch, channels; /* bytes from row to row, from column to column */
    int16_t *to;
    ptrdiff_t point; /* int16 from point to point */
} input_tiles;

/* 32 channels, or 16 of a tile and 16 of the next one. */
QRT_AVX512 QRT_INLINE __m512i load_inputs(const int8_t *x, ptrdiff_t next, const int two) {
    if (!two) return _mm512_cvtepi8_epi16(_mm256_loadu_si256((const void *)x));
    __m256i first = _mm256_castsi128_si256(_mm_loadu_si128((const void *)x));
    return _mm512_cvtepi8_epi16(_mm256_inserti128_si256(first, _mm_loadu_si128((const void *)(x + next)), 1));
}

/* B' d B of channels [i, i + 32) of a tile, or, if `two`, of 16 channels of it and of the next one, which `kept`
 * leaves out or not. */
QRT_AVX512 QRT_INLINE void transform_inputs(const input_tiles *in, ptrdiff_t i, __mmask8 kept, const int two,
                                            const int high, const int wide) {
    __m512i t[6][6];
    QRT_UNROLL
    for (int x = 0; x < wide + 2; x++) {
        __m512i d[6], u[6];
        QRT_UNROLL
        for (int y = 0; y < high + 2; y++) {
            d[y] = load_inputs(in->x + y * in->pitch + x * in->channels + i, 4 * in->channels, two);
        }
        input_axis(d, u, high);
        QRT_UNROLL
        for (int point = 0; point < 6; point++) {
            if (HAS(high, point)) t[point][x] = u[point];
        }
    }
    QRT_UNROLL
    for (int y = 0; y < 6; y++) {
        __m512i u[6];
        if (!HAS(high, y)) continue;
        input_axis(t[y], u, wide);
        int16_t *to = in->to + 6 * y * in->point + i;
        QRT_UNROLL
        for (int x = 0; x < 6; x++) {
            if (!HAS(wide, x)) continue;
            if (two) _mm512_mask_storeu_epi64(to + x * in->point, kept, u[x]);
            if (!two) _mm512_storeu_si512(to + x * in->point, u[x]);
        }
    }
}

/* All channels, of which there are `depth` with what a register has beyond the last. */
QRT_AVX512 QRT_INLINE void transform_tile(const input_tiles *in, int32_t depth, const int high, const int wide) {
    for (int32_t i = 0; i < depth; i += WIDE) transform_inputs(in, i, 0xFF, 0, high, wide);
}

/* Channels up to 16 of a tile and, if `kept` has all bits, of the next one. */
QRT_AVX512 QRT_INLINE void transform_two(const input_tiles *in, __mmask8 kept, const int high, const int wide) {
    transform_inputs(in, 0, kept, 1, high, wide);
}

/* Exponents of 2 in the scales of the rows of A'. */
#define SCALE(outs, i) ((outs) == 4 ? ((i) == 0 ? 3 : (i) == 1 ? 2 : 1) : (outs) == 3 && (i) == 0 ? 2 : 1)

/* A' m */
QRT_AVX512 QRT_INLINE void output_axis(const __m512i *m, __m512i *y, const int outs) {
    __m512i p = _mm512_add_epi32(m[1], m[2]), q = _mm512_sub_epi32(m[1], m[2]);
    if (outs == 4) {
        __m512i r = _mm512_add_epi32(m[3], m[4]), s = _mm512_sub_epi32(m[3], m[4]);
        y[0] = _mm512_add_epi32(_mm512_add_epi32(m[0], r), _mm512_slli_epi32(p, 2));
        y[1] = _mm512_add_epi32(s, _mm512_slli_epi32(q, 1));
        y[2] = _mm512_add_epi32(r, p);
        y[3] = _mm512_add_epi32(_mm512_slli_epi32(s, 1), _mm512_add_epi32(q, m[5]));
    } else if (outs == 3) {
        y[0] = _mm512_add_epi32(m[0], _mm512_slli_epi32(_mm512_add_epi32(p, m[3]), 1));
        y[1] = _mm512_add_epi32(q, _mm512_slli_epi32(m[3], 1));
        y[2] = _mm512_add_epi32(_mm512_add_epi32(p, m[5]), _mm512_slli_epi32(m[3], 2));
    } else {
        y[0] = _mm512_add_epi32(m[0], p);
        y[1] = _mm512_add_epi32(m[5], q);
    }
}

/* A' m A of one block, with m [36][16], as accumulators: rows are `pitch` apart, columns `step`. */
QRT_AVX512 QRT_INLINE void transform_sums(const int32_t *m, int32_t *acc, ptrdiff_t pitch, ptrdiff_t step,
                                          const int high, const int wide) {
    const __m512i ninth = _mm512_set1_epi32(QRT_WINOGRAD_NINTH);
    __m512i s[4][6];
    QRT_UNROLL
    for (int x = 0; x < 6; x++) {
        __m512i column[6], y[4];
        if (!HAS(wide, x)) continue;
        QRT_UNROLL
        for (int i = 0; i < 6; i++) {
            if (HAS(high, i)) column[i] = _mm512_load_si512(m + (6 * i + x) * QRT_LANES);
        }
        output_axis(column, y, high);
        QRT_UNROLL
        for (int i = 0; i < high; i++) s[i][x] = y[i];
    }
    QRT_UNROLL
    for (int i = 0; i < high; i++) {
        __m512i y[4];
        output_axis(s[i], y, wide);
        QRT_UNROLL
        for (int x = 0; x < wide; x++) {
            y[x] = _mm512_srai_epi32(_mm512_mullo_epi32(y[x], ninth), (unsigned)(SCALE(high, i) + SCALE(wide, x)));
            _mm512_store_si512(acc + i * pitch + x * step, y[x]);
        }
    }
}

/* Calls `of` with the size of a tile as constants. */
#define WITH_SIZE(high, wide, of)                                                                                      \
    do {                                                                                                               \
        if ((high) == 4 && (wide) == 4) of(4, 4);                                                                      \
        if ((high) == 4 && (wide) == 3) of(4, 3);                                                                      \
        if ((high) == 4 && (wide) == 2) of(4, 2);                                                                      \
        if ((high) == 3 && (wide) == 4) of(3, 4);                                                                      \
        if ((high) == 3 && (wide) == 3) of(3, 3);                                                                      \
        if ((high) == 3 && (wide) == 2) of(3, 2);                                                                      \
        if ((high) == 2 && (wide) == 4) of(2, 4);                                                                      \
        if ((high) == 2 && (wide) == 3) of(2, 3);                                                                      \
        if ((high) == 2 && (wide) == 2) of(2, 2);                                                                      \
    } while (0)

QRT_AVX512 static void tile_inputs(const input_tiles *in, int32_t depth, int32_t high, int32_t wide) {
#define OF(h, w) transform_tile(in, depth, h, w)
    WITH_SIZE(high, wide, OF);
#undef OF
}

QRT_AVX512 static void two_inputs(const input_tiles *in, __mmask8 kept, int32_t high, int32_t wide) {
#define OF(h, w) transform_two(in, kept, h, w)
    WITH_SIZE(high, wide, OF);
#undef OF
}

/* All blocks of a tile. */
QRT_AVX512 static void tile_sums(const int32_t *m, int32_t blocks, int32_t *acc, ptrdiff_t pitch, int32_t high,
                                 int32_t wide) {
    ptrdiff_t step = (ptrdiff_t)blocks * QRT_LANES;
    for (int32_t i = 0; i < blocks; i++, m += QRT_WINOGRAD_POINTS * QRT_LANES, acc += QRT_LANES) {
#define OF(h, w) transform_sums(m, acc, pitch, step, h, w)
        WITH_SIZE(high, wide, OF);
#undef OF
    }
}

#endif
#endif
