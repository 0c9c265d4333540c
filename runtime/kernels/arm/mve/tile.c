/* SPDX-License-Identifier: Apache-2.0 */
/* tile.c: dot products with Helium, see tile.h. */
#include "arm/mve/tile.h"

#include <stddef.h>

#ifdef QRT_MVE_ASSEMBLY

/* Compilers do not keep sums where VMLADAVA wants them. What the assembly knows of a tile: */
typedef char known_tile[offsetof(qrt_mve_tile, x) == 0 && offsetof(qrt_mve_tile, more_blocks) == 8 &&
                                offsetof(qrt_mve_tile, y) == 12 && offsetof(qrt_mve_tile, mode) == 20 &&
                                offsetof(qrt_mve_tile, output_min) == 28 && offsetof(qrt_mve_tile, x_step) == 36 &&
                                offsetof(qrt_mve_tile, packed) == 44 && offsetof(qrt_mve_tile, count) == 52
                            ? 1
                            : -1];

/* clang-format off */

/* Pieces of qrt_mve_requantize for a vector `a`: `t` is another to use; the multiplier is in q0, and 1 in `one`. */
#define AWAY_FROM_ZERO(a, t)                \
    "vshr.s32 " t ", " a ", #31\n"          \
    "vadd.i32 " a ", " a ", " t "\n"
#define MULTIPLY_WITH_REST(a, t, rest, one) \
    "vmul.i32 " t ", " a ", q0\n"           \
    "vmulh.s32 " a ", " a ", q0\n"          \
    "vadd.i32 " t ", " t ", " rest "\n"     \
    "vpt.u32 hi, " rest ", " t "\n"         \
    "vaddt.i32 " a ", " a ", " one "\n"

/* r0, r2, r4, r6: sums of channels 0, 2, 1, 3; r1: x; r3: packed; r5: y; r7: mode; r8: size; r9: channels to do;
 * r10: the zero point; r11: the tile; r12: the position's codes. q2, q3: the clamp. */
__attribute__((naked)) void qrt_mve_one_position(__attribute__((unused)) qrt_mve_tile *tile) {
    __asm__ volatile(
        "push {r4-r11, lr}\n"
        "vpush {d8-d11}\n"
        "mov r11, r0\n"
        "ldrd r0, r2, [r11, #28]\n" /* output_min, output_max */
        "vdup.32 q2, r0\n"
        "vdup.32 q3, r2\n"
        "ldr r8, [r11, #48]\n" /* size */
        "ldrd r7, r10, [r11, #20]\n" /* mode, zero_point */
        "ldr r12, [r11]\n"
        "1: ldrd r9, r3, [r11, #40]\n" /* channels, packed */
        "ldr r5, [r11, #12]\n"
        "2: mov r1, r12\n"
        "movs r0, #0\n"
        "movs r2, #0\n"
        "movs r4, #0\n"
        "movs r6, #0\n"
        "wlstp.8 lr, r8, 4f\n"
        "3: vldrb.8 q0, [r1], #16\n"
        "vldrb.8 q1, [r3], #16\n"
        "vmladava.s8 r0, q0, q1\n"
        "vldrb.8 q4, [r3], #16\n"
        "vmladava.s8 r2, q0, q4\n"
        "vldrb.8 q1, [r3], #16\n"
        "vmladava.s8 r4, q0, q1\n"
        "vldrb.8 q4, [r3], #16\n"
        "vmladava.s8 r6, q0, q4\n"
        "letp lr, 3b\n"
        "4: vmov q4[2], q4[0], r0, r2\n"
        "vmov q4[3], q4[1], r4, r6\n"
        "vldrw.32 q0, [r3], #16\n"
        "vadd.i32 q4, q4, q0\n"
        "vldrw.32 q0, [r3], #16\n"
        "cbnz r7, 6f\n"
        "vqrdmulh.s32 q4, q4, q0\n"
        AWAY_FROM_ZERO("q4", "q1")
        "5: vldrw.32 q0, [r3], #16\n"
        "vrshl.s32 q4, q4, q0\n"
        "vadd.i32 q4, q4, r10\n"
        "vmax.s32 q4, q4, q2\n"
        "vmin.s32 q4, q4, q3\n"
        "subs r9, r9, #4\n"
        "blt 8f\n"
        "vstrb.32 q4, [r5], #4\n"
        "bgt 2b\n"
        "b 9f\n"
        "6: cmp r7, #1\n"
        "bne 7f\n"
        "vmulh.s32 q4, q4, q0\n"
        "b 5b\n"
        "7: movs r4, #1\n"
        "vldrw.32 q1, [r3], #16\n"
        MULTIPLY_WITH_REST("q4", "q5", "q1", "r4")
        "b 5b\n"
        "8: add r9, r9, #4\n"
        "vctp.32 r9\n"
        "vpst\n"
        "vstrbt.32 q4, [r5]\n"
        "9: ldrd r0, r2, [r11, #36]\n" /* x_step, channels */
        "add r12, r12, r0\n"
        "ldr r5, [r11, #12]\n"
        "add r5, r5, r2\n"
        "str r5, [r11, #12]\n"
        "ldr r0, [r11, #52]\n" /* count */
        "subs r0, r0, #1\n"
        "str r0, [r11, #52]\n"
        "bne 1b\n"
        "str r12, [r11]\n"
        "vpop {d8-d11}\n"
        "pop {r4-r11, pc}\n");
}

/* 16 products of four channels at two positions. */
#define BLOCK(multiply)                     \
    "vldrb.8 q0, [r1], #16\n"               \
    "vldrb.8 q2, [r5], #16\n"               \
    multiply " r0, q0, q2\n"                \
    "vldrb.8 q1, [r3], #16\n"               \
    multiply " r8, q1, q2\n"                \
    "vldrb.8 q3, [r5], #16\n"               \
    multiply " r2, q0, q3\n"                \
    multiply " r10, q1, q3\n"               \
    "vldrb.8 q2, [r5], #16\n"               \
    multiply " r4, q0, q2\n"                \
    multiply " r12, q1, q2\n"               \
    "vldrb.8 q3, [r5], #16\n"               \
    multiply " r6, q0, q3\n"                \
    multiply " lr, q1, q3\n"
#define TWO(instruction, operand)           \
    instruction " q4, q4, " operand "\n"    \
    instruction " q5, q5, " operand "\n"

/* r0, r2, r4, r6 and r8, r10, r12, lr: sums of channels 0, 2, 1, 3 at position 0 and 1; r1, r3: their codes; r5: packed;
 * r7: blocks to do; r9: channels to do; r11: y in the tile. q6, q7: the clamp. */
__attribute__((naked)) void qrt_mve_two_positions(__attribute__((unused)) qrt_mve_tile *tile) {
    __asm__ volatile(
        "push {r4-r11, lr}\n"
        "vpush {d8-d15}\n"
        "add r11, r0, #12\n"
        "ldrd r0, r2, [r11, #16]\n" /* output_min, output_max */
        "vdup.32 q6, r0\n"
        "vdup.32 q7, r2\n"
        "1: ldrd r9, r5, [r11, #28]\n" /* channels, packed */
        "2: ldmdb r11, {r1, r3, r7}\n" /* x, more_blocks */
        BLOCK("vmladav.s8")
        "lsrs r7, r7, #1\n"
        "bcc 3f\n"
        BLOCK("vmladava.s8")
        "3: beq 5f\n"
        "4:\n"
        BLOCK("vmladava.s8")
        BLOCK("vmladava.s8")
        "subs r7, r7, #1\n"
        "bne 4b\n"
        "5: vmov q4[2], q4[0], r0, r2\n"
        "vmov q4[3], q4[1], r4, r6\n"
        "vmov q5[2], q5[0], r8, r10\n"
        "vmov q5[3], q5[1], r12, lr\n"
        "vldrw.32 q0, [r5], #16\n"
        "ldmia r11, {r0, r2, r4, r6}\n" /* y, mode, zero_point */
        TWO("vadd.i32", "q0")
        "vldrw.32 q0, [r5], #16\n"
        "cbnz r4, 7f\n"
        TWO("vqrdmulh.s32", "q0")
        AWAY_FROM_ZERO("q4", "q1")
        AWAY_FROM_ZERO("q5", "q2")
        "6: vldrw.32 q0, [r5], #16\n"
        TWO("vrshl.s32", "q0")
        TWO("vadd.i32", "r6")
        TWO("vmax.s32", "q6")
        TWO("vmin.s32", "q7")
        "subs r9, r9, #4\n"
        "blt 9f\n"
        "vstrb.32 q4, [r0], #4\n"
        "vstrb.32 q5, [r2], #4\n"
        "strd r0, r2, [r11]\n"
        "bgt 2b\n"
        "b 10f\n"
        "7: cmp r4, #1\n"
        "bne 8f\n"
        TWO("vmulh.s32", "q0")
        "b 6b\n"
        "8: mov r8, #1\n"
        "vldrw.32 q1, [r5], #16\n"
        MULTIPLY_WITH_REST("q4", "q2", "q1", "r8")
        MULTIPLY_WITH_REST("q5", "q2", "q1", "r8")
        "b 6b\n"
        "9: add r9, r9, #4\n"
        "vctp.32 r9\n"
        "vpstt\n"
        "vstrbt.32 q4, [r0]\n"
        "vstrbt.32 q5, [r2]\n"
        "add r2, r2, r9\n"
        "10: ldrd r6, r8, [r11, #24]\n" /* x_step, channels; r2: the next y */
        "ldr r3, [r11, #-8]\n"
        "add r1, r3, r6\n"
        "add r3, r1, r6\n"
        "strd r1, r3, [r11, #-12]\n"
        "add r4, r2, r8\n"
        "strd r2, r4, [r11]\n"
        "ldr r0, [r11, #40]\n" /* count */
        "subs r0, r0, #1\n"
        "str r0, [r11, #40]\n"
        "bne 1b\n"
        "vpop {d8-d15}\n"
        "pop {r4-r11, pc}\n");
}

/* 16 products of channels 0 and 2, or of 1 and 3, at three positions, whose codes stay in q5, q6, q7. */
#define SHORT_PAIR                          \
    "vldrb.8 q0, [r7], #16\n"               \
    "vmladav.s8 r0, q0, q5\n"               \
    "vmladav.s8 r4, q0, q6\n"               \
    "vldrb.8 q4, [r7], #16\n"               \
    "vmladav.s8 r8, q0, q7\n"               \
    "vmladav.s8 r2, q4, q5\n"               \
    "vmladav.s8 r6, q4, q6\n"               \
    "vmladav.s8 r10, q4, q7\n"
#define THREE(instruction, operand)         \
    instruction " q1, q1, " operand "\n"    \
    instruction " q2, q2, " operand "\n"    \
    instruction " q3, q3, " operand "\n"

/* r0 to r10, even: sums of two channels at position 0, 1, 2; r1, r3, r5: where results go; r7: packed; r9: channels to
 * do; r11: the tile; r12: the zero point; lr: mode. */
__attribute__((naked)) void qrt_mve_three_short_positions(__attribute__((unused)) qrt_mve_tile *tile) {
    __asm__ volatile(
        "push {r4-r11, lr}\n"
        "vpush {d8-d15}\n"
        "mov r11, r0\n"
        "ldrd lr, r12, [r11, #20]\n" /* mode, zero_point */
        "ldr r1, [r11, #12]\n"
        "1: ldr r0, [r11]\n"
        "ldr r2, [r11, #36]\n" /* x_step */
        "vldrb.8 q5, [r0]\n"
        "add r0, r0, r2\n"
        "vldrb.8 q6, [r0]\n"
        "add r0, r0, r2\n"
        "vldrb.8 q7, [r0]\n"
        "add r0, r0, r2\n"
        "str r0, [r11]\n"
        "ldrd r9, r7, [r11, #40]\n" /* channels, packed */
        "add r3, r1, r9\n"
        "add r5, r3, r9\n"
        "2:\n"
        SHORT_PAIR
        "vmov q1[2], q1[0], r0, r2\n"
        "vmov q2[2], q2[0], r4, r6\n"
        "vmov q3[2], q3[0], r8, r10\n"
        SHORT_PAIR
        "vmov q1[3], q1[1], r0, r2\n"
        "vmov q2[3], q2[1], r4, r6\n"
        "vmov q3[3], q3[1], r8, r10\n"
        "vldrw.32 q0, [r7], #16\n"
        THREE("vadd.i32", "q0")
        "vldrw.32 q0, [r7], #16\n"
        "cmp lr, #0\n"
        "bne 4f\n"
        THREE("vqrdmulh.s32", "q0")
        AWAY_FROM_ZERO("q1", "q0")
        AWAY_FROM_ZERO("q2", "q4")
        AWAY_FROM_ZERO("q3", "q0")
        "3: vldrw.32 q0, [r7], #16\n"
        "ldrd r0, r2, [r11, #28]\n" /* output_min, output_max */
        THREE("vrshl.s32", "q0")
        "vdup.32 q0, r0\n"
        "vdup.32 q4, r2\n"
        THREE("vadd.i32", "r12")
        THREE("vmax.s32", "q0")
        THREE("vmin.s32", "q4")
        "subs r9, r9, #4\n"
        "blt 6f\n"
        "vstrb.32 q1, [r1], #4\n"
        "vstrb.32 q2, [r3], #4\n"
        "vstrb.32 q3, [r5], #4\n"
        "bgt 2b\n"
        "b 7f\n"
        "4: cmp lr, #1\n"
        "bne 5f\n"
        THREE("vmulh.s32", "q0")
        "b 3b\n"
        "5: movs r4, #1\n"
        "vpush {d10-d11}\n"
        "vldrw.32 q5, [r7], #16\n"
        MULTIPLY_WITH_REST("q1", "q4", "q5", "r4")
        MULTIPLY_WITH_REST("q2", "q4", "q5", "r4")
        MULTIPLY_WITH_REST("q3", "q4", "q5", "r4")
        "vpop {d10-d11}\n"
        "b 3b\n"
        "6: add r9, r9, #4\n"
        "vctp.32 r9\n"
        "vpsttt\n"
        "vstrbt.32 q1, [r1]\n"
        "vstrbt.32 q2, [r3]\n"
        "vstrbt.32 q3, [r5]\n"
        "add r5, r5, r9\n"
        "7: mov r1, r5\n"
        "ldr r0, [r11, #52]\n" /* count */
        "subs r0, r0, #1\n"
        "str r0, [r11, #52]\n"
        "bne 1b\n"
        "str r1, [r11, #12]\n"
        "vpop {d8-d15}\n"
        "pop {r4-r11, pc}\n");
}

/* clang-format on */

#else

/* All channels of position 0. */
static void position(qrt_mve_tile *tile) {
    const int32_t *packed = tile->packed;
    for (int32_t channel = 0; channel < tile->channels; channel += 4) {
        const int8_t *weights = (const int8_t *)packed;
        int32_t sums[4] = {0, 0, 0, 0};
        for (int32_t at = 0; at < tile->size; at += 16, weights += 64) {
            int8x16_t x = vldrbq_z_s8(tile->x[0] + at, vctp8q((uint32_t)(tile->size - at)));
            sums[0] = vmladavaq_s8(sums[0], x, vldrbq_s8(weights));
            sums[2] = vmladavaq_s8(sums[2], x, vldrbq_s8(weights + 16));
            sums[1] = vmladavaq_s8(sums[1], x, vldrbq_s8(weights + 32));
            sums[3] = vmladavaq_s8(sums[3], x, vldrbq_s8(weights + 48));
        }
        packed += 16 * (tile->more_blocks + 1);
        int32x4_t code = qrt_mve_requantize(vldrwq_s32(sums), packed, tile->mode, tile->zero_point);
        code = vminq_s32(vmaxq_s32(code, vdupq_n_s32(tile->output_min)), vdupq_n_s32(tile->output_max));
        vstrbq_p_s32(tile->y[0] + channel, code, vctp32q((uint32_t)(tile->channels - channel)));
        packed += qrt_mve_constants(tile->mode);
    }
    tile->x[0] += tile->x_step;
    tile->y[0] += tile->channels;
}

void qrt_mve_one_position(qrt_mve_tile *tile) {
    for (; tile->count > 0; tile->count--) position(tile);
}

void qrt_mve_two_positions(qrt_mve_tile *tile) {
    tile->count *= 2;
    qrt_mve_one_position(tile);
}

void qrt_mve_three_short_positions(qrt_mve_tile *tile) {
    tile->count *= 3;
    qrt_mve_one_position(tile);
}

#endif
