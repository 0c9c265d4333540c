/* SPDX-License-Identifier: Apache-2.0 */
/* factor.h: requantization with one factor for all codes. */
#ifndef QRT_MVE_FACTOR_H
#define QRT_MVE_FACTOR_H

#include "arm/mve/vectors.h"
#include "qrt_kernels.h"

/* What requantize.h does, without a bias: DOUBLE with a shift of 32 or more, SINGLE with one of 33 or more. */
typedef struct mve_factor {
    int32x4_t multiplier, least, most;
    int32_t right, zero_point; /* what is left to shift, to the left: below 0 */
} mve_factor;

static inline int mve_is_factor(const qrt_requant *requant) {
    return requant->addend == NULL && requant->shift[0] >= (requant->rounding == 1 ? 32 : 33);
}

static inline mve_factor mve_factor_of(const qrt_requant *requant) {
    mve_factor factor = {.multiplier = vdupq_n_s32(requant->multiplier[0]),
                         .least = vdupq_n_s32(requant->output_min),
                         .most = vdupq_n_s32(requant->output_max),
                         .right = (requant->rounding == 1 ? 31 : 32) - requant->shift[0],
                         .zero_point = requant->y_zero_point};
    return factor;
}

static inline int32x4_t mve_times_factor(int32x4_t acc, const mve_factor *factor, int is_double) {
    if (is_double) {
        acc = vqrdmulhq_s32(acc, factor->multiplier);
        acc = vaddq_s32(acc, vshrq_n_s32(acc, 31));
    } else {
        acc = vmulhq_s32(acc, factor->multiplier);
    }
    acc = vaddq_n_s32(vrshlq_n_s32(acc, factor->right), factor->zero_point);
    return vminq_s32(vmaxq_s32(acc, factor->least), factor->most);
}

#endif
