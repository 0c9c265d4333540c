/* softmax.c: softmax in plain C99. */
#include "portable/portable.h"
#include "qrt_math.h"

/* inverse(a) of SPEC.md: 1 / (1 + a) in units of 2^-31, where `sum` is 1 + a in these units, by Newton's method. */
static int32_t softmax_inverse(uint32_t sum) {
    int32_t h = (int32_t)(sum >> 1);
    int32_t v = 1515870810 + qrt_high_mul(h, -1010580540);
    for (int32_t i = 0; i < 3; i++) v += 4 * qrt_high_mul((1 << 29) - qrt_high_mul(h, v), v);
    return v < 1 << 30 ? 2 * v : INT32_MAX;
}

/* Without a branch, which nothing could predict. */
static uint32_t exponential(const uint32_t *table, int32_t count, int32_t distance) {
    int32_t inside = (distance - count) >> 31; /* all bits or none */
    return table[distance & inside] & (uint32_t)inside;
}

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
        int32_t max = -128;
        for (int32_t i = 0; i < p->channels; i++) max = x[i] > max ? x[i] : max;
        if (p->form == 0) {
            softmax_exact_row(p, x, max, output);
        } else {
            softmax_tflite_row(p, x, max, output);
        }
    }
}
