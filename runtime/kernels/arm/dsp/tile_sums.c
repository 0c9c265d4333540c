/* SPDX-License-Identifier: Apache-2.0 */
/* tile_sums.c: the sums of tiles whose words have the bytes of both channels. */
#include "arm/dsp/tile_sums.h"

#include "arm/dsp/tile_general.h"

#if QRT_DSP_ASSEMBLY

__attribute__((naked)) const uint32_t *qrt_dsp_sums_of_four(__attribute__((unused)) const qrt_dsp_tile *t,
                                                            __attribute__((unused)) const uint32_t *packed,
                                                            __attribute__((unused)) int32_t *sums) {
    __asm__(QRT_DSP_GENERAL_FOUR(QRT_DSP_TWICE(QRT_DSP_STEP_GENERAL("ldr r0, [r1], #4\n", "sxtb16", "sxtb16"))));
}

/* 2 words at a time, at one position: fewer loads than compilers take. */
__attribute__((naked)) const uint32_t *qrt_dsp_sums_of_one(__attribute__((unused)) const qrt_dsp_tile *t,
                                                           __attribute__((unused)) const uint32_t *packed,
                                                           __attribute__((unused)) int32_t *sums) {
    __asm__("push {r2, r4-r11, lr}\n"
            "ldrd r12, r3, [r0, #12]\n"
            "ldrd r10, r11, [r1], #8\n"
            "1: ldrd r4, r5, [r12], #8\n"
            "ldrd r6, r7, [r1], #8\n"
            "sxtb16 r8, r6\n"
            "sxtb16 r9, r6, ror #8\n"
            "smlad r10, r4, r8, r10\n"
            "smlad r11, r4, r9, r11\n"
            "sxtb16 r8, r7\n"
            "sxtb16 r9, r7, ror #8\n"
            "smlad r10, r5, r8, r10\n"
            "smlad r11, r5, r9, r11\n"
            "cmp r12, r3\n"
            "bne 1b\n"
            "pop {r2}\n"
            "strd r10, r11, [r2]\n"
            "mov r0, r1\n"
            "pop {r4-r11, pc}\n");
}

#else

const uint32_t *qrt_dsp_sums_of_four(const qrt_dsp_tile *t, const uint32_t *packed, int32_t *sums) {
    return qrt_dsp_general_sums(t, packed, QRT_DSP_POSITIONS, 0, sums);
}

const uint32_t *qrt_dsp_sums_of_one(const qrt_dsp_tile *t, const uint32_t *packed, int32_t *sums) {
    return qrt_dsp_general_sums(t, packed, 1, 0, sums);
}

#endif
