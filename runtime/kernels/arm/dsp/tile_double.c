/* tile_double.c: a tile with the DOUBLE requantization of requant.h. */
#include "arm/dsp/tile_double.h"

#include "arm/dsp/requant.h"

#if QRT_DSP_ASSEMBLY

#define SUM1(a) "asr " #a ", " #a ", #8\n"
#define CODE(a, m, p)                                                                                                  \
    "smmlar " #a ", " #a ", " #m ", " #a "\n"                                                                          \
    "smmlar " #a ", " #a ", " #p ", r12\n"                                                                             \
    "ssat " #a ", #8, " #a "\n"
#define END                                                                                                            \
    SUM1(r8)                                                                                                           \
    SUM1(r9)                                                                                                           \
    SUM1(r10)                                                                                                          \
    SUM1(r11)                                                                                                          \
    "ldm lr!, {r0-r3, r12}\n" CODE(r4, r0, r1) CODE(r5, r0, r1) CODE(r6, r0, r1) CODE(r7, r0, r1) CODE(r8, r2, r3)     \
        CODE(r9, r2, r3) CODE(r10, r2, r3) CODE(r11, r2, r3)

__attribute__((naked)) void qrt_dsp_tile_double(__attribute__((unused)) const qrt_dsp_tile *tile) {
    __asm__(QRT_DSP_TILE(END));
}

#else

void qrt_dsp_tile_double(const qrt_dsp_tile *tile) {
    const uint32_t *packed = tile->packed;
    for (int8_t *output = tile->output; output < tile->end; output += 2) {
        int32_t sums[2 * QRT_DSP_POSITIONS];
        packed = qrt_dsp_sums(tile, packed, 1, sums);
        for (int32_t i = 0; i < QRT_DSP_POSITIONS; i++) {
            int8_t *y = output + qrt_dsp_place(tile, i);
            int32_t sum1 = (int32_t)((uint32_t)sums[QRT_DSP_POSITIONS + i] - (uint32_t)sums[i]) >> 8;
            y[0] = qrt_dsp_double(sums[i], (int32_t)packed[0], (int32_t)packed[1], (int32_t)packed[4]);
            if (output + 1 == tile->end) continue;
            y[1] = qrt_dsp_double(sum1, (int32_t)packed[2], (int32_t)packed[3], (int32_t)packed[4]);
        }
        packed += QRT_DSP_TILE_DOUBLE_END;
    }
}

#endif
