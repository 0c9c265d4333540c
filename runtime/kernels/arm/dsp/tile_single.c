/* SPDX-License-Identifier: Apache-2.0 */
/* tile_single.c: tiles with the SINGLE requantization of requant.h. */
#include "arm/dsp/tile_single.h"

#if QRT_DSP_ASSEMBLY

__attribute__((naked)) static void qrt_dsp_single_four(__attribute__((unused)) const qrt_dsp_tile *tile) {
    __asm__(QRT_DSP_FOUR(QRT_DSP_SINGLE_FOUR));
}

__attribute__((naked)) static void qrt_dsp_single_one(__attribute__((unused)) const qrt_dsp_tile *tile) {
    __asm__(QRT_DSP_ONE(QRT_DSP_SINGLE_ONE, "24"));
}

#else

static void qrt_dsp_single_four(const qrt_dsp_tile *t) {
    qrt_dsp_tile_run(t, QRT_DSP_POSITIONS, 0, QRT_DSP_SINGLE_END, qrt_dsp_single_code);
}
static void qrt_dsp_single_one(const qrt_dsp_tile *t) {
    qrt_dsp_tile_run(t, 1, 0, QRT_DSP_SINGLE_END, qrt_dsp_single_code);
}

#endif

const qrt_dsp_tiles qrt_dsp_tiles_single = {qrt_dsp_single_four, qrt_dsp_single_one, NULL};
