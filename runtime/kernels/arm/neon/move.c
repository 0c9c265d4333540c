/* SPDX-License-Identifier: Apache-2.0 */
/* move.c: transpose and resize2d with NEON. */
#include "arm/neon/requant.h"
#include "arm/neon/rows.h"
#include "portable/matrix.h"
#include "portable/portable.h"
#include "portable/resize2d.h"

#ifdef QRT_NEON

#define TILE 16

/* 16 columns of 16 rows. Interleaving one half of the rows with the other, four times, exchanges rows and columns. */
QRT_NEON_INLINE void turn_tile(const int8_t *x, ptrdiff_t step, int8_t *y, ptrdiff_t y_step) {
    int8x16_t tile[TILE], mixed[TILE];
    QRT_NEON_UNROLL
    for (int j = 0; j < TILE; j++) tile[j] = vld1q_s8(x + j * step);
    QRT_NEON_UNROLL
    for (int round = 0; round < 4; round++) {
        QRT_NEON_UNROLL
        for (int i = 0; i < TILE / 2; i++) {
            mixed[2 * i] = vzip1q_s8(tile[i], tile[i + TILE / 2]);
            mixed[2 * i + 1] = vzip2q_s8(tile[i], tile[i + TILE / 2]);
        }
        QRT_NEON_UNROLL
        for (int i = 0; i < TILE; i++) tile[i] = mixed[i];
    }
    QRT_NEON_UNROLL
    for (int i = 0; i < TILE; i++) vst1q_s8(y + i * y_step, tile[i]);
}

/* At least 16 rows and columns; the last tiles overlap the previous ones to end with the matrix. */
static void turn_wide(const int8_t *x, const matrix *m, int8_t *y) {
    for (ptrdiff_t i = 0; i < m->columns; i += TILE) {
        ptrdiff_t column = i + TILE <= m->columns ? i : m->columns - TILE;
        for (ptrdiff_t j = 0; j < m->rows; j += TILE) {
            ptrdiff_t row = j + TILE <= m->rows ? j : m->rows - TILE;
            turn_tile(x + row * m->step + column, m->step, y + column * m->rows + row, m->rows);
        }
    }
}

/* 2 to 4 rows of at least 16 columns: a store that interleaves. */
static void turn_few_rows(const int8_t *x, const matrix *m, int8_t *y) {
    for (ptrdiff_t i = 0; i < m->columns; i += TILE) {
        ptrdiff_t column = i + TILE <= m->columns ? i : m->columns - TILE;
        const int8_t *from = x + column;
        int8_t *to = y + column * m->rows;
        int8x16_t a = vld1q_s8(from), b = vld1q_s8(from + m->step);
        if (m->rows == 2) {
            int8x16x2_t rows = {{a, b}};
            vst2q_s8(to, rows);
        } else if (m->rows == 3) {
            int8x16x3_t rows = {{a, b, vld1q_s8(from + 2 * m->step)}};
            vst3q_s8(to, rows);
        } else {
            int8x16x4_t rows = {{a, b, vld1q_s8(from + 2 * m->step), vld1q_s8(from + 3 * m->step)}};
            vst4q_s8(to, rows);
        }
    }
}

/* 2 to 4 columns of at least 16 rows, one row right behind the other: a load that separates them. */
static void turn_few_columns(const int8_t *x, const matrix *m, int8_t *y) {
    for (ptrdiff_t j = 0; j < m->rows; j += TILE) {
        ptrdiff_t row = j + TILE <= m->rows ? j : m->rows - TILE;
        const int8_t *from = x + row * m->columns;
        int8_t *to = y + row;
        int8x16x4_t columns;
        if (m->columns == 2) {
            int8x16x2_t two = vld2q_s8(from);
            columns.val[0] = two.val[0];
            columns.val[1] = two.val[1];
        } else if (m->columns == 3) {
            int8x16x3_t three = vld3q_s8(from);
            columns.val[0] = three.val[0];
            columns.val[1] = three.val[1];
            columns.val[2] = three.val[2];
        } else {
            columns = vld4q_s8(from);
        }
        for (ptrdiff_t i = 0; i < m->columns; i++) vst1q_s8(to + i * m->rows, columns.val[i]);
    }
}

static void transpose_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_transpose_params *p = params;
    matrix m = find_matrix(p);
    if (m.rows >= TILE && m.columns >= TILE) {
        turn_all(p, &m, inputs[0], output, turn_wide);
    } else if (m.rows > 1 && m.rows <= 4 && m.columns >= TILE) {
        turn_all(p, &m, inputs[0], output, turn_few_rows);
    } else if (m.columns > 1 && m.columns <= 4 && m.rows >= TILE && m.step == m.columns) {
        turn_all(p, &m, inputs[0], output, turn_few_columns);
    } else {
        qrt_transpose_s8(params, inputs, output, scratch);
    }
}

#define CODES 8

/* 4 of the sums of four neighbours; weights are at most 2^10. */
QRT_NEON_INLINE int32x4_t weigh_rows(int32x4_t top, int32x4_t bottom, int32x4_t upper, int32x4_t lower) {
    int32x4_t sum = vmlaq_s32(vmulq_s32(top, upper), bottom, lower);
    return vrshrq_n_s32(vsraq_n_s32(sum, sum, 31), 20); /* ties away from zero */
}

/* At least 8 channels; the last codes overlap the previous ones to end with the channels. */
static void interpolate(const int8_t *top, ptrdiff_t below, ptrdiff_t right, int32_t v, int32_t u, int32_t channels,
                        int8_t *output) {
    const int16x4_t near = vdup_n_s16((int16_t)(1024 - u)), far = vdup_n_s16((int16_t)u);
    const int32x4_t upper = vdupq_n_s32(1024 - v), lower = vdupq_n_s32(v);
    for (int32_t i = 0; i < channels; i += CODES) {
        if (i + CODES > channels) i = channels - CODES;
        int16x8_t a = vmovl_s8(vld1_s8(top + i)), b = vmovl_s8(vld1_s8(top + i + right));
        int16x8_t c = vmovl_s8(vld1_s8(top + i + below)), d = vmovl_s8(vld1_s8(top + i + below + right));
        int32x4_t y[2];
        y[0] = weigh_rows(vmlal_s16(vmull_s16(vget_low_s16(a), near), vget_low_s16(b), far),
                          vmlal_s16(vmull_s16(vget_low_s16(c), near), vget_low_s16(d), far), upper, lower);
        y[1] = weigh_rows(vmlal_s16(vmull_s16(vget_high_s16(a), near), vget_high_s16(b), far),
                          vmlal_s16(vmull_s16(vget_high_s16(c), near), vget_high_s16(d), far), upper, lower);
        vst1_s8(output + i, vmovn_s16(vcombine_s16(vmovn_s32(y[0]), vmovn_s32(y[1]))));
    }
}

static void resize2d_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_resize2d_params *p = params;
    if (p->channels < CODES) {
        qrt_resize2d_s8(params, inputs, output, scratch);
    } else {
        resize2d(p, inputs[0], output, interpolate);
    }
}

void qrt_moves_neon(qrt_kernels *kernels) {
    kernels->transpose.run = transpose_run;
    kernels->resize2d.run = resize2d_run;
}

#endif
