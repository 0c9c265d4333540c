/* SPDX-License-Identifier: Apache-2.0 */
/* clamp16.c: clamp of int16 codes in plain C99. */
#include "portable/portable.h"
#include "qrt_math16.h"

void qrt_clamp16_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_unary_params *p = params;
    const int16_t *x = qrt_codes16(inputs[0]);
    int16_t *y = qrt_output16(output);
    (void)scratch;
    for (int32_t i = 0; i < p->size; i++) {
        y[i] = (int16_t)qrt_clamp(x[i], p->requant.output_min, p->requant.output_max);
    }
}
