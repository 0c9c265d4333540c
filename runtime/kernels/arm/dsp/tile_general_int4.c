/* SPDX-License-Identifier: Apache-2.0 */
/* tile_general_int4.c: tiles with any requantization and any weights of int4. */
#include "arm/dsp/tile_general_int4.h"

#include "arm/dsp/column_int4.h"
#include "arm/dsp/tile_general.h"

#if QRT_DSP_ASSEMBLY

__attribute__((naked)) static const uint32_t *sums_of_four(__attribute__((unused)) const qrt_dsp_tile *t,
                                                           __attribute__((unused)) const uint32_t *packed,
                                                           __attribute__((unused)) int32_t sums[8]) {
    __asm__(QRT_DSP_GENERAL_FOUR(QRT_DSP_STEP_GENERAL("ldr r0, [r1]\n", "sxtb16", "uxtb16") QRT_DSP_STEP_GENERAL(
        "ldr r0, [r1], #4\nand r0, r0, #0x0f0f0f0f\n", "uxtb16", "uxtb16")));
}

#else

static const uint32_t *sums_of_four(const qrt_dsp_tile *t, const uint32_t *packed, int32_t *sums) {
    return qrt_dsp_general_sums(t, packed, QRT_DSP_POSITIONS, 1, sums);
}

#endif

static const uint32_t *sums_of_one(const qrt_dsp_tile *t, const uint32_t *packed, int32_t *sums) {
    return qrt_dsp_general_sums(t, packed, 1, 1, sums);
}

static void qrt_dsp_general_int4_four(const qrt_dsp_tile *t) {
    qrt_dsp_general_tile(t, QRT_DSP_POSITIONS, 1, sums_of_four);
}
static void qrt_dsp_general_int4_one(const qrt_dsp_tile *t) { qrt_dsp_general_tile(t, 1, 1, sums_of_one); }

const qrt_dsp_tiles qrt_dsp_tiles_general_int4 = {qrt_dsp_general_int4_four, qrt_dsp_general_int4_one,
                                                  qrt_dsp_column_int4};
