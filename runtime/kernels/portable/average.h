/* average.h: the quotient of an average. */
#ifndef QRT_PORTABLE_AVERAGE_H
#define QRT_PORTABLE_AVERAGE_H

#include <stdint.h>

/* sum / count to nearest, count > 0; ties as SPEC.md says for average_pool2d. */
static inline int32_t average(int32_t sum, int32_t count, int32_t rounding) {
    int32_t magnitude = sum < 0 ? -sum : sum;
    int32_t quotient = magnitude / count, rest = magnitude % count;
    int32_t up = rounding == 0 ? rest >= count - rest : rest > count - rest || (rest == count - rest && quotient % 2);
    quotient += up;
    return sum < 0 ? -quotient : quotient;
}

#endif
