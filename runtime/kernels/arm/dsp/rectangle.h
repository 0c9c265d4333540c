/* SPDX-License-Identifier: Apache-2.0 */
/* rectangle.h: what a pool sees, and how its channels are taken four at a time. */
#ifndef QRT_DSP_RECTANGLE_H
#define QRT_DSP_RECTANGLE_H

#include "qrt_math.h"

/* A rectangle of positions of an image. */
typedef struct rectangle {
    const int8_t *x; /* first channel of the first position */
    int32_t rows, columns;
    ptrdiff_t row_size; /* from one row to the next */
    int32_t channels;   /* from one position to the next */
} rectangle;

static inline rectangle rectangle_at(const qrt_pool2d_params *p, const int8_t *image, int32_t out_y, int32_t out_x) {
    qrt_pool_window window = qrt_pool_window_at(p, image, out_y, out_x);
    rectangle r = {window.x, window.rows, window.columns, (ptrdiff_t)p->in_width * p->channels, p->channels};
    if (r.columns == p->in_width) { /* its rows are one */
        r.columns *= r.rows;
        r.rows = 1;
    }
    return r;
}

/* Where four of at least four channels begin, to be done after those before `channel`. The last four are partly done
 * twice. */
static inline int32_t four_from(int32_t channel, int32_t channels) {
    return channel + 4 <= channels ? channel : channels - 4;
}

#endif
