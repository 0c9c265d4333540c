/* SPDX-License-Identifier: Apache-2.0 */
/* depthwise_taps.c: which taps of which positions lie in the image. */
#include "arm/dsp/depthwise_taps.h"

#include "qrt_math.h"

/* The output positions of a row whose taps in x all lie in the image: [first, last). */
static qrt_span inner(const qrt_conv2d_params *p) {
    int32_t first = (p->pad_left + p->stride_x - 1) / p->stride_x;
    int32_t room = p->in_width + p->pad_left - (p->filter_width - 1) * p->dilation_x;
    int32_t last = room > 0 ? (room - 1) / p->stride_x + 1 : 0;
    qrt_span span = {first, last < p->out_width ? last : p->out_width};
    return span;
}

/* Where the taps are of a position amid the image. */
static void find_taps(const qrt_conv2d_params *p, uintptr_t *offsets) {
    ptrdiff_t step = (ptrdiff_t)p->dilation_x * p->in_channels, row_step = (ptrdiff_t)p->dilation_y * p->in_width;
    for (int32_t f = 0; f < p->filter_height; f++) {
        for (int32_t g = 0; g < p->filter_width; g++) {
            *offsets++ = (uintptr_t)(f * row_step * p->in_channels + g * step);
        }
    }
}

/* The same for a position at the edge: those outside are at `blank`. */
static void find_taps_at_edge(const qrt_conv2d_params *p, qrt_span rows, qrt_span columns, uintptr_t blank,
                              const uintptr_t *amid, uintptr_t *offsets) {
    for (int32_t f = 0; f < p->filter_height; f++) {
        int row_in = f >= rows.first && f < rows.last;
        for (int32_t g = 0; g < p->filter_width; g++, amid++) {
            *offsets++ = row_in && g >= columns.first && g < columns.last ? *amid : blank;
        }
    }
}

/* A row of output, whose first tap is in row `top` of the image. `offsets` are those of a position amid the image, and
 * behind them is room for as many. */
static void run_row(const qrt_conv2d_params *p, const int8_t *image, int32_t top, uintptr_t *offsets,
                    const int8_t *blank, qrt_dsp_taps *taps, void (*run)(const qrt_dsp_taps *taps)) {
    int32_t count = p->filter_height * p->filter_width;
    qrt_span rows = qrt_window(top, p->filter_height, p->dilation_y, p->in_height), middle = inner(p);
    if (rows.last - rows.first < p->filter_height) middle.last = middle.first;
    for (int32_t x = 0; x < p->out_width; x += taps->positions, taps->output += taps->positions * p->out_channels) {
        int32_t left = x * p->stride_x - p->pad_left;
        taps->x = (uintptr_t)image + (uintptr_t)(((ptrdiff_t)top * p->in_width + left) * p->in_channels);
        taps->offsets = offsets;
        taps->positions = middle.last - x;
        if (x < middle.first || x >= middle.last) {
            qrt_span columns = qrt_window(left, p->filter_width, p->dilation_x, p->in_width);
            taps->offsets = offsets + count;
            taps->positions = 1;
            find_taps_at_edge(p, rows, columns, (uintptr_t)blank - taps->x, offsets, offsets + count);
        }
        taps->offsets_end = taps->offsets + count;
        run(taps);
    }
}

/* A column as the row that it is in memory: runs are longer. */
static qrt_conv2d_params turned(const qrt_conv2d_params *p) {
    qrt_conv2d_params row = *p;
    row.in_height = row.out_height = row.filter_height = 1;
    row.in_width = p->in_height;
    row.out_width = p->out_height;
    row.filter_width = p->filter_height;
    row.stride_x = p->stride_y;
    row.dilation_x = p->dilation_y;
    row.pad_left = p->pad_top;
    row.pad_top = 0;
    return row;
}

static void run_images(const qrt_conv2d_params *p, const int8_t *image, int8_t *output, void *scratch,
                       void (*run)(const qrt_dsp_taps *taps)) {
    int32_t count = p->filter_height * p->filter_width, channels = p->in_channels;
    uintptr_t *offsets = scratch;
    int8_t *blank = (int8_t *)(offsets + 2 * count);
    qrt_dsp_taps taps = {.skip = count < 2 ? 4 : (uintptr_t)(-(count / 2) & 3),
                         .packed = p->packed,
                         .output = output,
                         .whole = channels & ~3,
                         .back = -channels & 3,
                         .zero_point = p->requant.y_zero_point,
                         .x_step = (p->stride_x - 1) * channels,
                         .requant = &p->requant};
    memset(blank, p->x_zero_point, (size_t)channels);
    find_taps(p, offsets);
    for (int32_t n = 0; n < p->batch; n++) {
        for (int32_t y = 0; y < p->out_height; y++) {
            run_row(p, image, y * p->stride_y - p->pad_top, offsets, blank, &taps, run);
        }
        image += (ptrdiff_t)p->in_height * p->in_width * channels;
    }
    qrt_dsp_clamp(&p->requant, output, taps.output - output);
}

void qrt_dsp_depthwise_taps(const qrt_conv2d_params *p, const int8_t *image, int8_t *output, void *scratch,
                            void (*run)(const qrt_dsp_taps *taps)) {
    qrt_conv2d_params row;
    if (p->in_width == 1 && p->filter_width == 1 && p->out_width == 1 && p->pad_left == 0) {
        row = turned(p);
        p = &row;
    }
    run_images(p, image, output, scratch, run);
}
