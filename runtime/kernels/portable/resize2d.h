/* SPDX-License-Identifier: Apache-2.0 */
/* resize2d.h: resize2d with any interpolation. */
#ifndef QRT_PORTABLE_RESIZE2D_H
#define QRT_PORTABLE_RESIZE2D_H

#include <string.h>

#include "qrt_kernels.h"

/* All channels of one position between four: from `top` on, the row below, and the column to the right. */
typedef void (*qrt_interpolation)(const int8_t *top, ptrdiff_t below, ptrdiff_t right, int32_t v, int32_t u,
                                  int32_t channels, int8_t *output);

/* resize2d, whose positions between codes are made by `function`. */
static inline void resize2d(const qrt_resize2d_params *p, const int8_t *image, int8_t *output,
                            qrt_interpolation function) {
    ptrdiff_t row_size = (ptrdiff_t)p->in_width * p->channels;
    for (int32_t n = 0; n < p->batch; n++, image += p->in_height * row_size) {
        for (int32_t out_y = 0; out_y < p->out_height; out_y++) {
            int32_t v = p->row_weight != NULL ? p->row_weight[out_y] : 0;
            ptrdiff_t below = v > 0 && p->rows[out_y] + 1 < p->in_height ? row_size : 0;
            const int8_t *row = image + (p->rows[out_y] - p->first_row) * row_size;
            for (int32_t out_x = 0; out_x < p->out_width; out_x++, output += p->channels) {
                int32_t u = p->column_weight != NULL ? p->column_weight[out_x] : 0;
                ptrdiff_t right = p->columns[out_x] + 1 < p->in_width ? p->channels : 0;
                const int8_t *x = row + (ptrdiff_t)p->columns[out_x] * p->channels;
                if (u == 0 && v == 0) {
                    memcpy(output, x, (size_t)p->channels);
                } else {
                    function(x, below, right, v, u, p->channels, output);
                }
            }
        }
    }
}

#endif
