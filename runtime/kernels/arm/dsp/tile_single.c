/* tile_single.c: a tile with the SINGLE requantization of requant.h. */
#include "arm/dsp/tile_single.h"

#include "arm/dsp/requant.h"

#if QRT_DSP_ASSEMBLY

#define CODE(a)                                                                                                        \
    "smmla " #a ", " #a ", r0, r1\n"                                                                                   \
    "asr " #a ", " #a ", r2\n"                                                                                         \
    "ssat " #a ", #8, " #a "\n"
#define END                                                                                                            \
    "ldm lr!, {r0-r2}\n" CODE(r4) CODE(r5) CODE(r6) CODE(r7) "ldm lr!, {r0-r2}\n" CODE(r8) CODE(r9) CODE(r10) CODE(r11)

__attribute__((naked)) void qrt_dsp_tile_single(__attribute__((unused)) const qrt_dsp_tile *tile) {
    __asm__(QRT_DSP_TILE(END));
}

#else

void qrt_dsp_tile_single(const qrt_dsp_tile *tile) {
    const uint32_t *packed = tile->packed;
    for (int8_t *output = tile->output; output < tile->end; output += 2) {
        int32_t sums[2 * QRT_DSP_POSITIONS];
        packed = qrt_dsp_sums(tile, packed, 1, sums);
        for (int32_t i = 0; i < QRT_DSP_POSITIONS; i++) {
            int8_t *y = output + qrt_dsp_place(tile, i);
            int32_t scaled = (int32_t)((uint32_t)sums[QRT_DSP_POSITIONS + i] - (uint32_t)sums[i]);
            y[0] = qrt_dsp_single(sums[i], (int32_t)packed[0], (int32_t)packed[1], (int32_t)packed[2]);
            if (output + 1 == tile->end) continue;
            y[1] = qrt_dsp_single(scaled, (int32_t)packed[3], (int32_t)packed[4], (int32_t)packed[5]);
        }
        packed += QRT_DSP_TILE_SINGLE_END;
    }
}

#endif
