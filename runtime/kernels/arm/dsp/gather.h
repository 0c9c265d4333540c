/* SPDX-License-Identifier: Apache-2.0 */
/* gather.h: bytes of 4 positions as the column of a tile. */
#ifndef QRT_DSP_GATHER_H
#define QRT_DSP_GATHER_H

#include "arm/dsp/tile.h"

/* `size` bytes of one position; the last word is filled up with zeros. */
static inline uint32_t *qrt_dsp_gather_one(const int8_t *x, int32_t size, uint32_t *column, int32_t positions) {
    for (; size >= 4; size -= 4, x += 4, column += 2 * positions) {
        uint32_t bytes = load_word(x);
        column[0] = sxtb16(bytes);
        column[positions] = sxtb16_ror8(bytes);
    }
    if (size > 0) {
        column[0] = word_of(x[0], size > 2 ? x[2] : 0);
        column[positions] = word_of(size > 1 ? x[1] : 0, 0);
        column += 2 * positions;
    }
    return column;
}

/* What is gathered of 4 positions: `count` rows, at least 1, each of `size` bytes, a multiple of 4, for the column,
 * and `tail` bytes that are copied to `tails`, where positions lie `tail_size` apart. Rows are `gap` bytes apart.
 * The column and the tails are left behind what was gathered. The assembly knows the places of the members. */
typedef struct qrt_dsp_rows {
    const int8_t *x[QRT_DSP_POSITIONS];
    uint32_t *column;
    int32_t size, gap, count;
    int8_t *tails;
    int32_t tail, tail_size;
} qrt_dsp_rows;

void qrt_dsp_gather(qrt_dsp_rows *rows);

#endif
