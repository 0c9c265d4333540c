/* SPDX-License-Identifier: Apache-2.0 */
/* tile_sums.h: the sums of tiles whose words have the bytes of both channels, for any requantization. */
#ifndef QRT_DSP_TILE_SUMS_H
#define QRT_DSP_TILE_SUMS_H

#include "arm/dsp/tile.h"

/* The sums of a pair at 4 positions and at one, channel by channel. Both return what follows the weights. */
const uint32_t *qrt_dsp_sums_of_four(const qrt_dsp_tile *t, const uint32_t *packed, int32_t *sums);
const uint32_t *qrt_dsp_sums_of_one(const qrt_dsp_tile *t, const uint32_t *packed, int32_t *sums);

#endif
