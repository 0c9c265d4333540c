/* x86.h: what the kernel sets for x86-64 share: when they are compiled, for which CPUs, and who fills their tables.
 *
 * Each set takes the table of the one before it and overwrites what it does better.
 */
#ifndef QRT_X86_H
#define QRT_X86_H

#include "qrt_kernels.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define QRT_X86 1
#include <immintrin.h>

/* The instructions that one function may use; the rest of the file is for any x86-64. */
#define QRT_TARGET(isa) __attribute__((target(isa)))
#define QRT_INLINE static inline __attribute__((always_inline))
/* To a register. */
#define QRT_ALIGNED __attribute__((aligned(64)))
/* In front of a loop with a constant count, at most 16, whose arrays are to be registers. */
#ifdef __clang__
#define QRT_UNROLL _Pragma("clang loop unroll(full)")
#else
#define QRT_UNROLL _Pragma("GCC unroll 16")
#endif
#define QRT_AVX2 QRT_TARGET("avx2")
/* What gcc vectorizes by itself it does by halves of a register unless told; clang knows no such word. */
#ifdef __clang__
#define QRT_WHOLE_REGISTERS
#else
#define QRT_WHOLE_REGISTERS ",prefer-vector-width=512"
#endif
#define QRT_AVX512 QRT_TARGET("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni" QRT_WHOLE_REGISTERS)
#if defined(__clang__) || __GNUC__ >= 11
#define QRT_AMX_COMPILED 1
#define QRT_AMX QRT_TARGET("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,amx-tile,amx-int8" QRT_WHOLE_REGISTERS)
#endif
#endif

void qrt_kernels_avx2(qrt_kernels *kernels);
void qrt_kernels_avx512vnni(qrt_kernels *kernels);
void qrt_kernels_amx(qrt_kernels *kernels);

#endif
