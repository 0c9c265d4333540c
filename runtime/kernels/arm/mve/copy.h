/* SPDX-License-Identifier: Apache-2.0 */
/* copy.h: copies and fills bytes, 16 at a time. memcpy() and memset() of libraries for small processors go by words or
 * bytes. */
#ifndef QRT_MVE_COPY_H
#define QRT_MVE_COPY_H

#include <string.h>

#include "arm/mve/vectors.h"

static inline void mve_copy(int8_t *to, const int8_t *from, int32_t size) {
#ifdef QRT_MVE_ASSEMBLY
    __asm__ volatile("wlstp.8 lr, %2, 2f\n"
                     "1:\n"
                     "vldrb.8 q0, [%1], #16\n"
                     "vstrb.8 q0, [%0], #16\n"
                     "letp lr, 1b\n"
                     "2:\n"
                     : "+r"(to), "+r"(from)
                     : "r"(size)
                     : "q0", "lr", "memory");
#else
    memcpy(to, from, (size_t)size);
#endif
}

static inline void mve_fill(int8_t *to, int32_t value, int32_t size) {
#ifdef QRT_MVE_ASSEMBLY
    __asm__ volatile("vdup.8 q0, %1\n"
                     "wlstp.8 lr, %2, 2f\n"
                     "1:\n"
                     "vstrb.8 q0, [%0], #16\n"
                     "letp lr, 1b\n"
                     "2:\n"
                     : "+r"(to)
                     : "r"(value), "r"(size)
                     : "q0", "lr", "memory");
#else
    memset(to, value, (size_t)size);
#endif
}

#endif
