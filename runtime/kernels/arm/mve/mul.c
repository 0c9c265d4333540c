/* SPDX-License-Identifier: Apache-2.0 */
/* mul.c: mul with MVE, four codes at a time. */
#include "arm/mve/factor.h"
#include "arm/mve/mve.h"
#include "arm/mve/spread.h"

static inline void multiply(const qrt_binary_params *p, const int8_t *a, const int8_t *b, int8_t *y, int32_t size,
                            int is_double) {
    const mve_factor factor = mve_factor_of(&p->requant);
    int32_t a_zero_point = p->a_zero_point, b_zero_point = p->b_zero_point;
    for (; size > 0; size -= 4, a += 4, b += 4, y += 4) {
        mve_pred16_t lanes = vctp32q((uint32_t)size);
        int32x4_t left = vsubq_n_s32(vldrbq_z_s32(a, lanes), a_zero_point);
        int32x4_t right = vsubq_n_s32(vldrbq_z_s32(b, lanes), b_zero_point);
        vstrbq_p_s32(y, mve_times_factor(vmulq_s32(left, right), &factor, is_double), lanes);
    }
}

static void multiply_double(const void *params, const int8_t *a, const int8_t *b, int8_t *y, int32_t size) {
    multiply(params, a, b, y, size, 1);
}

static void multiply_single(const void *params, const int8_t *a, const int8_t *b, int8_t *y, int32_t size) {
    multiply(params, a, b, y, size, 0);
}

void qrt_mul_s8_mve(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_binary_params *p = params;
    (void)scratch;
    mve_spread(&p->broadcast, p, inputs, output, p->requant.rounding == 1 ? multiply_double : multiply_single);
}
