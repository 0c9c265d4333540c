/* SPDX-License-Identifier: Apache-2.0 */
/* matmul16.c: matmul with int16 codes in plain C99. */
#include "portable/portable.h"
#include "qrt_math16.h"

static int64_t matmul_acc(const qrt_matmul_params *p, const int8_t *const *inputs, ptrdiff_t a, ptrdiff_t b) {
    int64_t acc = 0;
    for (int32_t k = 0; k < p->depth; k++) {
        int32_t a_code = qrt_code(inputs[0], p->x_int16, a + k), b_code = qrt_code(inputs[1], p->x_int16, b + k);
        acc += (int64_t)(a_code - p->a_zero_point) * (b_code - p->b_zero_point);
    }
    return acc;
}

void qrt_matmul16_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_matmul_params *p = params;
    qrt_channel requant = qrt_requant_channel(&p->requant, 0);
    ptrdiff_t a = 0, index = 0;
    (void)scratch;
    for (ptrdiff_t row = 0; row < (ptrdiff_t)p->batch * p->rows; row++, a += p->depth) {
        ptrdiff_t b = row / p->rows * p->b_step;
        for (int32_t column = 0; column < p->columns; column++, b += p->depth) {
            qrt_put16(&p->requant, requant, matmul_acc(p, inputs, a, b), output, index++);
        }
    }
}
