/* SPDX-License-Identifier: Apache-2.0 */
/* clamp.c: clamp with MVE. */
#include "arm/mve/clamp.h"
#include "arm/mve/mve.h"

void qrt_clamp_s8_mve(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_unary_params *p = params;
    (void)scratch;
    mve_clamp(&p->requant, inputs[0], output, p->size);
}
