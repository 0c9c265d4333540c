/* tile_general.h: a tile with any requantization and any weights. */
#ifndef QRT_DSP_TILE_GENERAL_H
#define QRT_DSP_TILE_GENERAL_H

#include "arm/dsp/tile.h"
#include "qrt_math.h"

/* The end of a pair, in words: a qrt_channel for either channel. */
#define QRT_DSP_TILE_GENERAL_END ((int32_t)(2 * sizeof(qrt_channel) / sizeof(uint32_t)))

void qrt_dsp_tile_general(const qrt_dsp_tile *tile);

#endif
