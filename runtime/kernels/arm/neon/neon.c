/* SPDX-License-Identifier: Apache-2.0 */
/* neon.c: the sets for 64-bit Arm. */
#include "arm/neon/neon.h"
#include "arm/neon/rows.h"

#ifdef QRT_NEON

void qrt_kernels_neon(qrt_kernels *kernels) {
    qrt_kernels_portable(kernels);
    kernels->name = "neon";
    kernels->conv2d = qrt_winograd_neon;
    kernels->linear = qrt_linear_neon;
    kernels->dwconv2d = qrt_dwconv2d_neon;
    qrt_rows_neon(kernels);
    qrt_pools_neon(kernels);
    qrt_moves_neon(kernels);
}

void qrt_kernels_neondot(qrt_kernels *kernels) {
    qrt_kernels_neon(kernels);
    kernels->name = "neondot";
#ifdef QRT_NEONDOT_COMPILED
    kernels->conv2d = qrt_conv2d_neondot;
    kernels->linear = qrt_linear_neondot;
    kernels->dwconv2d = qrt_dwconv2d_neondot;
#endif
}

void qrt_kernels_neoni8mm(qrt_kernels *kernels) {
    qrt_kernels_neondot(kernels);
    kernels->name = "neoni8mm";
#ifdef QRT_NEONDOT_COMPILED
    kernels->conv2d = qrt_conv2d_neoni8mm;
    kernels->linear = qrt_linear_neoni8mm;
#endif
}

#endif
