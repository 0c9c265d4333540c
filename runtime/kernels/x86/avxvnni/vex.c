/* SPDX-License-Identifier: Apache-2.0 */
/* vex.c: the avxvnni set with AVX-VNNI, the instructions of CPUs without AVX-512. */
#include "x86/avxvnni/avxvnni.h"
#include "x86/x86.h"

#ifdef QRT_AVXVNNI_COMPILED

#define VNNI QRT_TARGET("avx2,avxvnni")
#define DOT_BYTES _mm256_dpbusd_avx_epi32
#define DOT_PAIRS _mm256_dpwssd_avx_epi32
#define FLIP 0x80
#include "x86/avxvnni/set.h"

void qrt_kernels_avxvnni_vex(qrt_kernels *kernels) { fill_set(kernels); }

#elif defined(QRT_X86)
void qrt_kernels_avxvnni_vex(qrt_kernels *kernels) { qrt_kernels_avx2(kernels); }
#endif
