/* SPDX-License-Identifier: Apache-2.0 */
/* tile16.h: the products of conv2d and linear with int16 codes, by the tiles of tile_sums.h.
 *
 * The column has the codes as they are: of every 2 places of the window one word for each of 4 positions.
 */
#ifndef QRT_DSP_TILE16_H
#define QRT_DSP_TILE16_H

#include "arm/dsp/tile_general.h"
#include "qrt_math16.h"

/* The results of 1 or 4 positions, which lie `channels` codes apart from y on. `column` has `words` for each. */
void qrt_dsp_tile16(const uint32_t *column, int32_t words, const void *packed, int32_t positions,
                    const qrt_requant *requant, int16_t *y, int32_t channels);

#endif
