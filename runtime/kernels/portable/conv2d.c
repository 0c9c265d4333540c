/* conv2d.c: conv2d in plain C99. */
#include <string.h>

#include "portable/portable.h"
#include "qrt_math.h"

/* conv2d works on this many output positions at once, so that each weight is widened once for all. */
#define COLUMNS 4

/* Columns are padded with zeros to a multiple of this; a dot product then has no odd end. */
#define COLUMN_ALIGN 16

static ptrdiff_t filter_size(const qrt_conv2d_params *p) {
    return (ptrdiff_t)p->filter_height * p->filter_width * (p->in_channels / p->groups);
}

static ptrdiff_t column_size(const qrt_conv2d_params *p) {
    return (filter_size(p) + COLUMN_ALIGN - 1) / COLUMN_ALIGN * COLUMN_ALIGN;
}

/* More than there can be where a size_t of 32 bits does not hold it. */
size_t qrt_conv2d_s8_scratch(const void *params) {
    uint64_t size = (uint64_t)column_size(params) * COLUMNS * sizeof(int16_t);
    return size < SIZE_MAX ? (size_t)size : SIZE_MAX;
}

static void subtract_zero_point(const int8_t *restrict x, ptrdiff_t size, int32_t zero_point, int16_t *restrict y) {
    for (ptrdiff_t i = 0; i < size; i++) y[i] = (int16_t)(x[i] - zero_point);
}

/* Writes what one output position sees of one group, less the zero point, in the order of the weights.
 * Padding contributes nothing, so it is 0. */
static void gather(const qrt_conv2d_params *p, const int8_t *image, int32_t out_y, int32_t out_x, int32_t group,
                   int16_t *column) {
    int32_t channels = p->in_channels / p->groups;
    int32_t start_y = out_y * p->stride_y - p->pad_top, start_x = out_x * p->stride_x - p->pad_left;
    qrt_span rows = qrt_window(start_y, p->filter_height, p->dilation_y, p->in_height);
    qrt_span taps = qrt_window(start_x, p->filter_width, p->dilation_x, p->in_width);
    int32_t tap_count = taps.last - taps.first;
    if (rows.last - rows.first < p->filter_height || tap_count < p->filter_width) {
        memset(column, 0, (size_t)filter_size(p) * sizeof *column);
    }
    /* What lies far beside the image has no address where pointers have 32 bits. */
    if (tap_count == 0) return;
    /* Taps that are neighbours in memory are one run. */
    int together = p->groups == 1 && p->dilation_x == 1;
    int32_t run_count = together ? 1 : tap_count;
    ptrdiff_t run_size = together ? (ptrdiff_t)tap_count * channels : channels;
    for (int32_t filter_y = rows.first; filter_y < rows.last; filter_y++) {
        ptrdiff_t in_y = start_y + filter_y * p->dilation_y, in_x = start_x + taps.first * p->dilation_x;
        const int8_t *x = image + (in_y * p->in_width + in_x) * p->in_channels + group * channels;
        int16_t *y = column + ((ptrdiff_t)filter_y * p->filter_width + taps.first) * channels;
        for (int32_t run = 0; run < run_count; run++) {
            subtract_zero_point(x, run_size, p->x_zero_point, y);
            x += (ptrdiff_t)p->dilation_x * p->in_channels;
            y += channels;
        }
    }
}

static void dot_columns(const int16_t *restrict columns, ptrdiff_t stride, const int8_t *restrict weights,
                        ptrdiff_t size, int32_t acc[COLUMNS]) {
    const int16_t *restrict x0 = columns, *restrict x1 = x0 + stride;
    const int16_t *restrict x2 = x1 + stride, *restrict x3 = x2 + stride;
    int32_t acc0 = 0, acc1 = 0, acc2 = 0, acc3 = 0;
    for (ptrdiff_t i = 0; i < size; i++) {
        int16_t w = weights[i];
        acc0 += x0[i] * w;
        acc1 += x1[i] * w;
        acc2 += x2[i] * w;
        acc3 += x3[i] * w;
    }
    acc[0] = acc0;
    acc[1] = acc1;
    acc[2] = acc2;
    acc[3] = acc3;
}

/* Output channels of one group at `count` positions from `position` on. */
static void multiply_columns(const qrt_conv2d_params *p, const int16_t *columns, ptrdiff_t position, int32_t count,
                             int32_t group, int8_t *output) {
    int32_t channels = p->out_channels / p->groups;
    ptrdiff_t size = filter_size(p), stride = column_size(p);
    const int8_t *end = p->weights + size * p->out_channels;
    const qrt_requant requant = p->requant; /* a copy, which no store to `output` can reach */
    ptrdiff_t out_channels = p->out_channels;
    for (int32_t channel = group * channels; channel < (group + 1) * channels; channel++) {
        const int8_t *weights = p->weights + size * channel;
        /* Reads on into the next channel's weights, against the column's closing zeros, if there is one. */
        ptrdiff_t run = end - weights < stride ? end - weights : stride;
        int32_t acc[COLUMNS];
        dot_columns(columns, stride, weights, run, acc);
        qrt_channel own = qrt_requant_channel(&requant, channel);
        for (int32_t k = 0; k < count; k++) {
            qrt_put(&requant, own, acc[k], output, (position + k) * out_channels + channel);
        }
    }
}

void qrt_conv2d_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_conv2d_params *p = params;
    int16_t *columns = scratch;
    ptrdiff_t stride = column_size(p);
    ptrdiff_t image_size = (ptrdiff_t)p->in_height * p->in_width * p->in_channels;
    ptrdiff_t positions = (ptrdiff_t)p->out_height * p->out_width;
    memset(columns, 0, qrt_conv2d_s8_scratch(p));
    for (int32_t n = 0; n < p->batch; n++) {
        const int8_t *image = inputs[0] + n * image_size;
        for (ptrdiff_t position = 0; position < positions; position += COLUMNS) {
            int32_t count = positions - position < COLUMNS ? (int32_t)(positions - position) : COLUMNS;
            for (int32_t group = 0; group < p->groups; group++) {
                for (int32_t k = 0; k < count; k++) {
                    int32_t out_y = (int32_t)((position + k) / p->out_width);
                    int32_t out_x = (int32_t)((position + k) % p->out_width);
                    gather(p, image, out_y, out_x, group, columns + k * stride);
                }
                multiply_columns(p, columns, n * positions + position, count, group, output);
            }
        }
    }
}
