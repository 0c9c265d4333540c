/* SPDX-License-Identifier: Apache-2.0 */
/* pools16.c: average_pool2d and max_pool2d of int16 codes in plain C99. */
#include "portable/average.h"
#include "portable/portable.h"
#include "qrt_math16.h"

/* One output of a window: what becomes of channel 0 of it, whose first code is at x. */
typedef int32_t (*pool_function)(const qrt_pool2d_params *p, const int16_t *x, int32_t rows, int32_t columns);

static int32_t average_of(const qrt_pool2d_params *p, const int16_t *x, int32_t rows, int32_t columns) {
    int32_t zero_point = p->rounding == 1 ? p->x_zero_point : 0; /* HALF_EVEN alone counts from it */
    int32_t sum = 0;
    for (int32_t row = 0; row < rows; row++) {
        const int16_t *at = x + (ptrdiff_t)row * p->in_width * p->channels;
        for (int32_t column = 0; column < columns; column++, at += p->channels) sum += *at - zero_point;
    }
    return average(sum, rows * columns, p->rounding) + zero_point;
}

static int32_t largest_of(const qrt_pool2d_params *p, const int16_t *x, int32_t rows, int32_t columns) {
    int32_t largest = INT16_MIN;
    for (int32_t row = 0; row < rows; row++) {
        const int16_t *at = x + (ptrdiff_t)row * p->in_width * p->channels;
        for (int32_t column = 0; column < columns; column++, at += p->channels) {
            largest = *at > largest ? *at : largest;
        }
    }
    return largest;
}

static void pool(const qrt_pool2d_params *p, const int16_t *image, int16_t *y, pool_function function) {
    for (int32_t n = 0; n < p->batch; n++, image += (ptrdiff_t)p->in_height * p->in_width * p->channels) {
        for (int32_t out_y = 0; out_y < p->out_height; out_y++) {
            int32_t start_y = out_y * p->stride_y - p->pad_top;
            qrt_span rows = qrt_window(start_y, p->filter_height, 1, p->in_height);
            for (int32_t out_x = 0; out_x < p->out_width; out_x++) {
                int32_t start_x = out_x * p->stride_x - p->pad_left;
                qrt_span columns = qrt_window(start_x, p->filter_width, 1, p->in_width);
                ptrdiff_t position = (ptrdiff_t)(start_y + rows.first) * p->in_width + start_x + columns.first;
                for (int32_t channel = 0; channel < p->channels; channel++) {
                    const int16_t *x = image + position * p->channels + channel;
                    int32_t code = function(p, x, rows.last - rows.first, columns.last - columns.first);
                    *y++ = (int16_t)qrt_clamp(code, p->output_min, p->output_max);
                }
            }
        }
    }
}

void qrt_average_pool2d16_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    (void)scratch;
    pool(params, qrt_codes16(inputs[0]), qrt_output16(output), average_of);
}

void qrt_max_pool2d16_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    (void)scratch;
    pool(params, qrt_codes16(inputs[0]), qrt_output16(output), largest_of);
}
