/* SPDX-License-Identifier: Apache-2.0 */
/* evex.c: the avxvnni set with AVX512-VNNI's instructions for half registers. */
#include "x86/avxvnni/avxvnni.h"
#include "x86/x86.h"

#ifdef QRT_X86

#define VNNI QRT_TARGET("avx2,avx512vl,avx512vnni")
#define DOT_BYTES _mm256_dpbusd_epi32
#define DOT_PAIRS _mm256_dpwssd_epi32
#define FLIP 0x80
#include "x86/avxvnni/set.h"

void qrt_kernels_avxvnni_evex(qrt_kernels *kernels) { fill_set(kernels); }

#endif
