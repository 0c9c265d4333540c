/* SPDX-License-Identifier: Apache-2.0 */
/* conv2d_single_int4.c: conv2d by tiles, with SINGLE requantization, of weights of int4. */
#include "arm/dsp/conv2d.h"
#include "arm/dsp/dsp.h"
#include "arm/dsp/tile_single_int4.h"

void qrt_conv2d_s8_dsp_single_int4(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    qrt_dsp_conv2d(params, inputs[0], output, scratch, &qrt_dsp_tiles_single_int4);
}
