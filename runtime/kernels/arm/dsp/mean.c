/* SPDX-License-Identifier: Apache-2.0 */
/* mean.c: mean, four channels at a time. */
#include "arm/dsp/dsp.h"
#include "arm/dsp/sums.h"
#include "arm/dsp/words.h"

/* Adds the sums of 4 channels, which begin at x, over at most SUM16 positions. */
QRT_DSP_LOOP static void add_sums(const int8_t *x, int32_t positions, int32_t channels, int32_t *sums) {
    rectangle r = {x, 1, positions, 0, channels};
    sums16 s = sum_few(&r, x);
    sums[0] += low_half(s.even);
    sums[1] += low_half(s.odd);
    sums[2] += high_half(s.even);
    sums[3] += high_half(s.odd);
}

/* The mean of 4 channels, which begin at x. */
static void mean_four(const qrt_mean_params *p, const int8_t *x, qrt_channel requant, int8_t *y) {
    int32_t none = -p->positions * p->x_zero_point, sums[4] = {none, none, none, none};
    for (int32_t left = p->positions; left > 0; left -= SUM16, x += SUM16 * (ptrdiff_t)p->channels) {
        add_sums(x, left < SUM16 ? left : SUM16, p->channels, sums);
    }
    for (int32_t i = 0; i < 4; i++) y[i] = qrt_requantize(&p->requant, requant, sums[i]);
}

void qrt_mean_s8_dsp(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_mean_params *p = params;
    const int8_t *x = inputs[0];
    qrt_channel requant = qrt_requant_channel(&p->requant, 0);
    (void)scratch;
    for (int32_t n = 0; n < p->batch; n++, x += (ptrdiff_t)p->positions * p->channels, output += p->channels) {
        for (int32_t channel = 0; channel < p->channels; channel += 4) {
            int32_t first = four_from(channel, p->channels);
            mean_four(p, x + first, requant, output + first);
        }
    }
}
