/* SPDX-License-Identifier: Apache-2.0 */
/* portable.h: the kernels of the portable set: qrt_<operator>_s8, in <operator>.c or in the file of its family.
 *
 * Such a file needs headers alone, so that firmware takes those that its network uses.
 */
#ifndef QRT_PORTABLE_H
#define QRT_PORTABLE_H

#include "qrt_kernels.h"

#define X(name) void qrt_##name##_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch);
#include "qrt_kernel_rows.h"
#undef X

size_t qrt_conv2d_s8_scratch(const void *params);
size_t qrt_dwconv2d_s8_scratch(const void *params);
size_t qrt_linear_s8_scratch(const void *params);

/* Their rows, in table.c. */
#define X(name) extern const qrt_kernel qrt_##name##_portable;
#include "qrt_kernel_rows.h"
#undef X

#endif
