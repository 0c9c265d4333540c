/* SPDX-License-Identifier: Apache-2.0 */
/* tile_single_int4.c: tiles with the SINGLE requantization of requant.h, of weights of int4. */
#include "arm/dsp/tile_single_int4.h"

#include "arm/dsp/column_int4.h"
#include "arm/dsp/tile_single.h"

#if QRT_DSP_ASSEMBLY

__attribute__((naked)) static void qrt_dsp_single_int4_four(__attribute__((unused)) const qrt_dsp_tile *tile) {
    __asm__(QRT_DSP_FOUR_INT4(QRT_DSP_SINGLE_FOUR));
}

__attribute__((naked)) static void qrt_dsp_single_int4_one(__attribute__((unused)) const qrt_dsp_tile *tile) {
    __asm__(QRT_DSP_ONE_INT4(QRT_DSP_SINGLE_ONE, "24"));
}

#else

static void qrt_dsp_single_int4_four(const qrt_dsp_tile *t) {
    qrt_dsp_tile_run(t, QRT_DSP_POSITIONS, 1, QRT_DSP_SINGLE_END, qrt_dsp_single_code);
}
static void qrt_dsp_single_int4_one(const qrt_dsp_tile *t) {
    qrt_dsp_tile_run(t, 1, 1, QRT_DSP_SINGLE_END, qrt_dsp_single_code);
}

#endif

const qrt_dsp_tiles qrt_dsp_tiles_single_int4 = {qrt_dsp_single_int4_four, qrt_dsp_single_int4_one,
                                                 qrt_dsp_column_int4};
