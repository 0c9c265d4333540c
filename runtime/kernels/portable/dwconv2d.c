/* SPDX-License-Identifier: Apache-2.0 */
/* dwconv2d.c: dwconv2d in plain C99. */
#include "portable/portable.h"
#include "qrt_int4.h"
#include "qrt_math.h"

/* The accumulators of this many channels are on the stack. Microcontrollers have little of it. */
#define BLOCK 32

/* Taps along one axis of the filter: where the first begins in the image and in the weights, and how far apart they
 * are. */
typedef struct line {
    const int8_t *x, *weights;
    ptrdiff_t x_step, weights_step;
} line;

/* acc[i] += x[i] * w[i] for one tap or for three, which read and write an accumulator once. */
static void add_channels(const line *at, int32_t zero_point, int32_t size, int32_t *restrict acc) {
    const int8_t *restrict x = at->x, *restrict weights = at->weights;
    int8_t zero = (int8_t)zero_point;
    for (int32_t i = 0; i < size; i++) acc[i] += (x[i] - zero) * weights[i];
}

static void add_channels_of_three(const line *at, int32_t zero_point, int32_t size, int32_t *restrict acc) {
    const int8_t *restrict x = at->x, *restrict weights = at->weights;
    ptrdiff_t x1 = at->x_step, x2 = 2 * x1, w1 = at->weights_step, w2 = 2 * w1;
    int8_t zero = (int8_t)zero_point;
    for (int32_t i = 0; i < size; i++, x++, weights++) {
        acc[i] += (x[0] - zero) * weights[0] + (x[x1] - zero) * weights[w1] + (x[x2] - zero) * weights[w2];
    }
}

/* acc[i] += x[0] * w[i]: the channels share their input. */
static void add_shared(const line *at, int32_t zero_point, int32_t size, int32_t *restrict acc) {
    const int8_t *restrict weights = at->weights;
    int16_t x = (int16_t)(*at->x - zero_point);
    for (int32_t i = 0; i < size; i++) acc[i] += x * weights[i];
}

static void add_shared_of_three(const line *at, int32_t zero_point, int32_t size, int32_t *restrict acc) {
    const int8_t *restrict weights = at->weights;
    ptrdiff_t w1 = at->weights_step, w2 = 2 * w1;
    int16_t x0 = (int16_t)(at->x[0] - zero_point), x1 = (int16_t)(at->x[at->x_step] - zero_point);
    int16_t x2 = (int16_t)(at->x[2 * at->x_step] - zero_point);
    for (int32_t i = 0; i < size; i++, weights++) acc[i] += x0 * weights[0] + x1 * weights[w1] + x2 * weights[w2];
}

/* Neighbouring output channels that one pass over the image computes: `count` <= BLOCK of them, which see
 * all different input channels (depth_multiplier 1) or all the same. */
typedef struct block {
    int32_t first, count;
    int shared;
    int32_t in_channel; /* of the first */
} block;

/* The run of channels of at most BLOCK from `first` on. */
static void dwconv2d_channels(const qrt_conv2d_params *p, int32_t first, block *b) {
    int32_t depth_multiplier = p->out_channels / p->in_channels;
    /* Blocks do not cross from one of these runs to the next. */
    int32_t run = depth_multiplier == 1 ? p->out_channels : depth_multiplier;
    int32_t left = run - first % run;
    b->first = first;
    b->count = left < BLOCK ? left : BLOCK;
    b->shared = depth_multiplier > 1;
    b->in_channel = first / depth_multiplier;
}

static void add_line(const block *b, line at, int32_t taps, int32_t zero_point, int32_t *acc) {
    for (; taps >= 3; taps -= 3) {
        (b->shared ? add_shared_of_three : add_channels_of_three)(&at, zero_point, b->count, acc);
        at.x += 3 * at.x_step;
        at.weights += 3 * at.weights_step;
    }
    for (; taps > 0; taps--) {
        (b->shared ? add_shared : add_channels)(&at, zero_point, b->count, acc);
        at.x += at.x_step;
        at.weights += at.weights_step;
    }
}

/* The rows of the filter that lie in the image: where the first begins in the image and in the weights, and their
 * count. */
typedef struct overlap {
    const int8_t *x, *weights;
    int32_t rows;
} overlap;

/* Sums of one block at the position whose filter begins at column `start_x` of the image, from the bias on. */
static void dwconv2d_position(const qrt_conv2d_params *p, const block *b, overlap at, int32_t start_x, int32_t *acc) {
    qrt_span span = qrt_window(start_x, p->filter_width, p->dilation_x, p->in_width);
    int32_t lines = at.rows, taps = span.last - span.first;
    const int32_t *bias = p->requant.bias;
    for (int32_t i = 0; i < b->count; i++) acc[i] = bias != NULL ? bias[b->first + i] : 0;
    if (taps == 0) return;
    line across = {at.x, at.weights, (ptrdiff_t)p->dilation_x * p->in_channels, p->out_channels};
    line down = across;
    down.x_step = (ptrdiff_t)p->dilation_y * p->in_width * p->in_channels;
    down.weights_step = (ptrdiff_t)p->filter_width * p->out_channels;
    across.x += (ptrdiff_t)(start_x + span.first * p->dilation_x) * p->in_channels + b->in_channel;
    across.weights += (ptrdiff_t)span.first * p->out_channels + b->first;
    if (lines % 3 == 0 || (taps % 3 != 0 && lines > taps)) { /* fewer taps are left over along the other axis */
        line swapped = {across.x, across.weights, down.x_step, down.weights_step};
        down = across;
        across = swapped;
        lines = taps;
        taps = at.rows;
    }
    for (; lines > 0; lines--) {
        add_line(b, across, taps, p->x_zero_point, acc);
        across.x += down.x_step;
        across.weights += down.weights_step;
    }
}

/* One block of an output row, which begins at `index` of the output. */
static void dwconv2d_row(const qrt_conv2d_params *p, const block *b, overlap at, int8_t *output, ptrdiff_t index) {
    const qrt_requant requant = p->requant; /* a copy, which no store to `output` can reach */
    int32_t acc[BLOCK];
    index += b->first;
    for (int32_t out_x = 0; out_x < p->out_width; out_x++, index += p->out_channels) {
        dwconv2d_position(p, b, at, out_x * p->stride_x - p->pad_left, acc);
        qrt_put_channels(&requant, b->first, acc, b->count, output, index);
    }
}

static ptrdiff_t weight_count(const qrt_conv2d_params *p) {
    return (ptrdiff_t)p->filter_height * p->filter_width * p->out_channels;
}

/* Weights of int4 are unpacked at once; these filters are small. */
size_t qrt_dwconv2d_s8_scratch(const void *params) {
    const qrt_conv2d_params *p = params;
    return p->int4 ? (size_t)weight_count(p) : 0;
}

/* Row by row, since the output may lie over rows of the input that are done with. */
void qrt_dwconv2d_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_conv2d_params *p = params;
    const int8_t *image = inputs[0];
    const int8_t *weights = p->int4 ? scratch : p->weights;
    ptrdiff_t index = 0;
    block b;
    if (p->int4) qrt_unpack_int4(p->weights, 0, weight_count(p), scratch);
    for (int32_t n = 0; n < p->batch; n++) {
        for (int32_t out_y = 0; out_y < p->out_height; out_y++) {
            int32_t start_y = out_y * p->stride_y - p->pad_top;
            qrt_span rows = qrt_window(start_y, p->filter_height, p->dilation_y, p->in_height);
            overlap at = {image, weights, rows.last - rows.first};
            if (at.rows > 0) {
                at.x += (ptrdiff_t)(start_y + rows.first * p->dilation_y) * p->in_width * p->in_channels;
                at.weights += (ptrdiff_t)rows.first * p->filter_width * p->out_channels;
            }
            for (int32_t first = 0; first < p->out_channels; first += b.count) {
                dwconv2d_channels(p, first, &b);
                dwconv2d_row(p, &b, at, output, index);
            }
            index += (ptrdiff_t)p->out_width * p->out_channels;
        }
        image += (ptrdiff_t)p->in_height * p->in_width * p->in_channels;
    }
}
