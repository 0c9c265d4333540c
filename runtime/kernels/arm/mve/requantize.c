/* SPDX-License-Identifier: Apache-2.0 */
/* requantize.c: requantize with MVE, four codes at a time. */
#include "arm/mve/factor.h"
#include "arm/mve/mve.h"

static inline void requantize(const qrt_unary_params *p, const int8_t *x, int8_t *y, int is_double) {
    const mve_factor factor = mve_factor_of(&p->requant);
    int32_t zero_point = p->x_zero_point;
    for (int32_t size = p->size; size > 0; size -= 4, x += 4, y += 4) {
        mve_pred16_t lanes = vctp32q((uint32_t)size);
        int32x4_t acc = vsubq_n_s32(vldrbq_z_s32(x, lanes), zero_point);
        vstrbq_p_s32(y, mve_times_factor(acc, &factor, is_double), lanes);
    }
}

void qrt_requantize_s8_mve(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_unary_params *p = params;
    (void)scratch;
    if (p->requant.rounding == 1) {
        requantize(p, inputs[0], output, 1);
    } else {
        requantize(p, inputs[0], output, 0);
    }
}
