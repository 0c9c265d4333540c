/* SPDX-License-Identifier: Apache-2.0 */
/* average_rows.c: the codes of rows added to the sums of an average, four channels at a time. */
#include "arm/dsp/average_rows.h"

#include "arm/dsp/sums.h"
#include "arm/dsp/words.h"

static void add_to(int8_t *sum, int32_t more) { store_word(sum, load_word(sum) + (uint32_t)more); }

/* Four channels, which begin at x, over at most SUM16 positions. */
QRT_DSP_LOOP static void add_four(const int8_t *x, int32_t positions, int32_t channels, int8_t *sums) {
    rectangle r = {x, 1, positions, 0, channels};
    sums16 s = sum_few(&r, x);
    add_to(sums, low_half(s.even));
    add_to(sums + 4, low_half(s.odd));
    add_to(sums + 8, high_half(s.even));
    add_to(sums + 12, high_half(s.odd));
}

static void add_one(const int8_t *x, int32_t positions, int32_t channels, int8_t *sum) {
    for (; positions > 0; positions--, x += channels) add_to(sum, *x);
}

void qrt_add_positions_dsp(const int8_t *x, int32_t positions, int32_t channels, int8_t *sums) {
    for (int32_t left = positions; left > 0; left -= SUM16, x += SUM16 * (ptrdiff_t)channels) {
        int32_t some = left < SUM16 ? left : SUM16, channel = 0;
        for (; channel + 4 <= channels; channel += 4) add_four(x + channel, some, channels, sums + 4 * channel);
        for (; channel < channels; channel++) add_one(x + channel, some, channels, sums + 4 * channel);
    }
}
