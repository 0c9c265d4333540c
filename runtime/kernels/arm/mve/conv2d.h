/* SPDX-License-Identifier: Apache-2.0 */
/* conv2d.h: how conv2d walks over an image: positions of a row of output, side by side in scratch memory.
 *
 * There lies, for each column of the input that the row sees, the filter's height of positions, one below another. What
 * an output position sees is then in one piece, in the order column, row, channel: tile.h packs weights in this order.
 * With a window of one position, without stride or padding, the image is one long row, of which some positions at once
 * are taken.
 */
#ifndef QRT_MVE_CONV2D_H
#define QRT_MVE_CONV2D_H

#include "qrt_kernels.h"

typedef struct qrt_mve_rows {
    int32_t rows, width;  /* rows of output, of all images; positions in each */
    int32_t column;       /* bytes of a column: filter_height * in_channels */
    int32_t columns;      /* how many there are */
    int32_t column_step;  /* from one to the next in the image; 1, but for a filter of width 1 */
    int32_t first, last;  /* those that lie in the image */
    int32_t x_step, size; /* bytes from a position to the next, bytes that it sees */
    int32_t blank;        /* bytes of a position of padding, behind the columns; 0 when there is no padding */
    int32_t tile;         /* positions that are taken at once, see tile.h */
    int32_t flat;         /* whether the image is one row; `width` of its positions are taken at once */
} qrt_mve_rows;

/* Bytes of one piece of a flat image. */
enum { QRT_MVE_PIECE = 768 };

static inline qrt_mve_rows qrt_mve_rows_of(const qrt_conv2d_params *p) {
    int32_t positions = p->batch * p->out_height * p->out_width, narrow = p->filter_width == 1;
    qrt_mve_rows r = {
        p->batch * p->out_height, p->out_width, p->filter_height * p->in_channels, 0, 1, 0, 0, 0, 0, 0, 0, 0};
    r.size = r.column * p->filter_width;
    r.tile = r.size <= 16 ? 3 : 2;
    r.flat = r.size == p->in_channels && p->stride_y == 1 && p->stride_x == 1 && p->pad_top == 0 && p->pad_left == 0 &&
             p->out_height == p->in_height && p->out_width == p->in_width;
    if (r.flat) {
        r.width = QRT_MVE_PIECE / r.size > r.tile ? QRT_MVE_PIECE / r.size / r.tile * r.tile : r.tile;
        if (r.width > positions) r.width = positions;
        r.rows = (positions - 1) / r.width + 1;
    }
    r.column_step = narrow ? p->stride_x : 1;
    r.columns = narrow ? r.width : (r.width - 1) * p->stride_x + p->filter_width;
    r.x_step = r.column * (narrow ? 1 : p->stride_x);
    r.last = r.columns;
    if (!r.flat) {
        r.first = (p->pad_left + r.column_step - 1) / r.column_step;
        int32_t last = (p->in_width - 1 + p->pad_left) / r.column_step + 1;
        if (r.first > r.columns) r.first = r.columns;
        if (r.last > last) r.last = last;
        int32_t below = (p->out_height - 1) * p->stride_y - p->pad_top + p->filter_height;
        if (r.first > 0 || r.last < r.columns || p->pad_top > 0 || below > p->in_height)
            r.blank = (p->in_channels + 15) & ~15;
    }
    return r;
}

/* A tile reads blocks of 16 bytes, to beyond the last column. */
static inline size_t qrt_mve_columns_size(const qrt_mve_rows *r) { return (size_t)(r->columns * r->column + 15); }

#endif
