/* SPDX-License-Identifier: Apache-2.0 */
/* average_rows.h: averages over whole images whose rows come one after another.
 *
 * Sums of codes, int32 for each channel, lie where the average's codes will be: 4 * channels bytes, which begin as
 * zeros, aligned to nothing. The codes are those of the kernels, of int8.
 */
#ifndef QRT_PORTABLE_AVERAGE_ROWS_H
#define QRT_PORTABLE_AVERAGE_ROWS_H

#include "qrt_kernels.h"

/* Adds the codes of so many positions. */
void qrt_add_positions(const int8_t *x, int32_t positions, int32_t channels, int8_t *sums);

/* Puts the codes of a mean over p->positions in place of the sums. */
void qrt_mean_of_sums(const qrt_mean_params *p, int8_t *sums);

/* Puts the codes of an average_pool2d whose only window is the image in place of the sums. */
void qrt_average_of_sums(const qrt_pool2d_params *p, int8_t *sums);

#endif
