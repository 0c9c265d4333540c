/* gather.h: bytes of 4 positions as the column of a tile. */
#ifndef QRT_DSP_GATHER_H
#define QRT_DSP_GATHER_H

#include "arm/dsp/tile.h"

/* Rows of `size` bytes, a multiple of 4 and not 0, `gap` bytes apart, of each position, until the column is full. The
 * assembly knows the places of the members. */
typedef struct qrt_dsp_rows {
    const int8_t *x[QRT_DSP_POSITIONS];
    uint32_t *column;
    int32_t size, gap;
    uint32_t *end;
} qrt_dsp_rows;

void qrt_dsp_gather(const qrt_dsp_rows *rows);

#endif
