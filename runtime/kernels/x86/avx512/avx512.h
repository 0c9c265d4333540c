/* SPDX-License-Identifier: Apache-2.0 */
/* avx512.h: kernels of the avx512vnni set that tables in other files use. */
#ifndef QRT_AVX512_H
#define QRT_AVX512_H

#include "qrt_kernels.h"

extern const qrt_kernel qrt_conv2d_avx512vnni;
/* In front of qrt_conv2d_avx512vnni, one behind the other, for layers that they compute faster. */
extern const qrt_kernel qrt_winograd_avx512vnni;
extern const qrt_kernel qrt_conv2d_thin_avx512;
/* In front of qrt_dwconv2d_avx512vnni. */
extern const qrt_kernel qrt_dwconv2d_thin_avx512;
extern const qrt_kernel qrt_linear_avx512vnni;
extern const qrt_kernel qrt_conv2d16_avx512vnni;
extern const qrt_kernel qrt_linear16_avx512vnni;
extern const qrt_kernel qrt_dwconv2d_avx512vnni;
extern const qrt_kernel qrt_add_avx512;
extern const qrt_kernel qrt_mul_avx512;
extern const qrt_kernel qrt_maximum_avx512;
extern const qrt_kernel qrt_minimum_avx512;
extern const qrt_kernel qrt_clamp_avx512;
extern const qrt_kernel qrt_requantize_avx512;
extern const qrt_kernel qrt_lut_avx512;
extern const qrt_kernel qrt_requantize_sum_avx512;
extern const qrt_kernel qrt_average_pool2d_avx512;
extern const qrt_kernel qrt_max_pool2d_avx512;
extern const qrt_kernel qrt_mean_avx512;

#endif
