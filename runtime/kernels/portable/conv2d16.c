/* SPDX-License-Identifier: Apache-2.0 */
/* conv2d16.c: conv2d with int16 codes in plain C99. */
#include "portable/dot16.h"
#include "portable/portable.h"

/* What a window of one group has in the image: where its first tap begins in the image and in a channel's weights. */
typedef struct seen {
    ptrdiff_t x, weights;
    int32_t rows, run_count, run_size; /* taps that are neighbours in memory are one run */
} seen;

static seen window_at(const qrt_conv2d_params *p, int32_t out_y, int32_t out_x) {
    int32_t channels = p->in_channels / p->groups;
    int32_t start_y = out_y * p->stride_y - p->pad_top, start_x = out_x * p->stride_x - p->pad_left;
    qrt_span rows = qrt_window(start_y, p->filter_height, p->dilation_y, p->in_height);
    qrt_span taps = qrt_window(start_x, p->filter_width, p->dilation_x, p->in_width);
    int32_t count = taps.last - taps.first, together = p->groups == 1 && p->dilation_x == 1;
    seen s = {.rows = count > 0 ? rows.last - rows.first : 0,
              .run_count = together ? 1 : count,
              .run_size = together ? count * channels : channels};
    ptrdiff_t in_y = start_y + (ptrdiff_t)rows.first * p->dilation_y;
    ptrdiff_t in_x = start_x + (ptrdiff_t)taps.first * p->dilation_x;
    s.x = (in_y * p->in_width + in_x) * p->in_channels;
    s.weights = ((ptrdiff_t)rows.first * p->filter_width + taps.first) * channels;
    return s;
}

static int64_t conv2d_acc(const qrt_conv2d_params *p, const int8_t *x, const seen *s, ptrdiff_t at,
                          const int8_t *weights) {
    int32_t channels = p->in_channels / p->groups;
    int64_t acc = 0;
    weights += s->weights;
    for (int32_t row = 0; row < s->rows; row++) {
        for (int32_t run = 0; run < s->run_count; run++) {
            ptrdiff_t from = at + (ptrdiff_t)run * p->dilation_x * p->in_channels;
            acc += dot_codes(x, from, p->x_int16, p->x_zero_point, weights + (ptrdiff_t)run * channels, s->run_size);
        }
        at += (ptrdiff_t)p->dilation_y * p->in_width * p->in_channels;
        weights += (ptrdiff_t)p->filter_width * channels;
    }
    return acc;
}

void qrt_conv2d16_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_conv2d_params *p = params;
    int32_t outputs = p->out_channels / p->groups, channels = p->in_channels / p->groups;
    ptrdiff_t filter_size = (ptrdiff_t)p->filter_height * p->filter_width * channels, image = 0, index = 0;
    (void)scratch;
    for (int32_t n = 0; n < p->batch; n++, image += (ptrdiff_t)p->in_height * p->in_width * p->in_channels) {
        for (int32_t out_y = 0; out_y < p->out_height; out_y++) {
            for (int32_t out_x = 0; out_x < p->out_width; out_x++) {
                seen s = window_at(p, out_y, out_x);
                for (int32_t channel = 0; channel < p->out_channels; channel++, index++) {
                    ptrdiff_t first = image + s.x + channel / outputs * channels;
                    int64_t acc = conv2d_acc(p, inputs[0], &s, first, p->weights + filter_size * channel);
                    qrt_put16(&p->requant, qrt_requant_channel(&p->requant, channel), acc, output, index);
                }
            }
        }
    }
}
