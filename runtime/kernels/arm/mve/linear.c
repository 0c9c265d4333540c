/* SPDX-License-Identifier: Apache-2.0 */
/* linear.c: linear with Helium. */
#include "arm/mve/mve.h"
#include "arm/mve/tile.h"

void qrt_linear_s8_mve(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_linear_params *p = params;
    qrt_mve_tile tile;
    qrt_mve_begin(&tile, &p->requant, p->packed, p->in_features, p->out_features);
    tile.x[0] = inputs[0];
    tile.y[0] = output;
    tile.x_step = p->in_features;
    tile.count = p->rows;
    (void)scratch;
    qrt_mve_one_position(&tile);
}
