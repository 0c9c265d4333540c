/* SPDX-License-Identifier: Apache-2.0 */
/* avx2.h: kernels of the avx2 set that are defined in other files than avx2.c. */
#ifndef QRT_AVX2_H
#define QRT_AVX2_H

#include "qrt_kernels.h"

extern const qrt_kernel qrt_conv2d16_avx2;
extern const qrt_kernel qrt_linear16_avx2;
extern const qrt_kernel qrt_dwconv2d_avx2;
extern const qrt_kernel qrt_transpose_avx2;
extern const qrt_kernel qrt_resize2d_avx2;

/* Replace operators on single codes, and pools and mean. */
void qrt_rows_avx2(qrt_kernels *kernels);
void qrt_pools_avx2(qrt_kernels *kernels);

#endif
