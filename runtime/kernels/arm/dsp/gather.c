/* SPDX-License-Identifier: Apache-2.0 */
/* gather.c: bytes of 4 positions as the column of a tile. */
#include "arm/dsp/gather.h"

#if QRT_DSP_ASSEMBLY

/* Compiles to nothing, or not at all. */
typedef char qrt_dsp_rows_places[offsetof(qrt_dsp_rows, column) == 16 && offsetof(qrt_dsp_rows, tail) == 36 ? 1 : -1];

/* r0 to r3 the bytes, r12 the end of a row of position 0, lr the column. */
__attribute__((naked)) void qrt_dsp_gather(__attribute__((unused)) qrt_dsp_rows *rows) {
    __asm__("push {r0, r4-r11, lr}\n"
            "mov r4, r0\n"
            "ldr lr, [r4, #16]\n"
            "ldm r4, {r0-r3}\n"
            "1: ldr r12, [r4, #20]\n"
            "cmp r12, #0\n"
            "beq 3f\n"
            "add r12, r12, r0\n"
            "2: ldr r4, [r0], #4\n"
            "ldr r5, [r1], #4\n"
            "ldr r6, [r2], #4\n"
            "ldr r7, [r3], #4\n"
            "sxtb16 r8, r4, ror #8\n"
            "sxtb16 r9, r5, ror #8\n"
            "sxtb16 r10, r6, ror #8\n"
            "sxtb16 r11, r7, ror #8\n"
            "sxtb16 r4, r4\n"
            "sxtb16 r5, r5\n"
            "sxtb16 r6, r6\n"
            "sxtb16 r7, r7\n"
            "stm lr!, {r4-r11}\n"
            "cmp r0, r12\n"
            "bne 2b\n"
            "ldr r4, [sp]\n"
            "3: ldrd r8, r9, [r4, #32]\n"
            "cmp r9, #0\n"
            "beq 5f\n"
            "ldr r10, [r4, #40]\n"
            "add r11, r8, r10, lsl #1\n"
            "4: ldrb r5, [r0], #1\n"
            "ldrb r6, [r1], #1\n"
            "ldrb r7, [r2], #1\n"
            "ldrb r12, [r3], #1\n"
            "strb r6, [r8, r10]\n"
            "strb r12, [r11, r10]\n"
            "strb r5, [r8], #1\n"
            "strb r7, [r11], #1\n"
            "subs r9, r9, #1\n"
            "bne 4b\n"
            "str r8, [r4, #32]\n"
            "5: ldrd r5, r6, [r4, #24]\n"
            "subs r6, r6, #1\n"
            "str r6, [r4, #28]\n"
            "add r0, r0, r5\n"
            "add r1, r1, r5\n"
            "add r2, r2, r5\n"
            "add r3, r3, r5\n"
            "bne 1b\n"
            "str lr, [r4, #16]\n"
            "pop {r0, r4-r11, pc}\n");
}

#else

void qrt_dsp_gather(qrt_dsp_rows *rows) {
    for (ptrdiff_t at = 0; rows->count > 0; rows->count--, at += rows->gap) {
        for (ptrdiff_t end = at + rows->size; at < end; at += 4, rows->column += 2 * QRT_DSP_POSITIONS) {
            for (int32_t i = 0; i < QRT_DSP_POSITIONS; i++) {
                qrt_dsp_gather_one(rows->x[i] + at, 4, rows->column + i, QRT_DSP_POSITIONS);
            }
        }
        for (ptrdiff_t end = at + rows->tail; at < end; at++, rows->tails++) {
            for (int32_t i = 0; i < QRT_DSP_POSITIONS; i++) rows->tails[i * rows->tail_size] = rows->x[i][at];
        }
    }
}

#endif
