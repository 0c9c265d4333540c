/* SPDX-License-Identifier: Apache-2.0 */
/* linear16.c: linear with int16 codes by tiles. A position of a tile is a row. */
#include "arm/dsp/dsp.h"
#include "arm/dsp/tile16.h"
#include "arm/dsp/words16.h"

void qrt_linear16_s8_dsp(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_linear_params *p = params;
    const int16_t *x = qrt_codes16(inputs[0]);
    int16_t *y = qrt_output16(output);
    uint32_t *column = scratch;
    int32_t words = qrt_dsp_words16(1, p->in_features);
    for (int32_t left = p->rows, count; left > 0; left -= count) {
        count = left < QRT_DSP_POSITIONS ? 1 : QRT_DSP_POSITIONS;
        for (int32_t i = 0; i < count; i++, x += p->in_features) {
            column[(words - 1) * count + i] = 0; /* it may have no code */
            qrt_dsp_gather16(x, p->in_features, column + i, count);
        }
        qrt_dsp_tile16(column, words, p->packed, count, &p->requant, y, p->out_features);
        y += (ptrdiff_t)count * p->out_features;
    }
}
