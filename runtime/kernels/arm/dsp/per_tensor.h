/* SPDX-License-Identifier: Apache-2.0 */
/* per_tensor.h: requantization where all codes of a tensor have the same numbers and no bias. */
#ifndef QRT_DSP_PER_TENSOR_H
#define QRT_DSP_PER_TENSOR_H

#include "arm/dsp/requant.h"
#include "arm/dsp/words.h"

/* SINGLE's numbers or DOUBLE's, see requant.h. */
typedef struct per_tensor {
    int32_t multiplier;
    int32_t addend, shift;     /* SINGLE, of an addend that is a multiple of 2^32: what is added to the high word */
    int32_t power, zero_point; /* DOUBLE */
} per_tensor;

/* Whether per_tensor_of() has numbers for this. Its clamp is done afterwards, by qrt_dsp_clamp(). */
static inline int per_tensor_covers(const qrt_requant *requant) {
    if (requant->rounding == 1) return qrt_dsp_double_covers(requant, 1);
    return !requant->wide && requant->addend == NULL && requant->shift[0] >= 33 && requant->shift[0] <= 46;
}

static inline per_tensor per_tensor_of(const qrt_requant *requant) {
    per_tensor numbers = {0};
    if (requant->rounding == 1) {
        numbers.multiplier = qrt_dsp_double_multiplier(requant, 0);
        numbers.power = qrt_dsp_double_power(requant, 0);
        numbers.zero_point = requant->y_zero_point;
    } else {
        numbers.multiplier = requant->multiplier[0];
        numbers.addend = (2 * requant->y_zero_point + 1) * (1 << (requant->shift[0] - 33));
        numbers.shift = requant->shift[0] - 32;
    }
    return numbers;
}

/* `rounding` is a constant where this is in a loop. */
QRT_DSP_INLINE int8_t requantized(const per_tensor *numbers, int32_t rounding, int32_t acc) {
    if (rounding == 1) return qrt_dsp_double(acc, numbers->multiplier, numbers->power, numbers->zero_point);
    return (int8_t)ssat8(smmla(acc, numbers->multiplier, numbers->addend) >> numbers->shift);
}

/* Codes 0 and 2 of a word, and 1 and 3, less their zero point. */
typedef struct four {
    uint32_t even, odd;
} four;

/* `zero` is minus the zero point, twice: zero_pair(). */
static inline four four_at(const int8_t *x, uint32_t zero) {
    uint32_t word = load_word(x);
    four f = {sxtab16(zero, word), sxtab16_ror8(zero, word)};
    return f;
}

static inline uint32_t zero_pair(int32_t zero_point) { return word_of(-zero_point, -zero_point); }

#endif
