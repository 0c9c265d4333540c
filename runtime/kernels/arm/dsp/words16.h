/* SPDX-License-Identifier: Apache-2.0 */
/* words16.h: words of two int16 codes. */
#ifndef QRT_DSP_WORDS16_H
#define QRT_DSP_WORDS16_H

#include "arm/dsp/instructions.h"
#include "qrt_math.h"

/* Words of a column, a multiple of 2: `runs` of `run` codes, each a number of words. */
static inline int32_t qrt_dsp_words16(int32_t runs, int32_t run) { return (runs * ((run + 1) / 2) + 1) / 2 * 2; }

/* `size` codes as words `step` apart; a last single code is one. */
static inline void qrt_dsp_gather16(const int16_t *x, int32_t size, uint32_t *column, int32_t step) {
    QRT_BY_FOUR
    for (int32_t words = size / 2; words > 0; words--, x += 2, column += step) *column = load_word(x);
    if (size % 2) *column = (uint16_t)*x;
}

#endif
