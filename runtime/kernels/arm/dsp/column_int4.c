/* SPDX-License-Identifier: Apache-2.0 */
/* column_int4.c: the column of a tile whose weights are int4. */
#include "arm/dsp/column_int4.h"

/* A word whose halves are 1: SMLAD with it adds both halves of another. */
#define ONES 0x10001u

/* The sums of the codes at places 0 and 2 of two positions, and at places 1 and 3. */
typedef struct column_sums {
    int32_t even[2], odd[2];
} column_sums;

/* One position. */
static void column_of_one(uint32_t *column, const uint32_t *end, int32_t positions, int32_t *even, int32_t *odd) {
    int32_t first = 0, second = 0;
    for (; column < end; column += 2 * positions) {
        uint32_t x0 = column[0], x1 = column[positions];
        first = smlad(x0, ONES, first);
        second = smlad(x1, ONES, second);
        column[positions] = ssub16(x1 << 4 & ~0xf0000u, x0);
    }
    *even = first;
    *odd = second;
}

#if QRT_DSP_ASSEMBLY

/* Two of four positions. SSUB16 wants halves apart: BIC takes off what a shift moves from the low to the high one. */
__attribute__((naked)) static void column_of_two(__attribute__((unused)) uint32_t *column,
                                                 __attribute__((unused)) const uint32_t *end,
                                                 __attribute__((unused)) column_sums *sums) {
    __asm__("push {r4-r11, lr}\n"
            "mov r3, #0x10001\n"
            "mov r8, #0\n"
            "mov r9, #0\n"
            "mov r10, #0\n"
            "mov r11, #0\n"
            "1: ldrd r4, r5, [r0], #32\n"
            "ldrd r6, r7, [r0, #-16]\n"
            "smlad r8, r4, r3, r8\n"
            "smlad r9, r5, r3, r9\n"
            "smlad r10, r6, r3, r10\n"
            "smlad r11, r7, r3, r11\n"
            "lsl.w r6, r6, #4\n"
            "lsl.w r7, r7, #4\n"
            "bic r6, r6, #0xf0000\n"
            "bic r7, r7, #0xf0000\n"
            "ssub16 r6, r6, r4\n"
            "ssub16 r7, r7, r5\n"
            "strd r6, r7, [r0, #-16]\n"
            "cmp r0, r1\n"
            "bne 1b\n"
            "stm r2, {r8-r11}\n"
            "pop {r4-r11, pc}\n");
}

#else

static void column_of_two(uint32_t *column, const uint32_t *end, column_sums *sums) {
    for (int32_t i = 0; i < 2; i++) column_of_one(column + i, end, QRT_DSP_POSITIONS, &sums->even[i], &sums->odd[i]);
}

#endif

static void put(qrt_dsp_tile *tile, int32_t position, int32_t even, int32_t odd) {
    tile->offsets[position] = -128 * (even + odd);
    tile->offsets[QRT_DSP_POSITIONS + position] = -128 * odd;
}

void qrt_dsp_column_int4(qrt_dsp_tile *tile, uint32_t *column, int32_t positions) {
    const uint32_t *end = tile->column_end;
    column_sums sums;
    if (positions == 1) {
        column_of_one(column, end, 1, sums.even, sums.odd);
        put(tile, 0, sums.even[0], sums.odd[0]);
        return;
    }
    for (int32_t i = 0; i < QRT_DSP_POSITIONS; i += 2) {
        /* The assembly ends where it would read the next column. */
        column_of_two(column + i, end + i, &sums);
        put(tile, i, sums.even[0], sums.odd[0]);
        put(tile, i + 1, sums.even[1], sums.odd[1]);
    }
}
