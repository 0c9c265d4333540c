/* SPDX-License-Identifier: Apache-2.0 */
/* max_pool2d.c: max_pool2d with MVE, 16 channels at a time. */
#include "arm/mve/mve.h"
#include "arm/mve/vectors.h"
#include "qrt_math.h"

/* Starting from output_min and stopping at output_max is the clamp. */
static void max_position(const qrt_pool2d_params *p, qrt_pool_window window, int8_t *y) {
    int32_t channels = p->channels;
    for (int32_t channel = 0; channel < channels; channel += 16) {
        mve_pred16_t lanes = vctp8q((uint32_t)(channels - channel));
        int8x16_t most = vdupq_n_s8((int8_t)p->output_min);
        const int8_t *row = window.x + channel;
        for (int32_t i = 0; i < window.rows; i++, row += (ptrdiff_t)p->in_width * channels) {
            const int8_t *x = row;
            for (int32_t j = 0; j < window.columns; j++, x += channels) most = vmaxq_s8(most, vldrbq_z_s8(x, lanes));
        }
        vstrbq_p_s8(y + channel, vminq_s8(most, vdupq_n_s8((int8_t)p->output_max)), lanes);
    }
}

void qrt_max_pool2d_s8_mve(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_pool2d_params *p = params;
    const int8_t *image = inputs[0];
    (void)scratch;
    for (int32_t n = 0; n < p->batch; n++, image += (ptrdiff_t)p->in_height * p->in_width * p->channels) {
        for (int32_t out_y = 0; out_y < p->out_height; out_y++) {
            for (int32_t out_x = 0; out_x < p->out_width; out_x++, output += p->channels) {
                max_position(p, qrt_pool_window_at(p, image, out_y, out_x), output);
            }
        }
    }
}
