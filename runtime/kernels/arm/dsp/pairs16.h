/* SPDX-License-Identifier: Apache-2.0 */
/* pairs16.h: packing for tiles with int16 codes. */
#ifndef QRT_DSP_PAIRS16_H
#define QRT_DSP_PAIRS16_H

#include "arm/dsp/channels.h"

/* Whether tiles run these channels of int16 codes, to int16 codes. */
int qrt_dsp_pairs16_cover(const qrt_dsp_channels *channels);

/* Bytes of all pairs, when a column has so many words. */
size_t qrt_dsp_pairs16_size(int32_t channels, int32_t words);

/* Packs the weights, which are `runs` times `run` for each channel. */
void qrt_dsp_pairs16_pack(const qrt_dsp_channels *channels, int32_t runs, int32_t run, uint32_t *packed);

#endif
