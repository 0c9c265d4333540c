/* tile_double.h: tiles with the DOUBLE requantization of requant.h. */
#ifndef QRT_DSP_TILE_DOUBLE_H
#define QRT_DSP_TILE_DOUBLE_H

#include "arm/dsp/tile.h"

/* The words at the end of a pair: multiplier and power of channel 0, of channel 1, and the zero point. */
#define QRT_DSP_DOUBLE_END 5

extern const qrt_dsp_tiles qrt_dsp_tiles_double;

#endif
