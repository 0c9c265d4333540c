/* SPDX-License-Identifier: Apache-2.0 */
/* conv2d16.c: conv2d with int16 codes by tiles. */
#include "arm/dsp/dsp.h"
#include "arm/dsp/tile16.h"
#include "arm/dsp/words16.h"

/* Code `at` of a row of the image, or the zero point outside of it. */
static int32_t code_or(int32_t zero_point, const int16_t *row, int32_t at, int32_t size) {
    return at >= 0 && at < size ? row[at] : zero_point;
}

/* What the window sees whose first code is at `left` of row `top`, in words `step` apart. */
static void gather_window(const qrt_conv2d_params *p, const int16_t *image, int32_t top, int32_t left, uint32_t *column,
                          int32_t step) {
    int32_t run = p->filter_width * p->in_channels, pitch = p->in_width * p->in_channels, words = (run + 1) / 2;
    int32_t zero_point = p->x_zero_point;
    const int16_t *row = image + (ptrdiff_t)top * pitch;
    for (int32_t y = top; y < top + p->filter_height; y++, row += pitch, column += words * step) {
        if (y < 0 || y >= p->in_height) {
            for (int32_t i = 0; i < words; i++) column[i * step] = word_of(zero_point, zero_point);
        } else if (left >= 0 && left + run <= pitch) {
            qrt_dsp_gather16(row + left, run, column, step);
        } else {
            for (int32_t i = 0; i < words; i++) {
                int32_t first = left + 2 * i; /* a last code beyond the run meets a weight of 0 */
                column[i * step] =
                    word_of(code_or(zero_point, row, first, pitch), code_or(zero_point, row, first + 1, pitch));
            }
        }
    }
}

void qrt_conv2d16_s8_dsp(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_conv2d_params *p = params;
    const int16_t *image = qrt_codes16(inputs[0]);
    int16_t *y = qrt_output16(output);
    uint32_t *column = scratch;
    int32_t words = qrt_dsp_words16(p->filter_height, p->filter_width * p->in_channels);
    int32_t step_x = p->stride_x * p->in_channels, first_left = -p->pad_left * p->in_channels;
    for (int32_t n = 0; n < p->batch; n++, image += (ptrdiff_t)p->in_height * p->in_width * p->in_channels) {
        int32_t top = -p->pad_top, left = first_left, out_x = 0, count;
        /* The last word of a column may have no code. */
        for (int32_t i = 1; i <= QRT_DSP_POSITIONS; i++) column[words * QRT_DSP_POSITIONS - i] = 0;
        for (int32_t rest = p->out_height * p->out_width; rest > 0; rest -= count) {
            count = rest < QRT_DSP_POSITIONS ? 1 : QRT_DSP_POSITIONS;
            if (count == 1) column[words - 1] = 0;
            for (int32_t i = 0; i < count; i++, left += step_x) {
                if (out_x == p->out_width) out_x = 0, left = first_left, top += p->stride_y;
                gather_window(p, image, top, left, column + i, count);
                out_x++;
            }
            qrt_dsp_tile16(column, words, p->packed, count, &p->requant, y, p->out_channels);
            y += (ptrdiff_t)count * p->out_channels;
        }
    }
}
