/* SPDX-License-Identifier: Apache-2.0 */
/* conv2d.c: conv2d in plain C99. */
#include <string.h>

#include "portable/portable.h"
#include "qrt_int4.h"
#include "qrt_math.h"

/* conv2d works on this many output positions at once, so that each weight is widened once for all. */
#define COLUMNS 4

/* The accumulators of this many channels, for each position, are on the stack. */
#define CHANNELS 8

/* What they see, a column each, lies APART entries apart, and entry after entry NEXT. Vectors want one column after the
 * other; a core with few registers reaches all four from one address where they are interleaved. A multiple of
 * COLUMN_ALIGN of entries is multiplied, the last ones with zeros; a dot product then has no odd end. */
#define LARGEST_ALIGN 16
#if UINTPTR_MAX > UINT32_MAX
#define APART(p) column_size(p)
#define NEXT 1
#define COLUMN_ALIGN LARGEST_ALIGN
#else
#define APART(p) 1
#define NEXT COLUMNS
#define COLUMN_ALIGN 4
#endif

static ptrdiff_t filter_size(const qrt_conv2d_params *p) {
    return (ptrdiff_t)p->filter_height * p->filter_width * (p->in_channels / p->groups);
}

static ptrdiff_t rounded_up(ptrdiff_t size, ptrdiff_t unit) { return (size + unit - 1) / unit * unit; }

static ptrdiff_t column_size(const qrt_conv2d_params *p) { return rounded_up(filter_size(p), COLUMN_ALIGN); }

/* The columns; behind them, room for one channel's weights of int4. The same wherever it is asked, for firmware is
 * planned on a host. More than there can be where a size_t of 32 bits does not hold it. */
size_t qrt_conv2d_s8_scratch(const void *params) {
    const qrt_conv2d_params *p = params;
    uint64_t places = (uint64_t)rounded_up(filter_size(p), LARGEST_ALIGN);
    uint64_t size = places * (COLUMNS * sizeof(int16_t) + (p->int4 ? 1 : 0));
    return size < SIZE_MAX ? (size_t)size : SIZE_MAX;
}

QRT_ALONE static void subtract_zero_point(const int8_t *restrict x, ptrdiff_t size, int32_t zero_point,
                                          int16_t *restrict y) {
    QRT_BY_FOUR
    for (ptrdiff_t i = 0; i < size; i++) y[i * NEXT] = (int16_t)(x[i] - zero_point);
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
        for (ptrdiff_t i = 0, size = filter_size(p); i < size; i++) column[i * NEXT] = 0;
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
        int16_t *y = column + ((ptrdiff_t)filter_y * p->filter_width + taps.first) * channels * NEXT;
        for (int32_t run = 0; run < run_count; run++) {
            subtract_zero_point(x, run_size, p->x_zero_point, y);
            x += (ptrdiff_t)p->dilation_x * p->in_channels;
            y += channels * NEXT;
        }
    }
}

/* The sums of one channel, CHANNELS apart. */
QRT_ALONE static void dot_columns(const int16_t *restrict x, ptrdiff_t apart, const int8_t *restrict weights,
                                  ptrdiff_t size, int32_t bias, int32_t *acc) {
    int32_t acc0 = bias, acc1 = bias, acc2 = bias, acc3 = bias;
    QRT_BY_FOUR
    for (ptrdiff_t i = 0; i < size; i++, x += NEXT) {
        int16_t w = *weights++;
        acc0 += x[0] * w;
        acc1 += x[apart] * w;
        acc2 += x[2 * apart] * w;
        acc3 += x[3 * apart] * w;
    }
    acc[0] = acc0;
    acc[CHANNELS] = acc1;
    acc[2 * CHANNELS] = acc2;
    acc[3 * CHANNELS] = acc3;
}

/* Output channels of one group at `count` positions from `position` on. */
static void multiply_columns(const qrt_conv2d_params *p, int16_t *columns, ptrdiff_t position, int32_t count,
                             int32_t group, int8_t *output) {
    int32_t channels = p->out_channels / p->groups, channel = group * channels, last = channel + channels;
    ptrdiff_t size = filter_size(p), whole = column_size(p), out_channels = p->out_channels;
    int8_t *unpacked = (int8_t *)(columns + rounded_up(size, LARGEST_ALIGN) * COLUMNS);
    const int32_t *bias = p->requant.bias;
    while (channel < last) {
        int32_t acc[COLUMNS * CHANNELS], first = channel, filled = 0;
        for (; filled < CHANNELS && channel < last; filled++, channel++) {
            const int8_t *weights = unpacked;
            ptrdiff_t at = size * channel, left = size * out_channels - at;
            if (p->int4) {
                qrt_unpack_int4(p->weights, at, size, unpacked);
                left = whole;
            } else {
                weights = p->weights + at;
            }
            /* Reads on into the next channel's weights, against the column's closing zeros, if there is one. */
            ptrdiff_t run = left < whole ? left : whole;
            dot_columns(columns, APART(p), weights, run, bias != NULL ? bias[channel] : 0, acc + filled);
        }
        for (int32_t k = 0; k < count; k++) {
            ptrdiff_t index = (position + k) * out_channels + first;
            qrt_put_channels(&p->requant, first, acc + k * CHANNELS, filled, output, index);
        }
    }
}

void qrt_conv2d_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_conv2d_params *p = params;
    int16_t *columns = scratch;
    ptrdiff_t image_size = (ptrdiff_t)p->in_height * p->in_width * p->in_channels;
    ptrdiff_t positions = (ptrdiff_t)p->out_height * p->out_width;
    memset(columns, 0, qrt_conv2d_s8_scratch(p));
    for (int32_t n = 0; n < p->batch; n++) {
        const int8_t *image = inputs[0] + n * image_size;
        int32_t out_y = 0, out_x = 0;
        for (ptrdiff_t position = 0; position < positions; position += COLUMNS) {
            int32_t count = positions - position < COLUMNS ? (int32_t)(positions - position) : COLUMNS;
            int32_t next_y = out_y, next_x = out_x;
            for (int32_t group = 0; group < p->groups; group++) {
                next_y = out_y;
                next_x = out_x;
                for (int32_t k = 0; k < count; k++) {
                    gather(p, image, next_y, next_x, group, columns + k * APART(p));
                    if (++next_x == p->out_width) next_x = 0, next_y++;
                }
                multiply_columns(p, columns, n * positions + position, count, group, output);
            }
            out_y = next_y;
            out_x = next_x;
        }
    }
}
