/* SPDX-License-Identifier: Apache-2.0 */
/* conv2d_row.h: packing for conv2d, and for a dwconv2d of one input channel, which is one. */
#ifndef QRT_DSP_CONV2D_ROW_H
#define QRT_DSP_CONV2D_ROW_H

#include "arm/dsp/pairs.h"

/* `kind` and `by_place` are those of pairs.h. */
int qrt_dsp_conv2d_covers(const qrt_conv2d_params *p, int32_t kind, int32_t by_place);
size_t qrt_dsp_conv2d_packed_size(const qrt_conv2d_params *p, int32_t kind);
void qrt_dsp_conv2d_pack(const qrt_conv2d_params *p, int32_t kind, int32_t by_place, uint32_t *packed);

#endif
