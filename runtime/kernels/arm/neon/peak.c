/* SPDX-License-Identifier: Apache-2.0 */
/* peak.c: the peak throughput of a kernel set: loops of its fastest multiply-accumulate instruction, on registers only.
 * The reference for the speed of kernels. */
#include "arm/neon/peak.h"

#include "arm/neon/neon.h"

/* More sums than an instruction's latency times its throughput, so that none waits for the previous one. Written out,
 * since a compiler keeps an array in registers only if it unrolls early enough. */
#define SUMS 16
#define EACH_SUM(statement)                                                                                            \
    statement(0) statement(1) statement(2) statement(3) statement(4) statement(5) statement(6) statement(7)            \
        statement(8) statement(9) statement(10) statement(11) statement(12) statement(13) statement(14) statement(15)
#define START(s) int32x4_t sum##s = vdupq_n_s32(0);
/* A new value each round for the compiler; otherwise it would compute the sums itself. */
#define RENEW(x) __asm__ volatile("" : "+w"(x))

#ifdef QRT_NEON
int64_t qrt_peak_neon(int64_t rounds) {
    int8x16_t x = vdupq_n_s8(3), w = vdupq_n_s8(5);
#define ADD(s)                                                                                                         \
    {                                                                                                                  \
        RENEW(x);                                                                                                      \
        int16x8_t two = vmlal_high_s8(vmull_s8(vget_low_s8(x), vget_low_s8(w)), x, w);                                 \
        sum##s = vpadalq_s16(sum##s, two);                                                                             \
        RENEW(sum##s);                                                                                                 \
    }
    EACH_SUM(START)
    for (int64_t i = 0; i < rounds; i++) {
        EACH_SUM(ADD)
    }
#undef ADD
    return rounds * SUMS * 16;
}
#else
int64_t qrt_peak_neon(int64_t rounds) { return 0 * rounds; }
#endif

#ifdef QRT_NEONDOT_COMPILED
QRT_NEONDOT int64_t qrt_peak_neondot(int64_t rounds) {
    int8x16_t x = vdupq_n_s8(3), w = vdupq_n_s8(5);
#define ADD(s)                                                                                                         \
    sum##s = vdotq_s32(sum##s, x, w);                                                                                  \
    RENEW(sum##s);
    EACH_SUM(START)
    for (int64_t i = 0; i < rounds; i++) {
        EACH_SUM(ADD)
    }
#undef ADD
    return rounds * SUMS * 16;
}

QRT_NEONI8MM int64_t qrt_peak_neoni8mm(int64_t rounds) {
    int8x16_t x = vdupq_n_s8(3), w = vdupq_n_s8(5);
#define ADD(s)                                                                                                         \
    sum##s = vmmlaq_s32(sum##s, x, w);                                                                                 \
    RENEW(sum##s);
    EACH_SUM(START)
    for (int64_t i = 0; i < rounds; i++) {
        EACH_SUM(ADD)
    }
#undef ADD
    return rounds * SUMS * 32;
}
#else
int64_t qrt_peak_neondot(int64_t rounds) { return 0 * rounds; }
int64_t qrt_peak_neoni8mm(int64_t rounds) { return 0 * rounds; }
#endif
