/* SPDX-License-Identifier: Apache-2.0 */
/* add.c: add with AVX-512.
 *
 * If the parameters exceed a bound that the fast path needs, the portable kernel runs: such extreme parameters do not
 * occur in real networks.
 */
#include "x86/add_once.h"
#include "x86/avx512/avx512.h"
#include "x86/avx512/rows.h"

#ifdef QRT_X86

#include <string.h>

/* add, COMMON_SHIFT, in 32 bits: each multiplier is hi * 2^16 + lo, both int16, and the addend likewise, so that
 *
 *   (a * a_multiplier + b * b_multiplier + addend) >> shift
 *     = (a * a_hi + b * b_hi + addend_hi + ((a * a_lo + b * b_lo + addend_lo) >> 16)) >> (shift - 16)
 */
typedef struct common_shift {
    __m512i hi, lo; /* of both multipliers, a's in the lower half of each int32 */
    __m512i addend_hi, addend_lo;
    __m512i shift;
    __m512i output_min, output_max;
} common_shift;

static int32_t upper_half(int32_t value) { return (int32_t)(((int64_t)value + 0x8000) >> 16); }

static int32_t pair(int32_t low, int32_t high) { return (int32_t)((uint32_t)(low & 0xffff) | (uint32_t)high << 16); }

/* Whether all values fit their types. */
static int fits_common_shift(const qrt_add_params *p) {
    int64_t addend_hi = p->addend >> 16;
    return p->shift >= 16 && p->shift < 48 && upper_half(p->a_multiplier) < 1 << 15 &&
           upper_half(p->b_multiplier) < 1 << 15 && upper_half(p->b_multiplier) >= -(1 << 15) && addend_hi < 1 << 30 &&
           addend_hi > -(1 << 30);
}

QRT_AVX512 QRT_INLINE __m512i common_shift_codes(const void *constants, __m512i a, __m512i b) {
    const common_shift *c = constants;
    __m512i y[4];
    QRT_UNROLL
    for (int half = 0; half < 2; half++) {
        __m512i a16 = widen(a, half), b16 = widen(b, half);
        __m512i pairs[2] = {_mm512_unpacklo_epi16(a16, b16), _mm512_unpackhi_epi16(a16, b16)};
        QRT_UNROLL
        for (int i = 0; i < 2; i++) {
            __m512i lo = _mm512_dpwssd_epi32(c->addend_lo, pairs[i], c->lo);
            __m512i hi = _mm512_dpwssd_epi32(c->addend_hi, pairs[i], c->hi);
            y[2 * half + i] = _mm512_srav_epi32(_mm512_add_epi32(hi, _mm512_srai_epi32(lo, 16)), c->shift);
        }
    }
    return _mm512_min_epi8(_mm512_max_epi8(narrow_unpacked(y), c->output_min), c->output_max);
}

QRT_AVX512 static void add_common_shift(const qrt_add_params *p, const int8_t *const *inputs, int8_t *output) {
    int32_t a_hi = upper_half(p->a_multiplier), b_hi = upper_half(p->b_multiplier);
    common_shift c;
    c.hi = _mm512_set1_epi32(pair(a_hi, b_hi));
    c.lo = _mm512_set1_epi32(pair(p->a_multiplier - a_hi * 0x10000, p->b_multiplier - b_hi * 0x10000));
    c.addend_hi = _mm512_set1_epi32((int32_t)(p->addend >> 16));
    c.addend_lo = _mm512_set1_epi32((int32_t)(p->addend & 0xffff));
    c.shift = _mm512_set1_epi32(p->shift - 16);
    c.output_min = _mm512_set1_epi8((char)p->output_min);
    c.output_max = _mm512_set1_epi8((char)p->output_max);
    broadcast_rows(&p->broadcast, inputs, output, common_shift_codes, &c);
}

/* add, TFLITE. With d = a - a_zero_point, m its multiplier = hi * 2^16 + lo and n = a_shift - 31,
 *
 *   high_mul(d * 2^20, m) = (d * m + 2^10) >> 11 = 32 * d * hi + ((d * lo + 2^10) >> 11)
 *
 * in 32 bits, from the int16 pair (d, 32 * d). rounding_shift(that, n) then adds 2^(n - 1) less 1 when d < 0: the
 * shifted value has the same sign, or it is 0 and the 1 makes no difference. The same holds for the sum s of both
 * operands, which is at most 2^29:
 *
 *   y = ((2 * s * y_multiplier + addend) >> 32) - (1 when s < 0)) >> right                 right = y_shift - 31 >= 1
 *   addend = 2^31 + (2^(right - 1) + y_zero_point * 2^right) * 2^32
 */
typedef struct tflite_operand {
    __m512i zero_point; /* int16 */
    __m512i lo, hi;     /* for the pair */
    __m512i round;      /* 2^10 + 2^(n - 1) * 2^11 */
    __m512i sign_shift; /* logical shift that turns a sign into 1, or, by 32, into 0 */
    __m512i shift;
} tflite_operand;

typedef struct tflite {
    tflite_operand a, b;
    int32_t subtract;
    __m512i multiplier, addend, shift;
    __m512i output_min, output_max;
} tflite;

static int fits_tflite(const qrt_add_params *p) {
    return upper_half(p->a_multiplier) < 1 << 15 && upper_half(p->b_multiplier) < 1 << 15 && p->a_shift < 49 &&
           p->b_shift < 49 && p->y_shift > 31 && p->y_shift < 54;
}

QRT_AVX512 QRT_INLINE tflite_operand tflite_operand_of(int32_t zero_point, int32_t multiplier, int32_t shift) {
    int32_t hi = upper_half(multiplier), n = shift - 31;
    tflite_operand operand;
    operand.zero_point = _mm512_set1_epi16((short)zero_point);
    operand.lo = _mm512_set1_epi32(pair(multiplier - hi * 0x10000, 0));
    operand.hi = _mm512_set1_epi32(pair(0, hi));
    operand.round = _mm512_set1_epi32((1 << 10) + (n > 0 ? 1 << (n + 10) : 0));
    operand.sign_shift = _mm512_set1_epi32(n > 0 ? 31 : 32);
    operand.shift = _mm512_set1_epi32(n);
    return operand;
}

/* Scaled values of 32 codes: `real`[0] for the lower int16 of each part of 8, [1] for the upper ones. */
QRT_AVX512 QRT_INLINE void tflite_real(const tflite_operand *o, __m512i codes, const int half, __m512i real[2]) {
    __m512i d = _mm512_sub_epi16(widen(codes, half), o->zero_point), d32 = _mm512_slli_epi16(d, 5);
    const __m512i pairs[2] = {_mm512_unpacklo_epi16(d, d32), _mm512_unpackhi_epi16(d, d32)};
    QRT_UNROLL
    for (int i = 0; i < 2; i++) {
        __m512i lo = _mm512_srai_epi32(_mm512_dpwssd_epi32(o->round, pairs[i], o->lo), 11);
        __m512i high = _mm512_dpwssd_epi32(lo, pairs[i], o->hi);
        high = _mm512_sub_epi32(high, _mm512_srlv_epi32(pairs[i], o->sign_shift));
        real[i] = _mm512_srav_epi32(high, o->shift);
    }
}

QRT_AVX512 QRT_INLINE __m512i tflite_codes(const void *constants, __m512i a, __m512i b) {
    const tflite *c = constants;
    __m512i y[4];
    QRT_UNROLL
    for (int half = 0; half < 2; half++) {
        __m512i real_a[2], real_b[2];
        tflite_real(&c->a, a, half, real_a);
        tflite_real(&c->b, b, half, real_b);
        QRT_UNROLL
        for (int i = 0; i < 2; i++) {
            __m512i sum = c->subtract ? _mm512_sub_epi32(real_a[i], real_b[i]) : _mm512_add_epi32(real_a[i], real_b[i]);
            __m512i twice = _mm512_slli_epi32(sum, 1);
            __m512i even = _mm512_add_epi64(_mm512_mul_epi32(twice, c->multiplier), c->addend);
            __m512i odd = _mm512_mul_epi32(_mm512_srli_epi64(twice, 32), c->multiplier);
            odd = _mm512_add_epi64(odd, c->addend);
            __m512i high = _mm512_mask_shuffle_epi32(odd, 0x5555, even, _MM_PERM_DDBB);
            y[2 * half + i] = _mm512_srav_epi32(_mm512_add_epi32(high, _mm512_srai_epi32(sum, 31)), c->shift);
        }
    }
    return _mm512_min_epi8(_mm512_max_epi8(narrow_unpacked(y), c->output_min), c->output_max);
}

QRT_AVX512 QRT_INLINE tflite tflite_of(const qrt_add_params *p) {
    int32_t right = p->y_shift - 31;
    int64_t round = ((int64_t)1 << (right - 1)) + p->y_zero_point * ((int64_t)1 << right);
    tflite c;
    c.a = tflite_operand_of(p->a_zero_point, p->a_multiplier, p->a_shift);
    c.b = tflite_operand_of(p->b_zero_point, p->b_multiplier, p->b_shift);
    c.subtract = p->b_sign < 0;
    c.multiplier = _mm512_set1_epi32(p->y_multiplier);
    c.addend = _mm512_set1_epi64(((int64_t)1 << 31) + round * ((int64_t)1 << 32));
    c.shift = _mm512_set1_epi32(right);
    c.output_min = _mm512_set1_epi8((char)p->output_min);
    c.output_max = _mm512_set1_epi8((char)p->output_max);
    return c;
}

QRT_AVX512 static void add_tflite(const qrt_add_params *p, const int8_t *const *inputs, int8_t *output) {
    const tflite c = tflite_of(p);
    broadcast_rows(&p->broadcast, inputs, output, tflite_codes, &c);
}

/* Packed memory holds the parameters to run, except the shape. */
static size_t add_packed_size(const void *params) {
    (void)params;
    return sizeof(qrt_add_params);
}

static void add_pack(const void *params, void *packed) {
    const qrt_add_params *p = params;
    qrt_add_params once;
    int faster = p->form == 1 && fits_tflite(p) && qrt_add_once(p, add_tflite, &once) && fits_common_shift(&once);
    memcpy(packed, faster ? &once : p, sizeof once);
}

QRT_AVX512 static void add_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_add_params *given = params;
    qrt_add_params own = *(const qrt_add_params *)given->packed, *p = &own;
    own.broadcast = given->broadcast;
    if (p->form == 0 && fits_common_shift(p)) {
        add_common_shift(p, inputs, output);
    } else if (p->form == 1 && fits_tflite(p)) {
        add_tflite(p, inputs, output);
    } else {
        qrt_kernels kernels;
        qrt_kernels_portable(&kernels);
        kernels.add.run(params, inputs, output, scratch);
    }
}

const qrt_kernel qrt_add_avx512 = {.run = add_run, .packed_size = add_packed_size, .pack = add_pack};

#endif
