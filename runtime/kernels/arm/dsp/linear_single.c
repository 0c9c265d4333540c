/* SPDX-License-Identifier: Apache-2.0 */
/* linear_single.c: linear by tiles, with SINGLE requantization. */
#include "arm/dsp/dsp.h"
#include "arm/dsp/linear.h"
#include "arm/dsp/tile_single.h"

void qrt_linear_s8_dsp_single(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    qrt_dsp_linear(params, inputs[0], output, scratch, &qrt_dsp_tiles_single);
}
