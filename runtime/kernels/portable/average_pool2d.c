/* average_pool2d.c: average_pool2d in plain C99. */
#include "portable/average.h"
#include "portable/portable.h"
#include "qrt_math.h"

/* The accumulators of this many channels are on the stack. */
#define BLOCK 32

/* One output position, channels [channel, channel + size), size <= BLOCK. */
static void average_block(const qrt_pool2d_params *p, qrt_pool_window window, int32_t channel, int32_t size,
                          int8_t *y) {
    int32_t acc[BLOCK] = {0};
    int32_t count = window.rows * window.columns;
    int32_t zero_point = p->rounding == 1 ? p->x_zero_point : 0; /* HALF_EVEN alone counts from it */
    for (int32_t row = 0; row < window.rows; row++) {
        const int8_t *x = window.x + (ptrdiff_t)row * p->in_width * p->channels + channel;
        for (int32_t column = 0; column < window.columns; column++, x += p->channels) {
            for (int32_t i = 0; i < size; i++) acc[i] += x[i];
        }
    }
    for (int32_t i = 0; i < size; i++) {
        int32_t mean = average(acc[i] - count * zero_point, count, p->rounding) + zero_point;
        y[channel + i] = (int8_t)qrt_clamp(mean, p->output_min, p->output_max);
    }
}

void qrt_average_pool2d_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_pool2d_params *p = params;
    const int8_t *image = inputs[0];
    (void)scratch;
    for (int32_t n = 0; n < p->batch; n++) {
        for (int32_t out_y = 0; out_y < p->out_height; out_y++) {
            for (int32_t out_x = 0; out_x < p->out_width; out_x++) {
                qrt_pool_window window = qrt_pool_window_at(p, image, out_y, out_x);
                for (int32_t channel = 0; channel < p->channels; channel += BLOCK) {
                    int32_t left = p->channels - channel;
                    average_block(p, window, channel, left < BLOCK ? left : BLOCK, output);
                }
                output += p->channels;
            }
        }
        image += (ptrdiff_t)p->in_height * p->in_width * p->channels;
    }
}
