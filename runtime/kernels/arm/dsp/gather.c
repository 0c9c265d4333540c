/* gather.c: bytes of 4 positions as the column of a tile. */
#include "arm/dsp/gather.h"

#if QRT_DSP_ASSEMBLY

/* Compiles to nothing, or not at all. */
typedef char qrt_dsp_rows_places[offsetof(qrt_dsp_rows, size) == 20 && offsetof(qrt_dsp_rows, end) == 28 ? 1 : -1];

/* r0 to r3 the bytes, r12 the end of a row of position 0, lr the column. */
__attribute__((naked)) void qrt_dsp_gather(__attribute__((unused)) const qrt_dsp_rows *rows) {
    __asm__("push {r0, r4-r11, lr}\n"
            "mov r12, r0\n"
            "ldr lr, [r12, #16]\n"
            "ldm r12, {r0-r3}\n"
            "1: ldr r4, [sp]\n"
            "ldr r12, [r4, #20]\n"
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
            "ldrd r5, r6, [r4, #24]\n"
            "add r0, r0, r5\n"
            "add r1, r1, r5\n"
            "add r2, r2, r5\n"
            "add r3, r3, r5\n"
            "cmp lr, r6\n"
            "bne 1b\n"
            "pop {r0, r4-r11, pc}\n");
}

#else

void qrt_dsp_gather(const qrt_dsp_rows *rows) {
    ptrdiff_t at = 0;
    for (uint32_t *column = rows->column; column < rows->end; at += rows->gap) {
        for (ptrdiff_t end = at + rows->size; at < end; at += 4) {
            for (int32_t i = 0; i < QRT_DSP_POSITIONS; i++) {
                uint32_t bytes = load_word(rows->x[i] + at);
                column[i] = sxtb16(bytes);
                column[QRT_DSP_POSITIONS + i] = sxtb16_ror8(bytes);
            }
            column += 2 * QRT_DSP_POSITIONS;
        }
    }
}

#endif
