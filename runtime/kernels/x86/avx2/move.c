/* SPDX-License-Identifier: Apache-2.0 */
/* move.c: transpose and resize2d with AVX2. */
#include "portable/matrix.h"
#include "portable/portable.h"
#include "portable/resize2d.h"
#include "x86/avx2/avx2.h"
#include "x86/x86.h"

#ifdef QRT_X86

#define TILE 16
/* Columns that a tile of fewer rows needs: its last column is written 16 codes wide, into the four after it. */
#define ROOM (TILE + 4)

QRT_AVX2 QRT_INLINE __m128i load_16(const int8_t *x) { return _mm_loadu_si128((const __m128i *)x); }

QRT_AVX2 QRT_INLINE void store_16(int8_t *y, __m128i codes) { _mm_storeu_si128((__m128i *)y, codes); }

/* 16 columns of at most 16 rows; a shorter column overwrites the codes after it. Interleaving one half of the rows with
 * the other, four times, exchanges rows and columns. */
QRT_AVX2 QRT_INLINE void turn_tile(const int8_t *x, ptrdiff_t step, int32_t rows, int8_t *y, ptrdiff_t y_step) {
    __m128i tile[TILE], mixed[TILE];
    for (int32_t j = 0; j < TILE; j++) tile[j] = j < rows ? load_16(x + j * step) : _mm_setzero_si128();
    QRT_UNROLL
    for (int round = 0; round < 4; round++) {
        QRT_UNROLL
        for (int i = 0; i < TILE / 2; i++) {
            mixed[2 * i] = _mm_unpacklo_epi8(tile[i], tile[i + TILE / 2]);
            mixed[2 * i + 1] = _mm_unpackhi_epi8(tile[i], tile[i + TILE / 2]);
        }
        QRT_UNROLL
        for (int i = 0; i < TILE; i++) tile[i] = mixed[i];
    }
    QRT_UNROLL
    for (int i = 0; i < TILE; i++) store_16(y + i * y_step, tile[i]);
}

/* 16 columns of 2 to 4 rows, in groups of four from which `squeeze` removes the missing rows; overwrites as above. */
QRT_AVX2 QRT_INLINE void turn_few(const int8_t *x, ptrdiff_t step, int32_t rows, __m128i squeeze, int8_t *y) {
    __m128i a = load_16(x), b = load_16(x + step), c = _mm_setzero_si128(), d = c;
    if (rows > 2) c = load_16(x + 2 * step);
    if (rows > 3) d = load_16(x + 3 * step);
    __m128i ab = _mm_unpacklo_epi8(a, b), cd = _mm_unpacklo_epi8(c, d);
    store_16(y, _mm_shuffle_epi8(_mm_unpacklo_epi16(ab, cd), squeeze));
    store_16(y + 4 * rows, _mm_shuffle_epi8(_mm_unpackhi_epi16(ab, cd), squeeze));
    ab = _mm_unpackhi_epi8(a, b);
    cd = _mm_unpackhi_epi8(c, d);
    store_16(y + 8 * rows, _mm_shuffle_epi8(_mm_unpacklo_epi16(ab, cd), squeeze));
    store_16(y + 12 * rows, _mm_shuffle_epi8(_mm_unpackhi_epi16(ab, cd), squeeze));
}

/* 2 to 15 rows. */
QRT_AVX2 static void turn_narrow(const int8_t *x, const matrix *m, int8_t *y) {
    int8_t places[TILE];
    int32_t rows = (int32_t)m->rows;
    ptrdiff_t i = 0;
    for (int32_t k = 0; k < TILE; k++) places[k] = (int8_t)(k < 4 * rows ? k / rows * 4 + k % rows : -1);
    for (; i + ROOM <= m->columns; i += TILE) {
        if (rows <= 4) {
            turn_few(x + i, m->step, rows, load_16(places), y + i * rows);
        } else {
            turn_tile(x + i, m->step, rows, y + i * rows, rows);
        }
    }
    for (; i < m->columns; i++) {
        for (int32_t j = 0; j < rows; j++) y[i * rows + j] = x[j * m->step + i];
    }
}

/* At least 16 rows and columns; the last tiles overlap the previous ones to end with the matrix. */
QRT_AVX2 static void turn_wide(const int8_t *x, const matrix *m, int8_t *y) {
    for (ptrdiff_t i = 0; i < m->columns; i += TILE) {
        ptrdiff_t column = i + TILE <= m->columns ? i : m->columns - TILE;
        for (ptrdiff_t j = 0; j < m->rows; j += TILE) {
            ptrdiff_t row = j + TILE <= m->rows ? j : m->rows - TILE;
            turn_tile(x + row * m->step + column, m->step, TILE, y + column * m->rows + row, m->rows);
        }
    }
}

static void transpose_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_transpose_params *p = params;
    matrix m = find_matrix(p);
    if (m.rows == 1 || m.columns < (m.rows < TILE ? ROOM : TILE)) {
        qrt_transpose_s8(params, inputs, output, scratch);
        return;
    }
    turn_all(p, &m, inputs[0], output, m.rows < TILE ? turn_narrow : turn_wide);
}

const qrt_kernel qrt_transpose_avx2 = {.run = transpose_run};

/* Neighbouring codes as pairs of int16, weighted and added by one instruction; 8 of 16 channels. */
QRT_AVX2 QRT_INLINE __m256i weigh_pair(__m256i left, __m256i right, __m256i weights, const int half) {
    __m256i pairs = half == 0 ? _mm256_unpacklo_epi16(left, right) : _mm256_unpackhi_epi16(left, right);
    return _mm256_madd_epi16(pairs, weights);
}

/* At least 16 channels; the last register overlaps the previous one to end with the channels. */
QRT_AVX2 static void interpolate(const int8_t *top, ptrdiff_t below, ptrdiff_t right, int32_t v, int32_t u,
                                 int32_t channels, int8_t *output) {
    const __m256i weights = _mm256_set1_epi32(u << 16 | (1024 - u)), half_step = _mm256_set1_epi32(1 << 19);
    const __m256i upper = _mm256_set1_epi32(1024 - v), lower = _mm256_set1_epi32(v);
    for (int32_t i = 0; i < channels; i += TILE) {
        if (i + TILE > channels) i = channels - TILE;
        __m256i a = _mm256_cvtepi8_epi16(load_16(top + i)), b = _mm256_cvtepi8_epi16(load_16(top + i + right));
        __m256i c = _mm256_cvtepi8_epi16(load_16(top + i + below));
        __m256i d = _mm256_cvtepi8_epi16(load_16(top + i + below + right)), y[2];
        QRT_UNROLL
        for (int half = 0; half < 2; half++) {
            __m256i sum = _mm256_mullo_epi32(weigh_pair(a, b, weights, half), upper);
            sum = _mm256_add_epi32(sum, _mm256_mullo_epi32(weigh_pair(c, d, weights, half), lower));
            /* Ties away from zero. */
            sum = _mm256_add_epi32(_mm256_add_epi32(sum, half_step), _mm256_srai_epi32(sum, 31));
            y[half] = _mm256_srai_epi32(sum, 20);
        }
        __m256i words = _mm256_packs_epi32(y[0], y[1]);
        store_16(output + i, _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
    }
}

static void resize2d_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_resize2d_params *p = params;
    if (p->channels < TILE) {
        qrt_resize2d_s8(params, inputs, output, scratch);
    } else {
        resize2d(p, inputs[0], output, interpolate);
    }
}

const qrt_kernel qrt_resize2d_avx2 = {.run = resize2d_run};

#endif
