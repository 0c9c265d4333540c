/* SPDX-License-Identifier: Apache-2.0 */
/* linear.c: linear in plain C99. */
#include "portable/dot.h"
#include "portable/dot_four.h"
#include "portable/portable.h"
#include "qrt_int4.h"
#include "qrt_math.h"

/* So many features are computed at once: those of dot_four(). */
#define FEATURES 4

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
                dot_four(x, p->x_zero_point, weights, p->in_features, p->in_features, acc);
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
