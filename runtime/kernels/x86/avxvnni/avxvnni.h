/* SPDX-License-Identifier: Apache-2.0 */
/* avxvnni.h: the encodings of the avxvnni set: the same kernels in other instructions.
 *
 * Each of vex.c, evex.c and signed.c defines the macros below and includes set.h.
 *
 *   VNNI       the attribute of functions that use them
 *   DOT_BYTES  sum + x * w, four bytes for each of 8 sums
 *   DOT_PAIRS  sum + x * w, two int16 for each of 8 sums
 *   FLIP       x ^ FLIP is what DOT_BYTES multiplies: x + 128 unsigned, or x
 */
#ifndef QRT_AVXVNNI_H
#define QRT_AVXVNNI_H

#include "qrt_kernels.h"

/* AVX-VNNI; AVX512-VNNI for half registers; AVX-VNNI-INT8. */
void qrt_kernels_avxvnni_vex(qrt_kernels *kernels);
void qrt_kernels_avxvnni_evex(qrt_kernels *kernels);
void qrt_kernels_avxvnni_signed(qrt_kernels *kernels);

#endif
