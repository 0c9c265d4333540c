/* SPDX-License-Identifier: Apache-2.0 */
/* softmax.c: softmax in plain C99. */
#include "portable/softmax.h"

#include "portable/portable.h"

static void softmax_tflite_row(const qrt_softmax_params *p, const int8_t *x, int32_t max, int8_t *y) {
    const uint32_t *table = p->exponential;
    int32_t shift = 35, channels = p->channels, count = p->exponential_count;
    uint32_t sum = 0; /* at most 4095 times 2^19 */
    for (int32_t i = 0; i < channels; i++) sum += (exponential(table, count, max - x[i]) + 2048) >> 12;
    for (; sum < (uint32_t)1 << 31; sum <<= 1) shift--;
    int32_t inverse = softmax_inverse(sum);
    for (int32_t i = 0; i < channels; i++) {
        int32_t high = qrt_high_mul((int32_t)exponential(table, count, max - x[i]), inverse);
        int32_t code = shift < 32 ? qrt_rounding_shift(high, shift) : 0; /* less than half of 2^32 */
        y[i] = (int8_t)((code < 255 ? code : 255) - 128);
    }
}

static void softmax_exact_row(const qrt_softmax_params *p, const int8_t *x, int32_t max, int8_t *y) {
    const uint32_t *table = p->exponential;
    int32_t shift = p->shift, zero_point = p->y_zero_point, channels = p->channels, count = p->exponential_count;
    uint64_t round = (uint64_t)qrt_round(shift), sum = 0, most = (uint64_t)(127 - zero_point);
    for (int32_t i = 0; i < channels; i++) sum += exponential(table, count, max - x[i]);
    uint64_t reciprocal = qrt_divide(p->numerator, sum);
    for (int32_t i = 0; i < channels; i++) {
        uint64_t code = (exponential(table, count, max - x[i]) * reciprocal + round) >> shift;
        y[i] = (int8_t)((int32_t)(code < most ? code : most) + zero_point);
    }
}

void qrt_softmax_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_softmax_params *p = params;
    const int8_t *x = inputs[0];
    (void)scratch;
    for (int32_t row = 0; row < p->rows; row++, x += p->channels, output += p->channels) {
        int32_t max = row_maximum(x, p->channels);
        if (p->form == 0) {
            softmax_exact_row(p, x, max, output);
        } else {
            softmax_tflite_row(p, x, max, output);
        }
    }
}
