/* tile_single.h: a tile with the SINGLE requantization of requant.h. */
#ifndef QRT_DSP_TILE_SINGLE_H
#define QRT_DSP_TILE_SINGLE_H

#include "arm/dsp/tile.h"

/* The end of a pair: multiplier, addend and shift of channel 0, then of 256 times channel 1. */
#define QRT_DSP_TILE_SINGLE_END 6

void qrt_dsp_tile_single(const qrt_dsp_tile *tile);

#endif
