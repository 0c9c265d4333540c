/* SPDX-License-Identifier: Apache-2.0 */
/* linear_single_int4.c: linear by tiles, with SINGLE requantization, of weights of int4. */
#include "arm/dsp/dsp.h"
#include "arm/dsp/linear.h"
#include "arm/dsp/tile_single_int4.h"

void qrt_linear_s8_dsp_single_int4(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    qrt_dsp_linear(params, inputs[0], output, scratch, &qrt_dsp_tiles_single_int4);
}
