/* SPDX-License-Identifier: Apache-2.0 */
/* extremum.c: maximum and minimum with MVE. */
#include "arm/mve/mve.h"
#include "arm/mve/spread.h"
#include "arm/mve/vectors.h"

static void maximum(const void *params, const int8_t *a, const int8_t *b, int8_t *y, int32_t size) {
    (void)params;
    for (; size > 0; size -= 16, a += 16, b += 16, y += 16) {
        mve_pred16_t lanes = vctp8q((uint32_t)size);
        vstrbq_p_s8(y, vmaxq_s8(vldrbq_z_s8(a, lanes), vldrbq_z_s8(b, lanes)), lanes);
    }
}

static void minimum(const void *params, const int8_t *a, const int8_t *b, int8_t *y, int32_t size) {
    (void)params;
    for (; size > 0; size -= 16, a += 16, b += 16, y += 16) {
        mve_pred16_t lanes = vctp8q((uint32_t)size);
        vstrbq_p_s8(y, vminq_s8(vldrbq_z_s8(a, lanes), vldrbq_z_s8(b, lanes)), lanes);
    }
}

void qrt_maximum_s8_mve(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    (void)scratch;
    mve_spread(&((const qrt_binary_params *)params)->broadcast, params, inputs, output, maximum);
}

void qrt_minimum_s8_mve(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    (void)scratch;
    mve_spread(&((const qrt_binary_params *)params)->broadcast, params, inputs, output, minimum);
}
