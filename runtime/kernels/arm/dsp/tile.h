/* tile.h: the products of conv2d and linear: 2 channels of output at 4 positions at a time.
 *
 * The column is what 4 positions see: of every 2 places of the window one word of two int16 for each position, in the
 * order in which SXTB16 takes bytes apart: for 4 places (0, 2) of all positions, then (1, 3). Channels are packed in
 * pairs, each one stretch of words: 2 sums to begin with, a word for every 2 places, and what the end of the tile
 * needs. A word has the weights w0 and w1 of both channels for 2 places, and is used as it is: its halves are
 * 256 * w1 + w0, so the products of the halves sum to 256 * sum1 + sum0. The low bytes give sum0, and the difference
 * sum1, if 256 * sum1 has room in 32 bits. That saves an instruction in 13. Where there is no room (a pair does not
 * `combine`) the bytes are w0 and w1, and each takes its SXTB16.
 */
#ifndef QRT_DSP_TILE_H
#define QRT_DSP_TILE_H

#include <stddef.h>

#include "arm/dsp/instructions.h"
#include "qrt_kernels.h"

/* A tile for all channels. The assembly knows the places of the members up to `packed`. Positions 0 and 1, and 2 and 3,
 * lie `stride` bytes apart in the output, 0 and 2 `second` bytes: 3 positions are 0, 1, 1, 2, and 2 are 0, 1, 0, 1. */
typedef struct qrt_dsp_tile {
    int8_t *output;
    int32_t stride, second;
    int8_t *end; /* output + channels */
    const uint32_t *column, *column_end;
    const uint32_t *packed;
    const qrt_requant *requant; /* for qrt_dsp_tile_general() */
} qrt_dsp_tile;

typedef void qrt_dsp_tile_function(const qrt_dsp_tile *tile);

#define QRT_DSP_POSITIONS 4

/* The sums of a pair of channels, those of channel 0 first. Returns what follows the weights. */
static inline const uint32_t *qrt_dsp_sums(const qrt_dsp_tile *t, const uint32_t *packed, int combined,
                                           int32_t sums[2 * QRT_DSP_POSITIONS]) {
    for (int32_t i = 0; i < 2 * QRT_DSP_POSITIONS; i++) sums[i] = (int32_t)packed[i / QRT_DSP_POSITIONS];
    packed += 2;
    for (const uint32_t *x = t->column; x < t->column_end; x += QRT_DSP_POSITIONS) {
        uint32_t both = *packed++, low = sxtb16(both), high = combined ? both : sxtb16_ror8(both);
        for (int32_t i = 0; i < QRT_DSP_POSITIONS; i++) {
            sums[i] = smlad(x[i], low, sums[i]);
            sums[QRT_DSP_POSITIONS + i] = smlad(x[i], high, sums[QRT_DSP_POSITIONS + i]);
        }
    }
    return packed;
}

/* Where position i of a tile has its output. */
static inline ptrdiff_t qrt_dsp_place(const qrt_dsp_tile *t, int32_t i) {
    return (ptrdiff_t)(i & 1) * t->stride + (ptrdiff_t)(i >> 1) * t->second;
}

#if QRT_DSP_ASSEMBLY

/* Compiles to nothing, or not at all. */
typedef char qrt_dsp_tile_places[offsetof(qrt_dsp_tile, end) == 12 && offsetof(qrt_dsp_tile, packed) == 24 ? 1 : -1];

/* 2 places: sums r4 to r7 and r8 to r11, r12 the column, lr the weights. FIRST finds what the sums begin with in r7
 * and r11. All instructions have 4 bytes. */
#define QRT_DSP_STEP                                                                                                   \
    "ldr r0, [lr], #4\n"                                                                                               \
    "ldrd r2, r3, [r12], #8\n"                                                                                         \
    "sxtb16 r1, r0\n"                                                                                                  \
    "smlad r4, r2, r1, r4\n"                                                                                           \
    "smlad r8, r2, r0, r8\n"                                                                                           \
    "smlad r5, r3, r1, r5\n"                                                                                           \
    "smlad r9, r3, r0, r9\n"                                                                                           \
    "ldrd r2, r3, [r12], #8\n"                                                                                         \
    "smlad r6, r2, r1, r6\n"                                                                                           \
    "smlad r10, r2, r0, r10\n"                                                                                         \
    "smlad r7, r3, r1, r7\n"                                                                                           \
    "smlad r11, r3, r0, r11\n"
#define QRT_DSP_FIRST                                                                                                  \
    "ldr r0, [lr], #4\n"                                                                                               \
    "ldrd r2, r3, [r12], #8\n"                                                                                         \
    "sxtb16 r1, r0\n"                                                                                                  \
    "smlad r4, r2, r1, r7\n"                                                                                           \
    "smlad r8, r2, r0, r11\n"                                                                                          \
    "smlad r5, r3, r1, r7\n"                                                                                           \
    "smlad r9, r3, r0, r11\n"                                                                                          \
    "ldrd r2, r3, [r12], #8\n"                                                                                         \
    "smlad r6, r2, r1, r7\n"                                                                                           \
    "smlad r10, r2, r0, r11\n"                                                                                         \
    "smlad r7, r3, r1, r7\n"                                                                                           \
    "smlad r11, r3, r0, r11\n"

/* A function of a tile for combined weights, whose END turns sums into codes with constants from lr on. The loop does
 * 8 steps, and is entered where as many are left as a multiple of 8 lacks. The frame: 0 output, 4 stride, 8 second,
 * 12 end, 16 column, 20 column_end, 24 the entry. */
#define QRT_DSP_TILE(END)                                                                                              \
    "push {r4-r11, lr}\n"                                                                                              \
    "sub sp, #28\n"                                                                                                    \
    "ldm r0, {r1-r6, lr}\n"                                                                                            \
    "stm sp, {r1-r6}\n"                                                                                                \
    "sub r0, r6, r5\n"                                                                                                 \
    "sub r0, r0, #16\n"                                                                                                \
    "and r0, r0, #112\n"                                                                                               \
    "add r0, r0, r0, lsl #1\n"                                                                                         \
    "adr.w r1, 3f\n"                                                                                                   \
    "sub r1, r1, r0\n"                                                                                                 \
    "orr r1, r1, #1\n"                                                                                                 \
    "str r1, [sp, #24]\n"                                                                                              \
    "1: ldrd r7, r11, [lr], #8\n"                                                                                      \
    "ldr r12, [sp, #16]\n" QRT_DSP_FIRST "ldr pc, [sp, #24]\n"                                                         \
    "2:\n" QRT_DSP_STEP QRT_DSP_STEP QRT_DSP_STEP QRT_DSP_STEP QRT_DSP_STEP QRT_DSP_STEP QRT_DSP_STEP QRT_DSP_STEP     \
    "3: ldr r0, [sp, #20]\n"                                                                                           \
    "cmp r12, r0\n"                                                                                                    \
    "bne 2b\n"                                                                                                         \
    "sub r8, r8, r4\n"                                                                                                 \
    "sub r9, r9, r5\n"                                                                                                 \
    "sub r10, r10, r6\n"                                                                                               \
    "sub r11, r11, r7\n" END "ldm sp, {r0-r3}\n"                                                                       \
    "add r12, r0, #2\n"                                                                                                \
    "add r2, r0, r2\n"                                                                                                 \
    "str r12, [sp]\n"                                                                                                  \
    "cmp r12, r3\n"                                                                                                    \
    "bhi 4f\n"                                                                                                         \
    "bfi r4, r8, #8, #8\n"                                                                                             \
    "bfi r5, r9, #8, #8\n"                                                                                             \
    "bfi r6, r10, #8, #8\n"                                                                                            \
    "bfi r7, r11, #8, #8\n"                                                                                            \
    "strh r4, [r0]\n"                                                                                                  \
    "strh r5, [r0, r1]\n"                                                                                              \
    "strh r6, [r2]\n"                                                                                                  \
    "strh r7, [r2, r1]\n"                                                                                              \
    "bne 1b\n"                                                                                                         \
    "add sp, #28\n"                                                                                                    \
    "pop {r4-r11, pc}\n"                                                                                               \
    "4: strb r4, [r0]\n"                                                                                               \
    "strb r5, [r0, r1]\n"                                                                                              \
    "strb r6, [r2]\n"                                                                                                  \
    "strb r7, [r2, r1]\n"                                                                                              \
    "add sp, #28\n"                                                                                                    \
    "pop {r4-r11, pc}\n"

#endif
#endif
