/* SPDX-License-Identifier: Apache-2.0 */
/* linear16.c: linear with int16 codes in plain C99. */
#include "portable/dot16.h"
#include "portable/portable.h"

void qrt_linear16_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_linear_params *p = params;
    ptrdiff_t at = 0, index = 0;
    (void)scratch;
    for (int32_t row = 0; row < p->rows; row++, at += p->in_features) {
        const int8_t *weights = p->weights;
        for (int32_t i = 0; i < p->out_features; i++, weights += p->in_features) {
            int64_t acc = dot_codes(inputs[0], at, p->x_int16, p->x_zero_point, weights, p->in_features);
            qrt_put16(&p->requant, qrt_requant_channel(&p->requant, i), acc, output, index++);
        }
    }
}
