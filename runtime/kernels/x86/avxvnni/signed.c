/* SPDX-License-Identifier: Apache-2.0 */
/* signed.c: the avxvnni set with AVX-VNNI-INT8, which multiplies signed by signed bytes. */
#include "x86/avxvnni/avxvnni.h"
#include "x86/x86.h"

#ifdef QRT_AVXVNNIINT8_COMPILED

#define VNNI QRT_TARGET("avx2,avxvnni,avxvnniint8")
#define DOT_BYTES _mm256_dpbssd_epi32
#define DOT_PAIRS _mm256_dpwssd_avx_epi32
#define FLIP 0
#include "x86/avxvnni/set.h"

void qrt_kernels_avxvnni_signed(qrt_kernels *kernels) { fill_set(kernels); }

#elif defined(QRT_X86)
void qrt_kernels_avxvnni_signed(qrt_kernels *kernels) { qrt_kernels_avx2(kernels); }
#endif
