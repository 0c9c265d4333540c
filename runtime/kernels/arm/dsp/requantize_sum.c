/* SPDX-License-Identifier: Apache-2.0 */
/* requantize_sum.c: requantize_sum, whose shifts leave nothing of the low word of a sum. */
#include "arm/dsp/dsp.h"
#include "arm/dsp/per_tensor.h"

/* acc * multiplier + b * b_multiplier + addend, its high word. b_multiplier is high * 2^32 + low, low an int32. */
static inline int32_t high_sum(int32_t acc, int32_t multiplier, int32_t b, int64_t b_multiplier, int64_t addend) {
    int32_t low = (int32_t)(uint32_t)(uint64_t)b_multiplier;
    int32_t high = (int32_t)(b_multiplier >> 32) - (low >> 31);
    int64_t sum = smlal(smlal(addend, acc, multiplier), b, low);
    return (int32_t)(sum >> 32) + b * high;
}

QRT_DSP_LOOP static void sum_row(const qrt_requantize_sum_params *p, const int8_t *a, const int8_t *b, int8_t *y) {
    const int32_t *multiplier = p->requant.multiplier;
    const uint8_t *shift = p->requant.shift;
    const int64_t *b_multiplier = p->b_multiplier, *addend = p->requant.addend;
    int32_t step = p->requant.step;
    for (const int8_t *end = y + p->channels; y != end; a += sizeof(int32_t)) {
        int32_t high = high_sum((int32_t)load_word(a), *multiplier, *b++, *b_multiplier, *addend);
        *y++ = (int8_t)ssat8(high >> (*shift - 32));
        multiplier += step;
        shift += step;
        b_multiplier += step;
        addend += step;
    }
}

void qrt_requantize_sum_s8_dsp(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_requantize_sum_params *p = params;
    ptrdiff_t channels = p->channels;
    (void)scratch;
    for (ptrdiff_t row = 0; row < p->rows; row++) {
        sum_row(p, inputs[0] + 4 * row * channels, inputs[1] + row * channels, output + row * channels);
    }
    qrt_dsp_clamp(&p->requant, output, p->rows * channels);
}
