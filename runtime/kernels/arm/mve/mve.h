/* SPDX-License-Identifier: Apache-2.0 */
/* mve.h: the kernels of the mve set, for Cortex-M with Helium (MVE): M55, M85: qrt_<operator>_s8_mve, in <operator>.c.
 *
 * Such a file needs headers alone, so that firmware takes those that its network uses. <operator>_row.c has what is
 * done before: which operators it covers, and how weights are packed.
 */
#ifndef QRT_MVE_H
#define QRT_MVE_H

#include "qrt_kernels.h"

void qrt_conv2d_s8_mve(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch);
void qrt_linear_s8_mve(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch);
void qrt_dwconv2d_s8_mve(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch);
void qrt_dwconv2d_s8_mve_any(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch);
void qrt_add_s8_mve(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch);
void qrt_mul_s8_mve(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch);
void qrt_average_pool2d_s8_mve(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch);
void qrt_max_pool2d_s8_mve(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch);
void qrt_mean_s8_mve(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch);
void qrt_requantize_s8_mve(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch);
void qrt_clamp_s8_mve(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch);
void qrt_lut_s8_mve(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch);
void qrt_maximum_s8_mve(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch);
void qrt_minimum_s8_mve(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch);

#define X(name) extern const qrt_kernel qrt_##name##_mve;
#include "arm/mve/rows.h"
#undef X

#endif
