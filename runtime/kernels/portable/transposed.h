/* SPDX-License-Identifier: Apache-2.0 */
/* transposed.h: which input a transposed convolution's filter position meets. */
#ifndef QRT_PORTABLE_TRANSPOSED_H
#define QRT_PORTABLE_TRANSPOSED_H

#include <stdint.h>

/* The entry of x whose window has filter position `filter` at output position `at`, which is counted from the first
 * padding; -1 when there is none. */
static inline int32_t transposed_source(int32_t at, int32_t filter, int32_t stride, int32_t size) {
    int32_t distance = at - filter;
    return distance >= 0 && distance % stride == 0 && distance / stride < size ? distance / stride : -1;
}

#endif
