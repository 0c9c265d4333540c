/* SPDX-License-Identifier: Apache-2.0 */
/* max_pool2d.c: max_pool2d in plain C99. */
#include <string.h>

#include "portable/portable.h"
#include "qrt_math.h"

/* One output position. Starting from output_min and stopping at output_max is the clamp. */
static void max_position(const qrt_pool2d_params *p, qrt_pool_window window, int8_t *restrict y) {
    memset(y, p->output_min, (size_t)p->channels);
    for (int32_t row = 0; row < window.rows; row++) {
        const int8_t *restrict x = window.x + (ptrdiff_t)row * p->in_width * p->channels;
        for (int32_t column = 0; column < window.columns; column++, x += p->channels) {
            for (int32_t i = 0; i < p->channels; i++) y[i] = x[i] > y[i] ? x[i] : y[i];
        }
    }
    int8_t maximum = (int8_t)p->output_max;
    for (int32_t i = 0; i < p->channels; i++) y[i] = y[i] > maximum ? maximum : y[i];
}

void qrt_max_pool2d_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_pool2d_params *p = params;
    const int8_t *image = inputs[0];
    (void)scratch;
    for (int32_t n = 0; n < p->batch; n++) {
        for (int32_t out_y = 0; out_y < p->out_height; out_y++) {
            for (int32_t out_x = 0; out_x < p->out_width; out_x++) {
                max_position(p, qrt_pool_window_at(p, image, out_y, out_x), output);
                output += p->channels;
            }
        }
        image += (ptrdiff_t)p->in_height * p->in_width * p->channels;
    }
}
