/* SPDX-License-Identifier: Apache-2.0 */
/* max_pool2d.c: max_pool2d, four channels at a time. */
#include "arm/dsp/dsp.h"
#include "arm/dsp/rectangle.h"
#include "arm/dsp/words.h"

/* The largest codes of 4 channels from `channel` on, none below `low`. */
QRT_DSP_LOOP static uint32_t max_words(const rectangle *r, int32_t channel, uint32_t low) {
    int32_t step = r->channels;
    for (int32_t row = 0; row < r->rows; row++) {
        const int8_t *x = r->x + row * r->row_size + channel;
        int32_t count = r->columns;
        for (; count >= 2; count -= 2, x += 2 * step) low = smax8(smax8(low, load_word(x)), load_word(x + step));
        if (count > 0) low = smax8(low, load_word(x));
    }
    return low;
}

static void max_position(const qrt_pool2d_params *p, const rectangle *window, int8_t *output) {
    uint32_t low = four_codes(p->output_min), high = four_codes(p->output_max);
    for (int32_t channel = 0; channel < p->channels; channel += 4) {
        int32_t first = four_from(channel, p->channels);
        store_word(output + first, smin8(max_words(window, first, low), high));
    }
}

void qrt_max_pool2d_s8_dsp(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_pool2d_params *p = params;
    const int8_t *image = inputs[0];
    (void)scratch;
    for (int32_t n = 0; n < p->batch; n++, image += (ptrdiff_t)p->in_height * p->in_width * p->channels) {
        for (int32_t out_y = 0; out_y < p->out_height; out_y++) {
            for (int32_t out_x = 0; out_x < p->out_width; out_x++, output += p->channels) {
                rectangle window = rectangle_at(p, image, out_y, out_x);
                max_position(p, &window, output);
            }
        }
    }
}
