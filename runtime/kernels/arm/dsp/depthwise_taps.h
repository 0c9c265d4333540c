/* SPDX-License-Identifier: Apache-2.0 */
/* depthwise_taps.h: depthwise convolution with any window, four channels of one position at a time.
 *
 * A word of the image is four channels of one tap. Two taps make, half by half, a pair of int16 for each channel: a
 * dual multiplication each. Nothing is unpacked ahead, so it takes little scratch. `packed` has, for each group of four
 * channels, of which the last one may begin inside the one before it:
 *     4 biases, with the zero point of x in them
 *     for each two taps 4 pairs of weights as int16
 *     for an odd last tap 2 words, of channels 0 and 2 and of channels 1 and 3
 *     the constants of requantization of each channel
 */
#ifndef QRT_DSP_DEPTHWISE_TAPS_H
#define QRT_DSP_DEPTHWISE_TAPS_H

#include "arm/dsp/instructions.h"
#include "arm/dsp/requant.h"
#include "qrt_kernels.h"

/* A run of output positions side by side. A tap lies at x + its offset; outside of the image, that leads to other
 * memory, which holds the zero point. Assembly knows this structure. */
typedef struct qrt_dsp_taps {
    uintptr_t x; /* of the first position */
    const uintptr_t *offsets;
    uintptr_t skip; /* how many of the four steps of two taps the first pass through assembly's loop leaves out */
    const uintptr_t *offsets_end;
    const uint32_t *packed;
    int8_t *output;
    int32_t whole; /* the channels of groups that share none */
    int32_t back;  /* how many channels the last group shares with the one before it; 0: there is none such */
    int32_t zero_point;
    int32_t positions;
    int32_t x_step; /* from the last channel of a position to the next position */
    const qrt_requant *requant;
} qrt_dsp_taps;

/* The words of a group before the constants of requantization. */
static inline int32_t qrt_dsp_taps_words(int32_t taps) { return 4 + taps / 2 * 4 + taps % 2 * 2; }

/* All of an operator; `run` computes a run of positions. */
void qrt_dsp_depthwise_taps(const qrt_conv2d_params *p, const int8_t *image, int8_t *output, void *scratch,
                            void (*run)(const qrt_dsp_taps *taps));

/* Sums of the group at x; returns its constants of requantization. */
static inline const uint32_t *qrt_dsp_taps_sums(const qrt_dsp_taps *taps, uintptr_t x, const uint32_t *packed,
                                                int32_t *acc) {
    const uintptr_t *offset = taps->offsets;
    for (int32_t i = 0; i < 4; i++) acc[i] = (int32_t)packed[i];
    for (packed += 4; taps->offsets_end - offset > 1; offset += 2, packed += 4) {
        uint32_t a = load_word((const void *)(x + offset[0])), b = load_word((const void *)(x + offset[1]));
        uint32_t low = pkhbt(a, b), high = pkhtb(b, a);
        acc[0] = smlad(sxtb16(low), packed[0], acc[0]);
        acc[1] = smlad(sxtb16_ror8(low), packed[1], acc[1]);
        acc[2] = smlad(sxtb16(high), packed[2], acc[2]);
        acc[3] = smlad(sxtb16_ror8(high), packed[3], acc[3]);
    }
    if (offset < taps->offsets_end) {
        uint32_t a = load_word((const void *)(x + offset[0])), even = sxtb16(a), odd = sxtb16_ror8(a);
        acc[0] = smlabb(even, packed[0], acc[0]);
        acc[1] = smlabb(odd, packed[1], acc[1]);
        acc[2] = smlatt(even, packed[0], acc[2]);
        acc[3] = smlatt(odd, packed[1], acc[3]);
        packed += 2;
    }
    return packed;
}

/* What the assembly does, in C; `code` requantizes a sum with the `constants` of its channel. */
static inline void qrt_dsp_taps_run(const qrt_dsp_taps *taps, int32_t constants,
                                    int8_t (*code)(const qrt_dsp_taps *taps, int32_t acc, const uint32_t *constants)) {
    int32_t channels = taps->whole + (taps->back > 0 ? 4 - taps->back : 0);
    int8_t *output = taps->output;
    uintptr_t x = taps->x;
    for (int32_t i = 0; i < taps->positions; i++, output += channels) {
        const uint32_t *packed = taps->packed;
        for (int32_t c = 0; c < channels; c += 4) {
            int32_t first = c < taps->whole ? c : channels - 4, acc[4];
            packed = qrt_dsp_taps_sums(taps, x + (uintptr_t)first, packed, acc);
            for (int32_t j = 0; j < 4; j++, packed += constants) {
                output[first + j] = code(taps, acc[j], packed);
            }
        }
        x += (uintptr_t)(channels + taps->x_step);
    }
}

#if QRT_DSP_ASSEMBLY

/* 14 instructions, 56 bytes, for two taps of four channels. */
#define QRT_DSP_TAPS_STEP                                                                                              \
    "ldrd r3, r12, [r1], #8\n"                                                                                         \
    "ldr.w r3, [r0, r3]\n"                                                                                             \
    "ldr.w r12, [r0, r12]\n"                                                                                           \
    "ldmia.w r2!, {r8-r11}\n"                                                                                          \
    "pkhbt lr, r3, r12, lsl #16\n"                                                                                     \
    "pkhtb r12, r12, r3, asr #16\n"                                                                                    \
    "sxtb16 r3, lr\n"                                                                                                  \
    "sxtb16 lr, lr, ror #8\n"                                                                                          \
    "smlad r4, r3, r8, r4\n"                                                                                           \
    "smlad r5, lr, r9, r5\n"                                                                                           \
    "sxtb16 r3, r12\n"                                                                                                 \
    "sxtb16 r12, r12, ror #8\n"                                                                                        \
    "smlad r6, r3, r10, r6\n"                                                                                          \
    "smlad r7, r12, r11, r7\n"

/* END makes r4 to r7 codes: it takes the constants at r2, and may use all but r0; the zero point is at sp + 32. */
#define QRT_DSP_TAPS_RUN(END)                                                                                          \
    ".syntax unified\n"                                                                                                \
    ".balign 4\n"                                                                                                      \
    "push {r4-r11, lr}\n"                                                                                              \
    "sub sp, #56\n"                                                                                                    \
    "ldm r0, {r1-r11}\n"                                                                                               \
    "mov r0, r1\n"                                                                                                     \
    "adr.w r12, 2f\n"                                                                                                  \
    "mov lr, #56\n"                                                                                                    \
    "mla r3, r3, lr, r12\n"                                                                                            \
    "orr r3, r3, #1\n"                                                                                                 \
    "stm sp, {r1-r11}\n"                                                                                               \
    "subs r3, r4, r2\n"                                                                                                \
    "adr.w r2, 5f\n"                                                                                                   \
    "cmp r3, #36\n"                                                                                                    \
    "bhi 9f\n"                                                                                                         \
    "adr.w r2, 7f\n"                                                                                                   \
    "tst r3, #4\n"                                                                                                     \
    "beq 9f\n"                                                                                                         \
    "adr.w r2, 6f\n"                                                                                                   \
    "9: orr r2, r2, #1\n"                                                                                              \
    "str r2, [sp, #52]\n"                                                                                              \
    "mov r1, r6\n"                                                                                                     \
    "0: ldr r2, [sp, #16]\n"                                                                                           \
    "ldrd r3, r4, [sp, #24]\n"                                                                                         \
    "add r3, r3, r1\n"                                                                                                 \
    "strd r3, r4, [sp, #44]\n"                                                                                         \
    "1: ldm r2!, {r4-r7}\n"                                                                                            \
    "ldr r1, [sp, #4]\n"                                                                                               \
    "ldr pc, [sp, #8]\n"                                                                                               \
    "2:\n" QRT_DSP_TAPS_STEP QRT_DSP_TAPS_STEP QRT_DSP_TAPS_STEP QRT_DSP_TAPS_STEP "ldr pc, [sp, #52]\n"               \
    "5: ldr r3, [sp, #12]\n"                                                                                           \
    "subs r3, r3, r1\n"                                                                                                \
    "beq 7f\n"                                                                                                         \
    "cmp r3, #4\n"                                                                                                     \
    "bne 2b\n"                                                                                                         \
    "6: ldr r3, [r1]\n"                                                                                                \
    "ldrd r8, r9, [r2], #8\n"                                                                                          \
    "ldr r3, [r0, r3]\n"                                                                                               \
    "sxtb16 r12, r3\n"                                                                                                 \
    "sxtb16 r3, r3, ror #8\n"                                                                                          \
    "smlabb r4, r12, r8, r4\n"                                                                                         \
    "smlatt r6, r12, r8, r6\n"                                                                                         \
    "smlabb r5, r3, r9, r5\n"                                                                                          \
    "smlatt r7, r3, r9, r7\n"                                                                                          \
    "7:\n" END "ldr r1, [sp, #20]\n"                                                                                   \
    "ldr r3, [sp, #44]\n"                                                                                              \
    "strb r5, [r1, #1]\n"                                                                                              \
    "strb r6, [r1, #2]\n"                                                                                              \
    "strb r7, [r1, #3]\n"                                                                                              \
    "strb r4, [r1], #4\n"                                                                                              \
    "adds r0, #4\n"                                                                                                    \
    "str r1, [sp, #20]\n"                                                                                              \
    "cmp r1, r3\n"                                                                                                     \
    "bne 1b\n"                                                                                                         \
    "ldr r3, [sp, #48]\n"                                                                                              \
    "cmp r3, #0\n"                                                                                                     \
    "beq 4f\n"                                                                                                         \
    "subs r0, r0, r3\n"                                                                                                \
    "subs r1, r1, r3\n"                                                                                                \
    "str r1, [sp, #20]\n"                                                                                              \
    "adds r3, r1, #4\n"                                                                                                \
    "movs r4, #0\n"                                                                                                    \
    "strd r3, r4, [sp, #44]\n"                                                                                         \
    "b 1b\n"                                                                                                           \
    "4: ldrd r3, r4, [sp, #36]\n"                                                                                      \
    "adds r0, r0, r4\n"                                                                                                \
    "subs r3, #1\n"                                                                                                    \
    "str r3, [sp, #36]\n"                                                                                              \
    "bne 0b\n"                                                                                                         \
    "add sp, #56\n"                                                                                                    \
    "pop {r4-r11, pc}\n"

#endif
#endif
