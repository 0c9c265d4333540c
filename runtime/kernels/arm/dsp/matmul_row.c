/* SPDX-License-Identifier: Apache-2.0 */
/* matmul_row.c: the row of matmul, which packs nothing: both operands are activations. */
#include "arm/dsp/dsp.h"
#include "arm/dsp/per_tensor.h"
#include "portable/portable.h"

static int covers(const void *params) {
    const qrt_matmul_params *p = params;
    return per_tensor_covers(&p->requant);
}

static size_t scratch_size(const void *params) {
    const qrt_matmul_params *p = params;
    return (size_t)(p->depth / 4) * 8;
}

const qrt_kernel qrt_matmul_dsp = {
    .run = qrt_matmul_s8_dsp,
    .name = "qrt_matmul_s8_dsp",
    .covers = covers,
    .otherwise = &qrt_matmul_portable,
    .scratch_size = scratch_size,
};
