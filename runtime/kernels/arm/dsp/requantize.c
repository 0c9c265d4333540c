/* SPDX-License-Identifier: Apache-2.0 */
/* requantize.c: requantize by a table, which is made of the 256 codes that there are. */
#include "arm/dsp/dsp.h"
#include "arm/dsp/look_up.h"
#include "arm/dsp/words.h"
#include "qrt_math.h"

QRT_DSP_LOOP static void requantize_codes(const qrt_unary_params *p, const int8_t *x, int8_t *y, int32_t size) {
    qrt_channel requant = qrt_requant_channel(&p->requant, 0);
    for (int32_t i = 0; i < size; i++) y[i] = qrt_requantize(&p->requant, requant, x[i] - p->x_zero_point);
}

void qrt_requantize_s8_dsp(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_unary_params *p = params;
    int8_t *table = scratch;
    if (p->size < 256) {
        requantize_codes(p, inputs[0], output, p->size);
        return;
    }
    for (int32_t i = 0; i < 256; i++) table[i] = (int8_t)(i - 128);
    requantize_codes(p, table, table, 256);
    look_up(table, inputs[0], output, p->size);
}
