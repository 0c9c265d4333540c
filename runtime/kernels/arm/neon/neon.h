/* SPDX-License-Identifier: Apache-2.0 */
/* neon.h: shared by the kernel sets for 64-bit Arm: when they are compiled, and the functions that fill their tables.
 * Each set starts with the table of the previous set and replaces the kernels that it improves.
 */
#ifndef QRT_NEON_H
#define QRT_NEON_H

#include "qrt_kernels.h"

#if defined(__aarch64__) && (defined(__GNUC__) || defined(__clang__)) && !defined(__ARM_BIG_ENDIAN)
#define QRT_NEON 1
#include <arm_neon.h>

/* The instruction sets that one function may use; the rest of the file is baseline Armv8. Older compilers have the
 * intrinsics of the later sets only for whole files. */
#define QRT_NEONDOT __attribute__((target("arch=armv8.2-a+dotprod")))
#define QRT_NEONI8MM __attribute__((target("arch=armv8.2-a+dotprod+i8mm")))
#ifdef __apple_build_version__
#define QRT_NEON_COMPILER (__clang_major__ >= 15)
#elif defined(__clang__)
#define QRT_NEON_COMPILER (__clang_major__ >= 16)
#else
#define QRT_NEON_COMPILER (__GNUC__ >= 10)
#endif
#if QRT_NEON_COMPILER
#define QRT_NEONDOT_COMPILED 1
#endif
#define QRT_NEON_INLINE static inline __attribute__((always_inline))
/* Before a loop with a constant count, at most 16, to keep its arrays in registers. */
#ifdef __clang__
#define QRT_NEON_UNROLL _Pragma("clang loop unroll(full)")
#else
#define QRT_NEON_UNROLL _Pragma("GCC unroll 16")
#endif
/* In a loop, for a register that is used by halves: gcc would keep each half in a register of its own. */
#define QRT_NEON_KEEP(vector) __asm__("" : "+w"(vector))
/* Both are loaded before either is used: by one instruction where they are neighbours. */
#define QRT_NEON_TOGETHER(a, b) __asm__("" : "+w"(a), "+w"(b))
/* Loads stay on their side of it: gcc would load so much so early that accumulators leave their registers. */
#define QRT_NEON_STEP __asm__ volatile("" ::: "memory")
#endif

/* Baseline Armv8 (Raspberry Pi 4); with dot products (Raspberry Pi 5, Graviton 2, Apple M1); with matrix products
 * (Graviton 3, Apple M2). */
void qrt_kernels_neon(qrt_kernels *kernels);
void qrt_kernels_neondot(qrt_kernels *kernels);
void qrt_kernels_neoni8mm(qrt_kernels *kernels);

#endif
