/* SPDX-License-Identifier: Apache-2.0 */
/* mean16.c: mean with int16 codes in plain C99. */
#include "portable/portable.h"
#include "qrt_math16.h"

void qrt_mean16_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_mean_params *p = params;
    qrt_channel requant = qrt_requant_channel(&p->requant, 0);
    ptrdiff_t image = 0, index = 0;
    (void)scratch;
    for (int32_t n = 0; n < p->batch; n++, image += (ptrdiff_t)p->positions * p->channels) {
        for (int32_t channel = 0; channel < p->channels; channel++) {
            ptrdiff_t at = image + channel;
            int64_t acc = 0;
            for (int32_t position = 0; position < p->positions; position++, at += p->channels) {
                acc += qrt_code(inputs[0], p->x_int16, at) - p->x_zero_point;
            }
            qrt_put16(&p->requant, requant, acc, output, index++);
        }
    }
}
