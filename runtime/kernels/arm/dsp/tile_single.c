/* tile_single.c: tiles with the SINGLE requantization of requant.h. */
#include "arm/dsp/tile_single.h"

#include "arm/dsp/requant.h"

#if QRT_DSP_ASSEMBLY

#define CODE(a) "mov r3, r1\n" QRT_DSP_SINGLE(a, r0, r3, r2)
#define END_FOUR                                                                                                       \
    "ldm lr!, {r0-r2}\n" CODE(r4) CODE(r5) CODE(r6) QRT_DSP_SINGLE(r7, r0, r1, r2) "ldm lr!, {r0-r2}\n" CODE(r8)       \
        CODE(r9) CODE(r10) QRT_DSP_SINGLE(r11, r0, r1, r2)
#define END_ONE                                                                                                        \
    "ldm r12, {r0-r3, r8, r9}\n" QRT_DSP_SINGLE(r4, r0, r1, r2)                                                        \
        QRT_DSP_SINGLE(r5, r3, r8, r9) "ldm lr!, {r0-r3, r8, r9}\n" QRT_DSP_SINGLE(r6, r0, r1, r2)                     \
            QRT_DSP_SINGLE(r7, r3, r8, r9)

__attribute__((naked)) static void qrt_dsp_single_four(__attribute__((unused)) const qrt_dsp_tile *tile) {
    __asm__(QRT_DSP_FOUR(END_FOUR));
}

__attribute__((naked)) static void qrt_dsp_single_one(__attribute__((unused)) const qrt_dsp_tile *tile) {
    __asm__(QRT_DSP_ONE(END_ONE, "24"));
}

#else

static int8_t code(int32_t sum, int32_t second, const uint32_t *end) {
    const uint32_t *own = end + 3 * second;
    return qrt_dsp_single(sum, (int32_t)own[0], own[1], (int32_t)own[2]);
}

static void qrt_dsp_single_four(const qrt_dsp_tile *t) {
    qrt_dsp_tile_run(t, QRT_DSP_POSITIONS, QRT_DSP_SINGLE_END, code);
}
static void qrt_dsp_single_one(const qrt_dsp_tile *t) { qrt_dsp_tile_run(t, 1, QRT_DSP_SINGLE_END, code); }

#endif

const qrt_dsp_tiles qrt_dsp_tiles_single = {qrt_dsp_single_four, qrt_dsp_single_one};
