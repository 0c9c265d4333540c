/* SPDX-License-Identifier: Apache-2.0 */
/* tile_single_int4.h: the tiles of tile_single.h, of weights of int4. */
#ifndef QRT_DSP_TILE_SINGLE_INT4_H
#define QRT_DSP_TILE_SINGLE_INT4_H

#include "arm/dsp/tile.h"

extern const qrt_dsp_tiles qrt_dsp_tiles_single_int4;

#endif
