/* linear.c: linear in plain C99. */
#include "portable/dot.h"
#include "portable/portable.h"
#include "qrt_int4.h"
#include "qrt_math.h"

/* So many features are computed at once, so that each code is read and widened once for all. */
#define FEATURES 4

/* Adds the dot products of one row and of the weights of FEATURES features. */
QRT_ALONE static void dot_features(const int8_t *restrict x, int32_t zero_point, const int8_t *restrict weights,
                                   int32_t size, int32_t acc[FEATURES]) {
    const int8_t *restrict w0 = weights, *restrict w1 = w0 + size, *restrict w2 = w1 + size, *restrict w3 = w2 + size;
    const int8_t *end = x + size;
    int32_t acc0 = acc[0], acc1 = acc[1], acc2 = acc[2], acc3 = acc[3];
    int16_t zero = (int16_t)zero_point;
    QRT_BY_FOUR
    while (x != end) {
        int16_t value = (int16_t)(*x++ - zero), v0 = *w0++, v1 = *w1++, v2 = *w2++, v3 = *w3++;
        acc0 += value * v0;
        acc1 += value * v1;
        acc2 += value * v2;
        acc3 += value * v3;
    }
    acc[0] = acc0;
    acc[1] = acc1;
    acc[2] = acc2;
    acc[3] = acc3;
}

/* Weights of int4 are unpacked for so many features at a time. */
size_t qrt_linear_s8_scratch(const void *params) {
    const qrt_linear_params *p = params;
    return p->int4 ? (size_t)p->in_features * FEATURES : 0;
}

void qrt_linear_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_linear_params *p = params;
    const int8_t *x = inputs[0];
    const int32_t *bias = p->requant.bias;
    ptrdiff_t index = 0;
    for (int32_t row = 0; row < p->rows; row++, x += p->in_features) {
        for (int32_t first = 0, count; first < p->out_features; first += count) {
            int32_t acc[FEATURES], left = p->out_features - first;
            ptrdiff_t at = (ptrdiff_t)first * p->in_features;
            const int8_t *weights = p->int4 ? scratch : p->weights + at;
            count = left < FEATURES ? left : FEATURES;
            if (p->int4) qrt_unpack_int4(p->weights, at, (ptrdiff_t)count * p->in_features, scratch);
            for (int32_t i = 0; i < count; i++) acc[i] = bias != NULL ? bias[first + i] : 0;
            if (count == FEATURES) {
                dot_features(x, p->x_zero_point, weights, p->in_features, acc);
            } else {
                for (int32_t i = 0; i < count; i++, weights += p->in_features) {
                    acc[i] += dot(x, p->x_zero_point, weights, p->in_features);
                }
            }
            qrt_put_channels(&p->requant, first, acc, count, output, index);
            index += count;
        }
    }
}
