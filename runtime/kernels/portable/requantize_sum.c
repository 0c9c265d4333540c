/* SPDX-License-Identifier: Apache-2.0 */
/* requantize_sum.c: requantize_sum in plain C99. */
#include <string.h>

#include "portable/portable.h"
#include "qrt_math.h"

void qrt_requantize_sum_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_requantize_sum_params *p = params;
    const qrt_requant *requant = &p->requant;
    const int8_t *a = inputs[0], *b = inputs[1];
    (void)scratch;
    for (int32_t row = 0; row < p->rows; row++) {
        for (int32_t channel = 0; channel < p->channels; channel++, a += sizeof(int32_t)) {
            int32_t entry = channel * requant->step, acc;
            memcpy(&acc, a, sizeof acc);
            int64_t sum = (int64_t)acc * requant->multiplier[entry] + *b++ * p->b_multiplier[entry];
            int64_t y = (sum + requant->addend[entry]) >> requant->shift[entry];
            *output++ = (int8_t)qrt_clamp64(y, requant->output_min, requant->output_max);
        }
    }
}
