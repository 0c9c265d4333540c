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

/* Products of all channels. The assembly knows the places of the members up to `packed`. */
typedef struct qrt_dsp_tile {
    int8_t *output;
    int32_t stride; /* bytes from position to position */
    int8_t *end;    /* output + channels */
    const uint32_t *column, *column_end;
    const uint32_t *packed;
    const qrt_requant *requant; /* for qrt_dsp_tiles_general */
} qrt_dsp_tile;

#define QRT_DSP_POSITIONS 4

/* What runs channels of one kind: a tile of 4 positions, and of one, whose column has one word of every 2 places. */
typedef struct qrt_dsp_tiles {
    void (*four)(const qrt_dsp_tile *tile);
    void (*one)(const qrt_dsp_tile *tile);
} qrt_dsp_tiles;

/* The sums of a pair of channels at 1 or 4 positions, channel by channel: in C. Returns what follows the weights. */
static inline const uint32_t *qrt_dsp_sums(const qrt_dsp_tile *t, const uint32_t *packed, int32_t positions,
                                           int32_t *sums) {
    for (int32_t i = 0; i < 2 * positions; i++) sums[i] = (int32_t)packed[i / positions];
    packed += 2;
    for (const uint32_t *x = t->column; x < t->column_end; x += positions) {
        uint32_t both = *packed++, low = sxtb16(both);
        for (int32_t i = 0; i < positions; i++) {
            sums[i] = smlad(x[i], low, sums[i]);
            sums[positions + i] = smlad(x[i], both, sums[positions + i]);
        }
    }
    for (int32_t i = 0; i < positions; i++) {
        sums[positions + i] = (int32_t)((uint32_t)sums[positions + i] - (uint32_t)sums[i]);
    }
    return packed;
}

/* The products of 1 or 4 positions, in C: each pair has `end_words` behind its weights, of which `code` makes a code of
 * the sum of its first or second channel. */
static inline void qrt_dsp_tile_run(const qrt_dsp_tile *t, int32_t positions, int32_t end_words,
                                    int8_t (*code)(int32_t sum, int32_t second, const uint32_t *end)) {
    const uint32_t *packed = t->packed;
    for (int8_t *output = t->output; output < t->end; output += 2, packed += end_words) {
        int32_t sums[2 * QRT_DSP_POSITIONS];
        packed = qrt_dsp_sums(t, packed, positions, sums);
        for (int32_t i = 0; i < positions; i++) {
            int8_t *y = output + (ptrdiff_t)i * t->stride;
            y[0] = code(sums[i], 0, packed);
            if (output + 1 < t->end) y[1] = code(sums[positions + i], 1, packed);
        }
    }
}

#if QRT_DSP_ASSEMBLY

/* Compiles to nothing, or not at all. */
typedef char qrt_dsp_tile_places[offsetof(qrt_dsp_tile, end) == 8 && offsetof(qrt_dsp_tile, packed) == 20 ? 1 : -1];

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

/* A tile of 4 positions, whose END makes codes of the sums with the constants at lr. The loop does 8 steps and is
 * entered where it has as many left as are to be done apart from whole rounds. ADR counts from a multiple of 4: hence
 * .p2align. The frame: 0 output, 4 stride, 8 end, 12 column, 16 column_end, 20 the entry. */
#define QRT_DSP_FOUR(END)                                                                                              \
    "push {r4-r11, lr}\n"                                                                                              \
    "sub sp, #28\n"                                                                                                    \
    "ldm r0, {r1-r5, lr}\n"                                                                                            \
    "stm sp, {r1-r5}\n"                                                                                                \
    "sub r0, r5, r4\n"                                                                                                 \
    "sub r0, r0, #16\n"                                                                                                \
    "and r0, r0, #112\n"                                                                                               \
    "add r0, r0, r0, lsl #1\n"                                                                                         \
    ".p2align 2\n"                                                                                                     \
    "adr.w r1, 3f\n"                                                                                                   \
    "sub r1, r1, r0\n"                                                                                                 \
    "orr r1, r1, #1\n"                                                                                                 \
    "str r1, [sp, #20]\n"                                                                                              \
    "1: ldrd r7, r11, [lr], #8\n"                                                                                      \
    "ldr r12, [sp, #12]\n" QRT_DSP_FIRST "ldr pc, [sp, #20]\n"                                                         \
    "2:\n" QRT_DSP_STEP QRT_DSP_STEP QRT_DSP_STEP QRT_DSP_STEP QRT_DSP_STEP QRT_DSP_STEP QRT_DSP_STEP QRT_DSP_STEP     \
    "3: ldr r0, [sp, #16]\n"                                                                                           \
    "cmp r12, r0\n"                                                                                                    \
    "bne 2b\n"                                                                                                         \
    "sub r8, r8, r4\n"                                                                                                 \
    "sub r9, r9, r5\n"                                                                                                 \
    "sub r10, r10, r6\n"                                                                                               \
    "sub r11, r11, r7\n" END "ldm sp, {r0-r2}\n"                                                                       \
    "add r3, r0, #2\n"                                                                                                 \
    "str r3, [sp]\n"                                                                                                   \
    "cmp r3, r2\n"                                                                                                     \
    "add r3, r0, r1, lsl #1\n"                                                                                         \
    "bhi 4f\n"                                                                                                         \
    "bfi r4, r8, #8, #8\n"                                                                                             \
    "bfi r5, r9, #8, #8\n"                                                                                             \
    "bfi r6, r10, #8, #8\n"                                                                                            \
    "bfi r7, r11, #8, #8\n"                                                                                            \
    "strh r4, [r0]\n"                                                                                                  \
    "strh r5, [r0, r1]\n"                                                                                              \
    "strh r6, [r3]\n"                                                                                                  \
    "strh r7, [r3, r1]\n"                                                                                              \
    "bne 1b\n"                                                                                                         \
    "add sp, #28\n"                                                                                                    \
    "pop {r4-r11, pc}\n"                                                                                               \
    "4: strb r4, [r0]\n"                                                                                               \
    "strb r5, [r0, r1]\n"                                                                                              \
    "strb r6, [r3]\n"                                                                                                  \
    "strb r7, [r3, r1]\n"                                                                                              \
    "add sp, #28\n"                                                                                                    \
    "pop {r4-r11, pc}\n"

/* 4 places of 2 pairs at one position: sums r4, r5 and r6, r7, r11 the column, r12 and lr the weights. */
#define QRT_DSP_STEP_ONE                                                                                               \
    "ldrd r8, r9, [r11], #8\n"                                                                                         \
    "ldrd r0, r1, [r12], #8\n"                                                                                         \
    "sxtb16 r3, r0\n"                                                                                                  \
    "smlad r5, r8, r0, r5\n"                                                                                           \
    "smlad r4, r8, r3, r4\n"                                                                                           \
    "sxtb16 r3, r1\n"                                                                                                  \
    "smlad r5, r9, r1, r5\n"                                                                                           \
    "smlad r4, r9, r3, r4\n"                                                                                           \
    "ldrd r0, r1, [lr], #8\n"                                                                                          \
    "sxtb16 r3, r0\n"                                                                                                  \
    "smlad r7, r8, r0, r7\n"                                                                                           \
    "smlad r6, r8, r3, r6\n"                                                                                           \
    "sxtb16 r3, r1\n"                                                                                                  \
    "smlad r7, r9, r1, r7\n"                                                                                           \
    "smlad r6, r9, r3, r6\n"

/* A tile of one position, 2 pairs at a time, whose END makes codes of the sums with the constants at r12 and lr, and
 * leaves lr behind them. A last single pair is done twice and written once. The frame: 0 output, 8 end, 12 column,
 * 16 column_end, 20 the entry, 24 bytes of a pair, of which END_SIZE are constants. */
#define QRT_DSP_ONE(END, END_SIZE)                                                                                     \
    "push {r4-r11, lr}\n"                                                                                              \
    "sub sp, #28\n"                                                                                                    \
    "ldm r0, {r1-r6}\n"                                                                                                \
    "stm sp, {r1-r5}\n"                                                                                                \
    "mov lr, r6\n"                                                                                                     \
    "sub r0, r5, r4\n"                                                                                                 \
    "add r1, r0, #8 + " END_SIZE "\n"                                                                                  \
    "and r0, r0, #24\n"                                                                                                \
    "rsb r0, r0, r0, lsl #4\n"                                                                                         \
    ".p2align 2\n"                                                                                                     \
    "adr.w r2, 3f\n"                                                                                                   \
    "sub r2, r2, r0, lsr #1\n"                                                                                         \
    "orr r0, r2, #1\n"                                                                                                 \
    "strd r0, r1, [sp, #20]\n"                                                                                         \
    "1: ldr r0, [sp]\n"                                                                                                \
    "ldr r1, [sp, #8]\n"                                                                                               \
    "mov r12, lr\n"                                                                                                    \
    "sub r1, r1, r0\n"                                                                                                 \
    "ldr r0, [sp, #24]\n"                                                                                              \
    "cmp r1, #2\n"                                                                                                     \
    "it gt\n"                                                                                                          \
    "addgt lr, lr, r0\n"                                                                                               \
    "ldrd r4, r5, [r12], #8\n"                                                                                         \
    "ldrd r6, r7, [lr], #8\n"                                                                                          \
    "ldrd r11, r2, [sp, #12]\n"                                                                                        \
    "ldr pc, [sp, #20]\n"                                                                                              \
    "2:\n" QRT_DSP_STEP_ONE QRT_DSP_STEP_ONE QRT_DSP_STEP_ONE QRT_DSP_STEP_ONE "3: cmp r11, r2\n"                      \
    "bne 2b\n"                                                                                                         \
    "sub r5, r5, r4\n"                                                                                                 \
    "sub r7, r7, r6\n" END "ldr r0, [sp]\n"                                                                            \
    "ldr r1, [sp, #8]\n"                                                                                               \
    "sub r1, r1, r0\n"                                                                                                 \
    "cmp r1, #4\n"                                                                                                     \
    "blt 4f\n"                                                                                                         \
    "strb r5, [r0, #1]\n"                                                                                              \
    "strb r6, [r0, #2]\n"                                                                                              \
    "strb r7, [r0, #3]\n"                                                                                              \
    "strb r4, [r0], #4\n"                                                                                              \
    "str r0, [sp]\n"                                                                                                   \
    "bne 1b\n"                                                                                                         \
    "add sp, #28\n"                                                                                                    \
    "pop {r4-r11, pc}\n"                                                                                               \
    "4: strb r4, [r0]\n"                                                                                               \
    "cmp r1, #2\n"                                                                                                     \
    "it ge\n"                                                                                                          \
    "strbge r5, [r0, #1]\n"                                                                                            \
    "it gt\n"                                                                                                          \
    "strbgt r6, [r0, #2]\n"                                                                                            \
    "add sp, #28\n"                                                                                                    \
    "pop {r4-r11, pc}\n"

#endif
#endif
