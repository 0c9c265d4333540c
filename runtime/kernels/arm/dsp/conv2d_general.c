/* SPDX-License-Identifier: Apache-2.0 */
/* conv2d_general.c: conv2d by tiles, with any requantization and any weights. */
#include "arm/dsp/conv2d.h"
#include "arm/dsp/dsp.h"
#include "arm/dsp/tile_general.h"

void qrt_conv2d_s8_dsp_general(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    qrt_dsp_conv2d(params, inputs[0], output, scratch, &qrt_dsp_tiles_general);
}
