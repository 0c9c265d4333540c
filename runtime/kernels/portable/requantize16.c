/* SPDX-License-Identifier: Apache-2.0 */
/* requantize16.c: requantize from or to int16 in plain C99. */
#include "portable/portable.h"
#include "qrt_math16.h"

void qrt_requantize16_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_unary_params *p = params;
    qrt_channel requant = qrt_requant_channel(&p->requant, 0);
    (void)scratch;
    for (int32_t i = 0; i < p->size; i++) {
        qrt_put16(&p->requant, requant, qrt_code(inputs[0], p->x_int16, i) - p->x_zero_point, output, i);
    }
}
