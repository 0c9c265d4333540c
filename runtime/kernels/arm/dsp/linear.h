/* SPDX-License-Identifier: Apache-2.0 */
/* linear.h: linear by tiles: what run and pack share. A position of a tile is a row. */
#ifndef QRT_DSP_LINEAR_H
#define QRT_DSP_LINEAR_H

#include "arm/dsp/tile.h"

/* Places of a row's column. */
static inline int32_t qrt_dsp_linear_places(const qrt_linear_params *p) { return (p->in_features + 3) & ~3; }

void qrt_dsp_linear(const qrt_linear_params *p, const int8_t *input, int8_t *output, void *scratch,
                    const qrt_dsp_tiles *tiles);

#endif
