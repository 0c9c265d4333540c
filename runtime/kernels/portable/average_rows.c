/* SPDX-License-Identifier: Apache-2.0 */
/* average_rows.c: averages over whole images whose rows come one after another, in plain C99. */
#include "portable/average_rows.h"

#include <string.h>

#include "portable/average.h"

static int32_t block_size(int32_t left) { return left < QRT_SUM_BLOCK ? left : QRT_SUM_BLOCK; }

void qrt_add_positions(const int8_t *x, int32_t positions, int32_t channels, int8_t *sums) {
    int32_t sum[QRT_SUM_BLOCK];
    for (int32_t channel = 0; channel < channels; channel += QRT_SUM_BLOCK) {
        int32_t size = block_size(channels - channel);
        int8_t *place = sums + (ptrdiff_t)channel * (ptrdiff_t)sizeof *sum;
        memcpy(sum, place, (size_t)size * sizeof *sum);
        add_positions(x + channel, positions, channels, size, sum);
        memcpy(place, sum, (size_t)size * sizeof *sum);
    }
}

/* Codes are written where sums have been read already: those of a block lie in front of the sums of the next. */
void qrt_mean_of_sums(const qrt_mean_params *p, int8_t *sums) {
    int32_t sum[QRT_SUM_BLOCK];
    for (int32_t channel = 0; channel < p->channels; channel += QRT_SUM_BLOCK) {
        int32_t size = block_size(p->channels - channel);
        memcpy(sum, sums + (ptrdiff_t)channel * (ptrdiff_t)sizeof *sum, (size_t)size * sizeof *sum);
        put_means(p, sum, size, sums + channel);
    }
}

void qrt_average_of_sums(const qrt_pool2d_params *p, int8_t *sums) {
    int32_t sum[QRT_SUM_BLOCK], count = p->in_height * p->in_width;
    for (int32_t channel = 0; channel < p->channels; channel += QRT_SUM_BLOCK) {
        int32_t size = block_size(p->channels - channel);
        memcpy(sum, sums + (ptrdiff_t)channel * (ptrdiff_t)sizeof *sum, (size_t)size * sizeof *sum);
        put_averages(p, sum, count, size, sums + channel);
    }
}
