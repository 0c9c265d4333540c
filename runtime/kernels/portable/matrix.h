/* SPDX-License-Identifier: Apache-2.0 */
/* matrix.h: transposes that exchange two groups of axes: channels first and last, channel shuffles. Each group is
 * contiguous in the input, so this exchanges the rows and columns of matrices. */
#ifndef QRT_PORTABLE_MATRIX_H
#define QRT_PORTABLE_MATRIX_H

#include "portable/walk.h"

/* y[i * rows + j] = x[j * step + i], for each of the matrices counted by the axes before `outer`. */
typedef struct matrix {
    ptrdiff_t rows, columns, step;
    int32_t outer;
} matrix;

static inline int lies_at(const qrt_transpose_params *p, int32_t axis, ptrdiff_t stride) {
    return axis >= 0 && (p->out_shape[axis] == 1 || p->in_stride[axis] == stride);
}

/* With one row or one column where there is no such matrix. */
static inline matrix find_matrix(const qrt_transpose_params *p) {
    int32_t axis = p->rank - 1;
    matrix m = {1, 1, p->in_stride[axis], 0};
    for (; lies_at(p, axis, m.step * m.rows); axis--) m.rows *= p->out_shape[axis];
    for (; lies_at(p, axis, m.columns); axis--) m.columns *= p->out_shape[axis];
    m.outer = axis + 1;
    return m;
}

/* Exchanges all of them. */
static inline void turn_all(const qrt_transpose_params *p, const matrix *m, const int8_t *x, int8_t *y,
                            void (*turn)(const int8_t *x, const matrix *m, int8_t *y)) {
    walk at = {{0}, 0};
    for (ptrdiff_t i = row_count(m->outer + 1, p->out_shape); i > 0; i--, y += m->rows * m->columns) {
        turn(x + at.position, m, y);
        walk_next(&at, m->outer + 1, p->out_shape, p->in_stride);
    }
}

#endif
