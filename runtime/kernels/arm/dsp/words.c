/* SPDX-License-Identifier: Apache-2.0 */
/* words.c: the loop that clamps. */
#include "arm/dsp/words.h"

#include "qrt_math.h"

void qrt_dsp_clamp_codes(const int8_t *x, int8_t *y, ptrdiff_t size, int32_t minimum, int32_t maximum) {
    uint32_t low = four_codes(minimum), high = four_codes(maximum);
    for (const int8_t *end = y + size / 4 * 4; y != end; x += 4, y += 4) {
        store_word(y, smin8(smax8(load_word(x), low), high));
    }
    for (int32_t i = 0; i < size % 4; i++) y[i] = (int8_t)qrt_clamp(x[i], minimum, maximum);
}
