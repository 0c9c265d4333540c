/* tile_general.c: tiles with any requantization and any weights. */
#include "arm/dsp/tile_general.h"

/* The sums of a pair at 4 positions, channel by channel. Returns what follows the weights. */
static const uint32_t *sums_of_four(const qrt_dsp_tile *t, const uint32_t *packed, int32_t sums[8]) {
    int32_t a0 = (int32_t)packed[0], a1 = a0, a2 = a0, a3 = a0, b0 = (int32_t)packed[1], b1 = b0, b2 = b0, b3 = b0;
    packed += 2;
    for (const uint32_t *x = t->column, *end = t->column_end; x != end; x += QRT_DSP_POSITIONS) {
        uint32_t both = *packed++, low = sxtb16(both), high = sxtb16_ror8(both);
        a0 = smlad(x[0], low, a0);
        b0 = smlad(x[0], high, b0);
        a1 = smlad(x[1], low, a1);
        b1 = smlad(x[1], high, b1);
        a2 = smlad(x[2], low, a2);
        b2 = smlad(x[2], high, b2);
        a3 = smlad(x[3], low, a3);
        b3 = smlad(x[3], high, b3);
    }
    sums[0] = a0, sums[1] = a1, sums[2] = a2, sums[3] = a3, sums[4] = b0, sums[5] = b1, sums[6] = b2, sums[7] = b3;
    return packed;
}

/* At one position. */
static const uint32_t *sums_of_one(const qrt_dsp_tile *t, const uint32_t *packed, int32_t sums[2]) {
    int32_t a = (int32_t)packed[0], b = (int32_t)packed[1];
    packed += 2;
    for (const uint32_t *x = t->column, *end = t->column_end; x != end; x++) {
        uint32_t both = *packed++;
        a = smlad(*x, sxtb16(both), a);
        b = smlad(*x, sxtb16_ror8(both), b);
    }
    sums[0] = a, sums[1] = b;
    return packed;
}

static void tile(const qrt_dsp_tile *t, int32_t positions) {
    const uint32_t *packed = t->packed;
    const qrt_requant requant = *t->requant; /* a copy, which no store to `output` can reach */
    int32_t channels = (int32_t)(t->end - t->output);
    for (int32_t c = 0; c < channels; c += 2) {
        int32_t sums[2 * QRT_DSP_POSITIONS];
        qrt_channel pair[2];
        packed = positions == 1 ? sums_of_one(t, packed, sums) : sums_of_four(t, packed, sums);
        memcpy(pair, packed, sizeof pair);
        packed += QRT_DSP_GENERAL_END;
        for (int32_t k = 0; k < 2 && c + k < channels; k++) {
            for (int32_t i = 0; i < positions; i++) {
                qrt_put(&requant, pair[k], sums[positions * k + i], t->output + (ptrdiff_t)i * t->stride, c + k);
            }
        }
    }
}

static void four(const qrt_dsp_tile *t) { tile(t, QRT_DSP_POSITIONS); }
static void one(const qrt_dsp_tile *t) { tile(t, 1); }

const qrt_dsp_tiles qrt_dsp_tiles_general = {four, one};
