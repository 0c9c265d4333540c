/* SPDX-License-Identifier: Apache-2.0 */
/* mean.c: mean in plain C99. */
#include "portable/average.h"
#include "portable/portable.h"

/* Channels [0, size) of one image, size <= QRT_SUM_BLOCK. */
static void mean_block(const qrt_mean_params *p, const int8_t *x, int32_t size, int8_t *y) {
    int32_t sum[QRT_SUM_BLOCK] = {0};
    add_positions(x, p->positions, p->channels, size, sum);
    put_means(p, sum, size, y);
}

void qrt_mean_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_mean_params *p = params;
    const int8_t *x = inputs[0];
    (void)scratch;
    for (int32_t n = 0; n < p->batch; n++) {
        for (int32_t channel = 0; channel < p->channels; channel += QRT_SUM_BLOCK) {
            int32_t left = p->channels - channel;
            mean_block(p, x + channel, left < QRT_SUM_BLOCK ? left : QRT_SUM_BLOCK, output + channel);
        }
        x += (ptrdiff_t)p->positions * p->channels;
        output += p->channels;
    }
}
