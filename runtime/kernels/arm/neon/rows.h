/* SPDX-License-Identifier: Apache-2.0 */
/* rows.h: operators of the neon set, and so of all sets for 64-bit Arm, that are not in neon.c. */
#ifndef QRT_NEON_ROWS_H
#define QRT_NEON_ROWS_H

#include "qrt_kernels.h"

extern const qrt_kernel qrt_conv2d_neon, qrt_conv2d_neondot, qrt_conv2d_neoni8mm;
extern const qrt_kernel qrt_linear_neon, qrt_linear_neondot, qrt_linear_neoni8mm;
extern const qrt_kernel qrt_winograd_neon; /* in front of qrt_conv2d_neon */
extern const qrt_kernel qrt_dwconv2d_neon;
extern const qrt_kernel qrt_dwconv2d_neondot; /* in front of it */

/* Replace operators on single codes, pools and mean, and transpose and resize2d. */
void qrt_rows_neon(qrt_kernels *kernels);
void qrt_pools_neon(qrt_kernels *kernels);
void qrt_moves_neon(qrt_kernels *kernels);

#endif
