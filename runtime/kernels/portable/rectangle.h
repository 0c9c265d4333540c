/* SPDX-License-Identifier: Apache-2.0 */
/* rectangle.h: what a pool sees of an image, for the sets that sum channels side by side. */
#ifndef QRT_RECTANGLE_H
#define QRT_RECTANGLE_H

#include "qrt_math.h"

/* A rectangle of positions of an image. */
typedef struct rectangle {
    const int8_t *x; /* first channel of the first position */
    int32_t rows, columns;
    ptrdiff_t row_size; /* from one row to the next */
    ptrdiff_t channels; /* from one position to the next */
} rectangle;

static inline rectangle window_at(const qrt_pool2d_params *p, const int8_t *image, int32_t out_y, int32_t out_x) {
    qrt_pool_window window = qrt_pool_window_at(p, image, out_y, out_x);
    rectangle r = {window.x, window.rows, window.columns, (ptrdiff_t)p->in_width * p->channels, p->channels};
    return r;
}

#endif
