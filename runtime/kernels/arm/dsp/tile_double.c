/* SPDX-License-Identifier: Apache-2.0 */
/* tile_double.c: tiles with the DOUBLE requantization of requant.h. */
#include "arm/dsp/tile_double.h"

#if QRT_DSP_ASSEMBLY

__attribute__((naked)) static void qrt_dsp_double_four(__attribute__((unused)) const qrt_dsp_tile *tile) {
    __asm__(QRT_DSP_FOUR(QRT_DSP_DOUBLE_FOUR("8")));
}

__attribute__((naked)) static void qrt_dsp_double_one(__attribute__((unused)) const qrt_dsp_tile *tile) {
    __asm__(QRT_DSP_ONE(QRT_DSP_DOUBLE_ONE("8"), "20"));
}

#else

static int8_t code(int32_t sum, int32_t second, const uint32_t *end) {
    return qrt_dsp_double_code(sum, second ? 8 : 0, second, end);
}

static void qrt_dsp_double_four(const qrt_dsp_tile *t) {
    qrt_dsp_tile_run(t, QRT_DSP_POSITIONS, 0, QRT_DSP_DOUBLE_END, code);
}
static void qrt_dsp_double_one(const qrt_dsp_tile *t) { qrt_dsp_tile_run(t, 1, 0, QRT_DSP_DOUBLE_END, code); }

#endif

const qrt_dsp_tiles qrt_dsp_tiles_double = {qrt_dsp_double_four, qrt_dsp_double_one, NULL};
