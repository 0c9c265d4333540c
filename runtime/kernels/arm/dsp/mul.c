/* SPDX-License-Identifier: Apache-2.0 */
/* mul.c: mul, four codes at a time. */
#include "arm/dsp/broadcast.h"
#include "arm/dsp/dsp.h"
#include "arm/dsp/per_tensor.h"

typedef struct factors {
    per_tensor numbers;
    uint32_t a_zero, b_zero;
} factors;

QRT_DSP_INLINE void mul_codes(const factors *p, int32_t rounding, const int8_t *a, const int8_t *b, int8_t *y,
                              int32_t size) {
    per_tensor numbers = p->numbers;
    uint32_t a_zero = p->a_zero, b_zero = p->b_zero;
    for (const int8_t *end = y + size / 4 * 4; y != end; a += 4, b += 4, y += 4) {
        four m = four_at(a, a_zero), n = four_at(b, b_zero);
        y[0] = requantized(&numbers, rounding, low_half(m.even) * low_half(n.even));
        y[1] = requantized(&numbers, rounding, low_half(m.odd) * low_half(n.odd));
        y[2] = requantized(&numbers, rounding, high_half(m.even) * high_half(n.even));
        y[3] = requantized(&numbers, rounding, high_half(m.odd) * high_half(n.odd));
    }
    for (int32_t i = 0; i < size % 4; i++) {
        int32_t acc = (a[i] + low_half(a_zero)) * (b[i] + low_half(b_zero));
        y[i] = requantized(&numbers, rounding, acc);
    }
}

static void mul_single(const void *constants, const int8_t *a, const int8_t *b, int8_t *y, int32_t size) {
    mul_codes(constants, 0, a, b, y, size);
}

static void mul_double(const void *constants, const int8_t *a, const int8_t *b, int8_t *y, int32_t size) {
    mul_codes(constants, 1, a, b, y, size);
}

void qrt_mul_s8_dsp(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_binary_params *p = params;
    factors constants = {per_tensor_of(&p->requant), zero_pair(p->a_zero_point), zero_pair(p->b_zero_point)};
    (void)scratch;
    run_broadcast(&p->broadcast, inputs, output, p->requant.rounding == 1 ? mul_double : mul_single, &constants);
    qrt_dsp_clamp(&p->requant, output, broadcast_count(&p->broadcast));
}
