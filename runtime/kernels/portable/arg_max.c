/* SPDX-License-Identifier: Apache-2.0 */
/* arg_max.c: arg_max in plain C99. */
#include "portable/portable.h"

void qrt_arg_max_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_arg_max_params *p = params;
    const int8_t *x = inputs[0];
    (void)scratch;
    for (int32_t row = 0; row < p->rows; row++, x += p->channels) {
        int32_t best = 0;
        for (int32_t i = 1; i < p->channels; i++) best = x[i] > x[best] ? i : best;
        output[row] = (int8_t)(best - 128);
    }
}
