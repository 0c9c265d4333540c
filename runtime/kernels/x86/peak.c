/* SPDX-License-Identifier: Apache-2.0 */
/* peak.c: the peak throughput of a kernel set: loops of its fastest multiply-accumulate instruction, on registers only.
 * The reference for the speed of kernels; not in firmware. */
#include "x86/peak.h"

#include "x86/x86.h"

#ifdef QRT_X86
/* More sums than an instruction's latency times its throughput, so that none waits for the previous one. Written out,
 * since a compiler keeps an array in registers only if it unrolls early enough. */
#define SUMS 12
#define EACH_SUM(statement)                                                                                            \
    statement(0) statement(1) statement(2) statement(3) statement(4) statement(5) statement(6) statement(7)            \
        statement(8) statement(9) statement(10) statement(11)
/* A new value each round for the compiler; otherwise it would compute the sums itself. */
#define RENEW(x) __asm__ volatile("" : "+v"(x))

/* Signed bytes are exact as 16-bit products: 16 per instruction, plus an addition. */
QRT_AVX2 int64_t qrt_peak_avx2(int64_t rounds) {
    __m256i x = _mm256_set1_epi16(3), w = _mm256_set1_epi16(5);
#define START(s) __m256i sum##s = _mm256_setzero_si256();
#define ADD(s)                                                                                                         \
    RENEW(x);                                                                                                          \
    sum##s = _mm256_add_epi32(sum##s, _mm256_madd_epi16(x, w));                                                        \
    RENEW(sum##s);
    EACH_SUM(START)
    for (int64_t i = 0; i < rounds; i++) {
        EACH_SUM(ADD)
    }
#undef START
#undef ADD
    return rounds * SUMS * 16;
}

/* The encodings of the avxvnni set: the loop with DOT, which is defined for each. */
#define START(s) __m256i sum##s = _mm256_setzero_si256();
#define ADD(s)                                                                                                         \
    sum##s = DOT(sum##s, x, w);                                                                                        \
    RENEW(sum##s);
#define DOT_LOOP                                                                                                       \
    __m256i x = _mm256_set1_epi8(3), w = _mm256_set1_epi8(5);                                                          \
    EACH_SUM(START)                                                                                                    \
    for (int64_t i = 0; i < rounds; i++) {                                                                             \
        EACH_SUM(ADD)                                                                                                  \
    }                                                                                                                  \
    return rounds * SUMS * 32;

#ifdef QRT_AVXVNNI_COMPILED
#define DOT _mm256_dpbusd_avx_epi32
QRT_TARGET("avxvnni")
int64_t qrt_peak_avxvnni_vex(int64_t rounds){DOT_LOOP}
#undef DOT
#else
int64_t qrt_peak_avxvnni_vex(int64_t rounds) { return 0 * rounds; }
#endif
#ifdef QRT_AVXVNNIINT8_COMPILED
#define DOT _mm256_dpbssd_epi32
QRT_TARGET("avxvnniint8") int64_t qrt_peak_avxvnni_signed(int64_t rounds){DOT_LOOP}
#undef DOT
#else
int64_t qrt_peak_avxvnni_signed(int64_t rounds) { return 0 * rounds; }
#endif
#define DOT _mm256_dpbusd_epi32
QRT_TARGET("avx512vl,avx512vnni") int64_t qrt_peak_avxvnni_evex(int64_t rounds){DOT_LOOP}
#undef DOT
#undef START
#undef ADD

QRT_AVX512 int64_t qrt_peak_avx512vnni(int64_t rounds) {
    __m512i x = _mm512_set1_epi8(3), w = _mm512_set1_epi8(5);
#define START(s) __m512i sum##s = _mm512_setzero_si512();
#define ADD(s)                                                                                                         \
    sum##s = _mm512_dpbusd_epi32(sum##s, x, w);                                                                        \
    RENEW(sum##s);
    EACH_SUM(START)
    for (int64_t i = 0; i < rounds; i++) {
        EACH_SUM(ADD)
    }
#undef START
#undef ADD
    return rounds * SUMS * 64;
}

#ifndef QRT_AMX_COMPILED
int64_t qrt_peak_amx(int64_t rounds) { return 0 * rounds; }
#else
/* Four accumulator tiles from two tiles of rows and two of columns, as in a blocked product. */
QRT_AMX int64_t qrt_peak_amx(int64_t rounds) {
    static const struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } tiles QRT_ALIGNED = {1, 0, {0}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};
    _tile_loadconfig(&tiles);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(5);
    _tile_zero(6);
    _tile_zero(7);
    for (int64_t i = 0; i < rounds; i++) {
        _tile_dpbssd(0, 4, 6);
        _tile_dpbssd(1, 4, 7);
        _tile_dpbssd(2, 5, 6);
        _tile_dpbssd(3, 5, 7);
    }
    _tile_release();
    return rounds * 4 * 16 * 16 * 64;
}
#endif

#else
/* Never called: these sets are not built. */
int64_t qrt_peak_avx2(int64_t rounds) { return 0 * rounds; }
int64_t qrt_peak_avxvnni_vex(int64_t rounds) { return 0 * rounds; }
int64_t qrt_peak_avxvnni_evex(int64_t rounds) { return 0 * rounds; }
int64_t qrt_peak_avxvnni_signed(int64_t rounds) { return 0 * rounds; }
int64_t qrt_peak_avx512vnni(int64_t rounds) { return 0 * rounds; }
int64_t qrt_peak_amx(int64_t rounds) { return 0 * rounds; }
#endif
