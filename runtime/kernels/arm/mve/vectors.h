/* SPDX-License-Identifier: Apache-2.0 */
/* vectors.h: the vector instructions (MVE, integers) that the kernels use, by Arm's names for them.
 *
 * On a processor with Helium this is <arm_mve.h>. Elsewhere it is plain C that computes the same lane by lane, so that
 * the kernels can be compiled and tested anywhere.
 */
#ifndef QRT_MVE_VECTORS_H
#define QRT_MVE_VECTORS_H

#include <stdint.h>

#if defined(__ARM_FEATURE_MVE)

#include <arm_mve.h>

/* Whether loops may be assembly: C for the same stands beside it. */
#if defined(__GNUC__) && !defined(__ARM_BIG_ENDIAN) && !defined(QRT_NO_ASSEMBLY)
#define QRT_MVE_ASSEMBLY 1
#endif

#else

typedef struct int8x16_t {
    int8_t lane[16];
} int8x16_t;
typedef struct int16x8_t {
    int16_t lane[8];
} int16x8_t;
typedef struct int32x4_t {
    int32_t lane[4];
} int32x4_t;
typedef struct uint8x16_t {
    uint8_t lane[16];
} uint8x16_t;
typedef struct uint16x8_t {
    uint16_t lane[8];
} uint16x8_t;
typedef struct uint32x4_t {
    uint32_t lane[4];
} uint32x4_t;
/* A bit for each byte of a vector; a lane of several bytes has as many equal bits. */
typedef uint16_t mve_pred16_t;

/* Bodies of functions: each lane of the result from an expression of i; a statement for each lane that the predicate p
 * selects. `width` is the bytes of a lane. */
#define QRT_LANES(type, count, expression)                                                                             \
    type result;                                                                                                       \
    for (int i = 0; i < (count); i++) result.lane[i] = expression;                                                     \
    return result
#define QRT_EACH(count, width, statement)                                                                              \
    for (int i = 0; i < (count); i++) {                                                                                \
        if (QRT_SELECTED(width, i)) statement;                                                                         \
    }
#define QRT_SELECTED(width, i) ((p >> ((width) * (i))) & 1)

static inline int8_t qrt_lane_s8(int32_t value) {
    return (int8_t)(value < INT8_MIN ? INT8_MIN : value > INT8_MAX ? INT8_MAX : value);
}
static inline int16_t qrt_lane_s16(int32_t value) {
    return (int16_t)(value < INT16_MIN ? INT16_MIN : value > INT16_MAX ? INT16_MAX : value);
}
static inline int32_t qrt_lane_s32(int64_t value) {
    return (int32_t)(value < INT32_MIN ? INT32_MIN : value > INT32_MAX ? INT32_MAX : value);
}
/* A sum or product that wraps. */
static inline int32_t qrt_lane_add(int32_t a, int32_t b) { return (int32_t)((uint32_t)a + (uint32_t)b); }
static inline int32_t qrt_lane_sub(int32_t a, int32_t b) { return (int32_t)((uint32_t)a - (uint32_t)b); }
static inline int32_t qrt_lane_mul(int32_t a, int32_t b) { return (int32_t)((uint32_t)a * (uint32_t)b); }
/* value * 2^shift; to the right rounded down or, after adding `half` of 2^-shift, to nearest. */
static inline int32_t qrt_lane_shift(int32_t value, int32_t shift, int half) {
    if (shift >= 0) return shift > 31 ? 0 : (int32_t)((uint32_t)value << shift);
    if (shift < -32) return half || value >= 0 ? 0 : -1;
    return (int32_t)(((int64_t)value + (half ? (int64_t)1 << (-shift - 1) : 0)) >> -shift);
}

/* Predicates: the first n lanes. */
static inline mve_pred16_t vctp8q(uint32_t n) { return (mve_pred16_t)(n >= 16 ? 0xffff : (1u << n) - 1); }
static inline mve_pred16_t vctp16q(uint32_t n) { return (mve_pred16_t)(n >= 8 ? 0xffff : (1u << 2 * n) - 1); }
static inline mve_pred16_t vctp32q(uint32_t n) { return (mve_pred16_t)(n >= 4 ? 0xffff : (1u << 4 * n) - 1); }

/* Those where a is greater. */
static inline mve_pred16_t vcmphiq_u32(uint32x4_t a, uint32x4_t b) {
    uint32_t result = 0;
    for (int i = 0; i < 4; i++) result |= a.lane[i] > b.lane[i] ? 15u << 4 * i : 0;
    return (mve_pred16_t)result;
}

/* Loads: contiguous, of lanes that p selects (the others are 0 and not read), and at x + offset. */
static inline int8x16_t vldrbq_s8(const int8_t *x) { QRT_LANES(int8x16_t, 16, x[i]); }
static inline uint8x16_t vldrbq_u8(const uint8_t *x) { QRT_LANES(uint8x16_t, 16, x[i]); }
static inline int16x8_t vldrbq_s16(const int8_t *x) { QRT_LANES(int16x8_t, 8, x[i]); }
static inline int32x4_t vldrhq_s32(const int16_t *x) { QRT_LANES(int32x4_t, 4, x[i]); }
static inline int32x4_t vldrwq_s32(const int32_t *x) { QRT_LANES(int32x4_t, 4, x[i]); }
static inline int8x16_t vldrbq_z_s8(const int8_t *x, mve_pred16_t p) {
    QRT_LANES(int8x16_t, 16, (int8_t)(QRT_SELECTED(1, i) ? x[i] : 0));
}
static inline int16x8_t vldrbq_z_s16(const int8_t *x, mve_pred16_t p) {
    QRT_LANES(int16x8_t, 8, (int16_t)(QRT_SELECTED(2, i) ? x[i] : 0));
}
static inline int32x4_t vldrbq_z_s32(const int8_t *x, mve_pred16_t p) {
    QRT_LANES(int32x4_t, 4, QRT_SELECTED(4, i) ? x[i] : 0);
}
static inline int8x16_t vldrbq_gather_offset_z_s8(const int8_t *x, uint8x16_t offset, mve_pred16_t p) {
    QRT_LANES(int8x16_t, 16, (int8_t)(QRT_SELECTED(1, i) ? x[offset.lane[i]] : 0));
}

/* Stores; those of a narrower type keep the low bits. */
static inline void vstrbq_p_s8(int8_t *y, int8x16_t a, mve_pred16_t p) { QRT_EACH(16, 1, y[i] = a.lane[i]); }
static inline void vstrbq_p_s32(int8_t *y, int32x4_t a, mve_pred16_t p) { QRT_EACH(4, 4, y[i] = (int8_t)a.lane[i]); }
static inline void vstrhq_p_s16(int16_t *y, int16x8_t a, mve_pred16_t p) { QRT_EACH(8, 2, y[i] = a.lane[i]); }
static inline void vstrwq_p_s32(int32_t *y, int32x4_t a, mve_pred16_t p) { QRT_EACH(4, 4, y[i] = a.lane[i]); }
static inline void vstrbq_scatter_offset_p_s8(int8_t *y, uint8x16_t offset, int8x16_t a, mve_pred16_t p) {
    QRT_EACH(16, 1, y[offset.lane[i]] = a.lane[i]);
}
static inline void vstrbq_s8(int8_t *y, int8x16_t a) { vstrbq_p_s8(y, a, 0xffff); }
static inline void vstrhq_s16(int16_t *y, int16x8_t a) { vstrhq_p_s16(y, a, 0xffff); }
static inline void vstrwq_s32(int32_t *y, int32x4_t a) { vstrwq_p_s32(y, a, 0xffff); }

/* The same in all lanes; start, start + step, ... */
static inline int8x16_t vdupq_n_s8(int8_t a) { QRT_LANES(int8x16_t, 16, a); }
static inline int16x8_t vdupq_n_s16(int16_t a) { QRT_LANES(int16x8_t, 8, a); }
static inline int32x4_t vdupq_n_s32(int32_t a) { QRT_LANES(int32x4_t, 4, a); }

/* Sums and products, in lanes that wrap. */
static inline int16x8_t vaddq_s16(int16x8_t a, int16x8_t b) {
    QRT_LANES(int16x8_t, 8, (int16_t)(a.lane[i] + b.lane[i]));
}
static inline int32x4_t vaddq_s32(int32x4_t a, int32x4_t b) {
    QRT_LANES(int32x4_t, 4, qrt_lane_add(a.lane[i], b.lane[i]));
}
static inline int32x4_t vaddq_n_s32(int32x4_t a, int32_t b) { QRT_LANES(int32x4_t, 4, qrt_lane_add(a.lane[i], b)); }
static inline int32x4_t vsubq_s32(int32x4_t a, int32x4_t b) {
    QRT_LANES(int32x4_t, 4, qrt_lane_sub(a.lane[i], b.lane[i]));
}
static inline int32x4_t vsubq_n_s32(int32x4_t a, int32_t b) { QRT_LANES(int32x4_t, 4, qrt_lane_sub(a.lane[i], b)); }
static inline int32x4_t vmulq_s32(int32x4_t a, int32x4_t b) {
    QRT_LANES(int32x4_t, 4, qrt_lane_mul(a.lane[i], b.lane[i]));
}
static inline int32x4_t vmlaq_n_s32(int32x4_t sum, int32x4_t a, int32_t b) {
    QRT_LANES(int32x4_t, 4, qrt_lane_add(sum.lane[i], qrt_lane_mul(a.lane[i], b)));
}
static inline uint32x4_t vaddq_u32(uint32x4_t a, uint32x4_t b) { QRT_LANES(uint32x4_t, 4, a.lane[i] + b.lane[i]); }
static inline int32x4_t vaddq_m_n_s32(int32x4_t rest, int32x4_t a, int32_t b, mve_pred16_t p) {
    QRT_LANES(int32x4_t, 4, QRT_SELECTED(4, i) ? qrt_lane_add(a.lane[i], b) : rest.lane[i]);
}

/* Products of the even (b) or odd (t) lanes, twice as wide. */
static inline int16x8_t vmullbq_int_s8(int8x16_t a, int8x16_t b) {
    QRT_LANES(int16x8_t, 8, (int16_t)(a.lane[2 * i] * b.lane[2 * i]));
}
static inline int16x8_t vmulltq_int_s8(int8x16_t a, int8x16_t b) {
    QRT_LANES(int16x8_t, 8, (int16_t)(a.lane[2 * i + 1] * b.lane[2 * i + 1]));
}

/* The upper half of a product: rounded down, to nearest, and of twice the product to nearest. */
static inline int32x4_t vmulhq_s32(int32x4_t a, int32x4_t b) {
    QRT_LANES(int32x4_t, 4, (int32_t)(((int64_t)a.lane[i] * b.lane[i]) >> 32));
}
static inline int32x4_t vqrdmulhq_s32(int32x4_t a, int32x4_t b) {
    QRT_LANES(int32x4_t, 4, qrt_lane_s32(((int64_t)a.lane[i] * b.lane[i] + ((int64_t)1 << 30)) >> 31));
}
static inline int32x4_t vqrdmulhq_n_s32(int32x4_t a, int32_t b) {
    QRT_LANES(int32x4_t, 4, qrt_lane_s32(((int64_t)a.lane[i] * b + ((int64_t)1 << 30)) >> 31));
}

/* Lanes made wider or narrower: the even (b) or odd (t) lanes; the other half of a narrower result is `rest`'s. */
static inline int32x4_t vmovlbq_s16(int16x8_t a) { QRT_LANES(int32x4_t, 4, a.lane[2 * i]); }
static inline int32x4_t vmovltq_s16(int16x8_t a) { QRT_LANES(int32x4_t, 4, a.lane[2 * i + 1]); }
static inline int16x8_t vqmovnbq_s32(int16x8_t rest, int32x4_t a) {
    QRT_LANES(int16x8_t, 8, i % 2 == 0 ? qrt_lane_s16(a.lane[i / 2]) : rest.lane[i]);
}
static inline int16x8_t vqmovntq_s32(int16x8_t rest, int32x4_t a) {
    QRT_LANES(int16x8_t, 8, i % 2 == 1 ? qrt_lane_s16(a.lane[i / 2]) : rest.lane[i]);
}
static inline int8x16_t vqmovnbq_s16(int8x16_t rest, int16x8_t a) {
    QRT_LANES(int8x16_t, 16, i % 2 == 0 ? qrt_lane_s8(a.lane[i / 2]) : rest.lane[i]);
}
static inline int8x16_t vqmovntq_s16(int8x16_t rest, int16x8_t a) {
    QRT_LANES(int8x16_t, 16, i % 2 == 1 ? qrt_lane_s8(a.lane[i / 2]) : rest.lane[i]);
}

/* Shifts to the left, by negative numbers to the right: rounded down (vshl), to nearest (vrshl), saturating
   (vqshl). */
static inline int32x4_t vrshlq_s32(int32x4_t a, int32x4_t b) {
    QRT_LANES(int32x4_t, 4, qrt_lane_shift(a.lane[i], b.lane[i], 1));
}
static inline int32x4_t vshlq_r_s32(int32x4_t a, int32_t b) {
    QRT_LANES(int32x4_t, 4, qrt_lane_shift(a.lane[i], b, 0));
}
static inline int32x4_t vrshlq_n_s32(int32x4_t a, int32_t b) {
    QRT_LANES(int32x4_t, 4, qrt_lane_shift(a.lane[i], b, 1));
}

/* By a constant. */
static inline int32x4_t vshlq_n_s32(int32x4_t a, int b) {
    QRT_LANES(int32x4_t, 4, (int32_t)((uint32_t)a.lane[i] << b));
}
static inline int32x4_t vshrq_n_s32(int32x4_t a, int b) { QRT_LANES(int32x4_t, 4, a.lane[i] >> b); }

/* Greater, smaller, bits. */
static inline int8x16_t vmaxq_s8(int8x16_t a, int8x16_t b) {
    QRT_LANES(int8x16_t, 16, a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]);
}
static inline int8x16_t vminq_s8(int8x16_t a, int8x16_t b) {
    QRT_LANES(int8x16_t, 16, a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i]);
}
static inline int32x4_t vmaxq_s32(int32x4_t a, int32x4_t b) {
    QRT_LANES(int32x4_t, 4, a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]);
}
static inline int32x4_t vminq_s32(int32x4_t a, int32x4_t b) {
    QRT_LANES(int32x4_t, 4, a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i]);
}
static inline int32x4_t vandq_s32(int32x4_t a, int32x4_t b) { QRT_LANES(int32x4_t, 4, a.lane[i] & b.lane[i]); }
static inline int8x16_t veorq_s8(int8x16_t a, int8x16_t b) {
    QRT_LANES(int8x16_t, 16, (int8_t)(a.lane[i] ^ b.lane[i]));
}

/* Sums over all lanes, added to a number. */
static inline int32_t vmladavaq_s8(int32_t sum, int8x16_t a, int8x16_t b) {
    for (int i = 0; i < 16; i++) sum = qrt_lane_add(sum, a.lane[i] * b.lane[i]);
    return sum;
}

static inline int32x4_t vqdmulhq_n_s32(int32x4_t a, int32_t b) {
    QRT_LANES(int32x4_t, 4, qrt_lane_s32(((int64_t)a.lane[i] * b) >> 31));
}
static inline int32x4_t vmlasq_n_s32(int32x4_t a, int32x4_t b, int32_t sum) {
    QRT_LANES(int32x4_t, 4, qrt_lane_add(qrt_lane_mul(a.lane[i], b.lane[i]), sum));
}
static inline int32x4_t veorq_s32(int32x4_t a, int32x4_t b) { QRT_LANES(int32x4_t, 4, a.lane[i] ^ b.lane[i]); }

/* The same bits as another type. */
static inline uint8x16_t vreinterpretq_u8_s8(int8x16_t a) { QRT_LANES(uint8x16_t, 16, (uint8_t)a.lane[i]); }
static inline uint32x4_t vreinterpretq_u32_s32(int32x4_t a) { QRT_LANES(uint32x4_t, 4, (uint32_t)a.lane[i]); }

#undef QRT_LANES
#undef QRT_EACH

#endif
#endif
