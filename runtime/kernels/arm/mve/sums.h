/* SPDX-License-Identifier: Apache-2.0 */
/* sums.h: sums over a window of an image, of 16 channels at once. */
#ifndef QRT_MVE_SUMS_H
#define QRT_MVE_SUMS_H

#include <stddef.h>

#include "arm/mve/vectors.h"

/* The codes of so many positions have a sum that fits 16 bits. */
enum { MVE_SHORT_SUM = 256 };

/* Four vectors from two, added to what they are, or in place of it. */
static inline void mve_widen(int32_t *sum, int16x8_t low, int16x8_t high, int add) {
    int16_t part[16];
    vstrhq_s16(part, low);
    vstrhq_s16(part + 8, high);
    for (int32_t i = 0; i < 16; i += 4) {
        int32x4_t wide = vldrhq_s32(part + i);
        vstrwq_s32(sum + i, add ? vaddq_s32(vldrwq_s32(sum + i), wide) : wide);
    }
}

/* sum[0..16): of `lanes` channels, 1 to 16, at `rows` * `columns` positions; those of a row are `channels` bytes apart.
 */
static inline void mve_sum(const int8_t *x, int32_t rows, int32_t columns, ptrdiff_t row_size, int32_t channels,
                           int32_t lanes, int32_t *sum) {
    mve_pred16_t first = vctp16q((uint32_t)lanes), second = vctp16q((uint32_t)(lanes > 8 ? lanes - 8 : 0));
    int16x8_t low = vdupq_n_s16(0), high = low;
    int32_t room = MVE_SHORT_SUM, is_long = 0;
    if (columns * channels == row_size) {
        columns *= rows;
        rows = 1;
    }
    for (; rows > 0; rows--, x += row_size) {
        const int8_t *at = x;
        for (int32_t left = columns, count; left > 0; left -= count, room -= count) {
            if (room == 0) {
                mve_widen(sum, low, high, is_long);
                low = high = vdupq_n_s16(0);
                room = MVE_SHORT_SUM;
                is_long = 1;
            }
            count = left < room ? left : room;
            if (lanes == 16) {
                for (int32_t i = 0; i < count; i++, at += channels) {
                    low = vaddq_s16(low, vldrbq_s16(at));
                    high = vaddq_s16(high, vldrbq_s16(at + 8));
                }
            } else {
                for (int32_t i = 0; i < count; i++, at += channels) {
                    low = vaddq_s16(low, vldrbq_z_s16(at, first));
                    high = vaddq_s16(high, vldrbq_z_s16(at + 8, second));
                }
            }
        }
    }
    mve_widen(sum, low, high, is_long);
}

#endif
