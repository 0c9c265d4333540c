/* peak.c: loops of int8 multiply-accumulates that read no memory, for the most that a core can do. Each makes `rounds`
 * rounds and returns how many multiply-accumulates a round is; 0 where the compiler or the machine lacks the
 * instructions. Made into a shared library by peak.py. */
#define _GNU_SOURCE
#include <stdint.h>

#ifdef __x86_64__
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EACH(statement)                                                                                                \
    do {                                                                                                               \
        statement(0);                                                                                                  \
        statement(1);                                                                                                  \
        statement(2);                                                                                                  \
        statement(3);                                                                                                  \
        statement(4);                                                                                                  \
        statement(5);                                                                                                  \
        statement(6);                                                                                                  \
        statement(7);                                                                                                  \
        statement(8);                                                                                                  \
        statement(9);                                                                                                  \
        statement(10);                                                                                                 \
        statement(11);                                                                                                 \
    } while (0)
#define CHAINS 12
/* Keeps the compiler from working a chain out at once. */
#define KEEP(x) __asm__ volatile("" : "+v"(x))

/* Signed bytes are exact here as 16-bit products: 16 of them an instruction, and an addition. */
__attribute__((target("avx2"))) int64_t peak_avx2(int64_t rounds) {
    if (!__builtin_cpu_supports("avx2")) return 0;
    __m256i acc[CHAINS], a = _mm256_set1_epi16(3), w = _mm256_set1_epi16(5);
#define ZERO(i) acc[i] = _mm256_setzero_si256()
#define STEP(i)                                                                                                        \
    do {                                                                                                               \
        KEEP(a);                                                                                                       \
        acc[i] = _mm256_add_epi32(acc[i], _mm256_madd_epi16(a, w));                                                    \
    } while (0)
#define END(i) KEEP(acc[i])
    EACH(ZERO);
    for (int64_t i = 0; i < rounds; i++) EACH(STEP);
    EACH(END);
#undef ZERO
#undef STEP
#undef END
    return CHAINS * 16;
}

__attribute__((target("avx512f,avx512vnni"))) int64_t peak_avx512vnni(int64_t rounds) {
    if (!__builtin_cpu_supports("avx512vnni")) return 0;
    __m512i acc[CHAINS], a = _mm512_set1_epi8(3), w = _mm512_set1_epi8(5);
#define ZERO(i) acc[i] = _mm512_setzero_si512()
#define STEP(i) acc[i] = _mm512_dpbusd_epi32(acc[i], a, w)
#define END(i) KEEP(acc[i])
    EACH(ZERO);
    for (int64_t i = 0; i < rounds; i++) {
        EACH(STEP);
        EACH(END);
    }
#undef ZERO
#undef STEP
#undef END
    return CHAINS * 64;
}

#define ARCH_REQ_XCOMP_PERM 0x1023
#define TILE_DATA 18

#if defined(__linux__) && (defined(__clang__) || __GNUC__ >= 11)
/* Four tiles of sums over two of rows and two of columns, as a blocked product has them. */
__attribute__((target("amx-tile,amx-int8"))) int64_t peak_amx(int64_t rounds) {
    static const struct {
        uint8_t palette, start, reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } tiles = {1, 0, {0}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};
    static const int8_t zeros[1024];
    if (syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) != 0) return 0;
    _tile_loadconfig(&tiles);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_loadd(4, zeros, 64);
    _tile_loadd(5, zeros, 64);
    _tile_loadd(6, zeros, 64);
    _tile_loadd(7, zeros, 64);
    for (int64_t i = 0; i < rounds; i++) {
        _tile_dpbssd(0, 4, 6);
        _tile_dpbssd(1, 4, 7);
        _tile_dpbssd(2, 5, 6);
        _tile_dpbssd(3, 5, 7);
    }
    _tile_release();
    return (int64_t)4 * 16 * 16 * 64;
}
#else
int64_t peak_amx(int64_t rounds) {
    (void)rounds;
    return 0;
}
#endif
#endif
