/* SPDX-License-Identifier: Apache-2.0 */
/* linear.c: linear by tiles, with DOUBLE requantization. */
#include "arm/dsp/linear.h"

#include "arm/dsp/dsp.h"
#include "arm/dsp/gather.h"
#include "arm/dsp/requant.h"
#include "arm/dsp/tile_double.h"

void qrt_dsp_linear(const qrt_linear_params *p, const int8_t *input, int8_t *output, void *scratch,
                    const qrt_dsp_tiles *tiles) {
    uint32_t *column = scratch;
    int32_t words = qrt_dsp_linear_places(p) / 2, size = p->out_features;
    int8_t *first = output;
    qrt_dsp_tile tile = {
        .stride = p->requant.wide ? 4 * size : size, .column = column, .packed = p->packed, .requant = &p->requant};
    for (int32_t left = p->rows, count; left > 0; left -= count) {
        count = left < QRT_DSP_POSITIONS ? 1 : QRT_DSP_POSITIONS;
        for (int32_t i = 0; i < count; i++, input += p->in_features) {
            qrt_dsp_gather_one(input, p->in_features, column + i, count);
        }
        tile.output = output;
        tile.end = output + size;
        tile.column_end = column + count * words;
        if (tiles->before != NULL) tiles->before(&tile, column, count);
        (count == 1 ? tiles->one : tiles->four)(&tile);
        output += (ptrdiff_t)count * tile.stride;
    }
    qrt_dsp_clamp(&p->requant, first, (ptrdiff_t)p->rows * size);
}

void qrt_linear_s8_dsp(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    qrt_dsp_linear(params, inputs[0], output, scratch, &qrt_dsp_tiles_double);
}
