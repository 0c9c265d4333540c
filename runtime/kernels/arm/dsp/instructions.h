/* SPDX-License-Identifier: Apache-2.0 */
/* instructions.h: the instructions of Arm's DSP extension that the kernels use, one function each.
 *
 * On a core that has them each is that one instruction; elsewhere it is exact C, so that every kernel also runs,
 * and is tested, on a host. Words hold two 16-bit or four 8-bit lanes, the lowest first. Sums wrap.
 */
#ifndef QRT_DSP_INSTRUCTIONS_H
#define QRT_DSP_INSTRUCTIONS_H

#include <stdint.h>
#include <string.h>

/* 1 where a file may hold assembly for the DSP extension beside its C. */
#if defined(__GNUC__) && defined(__ARM_FEATURE_DSP) && !defined(__ARM_BIG_ENDIAN) && !defined(QRT_NO_ASSEMBLY)
#define QRT_DSP_ASSEMBLY 1
#else
#define QRT_DSP_ASSEMBLY 0
#endif

/* A word at any address. */
static inline uint32_t load_word(const void *address) {
    uint32_t word;
    memcpy(&word, address, sizeof word);
    return word;
}

static inline void store_word(void *address, uint32_t word) { memcpy(address, &word, sizeof word); }

/* Two int16 as a word. */
static inline uint32_t word_of(int32_t low, int32_t high) { return (uint32_t)(uint16_t)low | (uint32_t)high << 16; }

static inline int32_t low_half(uint32_t word) { return (int16_t)(uint16_t)word; }
static inline int32_t high_half(uint32_t word) { return (int16_t)(uint16_t)(word >> 16); }

/* acc + a * b in 64 bits, which every compiler makes an SMLAL. */
static inline int64_t smlal(int64_t acc, int32_t a, int32_t b) { return acc + (int64_t)a * b; }

#if QRT_DSP_ASSEMBLY

#define QRT_DSP_1(name, type, text)                                                                                    \
    static inline type name(type a) {                                                                                  \
        type y;                                                                                                        \
        __asm__(text : "=r"(y) : "r"(a));                                                                              \
        return y;                                                                                                      \
    }
#define QRT_DSP_2(name, type, text)                                                                                    \
    static inline type name(type a, type b) {                                                                          \
        type y;                                                                                                        \
        __asm__(text : "=r"(y) : "r"(a), "r"(b));                                                                      \
        return y;                                                                                                      \
    }
#define QRT_DSP_ACC(name, type, text)                                                                                  \
    static inline int32_t name(type a, type b, int32_t acc) {                                                          \
        int32_t y;                                                                                                     \
        __asm__(text : "=r"(y) : "r"(a), "r"(b), "r"(acc));                                                            \
        return y;                                                                                                      \
    }

QRT_DSP_ACC(smlad, uint32_t, "smlad %0, %1, %2, %3")
QRT_DSP_ACC(smlabb, uint32_t, "smlabb %0, %1, %2, %3")
QRT_DSP_ACC(smlabt, uint32_t, "smlabt %0, %1, %2, %3")
QRT_DSP_ACC(smlatb, uint32_t, "smlatb %0, %1, %2, %3")
QRT_DSP_ACC(smlatt, uint32_t, "smlatt %0, %1, %2, %3")
QRT_DSP_ACC(smmla, int32_t, "smmla %0, %1, %2, %3")
QRT_DSP_ACC(smmlar, int32_t, "smmlar %0, %1, %2, %3")
QRT_DSP_2(smmul, int32_t, "smmul %0, %1, %2")
QRT_DSP_1(sxtb16, uint32_t, "sxtb16 %0, %1")
QRT_DSP_1(uxtb16, uint32_t, "uxtb16 %0, %1")
QRT_DSP_2(ssub16, uint32_t, "ssub16 %0, %1, %2")
QRT_DSP_1(sxtb16_ror8, uint32_t, "sxtb16 %0, %1, ror #8")
QRT_DSP_2(sxtab16, uint32_t, "sxtab16 %0, %1, %2")
QRT_DSP_2(sxtab16_ror8, uint32_t, "sxtab16 %0, %1, %2, ror #8")
QRT_DSP_2(pkhbt, uint32_t, "pkhbt %0, %1, %2, lsl #16")
QRT_DSP_2(pkhtb, uint32_t, "pkhtb %0, %1, %2, asr #16")
QRT_DSP_1(ssat8, int32_t, "ssat %0, #8, %1")

/* The result is early: SSUB8 must not overwrite what SEL selects from. */
static inline int32_t smlawb(int32_t a, uint32_t b, int32_t acc) {
    int32_t y;
    __asm__("smlawb %0, %1, %2, %3" : "=r"(y) : "r"(a), "r"(b), "r"(acc));
    return y;
}
static inline int32_t smlawt(int32_t a, uint32_t b, int32_t acc) {
    int32_t y;
    __asm__("smlawt %0, %1, %2, %3" : "=r"(y) : "r"(a), "r"(b), "r"(acc));
    return y;
}
static inline uint32_t and_lsl8(uint32_t a, uint32_t b) {
    uint32_t y;
    __asm__("and %0, %1, %2, lsl #8" : "=r"(y) : "r"(a), "r"(b));
    return y;
}
static inline int32_t ssat8_asr20(int32_t a) {
    int32_t y;
    __asm__("ssat %0, #8, %1, asr #20" : "=r"(y) : "r"(a));
    return y;
}

static inline uint32_t smax8(uint32_t a, uint32_t b) {
    uint32_t y;
    __asm__("ssub8 %0, %1, %2\n\tsel %0, %1, %2" : "=&r"(y) : "r"(a), "r"(b));
    return y;
}
static inline uint32_t smin8(uint32_t a, uint32_t b) {
    uint32_t y;
    __asm__("ssub8 %0, %1, %2\n\tsel %0, %2, %1" : "=&r"(y) : "r"(a), "r"(b));
    return y;
}

#undef QRT_DSP_1
#undef QRT_DSP_2
#undef QRT_DSP_ACC

#else

/* acc + a's low half * b's low half + a's high half * b's high half; the four after it take one product only. */
static inline int32_t smlad(uint32_t a, uint32_t b, int32_t acc) {
    return (int32_t)((uint32_t)acc + (uint32_t)(low_half(a) * low_half(b)) + (uint32_t)(high_half(a) * high_half(b)));
}
static inline int32_t smlabb(uint32_t a, uint32_t b, int32_t acc) {
    return (int32_t)((uint32_t)acc + (uint32_t)(low_half(a) * low_half(b)));
}
static inline int32_t smlabt(uint32_t a, uint32_t b, int32_t acc) {
    return (int32_t)((uint32_t)acc + (uint32_t)(low_half(a) * high_half(b)));
}
static inline int32_t smlatb(uint32_t a, uint32_t b, int32_t acc) {
    return (int32_t)((uint32_t)acc + (uint32_t)(high_half(a) * low_half(b)));
}
static inline int32_t smlatt(uint32_t a, uint32_t b, int32_t acc) {
    return (int32_t)((uint32_t)acc + (uint32_t)(high_half(a) * high_half(b)));
}

/* The high word of acc * 2^32 + a * b; with r, rounded half up. */
static inline int32_t smmla(int32_t a, int32_t b, int32_t acc) {
    return (int32_t)((uint32_t)(((int64_t)a * b) >> 32) + (uint32_t)acc);
}
static inline int32_t smmlar(int32_t a, int32_t b, int32_t acc) {
    return (int32_t)((uint32_t)(((int64_t)a * b + ((int64_t)1 << 31)) >> 32) + (uint32_t)acc);
}
static inline int32_t smmul(int32_t a, int32_t b) { return smmla(a, b, 0); }

/* The difference of each half. */
static inline uint32_t ssub16(uint32_t a, uint32_t b) {
    return word_of(low_half(a) - low_half(b), high_half(a) - high_half(b));
}

/* Bytes 0 and 2 as two int16, unsigned with u; with ror8, bytes 1 and 3; sxtab16 adds them to the halves of a. */
static inline uint32_t sxtb16(uint32_t a) { return word_of((int8_t)(uint8_t)a, (int8_t)(uint8_t)(a >> 16)); }
static inline uint32_t uxtb16(uint32_t a) { return a & 0x00ff00ffu; }
static inline uint32_t sxtb16_ror8(uint32_t a) { return sxtb16(a >> 8); }
static inline uint32_t sadd16(uint32_t a, uint32_t b) {
    return word_of(low_half(a) + low_half(b), high_half(a) + high_half(b));
}
static inline uint32_t sxtab16(uint32_t a, uint32_t b) { return sadd16(a, sxtb16(b)); }
static inline uint32_t sxtab16_ror8(uint32_t a, uint32_t b) { return sadd16(a, sxtb16_ror8(b)); }

/* {low half of a, low half of b} and {high half of b, high half of a}. */
static inline uint32_t pkhbt(uint32_t a, uint32_t b) { return (a & 0xffffu) | b << 16; }
static inline uint32_t pkhtb(uint32_t a, uint32_t b) { return (a & 0xffff0000u) | b >> 16; }

static inline int32_t ssat8(int32_t a) { return a < -128 ? -128 : a > 127 ? 127 : a; }

/* acc + (a * the low or the high half of b >> 16), a * b in 48 bits. */
static inline int32_t smlawb(int32_t a, uint32_t b, int32_t acc) {
    return (int32_t)((uint32_t)(((int64_t)a * low_half(b)) >> 16) + (uint32_t)acc);
}
static inline int32_t smlawt(int32_t a, uint32_t b, int32_t acc) {
    return (int32_t)((uint32_t)(((int64_t)a * high_half(b)) >> 16) + (uint32_t)acc);
}

static inline uint32_t and_lsl8(uint32_t a, uint32_t b) { return a & b << 8; }
static inline int32_t ssat8_asr20(int32_t a) { return ssat8(a >> 20); }

/* The larger and the smaller of each pair of int8; two instructions. */
static inline uint32_t smax8(uint32_t a, uint32_t b) {
    uint32_t y = 0;
    for (int32_t i = 0; i < 32; i += 8) y |= ((int8_t)(a >> i) > (int8_t)(b >> i) ? a : b) & 0xffu << i;
    return y;
}
static inline uint32_t smin8(uint32_t a, uint32_t b) {
    uint32_t y = 0;
    for (int32_t i = 0; i < 32; i += 8) y |= ((int8_t)(a >> i) < (int8_t)(b >> i) ? a : b) & 0xffu << i;
    return y;
}

#endif
#endif
