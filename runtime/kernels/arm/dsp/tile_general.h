/* tile_general.h: tiles with any requantization and any weights. */
#ifndef QRT_DSP_TILE_GENERAL_H
#define QRT_DSP_TILE_GENERAL_H

#include "arm/dsp/tile.h"
#include "qrt_math.h"

/* The words at the end of a pair: a qrt_channel for either channel. */
#define QRT_DSP_GENERAL_END ((int32_t)(2 * sizeof(qrt_channel) / sizeof(uint32_t)))

extern const qrt_dsp_tiles qrt_dsp_tiles_general;

#endif
