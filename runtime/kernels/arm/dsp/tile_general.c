/* tile_general.c: a tile with any requantization and any weights. */
#include "arm/dsp/tile_general.h"

void qrt_dsp_tile_general(const qrt_dsp_tile *tile) {
    const uint32_t *packed = tile->packed;
    const qrt_requant requant = *tile->requant; /* a copy, which no store to `output` can reach */
    int32_t channels = (int32_t)(tile->end - tile->output);
    for (int32_t c = 0; c < channels; c += 2) {
        int32_t sums[2 * QRT_DSP_POSITIONS];
        qrt_channel pair[2];
        packed = qrt_dsp_sums(tile, packed, 0, sums);
        memcpy(pair, packed, sizeof pair);
        packed += QRT_DSP_TILE_GENERAL_END;
        for (int32_t k = 0; k < 2 && c + k < channels; k++) {
            for (int32_t i = 0; i < QRT_DSP_POSITIONS; i++) {
                qrt_put(&requant, pair[k], sums[QRT_DSP_POSITIONS * k + i], tile->output + qrt_dsp_place(tile, i),
                        c + k);
            }
        }
    }
}
