/* SPDX-License-Identifier: Apache-2.0 */
/* tile_double_int4.c: tiles with the DOUBLE requantization of requant.h, of weights of int4. */
#include "arm/dsp/tile_double_int4.h"

#include "arm/dsp/column_int4.h"
#include "arm/dsp/tile_double.h"

#if QRT_DSP_ASSEMBLY

#define END_FOUR                                                                                                       \
    "asr r4, r4, #4\n"                                                                                                 \
    "asr r5, r5, #4\n"                                                                                                 \
    "asr r6, r6, #4\n"                                                                                                 \
    "asr r7, r7, #4\n" QRT_DSP_DOUBLE_FOUR("12")
#define END_ONE                                                                                                        \
    "asr r4, r4, #4\n"                                                                                                 \
    "asr r6, r6, #4\n" QRT_DSP_DOUBLE_ONE("12")

__attribute__((naked)) static void qrt_dsp_double_int4_four(__attribute__((unused)) const qrt_dsp_tile *tile) {
    __asm__(QRT_DSP_FOUR_INT4(END_FOUR));
}

__attribute__((naked)) static void qrt_dsp_double_int4_one(__attribute__((unused)) const qrt_dsp_tile *tile) {
    __asm__(QRT_DSP_ONE_INT4(END_ONE, "20"));
}

#else

static int8_t code(int32_t sum, int32_t second, const uint32_t *end) {
    return qrt_dsp_double_code(sum, second ? 12 : 4, second, end);
}

static void qrt_dsp_double_int4_four(const qrt_dsp_tile *t) {
    qrt_dsp_tile_run(t, QRT_DSP_POSITIONS, 1, QRT_DSP_DOUBLE_END, code);
}
static void qrt_dsp_double_int4_one(const qrt_dsp_tile *t) { qrt_dsp_tile_run(t, 1, 1, QRT_DSP_DOUBLE_END, code); }

#endif

const qrt_dsp_tiles qrt_dsp_tiles_double_int4 = {qrt_dsp_double_int4_four, qrt_dsp_double_int4_one,
                                                 qrt_dsp_column_int4};
