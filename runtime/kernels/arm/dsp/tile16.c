/* tile16.c: tiles with int16 codes. */
#include "arm/dsp/tile16.h"

#include "arm/dsp/tile_sums.h"

/* Writes a channel's results. */
static void put(const qrt_requant *requant, qrt_channel own, const int32_t *sums, int32_t positions, int16_t *y,
                int32_t channels) {
    int32_t minimum = requant->output_min, maximum = requant->output_max;
    if (requant->rounding == 0) {
        for (int32_t i = 0; i < positions; i++, y += channels) {
            int32_t high = (int32_t)(smlal(own.addend, sums[i], own.multiplier) >> 32);
            *y = (int16_t)qrt_clamp(high >> (own.shift - 32), minimum, maximum);
        }
    } else {
        for (int32_t i = 0; i < positions; i++, y += channels) {
            int32_t sum = (int32_t)((uint32_t)sums[i] + (uint32_t)own.addend);
            *y = (int16_t)qrt_double(requant, own.multiplier, own.shift, sum);
        }
    }
}

void qrt_dsp_tile16(const uint32_t *column, int32_t words, const void *packed, int32_t positions,
                    const qrt_requant *requant, int16_t *y, int32_t channels) {
    const qrt_requant own = *requant; /* a copy, which no store to `y` can reach */
    const qrt_dsp_tile tile = {.column = column, .column_end = column + words * positions};
    const uint32_t *at = packed;
    for (int32_t c = 0; c < channels; c += 2) {
        int32_t sums[2 * QRT_DSP_POSITIONS];
        qrt_channel pair[2];
        at = positions == 1 ? qrt_dsp_sums_of_one(&tile, at, sums) : qrt_dsp_sums_of_four(&tile, at, sums);
        memcpy(pair, at, sizeof pair);
        at += QRT_DSP_GENERAL_END;
        for (int32_t k = 0; k < 2 && c + k < channels; k++) {
            put(&own, pair[k], sums + positions * k, positions, y + c + k, channels);
        }
    }
}
