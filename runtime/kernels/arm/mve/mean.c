/* SPDX-License-Identifier: Apache-2.0 */
/* mean.c: mean with MVE, 16 channels at a time. */
#include "arm/mve/factor.h"
#include "arm/mve/mve.h"
#include "arm/mve/sums.h"

void qrt_mean_s8_mve(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_mean_params *p = params;
    const mve_factor factor = mve_factor_of(&p->requant);
    const int8_t *x = inputs[0];
    int32_t zero = p->positions * p->x_zero_point;
    int is_double = p->requant.rounding == 1;
    (void)scratch;
    for (int32_t n = 0; n < p->batch; n++, x += (ptrdiff_t)p->positions * p->channels) {
        for (int32_t channel = 0; channel < p->channels; channel += 16) {
            int32_t left = p->channels - channel, lanes = left < 16 ? left : 16, sum[16];
            mve_sum(x + channel, p->positions, 1, p->channels, p->channels, lanes, sum);
            for (int32_t i = 0; i < lanes; i += 4) {
                int32x4_t acc = vsubq_n_s32(vldrwq_s32(sum + i), zero);
                vstrbq_p_s32(output + i, mve_times_factor(acc, &factor, is_double), vctp32q((uint32_t)(lanes - i)));
            }
            output += lanes;
        }
    }
}
