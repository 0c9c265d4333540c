/* SPDX-License-Identifier: Apache-2.0 */
/* clamp.c: clamp in plain C99. */
#include "portable/portable.h"

void qrt_clamp_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_unary_params *p = params;
    const int8_t *x = inputs[0];
    int8_t minimum = (int8_t)p->requant.output_min, maximum = (int8_t)p->requant.output_max;
    (void)scratch;
    for (int32_t i = 0; i < p->size; i++) {
        int8_t code = x[i] < minimum ? minimum : x[i];
        output[i] = code > maximum ? maximum : code;
    }
}
