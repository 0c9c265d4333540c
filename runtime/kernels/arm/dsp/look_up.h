/* SPDX-License-Identifier: Apache-2.0 */
/* look_up.h: codes to codes by a table. */
#ifndef QRT_DSP_LOOK_UP_H
#define QRT_DSP_LOOK_UP_H

#include <stdint.h>

/* `table` is indexed by code + 128. Three instructions a code, byte by byte: taking words apart and together is more.
 */
static inline void look_up(const int8_t *table, const int8_t *x, int8_t *y, int32_t size) {
    const int8_t *zero = table + 128;
    for (const int8_t *end = y + size / 4 * 4; y != end; x += 4, y += 4) {
        y[0] = zero[x[0]];
        y[1] = zero[x[1]];
        y[2] = zero[x[2]];
        y[3] = zero[x[3]];
    }
    for (int32_t i = 0; i < size % 4; i++) y[i] = zero[x[i]];
}

#endif
