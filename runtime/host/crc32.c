/* SPDX-License-Identifier: Apache-2.0 */
/* crc32.c: CRC-32 by carry-less multiplication, where the CPU supports it; otherwise qrt_crc32().
 *
 * The checksum is the remainder of a polynomial over GF(2). A block of 128 bits that is n bits before
 * another can be multiplied by x^n mod P and added to the other: the remainder stays the same.
 * So the first 64 bytes are folded through the file from beginning to end, and qrt_crc32() computes the
 * remainder of the rest. The method and the factors: V. Gopal et al., "Fast CRC Computation for Generic
 * Polynomials Using PCLMULQDQ Instruction", Intel 2009.
 */
#include "host/crc32.h"

#include "x86/x86.h"

#ifdef QRT_X86
#define QRT_PRODUCTS QRT_TARGET("pclmul")

/* `sum` folded over n bits into `next`; `factors` are x^(n+32) and x^(n-32) mod P, bit-reversed. */
QRT_PRODUCTS static __m128i carry(__m128i sum, __m128i factors, __m128i next) {
    __m128i low = _mm_clmulepi64_si128(sum, factors, 0x00);
    __m128i high = _mm_clmulepi64_si128(sum, factors, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

static __m128i load(const uint8_t *bytes) { return _mm_loadu_si128((const void *)bytes); }

/* `size` is at least 64. */
QRT_PRODUCTS static uint32_t crc32_by_products(uint32_t crc, const uint8_t *bytes, size_t size) {
    const __m128i over_512 = _mm_set_epi64x(0x1c6e41596, 0x154442bd4);
    const __m128i over_128 = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);
    const uint8_t *end = bytes + size;
    uint8_t rest[16];
    __m128i a = _mm_xor_si128(load(bytes), _mm_cvtsi32_si128((int32_t)~crc));
    __m128i b = load(bytes + 16), c = load(bytes + 32), d = load(bytes + 48);
    for (bytes += 64; end - bytes >= 64; bytes += 64) {
        a = carry(a, over_512, load(bytes));
        b = carry(b, over_512, load(bytes + 16));
        c = carry(c, over_512, load(bytes + 32));
        d = carry(d, over_512, load(bytes + 48));
    }
    a = carry(carry(carry(a, over_128, b), over_128, c), over_128, d);
    for (; end - bytes >= 16; bytes += 16) a = carry(a, over_128, load(bytes));
    _mm_storeu_si128((void *)rest, a);
    /* Continuing from ~0 is continuing from a remainder of 0. */
    crc = qrt_crc32(UINT32_MAX, rest, sizeof rest);
    return qrt_crc32(crc, bytes, (size_t)(end - bytes));
}

uint32_t qrt_crc32_quick(uint32_t crc, const void *bytes, size_t size) {
    if (size < 64 || !__builtin_cpu_supports("pclmul")) return qrt_crc32(crc, bytes, size);
    return crc32_by_products(crc, bytes, size);
}
#else
uint32_t qrt_crc32_quick(uint32_t crc, const void *bytes, size_t size) { return qrt_crc32(crc, bytes, size); }
#endif
