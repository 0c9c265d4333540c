/* tile.c: dot products with Helium, see tile.h. */
#include "arm/mve/tile.h"

#include <stddef.h>

qrt_mve_tile qrt_mve_tile_of(const qrt_requant *requant, int32_t channels, int32_t x_step, int32_t size,
                             const int32_t *packed) {
    qrt_mve_tile tile = {.zero_point = requant->y_zero_point,
                         .mode = packed[0],
                         .output_min = requant->output_min,
                         .output_max = requant->output_max,
                         .x_step = x_step,
                         .channels = channels,
                         .packed = packed + 1,
                         .size = size,
                         .blocks = (size + 15) / 16};
    return tile;
}

#ifdef QRT_MVE_ASSEMBLY

/* Compilers do not keep sums where VMLADAVA wants them. What the assembly knows of a tile: */
typedef char known_tile[offsetof(qrt_mve_tile, y) == 12 && offsetof(qrt_mve_tile, mode) == 24 &&
                                offsetof(qrt_mve_tile, x_step) == 40 && offsetof(qrt_mve_tile, packed) == 48 &&
                                offsetof(qrt_mve_tile, count) == 60
                            ? 1
                            : -1];

/* clang-format off */

/* Pieces of qrt_mve_requantize, of a vector `a`, with one more, `t`, to use; the multiplier is in q0, 1 in `one`. */
#define AWAY_FROM_ZERO(a, t)               \
    "vshr.s32 " t ", " a ", #31\n"         \
    "vadd.i32 " a ", " a ", " t "\n"
#define MULTIPLY_WITH_REST(a, t, rest, one) \
    "vmul.i32 " t ", " a ", q0\n"          \
    "vmulh.s32 " a ", " a ", q0\n"         \
    "vadd.i32 " t ", " t ", " rest "\n"    \
    "vpt.u32 hi, " rest ", " t "\n"        \
    "vaddt.i32 " a ", " a ", " one "\n"

/* r0, r2, r4, r6: sums of channels 0, 2, 1, 3; r1: x; r3, r5: weights of the first and second pair; r7: y; r8: size;
 * r9: channels to do; r10: bytes of a pair; r11: the tile; r12: the position's codes. q2, q3: the clamp. */
__attribute__((naked)) void qrt_mve_position(__attribute__((unused)) qrt_mve_tile *tile) {
    __asm__ volatile(
        "push {r4-r11, lr}\n"
        "vpush {d8-d11}\n"
        "mov r11, r0\n"
        "ldrd r0, r2, [r11, #32]\n" /* output_min, output_max */
        "vdup.32 q2, r0\n"
        "vdup.32 q3, r2\n"
        "ldrd r8, r10, [r11, #52]\n" /* size, blocks */
        "lsl r10, r10, #5\n"
        "1: ldr r12, [r11]\n"
        "ldr r7, [r11, #12]\n"
        "ldrd r9, r3, [r11, #44]\n" /* channels, packed */
        "2: add r5, r3, r10\n"
        "mov r1, r12\n"
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
        "vldrb.8 q1, [r5], #16\n"
        "vmladava.s8 r4, q0, q1\n"
        "vldrb.8 q4, [r5], #16\n"
        "vmladava.s8 r6, q0, q4\n"
        "letp lr, 3b\n"
        "4: vmov q4[2], q4[0], r0, r2\n"
        "vmov q4[3], q4[1], r4, r6\n"
        "ldrd r2, r0, [r11, #24]\n" /* mode, zero_point */
        "vldrw.32 q0, [r5], #16\n"
        "vadd.i32 q4, q4, q0\n"
        "vldrw.32 q0, [r5], #16\n"
        "cbnz r2, 5f\n"
        "vqrdmulh.s32 q4, q4, q0\n"
        AWAY_FROM_ZERO("q4", "q1")
        "b 7f\n"
        "5: cmp r2, #1\n"
        "bne 6f\n"
        "vmulh.s32 q4, q4, q0\n"
        "b 7f\n"
        "6: movs r4, #1\n"
        "vldrw.32 q1, [r5], #16\n"
        MULTIPLY_WITH_REST("q4", "q5", "q1", "r4")
        "7: vldrw.32 q0, [r5], #16\n"
        "vrshl.s32 q4, q4, q0\n"
        "vadd.i32 q4, q4, r0\n"
        "vmax.s32 q4, q4, q2\n"
        "vmin.s32 q4, q4, q3\n"
        "mov r3, r5\n"
        "subs r9, r9, #4\n"
        "blt 8f\n"
        "vstrb.32 q4, [r7], #4\n"
        "bgt 2b\n"
        "b 9f\n"
        "8: add r9, r9, #4\n"
        "vctp.32 r9\n"
        "vpst\n"
        "vstrbt.32 q4, [r7]\n"
        "9: ldrd r0, r2, [r11, #40]\n" /* x_step, channels */
        "add r12, r12, r0\n"
        "str r12, [r11]\n"
        "ldr r7, [r11, #12]\n"
        "add r7, r7, r2\n"
        "str r7, [r11, #12]\n"
        "ldr r0, [r11, #60]\n"
        "subs r0, r0, #1\n"
        "str r0, [r11, #60]\n"
        "bne 1b\n"
        "vpop {d8-d11}\n"
        "pop {r4-r11, pc}\n");
}

/* 16 products of two channels at three positions. */
#define BLOCK(multiply)                    \
    "vldrb.8 q0, [r7], #16\n"              \
    "vldrb.8 q2, [r1], #16\n"              \
    multiply " r0, q0, q2\n"               \
    "vldrb.8 q1, [r7], #16\n"              \
    multiply " r2, q1, q2\n"               \
    "vldrb.8 q2, [r3], #16\n"              \
    multiply " r4, q0, q2\n"               \
    multiply " r6, q1, q2\n"               \
    "vldrb.8 q2, [r5], #16\n"              \
    multiply " r8, q0, q2\n"               \
    multiply " r10, q1, q2\n"
/* The sums of a pair; `name` is a digit for its labels. */
#define PAIR(name)                         \
    "ldmdb r11, {r1, r3, r5}\n"            \
    BLOCK("vmladav.s8")                    \
    "wls lr, r12, " name "1f\n"            \
    name "0:\n"                            \
    BLOCK("vmladava.s8")                   \
    "le lr, " name "0b\n"                  \
    name "1:\n"
#define THREE(instruction, operand)        \
    instruction " q4, q4, " operand "\n"   \
    instruction " q5, q5, " operand "\n"   \
    instruction " q6, q6, " operand "\n"

/* r0 to r10, even: sums of two channels at position 0, 1, 2; r1, r3, r5: their codes; r7: packed; r9: channels to do;
 * r11: y in the tile; r12: blocks after the first. q3, q7: the clamp. */
__attribute__((naked)) void qrt_mve_three_positions(__attribute__((unused)) qrt_mve_tile *tile) {
    __asm__ volatile(
        "push {r4-r11, lr}\n"
        "vpush {d8-d15}\n"
        "add r11, r0, #12\n"
        "ldrd r0, r2, [r11, #20]\n" /* output_min, output_max */
        "vdup.32 q3, r0\n"
        "vdup.32 q7, r2\n"
        "ldr r12, [r11, #44]\n" /* blocks */
        "sub r12, r12, #1\n"
        "1: ldrd r9, r7, [r11, #32]\n" /* channels, packed */
        "2:\n"
        PAIR("2")
        "vmov q4[2], q4[0], r0, r2\n"
        "vmov q5[2], q5[0], r4, r6\n"
        "vmov q6[2], q6[0], r8, r10\n"
        PAIR("3")
        "vmov q4[3], q4[1], r0, r2\n"
        "vmov q5[3], q5[1], r4, r6\n"
        "vmov q6[3], q6[1], r8, r10\n"
        "ldmia r11, {r0, r2, r4, r6, r8}\n" /* y, mode, zero_point */
        "vldrw.32 q0, [r7], #16\n"
        THREE("vadd.i32", "q0")
        "vldrw.32 q0, [r7], #16\n"
        "cbnz r6, 5f\n"
        THREE("vqrdmulh.s32", "q0")
        AWAY_FROM_ZERO("q4", "q1")
        AWAY_FROM_ZERO("q5", "q2")
        AWAY_FROM_ZERO("q6", "q1")
        "4: vldrw.32 q0, [r7], #16\n"
        THREE("vrshl.s32", "q0")
        THREE("vadd.i32", "r8")
        THREE("vmax.s32", "q3")
        THREE("vmin.s32", "q7")
        "subs r9, r9, #4\n"
        "blt 7f\n"
        "vstrb.32 q4, [r0], #4\n"
        "vstrb.32 q5, [r2], #4\n"
        "vstrb.32 q6, [r4], #4\n"
        "stmia r11, {r0, r2, r4}\n"
        "bgt 2b\n"
        "b 8f\n"
        "5: cmp r6, #1\n"
        "bne 6f\n"
        THREE("vmulh.s32", "q0")
        "b 4b\n"
        "6: mov r10, #1\n"
        "vldrw.32 q1, [r7], #16\n"
        MULTIPLY_WITH_REST("q4", "q2", "q1", "r10")
        MULTIPLY_WITH_REST("q5", "q2", "q1", "r10")
        MULTIPLY_WITH_REST("q6", "q2", "q1", "r10")
        "b 4b\n"
        "7: add r9, r9, #4\n"
        "vctp.32 r9\n"
        "vpsttt\n"
        "vstrbt.32 q4, [r0]\n"
        "vstrbt.32 q5, [r2]\n"
        "vstrbt.32 q6, [r4]\n"
        "add r4, r4, r9\n"
        "8: ldrd r6, r8, [r11, #28]\n" /* x_step, channels; r4: the next y */
        "ldr r5, [r11, #-4]\n"
        "add r1, r5, r6\n"
        "add r3, r1, r6\n"
        "add r5, r3, r6\n"
        "stmdb r11, {r1, r3, r5}\n"
        "mov r0, r4\n"
        "add r2, r0, r8\n"
        "add r4, r2, r8\n"
        "stmia r11, {r0, r2, r4}\n"
        "ldr r0, [r11, #48]\n"
        "subs r0, r0, #1\n"
        "str r0, [r11, #48]\n"
        "bne 1b\n"
        "vpop {d8-d15}\n"
        "pop {r4-r11, pc}\n");
}

/* The sums of a pair, whose codes stay in q5, q6, q7. */
#define SHORT_PAIR                         \
    "vldrb.8 q0, [r7], #16\n"              \
    "vmladav.s8 r0, q0, q5\n"              \
    "vmladav.s8 r4, q0, q6\n"              \
    "vldrb.8 q4, [r7], #16\n"              \
    "vmladav.s8 r8, q0, q7\n"              \
    "vmladav.s8 r2, q4, q5\n"              \
    "vmladav.s8 r6, q4, q6\n"              \
    "vmladav.s8 r10, q4, q7\n"
#define SHORT_THREE(instruction, operand)  \
    instruction " q1, q1, " operand "\n"   \
    instruction " q2, q2, " operand "\n"   \
    instruction " q3, q3, " operand "\n"

/* As above; r1, r3, r5: where results go; r12: the zero point; lr: mode. */
__attribute__((naked)) void qrt_mve_three_short_positions(__attribute__((unused)) qrt_mve_tile *tile) {
    __asm__ volatile(
        "push {r4-r11, lr}\n"
        "vpush {d8-d15}\n"
        "mov r11, r0\n"
        "ldrd lr, r12, [r11, #24]\n" /* mode, zero_point */
        "ldr r1, [r11, #12]\n"
        "1: ldrd r9, r7, [r11, #44]\n" /* channels, packed */
        "ldr r0, [r11]\n"
        "ldr r2, [r11, #40]\n" /* x_step */
        "vldrb.8 q5, [r0]\n"
        "add r0, r0, r2\n"
        "vldrb.8 q6, [r0]\n"
        "add r0, r0, r2\n"
        "vldrb.8 q7, [r0]\n"
        "add r0, r0, r2\n"
        "str r0, [r11]\n"
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
        SHORT_THREE("vadd.i32", "q0")
        "vldrw.32 q0, [r7], #16\n"
        "cmp lr, #0\n"
        "bne 5f\n"
        SHORT_THREE("vqrdmulh.s32", "q0")
        AWAY_FROM_ZERO("q1", "q0")
        AWAY_FROM_ZERO("q2", "q4")
        AWAY_FROM_ZERO("q3", "q0")
        "4: vldrw.32 q0, [r7], #16\n"
        "ldrd r0, r2, [r11, #32]\n" /* output_min, output_max */
        SHORT_THREE("vrshl.s32", "q0")
        "vdup.32 q0, r0\n"
        "vdup.32 q4, r2\n"
        SHORT_THREE("vadd.i32", "r12")
        SHORT_THREE("vmax.s32", "q0")
        SHORT_THREE("vmin.s32", "q4")
        "subs r9, r9, #4\n"
        "blt 7f\n"
        "vstrb.32 q1, [r1], #4\n"
        "vstrb.32 q2, [r3], #4\n"
        "vstrb.32 q3, [r5], #4\n"
        "bgt 2b\n"
        "b 8f\n"
        "5: cmp lr, #1\n"
        "bne 6f\n"
        SHORT_THREE("vmulh.s32", "q0")
        "b 4b\n"
        "6: movs r4, #1\n"
        "vpush {d10-d11}\n"
        "vldrw.32 q5, [r7], #16\n"
        MULTIPLY_WITH_REST("q1", "q4", "q5", "r4")
        MULTIPLY_WITH_REST("q2", "q4", "q5", "r4")
        MULTIPLY_WITH_REST("q3", "q4", "q5", "r4")
        "vpop {d10-d11}\n"
        "b 4b\n"
        "7: add r9, r9, #4\n"
        "vctp.32 r9\n"
        "vpsttt\n"
        "vstrbt.32 q1, [r1]\n"
        "vstrbt.32 q2, [r3]\n"
        "vstrbt.32 q3, [r5]\n"
        "add r5, r5, r9\n"
        "8: mov r1, r5\n"
        "ldr r0, [r11, #60]\n"
        "subs r0, r0, #1\n"
        "str r0, [r11, #60]\n"
        "bne 1b\n"
        "str r1, [r11, #12]\n"
        "vpop {d8-d15}\n"
        "pop {r4-r11, pc}\n");
}

/* clang-format on */

#else

/* Stores codes of up to four channels. */
static void put(const qrt_mve_tile *tile, int32x4_t acc, const int32_t *constants, int32_t channel, int8_t *y) {
    int32x4_t code = qrt_mve_requantize(acc, constants, tile->mode, tile->zero_point);
    code = vminq_s32(vmaxq_s32(code, vdupq_n_s32(tile->output_min)), vdupq_n_s32(tile->output_max));
    vstrbq_p_s32(y + channel, code, vctp32q((uint32_t)(tile->channels - channel)));
}

void qrt_mve_position(qrt_mve_tile *tile) {
    for (; tile->count > 0; tile->count--, tile->x[0] += tile->x_step, tile->y[0] += tile->channels) {
        const int32_t *packed = tile->packed;
        for (int32_t channel = 0; channel < tile->channels; channel += 4) {
            const int8_t *first = (const int8_t *)packed, *second = first + 4 * qrt_mve_pair_words(tile->blocks);
            int32_t sums[4] = {0, 0, 0, 0};
            for (int32_t at = 0; at < tile->size; at += 16, first += 32, second += 32) {
                int8x16_t x = vldrbq_z_s8(tile->x[0] + at, vctp8q((uint32_t)(tile->size - at)));
                sums[0] = vmladavaq_s8(sums[0], x, vldrbq_s8(first));
                sums[2] = vmladavaq_s8(sums[2], x, vldrbq_s8(first + 16));
                sums[1] = vmladavaq_s8(sums[1], x, vldrbq_s8(second));
                sums[3] = vmladavaq_s8(sums[3], x, vldrbq_s8(second + 16));
            }
            packed += 2 * qrt_mve_pair_words(tile->blocks);
            put(tile, vldrwq_s32(sums), packed, channel, tile->y[0]);
            packed += qrt_mve_constants(tile->mode);
        }
    }
}

void qrt_mve_three_positions(qrt_mve_tile *tile) {
    for (; tile->count > 0; tile->count--) {
        const int32_t *packed = tile->packed;
        for (int32_t channel = 0; channel < tile->channels; channel += 4) {
            const int8_t *weights = (const int8_t *)packed;
            int32_t sums[3][4];
            for (int32_t pair = 0; pair < 2; pair++) {
                for (int32_t i = 0; i < 3; i++) sums[i][pair] = sums[i][pair + 2] = 0;
                for (int32_t at = 0; at < 16 * tile->blocks; at += 16, weights += 32) {
                    int8x16_t first = vldrbq_s8(weights), second = vldrbq_s8(weights + 16);
                    for (int32_t i = 0; i < 3; i++) {
                        int8x16_t x = vldrbq_s8(tile->x[i] + at);
                        sums[i][pair] = vmladavaq_s8(sums[i][pair], x, first);
                        sums[i][pair + 2] = vmladavaq_s8(sums[i][pair + 2], x, second);
                    }
                }
            }
            packed += 2 * qrt_mve_pair_words(tile->blocks);
            for (int32_t i = 0; i < 3; i++) put(tile, vldrwq_s32(sums[i]), packed, channel, tile->y[i]);
            packed += qrt_mve_constants(tile->mode);
        }
        for (int32_t i = 0; i < 3; i++) {
            tile->x[i] += 3 * tile->x_step;
            tile->y[i] += 3 * tile->channels;
        }
    }
}

void qrt_mve_three_short_positions(qrt_mve_tile *tile) { qrt_mve_three_positions(tile); }

#endif
