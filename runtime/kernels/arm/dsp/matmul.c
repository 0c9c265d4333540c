/* SPDX-License-Identifier: Apache-2.0 */
/* matmul.c: matmul, two columns at a time. */
#include "arm/dsp/dsp.h"
#include "arm/dsp/per_tensor.h"

/* A row of a less its zero point, in scratch: of four codes the pairs of 0 and 2 and of 1 and 3. Returns its sum. What
 * is left behind the last four is not unpacked, but counts. */
static int32_t unpack_row(const qrt_matmul_params *p, const int8_t *a, uint32_t *pairs) {
    uint32_t zero = zero_pair(p->a_zero_point);
    int32_t sum = 0, k = 0;
    for (; k < p->depth - 3; k += 4) {
        four f = four_at(a + k, zero);
        *pairs++ = f.even;
        *pairs++ = f.odd;
        sum = smlad(f.even, 0x10001u, smlad(f.odd, 0x10001u, sum));
    }
    for (; k < p->depth; k++) sum += a[k] - p->a_zero_point;
    return sum;
}

/* Adds the products of an unpacked row with two columns, whose codes keep their zero point. */
QRT_DSP_LOOP static void multiply(const uint32_t *pairs, const int8_t *b, const int8_t *next, int32_t fours,
                                  int32_t *acc) {
    int32_t first = acc[0], second = acc[1];
    for (const int8_t *end = b + 4 * fours; b != end; b += 4, next += 4) {
        uint32_t even = *pairs++, odd = *pairs++, word = load_word(b);
        first = smlad(even, sxtb16(word), first);
        first = smlad(odd, sxtb16_ror8(word), first);
        word = load_word(next);
        second = smlad(even, sxtb16(word), second);
        second = smlad(odd, sxtb16_ror8(word), second);
    }
    acc[0] = first;
    acc[1] = second;
}

void qrt_matmul_s8_dsp(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_matmul_params *p = params;
    const int8_t *a = inputs[0];
    per_tensor numbers = per_tensor_of(&p->requant);
    ptrdiff_t rows = (ptrdiff_t)p->batch * p->rows;
    int8_t *y = output;
    for (ptrdiff_t row = 0; row < rows; row++, a += p->depth) {
        const int8_t *b = inputs[1] + row / p->rows * p->b_step;
        int32_t start = -p->b_zero_point * unpack_row(p, a, scratch);
        for (int32_t column = 0; column < p->columns; column += 2, b += 2 * p->depth, y += 2) {
            int32_t two = column + 1 < p->columns, acc[2] = {start, start};
            const int8_t *next = two ? b + p->depth : b;
            multiply(scratch, b, next, p->depth / 4, acc);
            for (int32_t k = p->depth & ~3; k < p->depth; k++) {
                acc[0] += (a[k] - p->a_zero_point) * b[k];
                acc[1] += (a[k] - p->a_zero_point) * next[k];
            }
            y[0] = requantized(&numbers, p->requant.rounding, acc[0]);
            if (two) y[1] = requantized(&numbers, p->requant.rounding, acc[1]);
        }
        y -= p->columns % 2;
    }
    qrt_dsp_clamp(&p->requant, output, rows * p->columns);
}
