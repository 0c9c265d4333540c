/* tile_single.h: tiles with the SINGLE requantization of requant.h. */
#ifndef QRT_DSP_TILE_SINGLE_H
#define QRT_DSP_TILE_SINGLE_H

#include "arm/dsp/tile.h"

/* The words at the end of a pair: multiplier, rest and shift of channel 0, and of 256 times channel 1. */
#define QRT_DSP_SINGLE_END 6

extern const qrt_dsp_tiles qrt_dsp_tiles_single;

#endif
