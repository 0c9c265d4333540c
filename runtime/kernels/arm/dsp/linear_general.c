/* SPDX-License-Identifier: Apache-2.0 */
/* linear_general.c: linear by tiles, with any requantization and any weights. */
#include "arm/dsp/dsp.h"
#include "arm/dsp/linear.h"
#include "arm/dsp/tile_general.h"

void qrt_linear_s8_dsp_general(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    qrt_dsp_linear(params, inputs[0], output, scratch, &qrt_dsp_tiles_general);
}
