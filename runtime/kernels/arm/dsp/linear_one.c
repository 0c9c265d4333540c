/* SPDX-License-Identifier: Apache-2.0 */
/* linear_one.c: linear with a single feature: dot products of bytes as they lie. A column of widened codes, which pays
 * off where several features meet it, would be written for one use. */
#include "arm/dsp/dsp.h"
#include "arm/dsp/instructions.h"
#include "qrt_math.h"

static int32_t dot_bytes(const int8_t *x, int32_t zero_point, const int8_t *weights, int32_t size, int32_t acc) {
    const uint32_t minus = word_of(-zero_point, -zero_point);
    const int8_t *end = x + size / 4 * 4;
    for (; x != end; x += 4, weights += 4) {
        uint32_t codes = load_word(x), factors = load_word(weights);
        acc = smlad(sxtab16(minus, codes), sxtb16(factors), acc);
        acc = smlad(sxtab16_ror8(minus, codes), sxtb16_ror8(factors), acc);
    }
    for (int32_t i = 0; i < size % 4; i++) acc += (x[i] - zero_point) * weights[i];
    return acc;
}

void qrt_linear_s8_dsp_one(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_linear_params *p = params;
    const int8_t *x = inputs[0];
    (void)scratch;
    for (int32_t row = 0; row < p->rows; row++, x += p->in_features) {
        int32_t acc = p->requant.bias != NULL ? p->requant.bias[0] : 0;
        acc = dot_bytes(x, p->x_zero_point, p->weights, p->in_features, acc);
        qrt_put_channels(&p->requant, 0, &acc, 1, output, row);
    }
}
