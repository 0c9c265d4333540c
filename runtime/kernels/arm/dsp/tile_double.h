/* tile_double.h: a tile with the DOUBLE requantization of requant.h. */
#ifndef QRT_DSP_TILE_DOUBLE_H
#define QRT_DSP_TILE_DOUBLE_H

#include "arm/dsp/tile.h"

/* The end of a pair: multiplier and power of channel 0, of channel 1, and the zero point. */
#define QRT_DSP_TILE_DOUBLE_END 5

void qrt_dsp_tile_double(const qrt_dsp_tile *tile);

#endif
