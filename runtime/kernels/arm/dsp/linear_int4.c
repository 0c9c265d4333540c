/* SPDX-License-Identifier: Apache-2.0 */
/* linear_int4.c: linear by tiles, with DOUBLE requantization, of weights of int4. */
#include "arm/dsp/dsp.h"
#include "arm/dsp/linear.h"
#include "arm/dsp/tile_double_int4.h"

void qrt_linear_s8_dsp_int4(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    qrt_dsp_linear(params, inputs[0], output, scratch, &qrt_dsp_tiles_double_int4);
}
