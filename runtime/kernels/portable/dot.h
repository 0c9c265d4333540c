/* SPDX-License-Identifier: Apache-2.0 */
/* dot.h: dot product of codes and weights. */
#ifndef QRT_PORTABLE_DOT_H
#define QRT_PORTABLE_DOT_H

#include <stdint.h>

static inline int32_t dot(const int8_t *restrict x, int32_t zero_point, const int8_t *restrict weights, int32_t size) {
    int16_t zero = (int16_t)zero_point;
    int32_t acc = 0;
    for (int32_t i = 0; i < size; i++) acc += (int16_t)(x[i] - zero) * weights[i];
    return acc;
}

#endif
