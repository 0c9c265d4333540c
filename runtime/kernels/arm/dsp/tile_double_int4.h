/* SPDX-License-Identifier: Apache-2.0 */
/* tile_double_int4.h: the tiles of tile_double.h, of weights of int4. */
#ifndef QRT_DSP_TILE_DOUBLE_INT4_H
#define QRT_DSP_TILE_DOUBLE_INT4_H

#include "arm/dsp/tile.h"

extern const qrt_dsp_tiles qrt_dsp_tiles_double_int4;

#endif
