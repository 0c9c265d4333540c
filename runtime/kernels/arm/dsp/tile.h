/* SPDX-License-Identifier: Apache-2.0 */
/* tile.h: the products of conv2d and linear: 2 channels of output at 4 positions at a time.
 *
 * The column is what 4 positions see: of every 2 places of the window one word of two int16 for each position, in the
 * order in which SXTB16 takes bytes apart: for 4 places (0, 2) of all positions, then (1, 3). Channels are packed in
 * pairs, each one stretch of words: 2 sums to begin with, a word for every 2 places, and what the end of the tile
 * needs. A word has the weights w0 and w1 of both channels for 2 places, and is used as it is: its halves are
 * 256 * w1 + w0, so the products of the halves sum to 256 * sum1 + sum0. The low bytes give sum0, and the difference
 * sum1, if 256 * sum1 has room in 32 bits. That saves an instruction in 13. Where there is no room (a pair does not
 * `combine`) the bytes are w0 and w1, and each takes its SXTB16.
 *
 * Of int4 a word has both channels' weights for 4 places: the high four bits of its bytes are a, of places 0 and 2, the
 * low ones b, of 1 and 3, all of them w + 8 but for a of channel 1. It meets the codes of places 0 and 2 as it is, and
 * with the high bits off 16 times those of 1 and 3, less those of 0 and 2, which qrt_dsp_column_int4() makes:
 *
 *     x0 * (16 * a + b) + (16 * x1 - x0) * b = 16 * (x0 * a + x1 * b)
 *
 * That takes 25 instructions where int8 takes 24. Sums are 16 times what they are, and what 8 contributes goes off.
 */
#ifndef QRT_DSP_TILE_H
#define QRT_DSP_TILE_H

#include <stddef.h>

#include "arm/dsp/instructions.h"
#include "qrt_kernels.h"

/* Products of all channels. The assembly knows the places of the members. */
typedef struct qrt_dsp_tile {
    int8_t *output;
    int32_t stride; /* bytes from position to position */
    int8_t *end;    /* output + channels */
    const uint32_t *column, *column_end;
    const uint32_t *packed;
    const qrt_requant *requant; /* for qrt_dsp_tiles_general */
    int32_t offsets[8];         /* of int4: what is added to the sums of channel 0 at each position, and of channel 1 */
} qrt_dsp_tile;

#define QRT_DSP_POSITIONS 4

/* What runs channels of one kind: a tile of 4 positions, and of one, whose column has one word of every 2 places. */
typedef struct qrt_dsp_tiles {
    void (*four)(const qrt_dsp_tile *tile);
    void (*one)(const qrt_dsp_tile *tile);
    void (*before)(qrt_dsp_tile *tile, uint32_t *column, int32_t positions); /* of int4; else NULL */
} qrt_dsp_tiles;

/* Both channels' weights for 2 places, which are number `index` behind the sums, as they meet the column. */
static inline uint32_t qrt_dsp_both(const uint32_t *packed, int32_t index, int32_t int4) {
    if (!int4) return packed[index];
    return index % 2 == 0 ? packed[index / 2] : packed[index / 2] & 0x0f0f0f0fu;
}

/* Those of channel 0. */
static inline uint32_t qrt_dsp_low(uint32_t both, int32_t int4) { return int4 ? uxtb16(both) : sxtb16(both); }

/* What follows the weights for all places of a column, at 1 or 4 positions. */
static inline const uint32_t *qrt_dsp_behind(const qrt_dsp_tile *t, const uint32_t *packed, int32_t positions,
                                             int32_t int4) {
    return packed + (t->column_end - t->column) / (int4 ? 2 * positions : positions);
}

/* Of int4: sums of channel 1 are 2^scale times those of channel 0. */
static inline void qrt_dsp_add_offsets(const qrt_dsp_tile *t, int32_t positions, int32_t scale, int32_t *sums) {
    for (int32_t i = 0; i < positions; i++) {
        uint32_t *sum = (uint32_t *)&sums[i], *second = (uint32_t *)&sums[positions + i];
        *sum += (uint32_t)t->offsets[i];
        *second += (uint32_t)t->offsets[QRT_DSP_POSITIONS + i] << scale;
    }
}

/* The sums of a pair of channels at 1 or 4 positions, channel by channel: in C. Returns what follows the weights. */
static inline const uint32_t *qrt_dsp_sums(const qrt_dsp_tile *t, const uint32_t *packed, int32_t positions,
                                           int32_t int4, int32_t *sums) {
    int32_t index = 0;
    for (int32_t i = 0; i < 2 * positions; i++) sums[i] = (int32_t)packed[i / positions];
    packed += 2;
    for (const uint32_t *x = t->column; x < t->column_end; x += positions) {
        uint32_t both = qrt_dsp_both(packed, index++, int4), low = qrt_dsp_low(both, int4);
        for (int32_t i = 0; i < positions; i++) {
            sums[i] = smlad(x[i], low, sums[i]);
            sums[positions + i] = smlad(x[i], both, sums[positions + i]);
        }
    }
    for (int32_t i = 0; i < positions; i++) {
        sums[positions + i] = (int32_t)((uint32_t)sums[positions + i] - (uint32_t)sums[i]);
    }
    if (int4) qrt_dsp_add_offsets(t, positions, 8, sums);
    return qrt_dsp_behind(t, packed, positions, int4);
}

/* The products of 1 or 4 positions, in C: each pair has `end_words` behind its weights, of which `code` makes a code of
 * the sum of its first or second channel. */
static inline void qrt_dsp_tile_run(const qrt_dsp_tile *t, int32_t positions, int32_t int4, int32_t end_words,
                                    int8_t (*code)(int32_t sum, int32_t second, const uint32_t *end)) {
    const uint32_t *packed = t->packed;
    for (int8_t *output = t->output; output < t->end; output += 2, packed += end_words) {
        int32_t sums[2 * QRT_DSP_POSITIONS];
        packed = qrt_dsp_sums(t, packed, positions, int4, sums);
        for (int32_t i = 0; i < positions; i++) {
            int8_t *y = output + (ptrdiff_t)i * t->stride;
            y[0] = code(sums[i], 0, packed);
            if (output + 1 < t->end) y[1] = code(sums[positions + i], 1, packed);
        }
    }
}

#if QRT_DSP_ASSEMBLY

/* Compiles to nothing, or not at all. */
typedef char qrt_dsp_tile_places[offsetof(qrt_dsp_tile, end) == 8 && offsetof(qrt_dsp_tile, packed) == 20 &&
                                         offsetof(qrt_dsp_tile, offsets) == 28
                                     ? 1
                                     : -1];

/* 2 places, whose weights LOAD brings to r0 and LOW takes apart: sums r4 to r7 and r8 to r11, r12 the column, lr the
 * weights. FIRST finds what the sums begin with in r7 and r11. All instructions have 4 bytes. */
#define QRT_DSP_STEP(LOAD, LOW)                                                                                        \
    LOAD "ldrd r2, r3, [r12], #8\n" LOW " r1, r0\n"                                                                    \
         "smlad r4, r2, r1, r4\n"                                                                                      \
         "smlad r8, r2, r0, r8\n"                                                                                      \
         "smlad r5, r3, r1, r5\n"                                                                                      \
         "smlad r9, r3, r0, r9\n"                                                                                      \
         "ldrd r2, r3, [r12], #8\n"                                                                                    \
         "smlad r6, r2, r1, r6\n"                                                                                      \
         "smlad r10, r2, r0, r10\n"                                                                                    \
         "smlad r7, r3, r1, r7\n"                                                                                      \
         "smlad r11, r3, r0, r11\n"
#define QRT_DSP_FIRST(LOAD, LOW)                                                                                       \
    LOAD "ldrd r2, r3, [r12], #8\n" LOW " r1, r0\n"                                                                    \
         "smlad r4, r2, r1, r7\n"                                                                                      \
         "smlad r8, r2, r0, r11\n"                                                                                     \
         "smlad r5, r3, r1, r7\n"                                                                                      \
         "smlad r9, r3, r0, r11\n"                                                                                     \
         "ldrd r2, r3, [r12], #8\n"                                                                                    \
         "smlad r6, r2, r1, r7\n"                                                                                      \
         "smlad r10, r2, r0, r11\n"                                                                                    \
         "smlad r7, r3, r1, r7\n"                                                                                      \
         "smlad r11, r3, r0, r11\n"
#define QRT_DSP_LOAD "ldr r0, [lr], #4\n"

/* The same of int4: places 0 and 2 of four, and places 1 and 3. */
#define QRT_DSP_LOAD_HIGH "ldr r0, [lr]\n"
#define QRT_DSP_LOAD_LOW "ldr r0, [lr], #4\nand r0, r0, #0x0f0f0f0f\n"

/* A tile of 4 positions, whose END makes codes of the sums with the constants at lr. The loop does 16 places and is
 * entered where it has as many left as are to be done apart from whole rounds: ENTRY makes of r0, the tile, and of
 * r4 and r5, where the column is, the bytes of code before the loop's end in r0. ADR counts from a multiple of 4: hence
 * .p2align. The frame: 0 output, 4 stride, 8 end, 12 column, 16 column_end, 20 the entry. */
#define QRT_DSP_FOUR_OF(ENTRY, FIRST, STEPS, END)                                                                      \
    "push {r4-r11, lr}\n"                                                                                              \
    "sub sp, #28\n"                                                                                                    \
    "ldm r0, {r1-r5, lr}\n"                                                                                            \
    "stm sp, {r1-r5}\n" ENTRY ".p2align 2\n"                                                                           \
    "adr.w r1, 3f\n"                                                                                                   \
    "sub r1, r1, r0\n"                                                                                                 \
    "orr r1, r1, #1\n"                                                                                                 \
    "str r1, [sp, #20]\n"                                                                                              \
    "1: ldrd r7, r11, [lr], #8\n"                                                                                      \
    "ldr r12, [sp, #12]\n" FIRST "ldr pc, [sp, #20]\n"                                                                 \
    "2:\n" STEPS "3: ldr r0, [sp, #16]\n"                                                                              \
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

#define QRT_DSP_TWICE(STEP) STEP STEP
#define QRT_DSP_FOUR(END)                                                                                              \
    QRT_DSP_FOUR_OF("sub r0, r5, r4\n"                                                                                 \
                    "sub r0, r0, #16\n"                                                                                \
                    "and r0, r0, #112\n"                                                                               \
                    "add r0, r0, r0, lsl #1\n",                                                                        \
                    QRT_DSP_FIRST(QRT_DSP_LOAD, "sxtb16"),                                                             \
                    QRT_DSP_TWICE(QRT_DSP_TWICE(QRT_DSP_TWICE(QRT_DSP_STEP(QRT_DSP_LOAD, "sxtb16")))), END)

/* 24 of the frame: where the offsets are. */
#define QRT_DSP_FOUR_INT4(END)                                                                                         \
    QRT_DSP_FOUR_OF("add r0, r0, #28\n"                                                                                \
                    "str r0, [sp, #24]\n"                                                                              \
                    "sub r0, r5, r4\n"                                                                                 \
                    "sub r0, r0, #32\n"                                                                                \
                    "and r0, r0, #96\n"                                                                                \
                    "add r1, r0, r0, lsl #1\n"                                                                         \
                    "add r0, r0, r1, lsl #3\n"                                                                         \
                    "lsr.w r0, r0, #3\n",                                                                              \
                    QRT_DSP_FIRST(QRT_DSP_LOAD_HIGH, "uxtb16") QRT_DSP_STEP(QRT_DSP_LOAD_LOW, "uxtb16"),               \
                    QRT_DSP_TWICE(QRT_DSP_TWICE(QRT_DSP_STEP(QRT_DSP_LOAD_HIGH, "uxtb16")                              \
                                                    QRT_DSP_STEP(QRT_DSP_LOAD_LOW, "uxtb16"))),                        \
                    "ldr r12, [sp, #24]\n"                                                                             \
                    "ldm r12!, {r0-r3}\n"                                                                              \
                    "add r4, r4, r0\n"                                                                                 \
                    "add r5, r5, r1\n"                                                                                 \
                    "add r6, r6, r2\n"                                                                                 \
                    "add r7, r7, r3\n"                                                                                 \
                    "ldm r12, {r0-r3}\n"                                                                               \
                    "add r8, r8, r0, lsl #8\n"                                                                         \
                    "add r9, r9, r1, lsl #8\n"                                                                         \
                    "add r10, r10, r2, lsl #8\n"                                                                       \
                    "add r11, r11, r3, lsl #8\n" END)

/* 4 places of 2 pairs at one position: sums r4, r5 and r6, r7, r11 the column, r12 and lr the weights. */
#define QRT_DSP_STEP_ONE(PAIR) "ldrd r8, r9, [r11], #8\n" PAIR("r12", "r4", "r5") PAIR("lr", "r6", "r7")
#define QRT_DSP_PAIR(weights, sum0, sum1)                                                                              \
    "ldrd r0, r1, [" weights "], #8\n"                                                                                 \
    "sxtb16 r3, r0\n"                                                                                                  \
    "smlad " sum1 ", r8, r0, " sum1 "\n"                                                                               \
    "smlad " sum0 ", r8, r3, " sum0 "\n"                                                                               \
    "sxtb16 r3, r1\n"                                                                                                  \
    "smlad " sum1 ", r9, r1, " sum1 "\n"                                                                               \
    "smlad " sum0 ", r9, r3, " sum0 "\n"
#define QRT_DSP_PAIR_INT4(weights, sum0, sum1)                                                                         \
    "ldr r0, [" weights "], #4\n"                                                                                      \
    "uxtb16 r3, r0\n"                                                                                                  \
    "smlad " sum1 ", r8, r0, " sum1 "\n"                                                                               \
    "smlad " sum0 ", r8, r3, " sum0 "\n"                                                                               \
    "and r0, r0, #0x0f0f0f0f\n"                                                                                        \
    "uxtb16 r3, r0\n"                                                                                                  \
    "smlad " sum1 ", r9, r0, " sum1 "\n"                                                                               \
    "smlad " sum0 ", r9, r3, " sum0 "\n"

/* A tile of one position, 2 pairs at a time, whose END makes codes of the sums with the constants at r12 and lr, and
 * leaves lr behind them. A last single pair is done twice and written once. ENTRY makes of r0, the tile, and of r4 and
 * r5, where the column is, twice the bytes of code before the loop's end in r0, and the bytes of a pair, of which
 * END_SIZE are constants, in r1. The frame: 0 output, 8 end, 12 column, 16 column_end, 20 the entry, 24 the bytes of a
 * pair. */
#define QRT_DSP_ONE_OF(ENTRY, STEP, END)                                                                               \
    "push {r4-r11, lr}\n"                                                                                              \
    "sub sp, #28\n"                                                                                                    \
    "ldm r0, {r1-r6}\n"                                                                                                \
    "stm sp, {r1-r5}\n"                                                                                                \
    "mov lr, r6\n" ENTRY ".p2align 2\n"                                                                                \
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
    "2:\n" QRT_DSP_TWICE(QRT_DSP_TWICE(STEP)) "3: cmp r11, r2\n"                                                       \
                                              "bne 2b\n"                                                               \
                                              "sub r5, r5, r4\n"                                                       \
                                              "sub r7, r7, r6\n" END "ldr r0, [sp]\n"                                  \
                                              "ldr r1, [sp, #8]\n"                                                     \
                                              "sub r1, r1, r0\n"                                                       \
                                              "cmp r1, #4\n"                                                           \
                                              "blt 4f\n"                                                               \
                                              "strb r5, [r0, #1]\n"                                                    \
                                              "strb r6, [r0, #2]\n"                                                    \
                                              "strb r7, [r0, #3]\n"                                                    \
                                              "strb r4, [r0], #4\n"                                                    \
                                              "str r0, [sp]\n"                                                         \
                                              "bne 1b\n"                                                               \
                                              "add sp, #28\n"                                                          \
                                              "pop {r4-r11, pc}\n"                                                     \
                                              "4: strb r4, [r0]\n"                                                     \
                                              "cmp r1, #2\n"                                                           \
                                              "it ge\n"                                                                \
                                              "strbge r5, [r0, #1]\n"                                                  \
                                              "it gt\n"                                                                \
                                              "strbgt r6, [r0, #2]\n"                                                  \
                                              "add sp, #28\n"                                                          \
                                              "pop {r4-r11, pc}\n"
#define QRT_DSP_ONE(END, END_SIZE)                                                                                     \
    QRT_DSP_ONE_OF("sub r0, r5, r4\n"                                                                                  \
                   "add r1, r0, #8 + " END_SIZE "\n"                                                                   \
                   "and r0, r0, #24\n"                                                                                 \
                   "rsb r0, r0, r0, lsl #4\n",                                                                         \
                   QRT_DSP_STEP_ONE(QRT_DSP_PAIR), END)

/* The offset of channel 0 at 4 of the frame, that of channel 1 in r10. */
#define QRT_DSP_ONE_INT4(END, END_SIZE)                                                                                \
    QRT_DSP_ONE_OF("ldr r1, [r0, #28]\n"                                                                               \
                   "ldr r10, [r0, #44]\n"                                                                              \
                   "str r1, [sp, #4]\n"                                                                                \
                   "sub r0, r5, r4\n"                                                                                  \
                   "lsr.w r1, r0, #1\n"                                                                                \
                   "add r1, r1, #8 + " END_SIZE "\n"                                                                   \
                   "and r0, r0, #24\n"                                                                                 \
                   "add r0, r0, r0, lsl #4\n",                                                                         \
                   QRT_DSP_STEP_ONE(QRT_DSP_PAIR_INT4),                                                                \
                   "ldr r0, [sp, #4]\n"                                                                                \
                   "add r4, r4, r0\n"                                                                                  \
                   "add r6, r6, r0\n"                                                                                  \
                   "add r5, r5, r10, lsl #8\n"                                                                         \
                   "add r7, r7, r10, lsl #8\n" END)

#endif
#endif
