/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_rows.h: operators that make some rows of their output, axis 1, instead of all.
 *
 * Freestanding C99, without a table of the schema, so that a program on a device may link this alone.
 */
#ifndef QRT_ROWS_H
#define QRT_ROWS_H

#include "engine/qrt_params.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Whether qrt_take_rows() takes rows of an operator: one of qrt_count_of()'s whose input and output have rank 4 and
 * batch 1, and whose rows are made of rows. So a concat is along the width or the channels, a slice takes rows one
 * after another, and the rows that a resize2d reads do not decrease. */
int qrt_has_rows(const qrt_node *node);

/* What an operator has as many of as of rows, or a multiple of that: rows, positions or codes of its output. NULL where
 * parameters count nothing of that kind. */
int32_t *qrt_count_of(int32_t kind, qrt_params *params);

/* Makes the parameters of an operator with `height` rows those of its rows [begin, end), begin < end. first[i] becomes
 * the row of input i which is to be the first that run() gets, in one piece with those behind it; inputs behind the
 * second are like the second, and 0 also stands for an input that all rows share. It reads only what these rows need:
 * of an operator with windows p->in_height rows, which are 0 where windows see nothing but padding. Such a row `first`
 * is then the next one that is there, or the input's end. */
void qrt_take_rows(int32_t kind, qrt_params *params, int32_t height, int32_t begin, int32_t end, int32_t first[2]);

#ifdef __cplusplus
}
#endif
#endif
