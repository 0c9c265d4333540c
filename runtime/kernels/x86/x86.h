/* SPDX-License-Identifier: Apache-2.0 */
/* x86.h: shared by the kernel sets for x86-64: when they are compiled, for which CPUs, and the functions that fill
 * their tables. Each set starts with the table of the previous set and replaces the kernels that it improves.
 */
#ifndef QRT_X86_H
#define QRT_X86_H

#include "qrt_kernels.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define QRT_X86 1
#include <immintrin.h>

/* The instruction sets that one function may use; the rest of the file is baseline x86-64. */
#define QRT_TARGET(isa) __attribute__((target(isa)))
#define QRT_INLINE static inline __attribute__((always_inline))
/* To the size of a register. */
#define QRT_ALIGNED __attribute__((aligned(64)))
/* Before a loop with a constant count, at most 16, to keep its arrays in registers. */
#ifdef __clang__
#define QRT_UNROLL _Pragma("clang loop unroll(full)")
#else
#define QRT_UNROLL _Pragma("GCC unroll 16")
#endif
#define QRT_AVX2 QRT_TARGET("avx2")
/* gcc's auto-vectorization uses half registers by default; clang has no such attribute. */
#ifdef __clang__
#define QRT_WHOLE_REGISTERS
#else
#define QRT_WHOLE_REGISTERS ",prefer-vector-width=512"
#endif
#define QRT_AVX512 QRT_TARGET("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni" QRT_WHOLE_REGISTERS)
/* Apple numbers its clang differently; these are late enough for both. */
#if defined(__clang__) ? __clang_major__ >= 13 : __GNUC__ >= 11
#define QRT_AVXVNNI_COMPILED 1
#endif
#if defined(__clang__) ? __clang_major__ >= 16 : __GNUC__ >= 13
#define QRT_AVXVNNIINT8_COMPILED 1
#endif
#if defined(__clang__) || __GNUC__ >= 11
#define QRT_AMX_COMPILED 1
#define QRT_AMX QRT_TARGET("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,amx-tile,amx-int8" QRT_WHOLE_REGISTERS)
#endif
#endif

void qrt_kernels_avx2(qrt_kernels *kernels);
void qrt_kernels_avx512vnni(qrt_kernels *kernels);
void qrt_kernels_amx(qrt_kernels *kernels);

#endif
