/* SPDX-License-Identifier: Apache-2.0 */
/* reads.c: loops of loads, of each width that a compiler has for this machine. */
#include "host/reads.h"

#define LOADS 8

/* Loads of `width` bytes; volatile, since their values are not used. */
#define READS(name, target, width)                                                                                     \
    typedef int64_t name##_register __attribute__((vector_size(width)));                                               \
    target static void name(const void *bytes, size_t size, int64_t rounds) {                                          \
        const volatile name##_register *end = (const volatile name##_register *)bytes + size / (width);                \
        for (; rounds > 0; rounds--) {                                                                                 \
            const volatile name##_register *at = bytes;                                                                \
            for (; at < end; at += LOADS) {                                                                            \
                (void)at[0];                                                                                           \
                (void)at[1];                                                                                           \
                (void)at[2];                                                                                           \
                (void)at[3];                                                                                           \
                (void)at[4];                                                                                           \
                (void)at[5];                                                                                           \
                (void)at[6];                                                                                           \
                (void)at[7];                                                                                           \
            }                                                                                                          \
        }                                                                                                              \
    }

READS(read_16, , 16)

#ifdef __x86_64__
READS(read_32, __attribute__((target("avx2"))), 32)
READS(read_64, __attribute__((target("avx512f"))), 64)

void qrt_reads(const void *bytes, size_t size, int64_t rounds) {
    if (__builtin_cpu_supports("avx512f")) {
        read_64(bytes, size, rounds);
    } else if (__builtin_cpu_supports("avx2")) {
        read_32(bytes, size, rounds);
    } else {
        read_16(bytes, size, rounds);
    }
}
#else
void qrt_reads(const void *bytes, size_t size, int64_t rounds) { read_16(bytes, size, rounds); }
#endif
