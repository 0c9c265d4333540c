/* SPDX-License-Identifier: Apache-2.0 */
/* average_pool2d.c: average_pool2d, four channels at a time. */
#include "arm/dsp/dsp.h"
#include "arm/dsp/sums.h"
#include "arm/dsp/words.h"
#include "qrt_math.h"

/* Sums to averages, to nearest: floor((sum + bias) / count), where ties may need to be rounded down instead of up. The
 * bias holds 256 * count too, so that nothing is negative. */
typedef struct division {
    uint32_t bias, count;
    int32_t away;  /* -1: ties of negative sums are rounded down */
    uint32_t even; /* 1: ties are rounded down to what is even */
    uint32_t zero_point;
} division;

static inline division division_by(int32_t count, const qrt_pool2d_params *p) {
    int32_t ties = count % 2 == 0, to_even = p->rounding != 0;
    int32_t zero_point = p->rounding == 1 ? p->x_zero_point : 0; /* HALF_EVEN alone counts from it */
    division d = {(uint32_t)((256 - zero_point) * count + count / 2), (uint32_t)count, ties && !to_even ? -1 : 0,
                  ties && to_even, (uint32_t)zero_point};
    return d;
}

static inline int8_t average(const division *d, int32_t sum) {
    uint32_t n = (uint32_t)sum + d->bias + (uint32_t)(sum >> 31 & d->away), quotient = n / d->count;
    if (quotient * d->count == n) quotient &= ~d->even;
    return (int8_t)(uint8_t)(quotient + d->zero_point);
}

/* Four channels, which begin at x, of a window. */
QRT_DSP_LOOP static void average_four(const rectangle *window, const int8_t *x, const division *by, int8_t *y) {
    sums16 s = sum_few(window, x);
    division d = *by;
    y[0] = average(&d, low_half(s.even));
    y[1] = average(&d, low_half(s.odd));
    y[2] = average(&d, high_half(s.even));
    y[3] = average(&d, high_half(s.odd));
}

static void average_position(const qrt_pool2d_params *p, const rectangle *window, int8_t *output) {
    division d = division_by(window->rows * window->columns, p);
    for (int32_t channel = 0; channel < p->channels; channel += 4) {
        int32_t first = four_from(channel, p->channels);
        average_four(window, window->x + first, &d, output + first);
    }
}

void qrt_average_pool2d_s8_dsp(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_pool2d_params *p = params;
    const int8_t *image = inputs[0];
    int8_t *y = output;
    (void)scratch;
    for (int32_t n = 0; n < p->batch; n++, image += (ptrdiff_t)p->in_height * p->in_width * p->channels) {
        for (int32_t out_y = 0; out_y < p->out_height; out_y++) {
            for (int32_t out_x = 0; out_x < p->out_width; out_x++, y += p->channels) {
                rectangle window = rectangle_at(p, image, out_y, out_x);
                average_position(p, &window, y);
            }
        }
    }
    /* An average of codes is a code. */
    if (p->output_min > -128 || p->output_max < 127) {
        qrt_dsp_clamp_codes(output, output, y - output, p->output_min, p->output_max);
    }
}
