/* tile_sums.c: the sums of tiles whose words have the bytes of both channels. */
#include "arm/dsp/tile_sums.h"

#include "arm/dsp/tile_general.h"

#if QRT_DSP_ASSEMBLY

__attribute__((naked)) const uint32_t *qrt_dsp_sums_of_four(__attribute__((unused)) const qrt_dsp_tile *t,
                                                            __attribute__((unused)) const uint32_t *packed,
                                                            __attribute__((unused)) int32_t *sums) {
    __asm__(QRT_DSP_GENERAL_FOUR(QRT_DSP_TWICE(QRT_DSP_STEP_GENERAL("ldr r0, [r1], #4\n", "sxtb16", "sxtb16"))));
}

#else

const uint32_t *qrt_dsp_sums_of_four(const qrt_dsp_tile *t, const uint32_t *packed, int32_t *sums) {
    return qrt_dsp_general_sums(t, packed, QRT_DSP_POSITIONS, 0, sums);
}

#endif

const uint32_t *qrt_dsp_sums_of_one(const qrt_dsp_tile *t, const uint32_t *packed, int32_t *sums) {
    return qrt_dsp_general_sums(t, packed, 1, 0, sums);
}
