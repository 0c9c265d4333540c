/* SPDX-License-Identifier: Apache-2.0 */
/* column_int4.h: the column of a tile whose weights are int4. */
#ifndef QRT_DSP_COLUMN_INT4_H
#define QRT_DSP_COLUMN_INT4_H

#include "arm/dsp/tile.h"

/* Makes of a column for int8 one for int4, see tile.h, and the tile's offsets: 8 times the codes that meet a weight
 * plus 8, of 16 times a sum. */
void qrt_dsp_column_int4(qrt_dsp_tile *tile, uint32_t *column, int32_t positions);

#endif
