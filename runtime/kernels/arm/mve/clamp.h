/* SPDX-License-Identifier: Apache-2.0 */
/* clamp.h: codes into the bounds of an output. */
#ifndef QRT_MVE_CLAMP_H
#define QRT_MVE_CLAMP_H

#include "arm/mve/vectors.h"
#include "qrt_kernels.h"

static inline void mve_clamp(const qrt_requant *requant, const int8_t *x, int8_t *y, int32_t size) {
    int8x16_t least = vdupq_n_s8((int8_t)requant->output_min), most = vdupq_n_s8((int8_t)requant->output_max);
    for (; size > 0; size -= 16, x += 16, y += 16) {
        mve_pred16_t lanes = vctp8q((uint32_t)size);
        vstrbq_p_s8(y, vminq_s8(vmaxq_s8(vldrbq_z_s8(x, lanes), least), most), lanes);
    }
}

#endif
