/* SPDX-License-Identifier: Apache-2.0 */
/* matmul.c: matmul in plain C99. */
#include "portable/portable.h"
#include "qrt_math.h"

void qrt_matmul_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_matmul_params *p = params;
    const int8_t *a = inputs[0];
    qrt_channel requant = qrt_requant_channel(&p->requant, 0);
    (void)scratch;
    for (ptrdiff_t row = 0; row < (ptrdiff_t)p->batch * p->rows; row++, a += p->depth) {
        const int8_t *b = inputs[1] + row / p->rows * p->b_step;
        for (int32_t column = 0; column < p->columns; column++, b += p->depth) {
            int32_t acc = 0;
            for (int32_t k = 0; k < p->depth; k++) acc += (a[k] - p->a_zero_point) * (b[k] - p->b_zero_point);
            *output++ = qrt_requantize(&p->requant, requant, acc);
        }
    }
}
