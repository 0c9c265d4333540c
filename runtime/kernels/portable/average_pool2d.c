/* SPDX-License-Identifier: Apache-2.0 */
/* average_pool2d.c: average_pool2d in plain C99. */
#include "portable/average.h"
#include "portable/portable.h"

/* One output position, channels [channel, channel + size), size <= QRT_SUM_BLOCK. */
static void average_block(const qrt_pool2d_params *p, qrt_pool_window window, int32_t channel, int32_t size,
                          int8_t *y) {
    int32_t sum[QRT_SUM_BLOCK] = {0};
    for (int32_t row = 0; row < window.rows; row++) {
        const int8_t *x = window.x + (ptrdiff_t)row * p->in_width * p->channels + channel;
        add_positions(x, window.columns, p->channels, size, sum);
    }
    put_averages(p, sum, window.rows * window.columns, size, y + channel);
}

void qrt_average_pool2d_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_pool2d_params *p = params;
    const int8_t *image = inputs[0];
    (void)scratch;
    for (int32_t n = 0; n < p->batch; n++) {
        for (int32_t out_y = 0; out_y < p->out_height; out_y++) {
            for (int32_t out_x = 0; out_x < p->out_width; out_x++) {
                qrt_pool_window window = qrt_pool_window_at(p, image, out_y, out_x);
                for (int32_t channel = 0; channel < p->channels; channel += QRT_SUM_BLOCK) {
                    int32_t left = p->channels - channel;
                    average_block(p, window, channel, left < QRT_SUM_BLOCK ? left : QRT_SUM_BLOCK, output);
                }
                output += p->channels;
            }
        }
        image += (ptrdiff_t)p->in_height * p->in_width * p->channels;
    }
}
