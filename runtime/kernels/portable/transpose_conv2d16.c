/* SPDX-License-Identifier: Apache-2.0 */
/* transpose_conv2d16.c: transpose_conv2d with int16 codes in plain C99. */
#include "portable/dot16.h"
#include "portable/portable.h"
#include "portable/transposed.h"

static int64_t transpose_conv2d_acc(const qrt_conv2d_params *p, const int8_t *x, ptrdiff_t image, int32_t out_y,
                                    int32_t out_x, const int8_t *weights) {
    int64_t acc = 0;
    for (int32_t filter_y = 0; filter_y < p->filter_height; filter_y++) {
        int32_t in_y = transposed_source(out_y + p->pad_top, filter_y, p->stride_y, p->in_height);
        for (int32_t filter_x = 0; filter_x < p->filter_width; filter_x++, weights += p->in_channels) {
            int32_t in_x = transposed_source(out_x + p->pad_left, filter_x, p->stride_x, p->in_width);
            if (in_y < 0 || in_x < 0) continue;
            ptrdiff_t at = image + ((ptrdiff_t)in_y * p->in_width + in_x) * p->in_channels;
            acc += dot_codes(x, at, p->x_int16, p->x_zero_point, weights, p->in_channels);
        }
    }
    return acc;
}

void qrt_transpose_conv2d16_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_conv2d_params *p = params;
    ptrdiff_t size = (ptrdiff_t)p->filter_height * p->filter_width * p->in_channels, image = 0, index = 0;
    (void)scratch;
    for (int32_t n = 0; n < p->batch; n++, image += (ptrdiff_t)p->in_height * p->in_width * p->in_channels) {
        for (int32_t out_y = 0; out_y < p->out_height; out_y++) {
            for (int32_t out_x = 0; out_x < p->out_width; out_x++) {
                for (int32_t channel = 0; channel < p->out_channels; channel++, index++) {
                    int64_t acc = transpose_conv2d_acc(p, inputs[0], image, out_y, out_x, p->weights + size * channel);
                    qrt_put16(&p->requant, qrt_requant_channel(&p->requant, channel), acc, output, index);
                }
            }
        }
    }
}
