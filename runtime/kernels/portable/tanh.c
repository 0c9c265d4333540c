/* SPDX-License-Identifier: Apache-2.0 */
/* tanh.c: tanh of int16 codes in plain C99. */
#include "portable/gates.h"
#include "portable/portable.h"
#include "qrt_math16.h"

void qrt_tanh_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_gate_params *p = params;
    const int16_t *x = qrt_codes16(inputs[0]);
    int16_t *y = qrt_output16(output);
    (void)scratch;
    for (int32_t i = 0; i < p->size; i++) {
        y[i] = (int16_t)qrt_tanh16(qrt_gate_scaled(x[i], p->multiplier, p->shift));
    }
}
