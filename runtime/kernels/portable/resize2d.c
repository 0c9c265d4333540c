/* SPDX-License-Identifier: Apache-2.0 */
/* resize2d.c: resize2d in plain C99. */
#include "portable/resize2d.h"

#include "portable/portable.h"
#include "qrt_math.h"

static void interpolate(const int8_t *top, ptrdiff_t below, ptrdiff_t right, int32_t v, int32_t u, int32_t channels,
                        int8_t *output) {
    const int8_t *bottom = top + below;
    for (int32_t i = 0; i < channels; i++) {
        int32_t sum = (top[i] * (1024 - u) + top[i + right] * u) * (1024 - v);
        sum += (bottom[i] * (1024 - u) + bottom[i + right] * u) * v;
        output[i] = (int8_t)qrt_rounding_shift(sum, 20);
    }
}

void qrt_resize2d_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    (void)scratch;
    resize2d(params, inputs[0], output, interpolate);
}
