/* SPDX-License-Identifier: Apache-2.0 */
/* tile16.c: tiles with int16 codes. */
#include "arm/dsp/tile16.h"

#include "arm/dsp/tile_sums.h"
#include "arm/dsp/words.h"

/* Where results go: `channels` codes from position to position. */
typedef struct results {
    int16_t *y;
    int32_t channels, minimum, maximum;
} results;

/* Write a channel's results at 1 or 4 positions; functions of their own, for they fill the registers. */
QRT_DSP_LOOP static void put_single(const qrt_channel *channel, const int32_t *sums, int32_t positions, results r) {
    int64_t addend = channel->addend;
    int32_t multiplier = channel->multiplier, shift = channel->shift - 32;
#define PUT(i)                                                                                                         \
    r.y[(i) * r.channels] =                                                                                            \
        (int16_t)qrt_clamp((int32_t)(smlal(addend, sums[i], multiplier) >> 32) >> shift, r.minimum, r.maximum)
    PUT(0);
    if (positions == 1) return;
    PUT(1);
    PUT(2);
    PUT(3);
#undef PUT
}

QRT_DSP_LOOP static void put_double(const qrt_channel *channel, const int32_t *sums, int32_t positions, results r,
                                    int32_t zero_point) {
    int32_t bias = (int32_t)channel->addend, multiplier = channel->multiplier, shift = channel->shift;
    for (int32_t i = 0; i < positions; i++, r.y += r.channels) {
        int32_t sum = (int32_t)((uint32_t)sums[i] + (uint32_t)bias);
        *r.y = (int16_t)qrt_clamp(qrt_rounded_twice(sum, multiplier, shift) + zero_point, r.minimum, r.maximum);
    }
}

void qrt_dsp_tile16(const uint32_t *column, int32_t words, const void *packed, int32_t positions,
                    const qrt_requant *requant, int16_t *y, int32_t channels) {
    const qrt_dsp_tile tile = {.column = column, .column_end = column + words * positions};
    results r = {y, channels, requant->output_min, requant->output_max};
    int32_t rounding = requant->rounding, zero_point = requant->y_zero_point, sums[2 * QRT_DSP_POSITIONS];
    const uint32_t *at = packed;
    for (const int16_t *end = y + channels; r.y != end;) {
        const int32_t *first = sums;
        at = positions == 1 ? qrt_dsp_sums_of_one(&tile, at, sums) : qrt_dsp_sums_of_four(&tile, at, sums);
        const qrt_channel *channel = (const void *)at;
        for (int32_t k = 0; k < 2 && r.y != end; k++, channel++, r.y++, first += positions) {
            if (rounding == 0) {
                put_single(channel, first, positions, r);
            } else {
                put_double(channel, first, positions, r, zero_point);
            }
        }
        at += QRT_DSP_GENERAL_END;
    }
}
