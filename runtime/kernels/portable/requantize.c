/* SPDX-License-Identifier: Apache-2.0 */
/* requantize.c: requantize in plain C99. */
#include "portable/portable.h"
#include "qrt_math.h"

void qrt_requantize_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_unary_params *p = params;
    const int8_t *x = inputs[0];
    qrt_channel requant = qrt_requant_channel(&p->requant, 0);
    (void)scratch;
    for (int32_t i = 0; i < p->size; i++) output[i] = qrt_requantize(&p->requant, requant, x[i] - p->x_zero_point);
}
