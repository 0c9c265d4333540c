/* tile_general.c: tiles with any requantization and any weights. */
#include "arm/dsp/tile_general.h"

#if QRT_DSP_ASSEMBLY

__attribute__((naked)) static const uint32_t *sums_of_four(__attribute__((unused)) const qrt_dsp_tile *t,
                                                           __attribute__((unused)) const uint32_t *packed,
                                                           __attribute__((unused)) int32_t sums[8]) {
    __asm__(QRT_DSP_GENERAL_FOUR(QRT_DSP_TWICE(QRT_DSP_STEP_GENERAL("ldr r0, [r1], #4\n", "sxtb16", "sxtb16"))));
}

#else

static const uint32_t *sums_of_four(const qrt_dsp_tile *t, const uint32_t *packed, int32_t *sums) {
    return qrt_dsp_general_sums(t, packed, QRT_DSP_POSITIONS, 0, sums);
}

#endif

static const uint32_t *sums_of_one(const qrt_dsp_tile *t, const uint32_t *packed, int32_t *sums) {
    return qrt_dsp_general_sums(t, packed, 1, 0, sums);
}

static void qrt_dsp_general_four(const qrt_dsp_tile *t) { qrt_dsp_general_tile(t, QRT_DSP_POSITIONS, 0, sums_of_four); }
static void qrt_dsp_general_one(const qrt_dsp_tile *t) { qrt_dsp_general_tile(t, 1, 0, sums_of_one); }

const qrt_dsp_tiles qrt_dsp_tiles_general = {qrt_dsp_general_four, qrt_dsp_general_one, NULL};
