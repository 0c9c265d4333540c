/* SPDX-License-Identifier: Apache-2.0 */
/* dwconv2d16.c: dwconv2d with int16 codes in plain C99. */
#include "portable/dot16.h"
#include "portable/portable.h"

/* The sums of this many channels are on the stack. */
#define BLOCK 16

/* Sums of neighbouring output channels: of products that an int32 holds, and of all. */
typedef struct sums {
    int32_t part[BLOCK];
    int32_t products; /* of each channel in `part` */
    int64_t all[BLOCK];
} sums;

static void add_parts(sums *s, int32_t size) {
    for (int32_t i = 0; i < size; i++) {
        s->all[i] += s->part[i];
        s->part[i] = 0;
    }
    s->products = 0;
}

/* part[i] += (x - zero_point) * w[i] for the channels from `channel` on, of one tap, whose inputs are at `at`. */
static void add_tap(const qrt_conv2d_params *p, const int8_t *x, ptrdiff_t at, const int8_t *weights, int32_t channel,
                    int32_t size, sums *s) {
    int32_t depth_multiplier = p->out_channels / p->in_channels, zero_point = p->x_zero_point;
    if (depth_multiplier > 1) {
        for (int32_t i = 0; i < size; i++) {
            int32_t code = qrt_code(x, p->x_int16, at + (channel + i) / depth_multiplier);
            s->part[i] += (code - zero_point) * weights[i];
        }
    } else if (p->x_int16) {
        const int16_t *codes = qrt_codes16(x) + at + channel;
        for (int32_t i = 0; i < size; i++) s->part[i] += (codes[i] - zero_point) * weights[i];
    } else {
        const int8_t *codes = x + at + channel;
        for (int32_t i = 0; i < size; i++) s->part[i] += (codes[i] - zero_point) * weights[i];
    }
    if (++s->products == QRT_PRODUCTS) add_parts(s, size);
}

/* The filter positions that lie in the image, and where the first begins in it. */
typedef struct taps {
    qrt_span rows, columns;
    ptrdiff_t first;
} taps;

static taps taps_at(const qrt_conv2d_params *p, int32_t out_y, int32_t out_x) {
    int32_t start_y = out_y * p->stride_y - p->pad_top, start_x = out_x * p->stride_x - p->pad_left;
    taps t = {qrt_window(start_y, p->filter_height, p->dilation_y, p->in_height),
              qrt_window(start_x, p->filter_width, p->dilation_x, p->in_width), 0};
    ptrdiff_t in_y = start_y + (ptrdiff_t)t.rows.first * p->dilation_y;
    ptrdiff_t in_x = start_x + (ptrdiff_t)t.columns.first * p->dilation_x;
    t.first = (in_y * p->in_width + in_x) * p->in_channels;
    return t;
}

static void dwconv2d_block(const qrt_conv2d_params *p, const int8_t *x, ptrdiff_t image, const taps *t, int32_t channel,
                           int32_t size, sums *s) {
    ptrdiff_t line = image + t->first;
    for (int32_t i = 0; i < size; i++) s->part[i] = 0, s->all[i] = 0;
    s->products = 0;
    for (int32_t filter_y = t->rows.first; filter_y < t->rows.last; filter_y++) {
        ptrdiff_t at = line;
        for (int32_t filter_x = t->columns.first; filter_x < t->columns.last; filter_x++) {
            const int8_t *weights = p->weights + ((ptrdiff_t)filter_y * p->filter_width + filter_x) * p->out_channels;
            add_tap(p, x, at, weights + channel, channel, size, s);
            at += (ptrdiff_t)p->dilation_x * p->in_channels;
        }
        line += (ptrdiff_t)p->dilation_y * p->in_width * p->in_channels;
    }
    add_parts(s, size);
}

void qrt_dwconv2d16_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_conv2d_params *p = params;
    ptrdiff_t image = 0, index = 0;
    (void)scratch;
    for (int32_t n = 0; n < p->batch; n++, image += (ptrdiff_t)p->in_height * p->in_width * p->in_channels) {
        for (int32_t out_y = 0; out_y < p->out_height; out_y++) {
            for (int32_t out_x = 0; out_x < p->out_width; out_x++) {
                taps t = taps_at(p, out_y, out_x);
                for (int32_t channel = 0, size; channel < p->out_channels; channel += size) {
                    sums s;
                    size = p->out_channels - channel < BLOCK ? p->out_channels - channel : BLOCK;
                    dwconv2d_block(p, inputs[0], image, &t, channel, size, &s);
                    for (int32_t i = 0; i < size; i++, index++) {
                        qrt_channel own = qrt_requant_channel(&p->requant, channel + i);
                        qrt_put16(&p->requant, own, s.all[i], output, index);
                    }
                }
            }
        }
    }
}
