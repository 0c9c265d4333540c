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

static void tile(const qrt_dsp_tile *t, int32_t positions) {
    const uint32_t *packed = t->packed;
    for (int8_t *output = t->output; output < t->end; output += 2) {
        int32_t sums[2 * QRT_DSP_POSITIONS];
        packed = qrt_dsp_sums(t, packed, positions, sums);
        for (int32_t i = 0; i < positions; i++) {
            int8_t *y = output + (ptrdiff_t)i * t->stride;
            y[0] = qrt_dsp_single(sums[i], (int32_t)packed[0], packed[1], (int32_t)packed[2]);
            if (output + 1 == t->end) continue;
            y[1] = qrt_dsp_single(sums[positions + i], (int32_t)packed[3], packed[4], (int32_t)packed[5]);
        }
        packed += QRT_DSP_SINGLE_END;
    }
}

static void qrt_dsp_single_four(const qrt_dsp_tile *t) { tile(t, QRT_DSP_POSITIONS); }
static void qrt_dsp_single_one(const qrt_dsp_tile *t) { tile(t, 1); }

#endif

const qrt_dsp_tiles qrt_dsp_tiles_single = {qrt_dsp_single_four, qrt_dsp_single_one};
