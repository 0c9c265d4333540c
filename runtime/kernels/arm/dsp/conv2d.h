/* SPDX-License-Identifier: Apache-2.0 */
/* conv2d.h: conv2d by tiles: what run and pack share.
 *
 * A row of the window is `run` bytes that lie together in the image. The column of a tile has first all words of them,
 * row by row, then what is left over of all rows, together.
 */
#ifndef QRT_DSP_CONV2D_H
#define QRT_DSP_CONV2D_H

#include "arm/dsp/tile.h"

/* A convolution in bytes. */
typedef struct qrt_dsp_window {
    int32_t height, pitch;        /* of the image: rows, and bytes from one to the next */
    int32_t out_width, positions; /* of the output */
    int32_t rows, run;            /* of the window */
    int32_t stride_y, step;       /* rows and bytes from window to window */
    int32_t top, left;            /* of the first one */
    int32_t main, tail;           /* of a run: in words, and the bytes left over */
} qrt_dsp_window;

static inline int32_t qrt_dsp_words(int32_t size) { return (size + 3) & ~3; }

/* Bytes of a row of the image from which on rows are not treated as one: pads and strides have 16 bits, and their
 * product with it has room. */
#define QRT_DSP_LARGE_PITCH (1 << 13)

/* Whether what lies side by side in a row, with its padding, has places in 32 bits. */
static inline int qrt_dsp_window_fits(const qrt_conv2d_params *p) {
    int64_t columns = (int64_t)p->out_width * p->stride_x + p->pad_left + p->filter_width;
    return columns * p->in_channels <= 1 << 30;
}

static inline qrt_dsp_window qrt_dsp_window_of(const qrt_conv2d_params *p) {
    int32_t channels = p->in_channels;
    qrt_dsp_window w = {.height = p->in_height,
                        .pitch = p->in_width * channels,
                        .out_width = p->out_width,
                        .positions = p->out_height * p->out_width,
                        .rows = p->filter_height,
                        .run = p->filter_width * channels,
                        .stride_y = p->stride_y,
                        .step = p->stride_x * channels,
                        .top = -p->pad_top,
                        .left = -p->pad_left * channels};
    if (w.run == w.pitch && w.left == 0 && w.out_width == 1 && w.pitch < QRT_DSP_LARGE_PITCH) {
        /* Windows as wide as the image: its rows are one, along which they move. */
        w.step = w.stride_y * w.pitch;
        w.left = w.top * w.pitch;
        w.run *= w.rows;
        w.pitch *= w.height;
        w.out_width = w.positions;
        w.top = 0;
        w.height = w.rows = 1;
    } else if (w.rows == 1 && w.run == w.step && w.stride_y == 1 && w.top == 0 && w.left == 0 &&
               w.pitch == w.out_width * w.step) {
        /* Windows side by side: so are those of all rows. */
        w.pitch *= w.height;
        w.out_width = w.positions;
        w.height = 1;
    }
    w.main = w.run & ~3;
    w.tail = w.run - w.main;
    return w;
}

/* Whether a window reaches over the image. */
static inline int qrt_dsp_window_padded(const qrt_dsp_window *w) {
    int32_t last_top = w->top + ((w->positions - 1) / w->out_width) * w->stride_y;
    int32_t last_left = w->left + (w->out_width - 1) * w->step;
    return w->top < 0 || w->left < 0 || last_top + w->rows > w->height || last_left + w->run > w->pitch;
}

/* Places of a channel's window as packed, and words of a tile's column for them. */
static inline int32_t qrt_dsp_window_size(const qrt_dsp_window *w) {
    return w->rows * w->main + qrt_dsp_words(w->rows * w->tail);
}

void qrt_dsp_conv2d(const qrt_conv2d_params *p, const int8_t *input, int8_t *output, void *scratch,
                    const qrt_dsp_tiles *tiles);
size_t qrt_dsp_conv2d_scratch(const void *params);

#endif
