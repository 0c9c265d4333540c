/* SPDX-License-Identifier: Apache-2.0 */
/* add_once.h: an add of form TFLITE as one of form COMMON_SHIFT.
 *
 * A TFLITE add rounds three times, but twice at 2^-20 of a code: nearly always some COMMON_SHIFT gives the same code
 * for each of the 65,536 pairs, in a quarter of the time. Its multipliers are the exact factors; the addend is any
 * value that puts the sum of every pair between its code and the next, which the search finds or proves impossible:
 *
 *   code * 2^shift <= a * a_multiplier + b * b_multiplier + addend < (code + 1) * 2^shift
 *
 * where a code at output_min has no lower bound, and one at output_max no upper one.
 */
#ifndef QRT_ADD_ONCE_H
#define QRT_ADD_ONCE_H

#include "qrt_kernels.h"

/* Computes an add. */
typedef void (*qrt_add_run)(const qrt_add_params *p, const int8_t *const *inputs, int8_t *output);

/* Sets *once to a COMMON_SHIFT add with the codes that `run` computes for the TFLITE one `p`. Returns 0 if none was
 * found. */
int qrt_add_once(const qrt_add_params *p, qrt_add_run run, qrt_add_params *once);

#endif
