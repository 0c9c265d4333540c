/* SPDX-License-Identifier: Apache-2.0 */
/* sums.h: sums of the codes of four channels, over a rectangle of positions. */
#ifndef QRT_DSP_SUMS_H
#define QRT_DSP_SUMS_H

#include "arm/dsp/instructions.h"
#include "arm/dsp/rectangle.h"

/* As many codes have a sum that fits 16 bits. */
#define SUM16 256

/* Sums of channels 0 and 2, and of 1 and 3. */
typedef struct sums16 {
    uint32_t even, odd;
} sums16;

/* Sums of 4 channels, which begin at x, over at most SUM16 positions. */
static inline sums16 sum_few(const rectangle *r, const int8_t *x) {
    sums16 s = {0, 0};
    int32_t step = r->channels, pairs = r->columns / 2;
    ptrdiff_t gap = r->row_size - pairs * 2 * step;
    for (int32_t row = r->rows; row > 0; row--, x += gap) {
        for (int32_t pair = pairs; pair > 0; pair--, x += 2 * step) {
            uint32_t word = load_word(x), next = load_word(x + step);
            s.even = sxtab16(sxtab16(s.even, word), next);
            s.odd = sxtab16_ror8(sxtab16_ror8(s.odd, word), next);
        }
        if (r->columns % 2) {
            uint32_t word = load_word(x);
            s.even = sxtab16(s.even, word);
            s.odd = sxtab16_ror8(s.odd, word);
        }
    }
    return s;
}

#endif
