/* avx512_rows.c: operators that look at one code of each operand, with AVX-512.
 *
 * Where a bound does not hold that the quick way needs, the portable kernel runs: parameters that extreme come
 * from no real network.
 */
#include "avx512_rows.h"

#include "avx512.h"

#ifdef QRT_X86

static void portable(const qrt_kernel *kernel, const void *params, const int8_t *const *inputs, int8_t *output) {
    kernel->run(params, inputs, output, NULL);
}

/* add, COMMON_SHIFT, in 32 bits: each multiplier is hi * 2^16 + lo, both int16, and so is the addend, so that
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

/* Whether all of it stays in its bits. */
static int fits_common_shift(const qrt_add_params *p) {
    int64_t addend_hi = p->addend >> 16;
    return p->shift >= 16 && p->shift < 48 && upper_half(p->a_multiplier) < 1 << 15 &&
           upper_half(p->b_multiplier) < 1 << 15 && upper_half(p->b_multiplier) >= -(1 << 15) && addend_hi < 1 << 30 &&
           addend_hi > -(1 << 30);
}

QRT_AVX512 QRT_INLINE __m512i common_shift_codes(const void *constants, __m512i a, __m512i b) {
    const common_shift *c = constants;
    __m512i y[4];
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
        __m512i a16 = widen(a, half), b16 = widen(b, half);
        __m512i pairs[2] = {_mm512_unpacklo_epi16(a16, b16), _mm512_unpackhi_epi16(a16, b16)};
#pragma GCC unroll 2
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
 * in 32 bits, from the int16 pair (d, 32 * d). rounding_shift(that, n) then adds 2^(n - 1) less 1 when d < 0: that is
 * also the sign of what is shifted, or what is shifted is 0 and the 1 makes no difference. So it is for the
 * sum s of both operands, which is at most 2^29:
 *
 *   y = ((2 * s * y_multiplier + addend) >> 32) - (1 when s < 0)) >> right                 right = y_shift - 31 >= 1
 *   addend = 2^31 + (2^(right - 1) + y_zero_point * 2^right) * 2^32
 */
typedef struct tflite_operand {
    __m512i zero_point; /* int16 */
    __m512i lo, hi;     /* for the pair */
    __m512i round;      /* 2^10 + 2^(n - 1) * 2^11 */
    __m512i sign_shift; /* a logical shift that makes a sign 1, or, by 32, 0 */
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

/* What 32 codes stand for: `real`[0] for the lower int16 of each part of 8, [1] for the upper ones. */
QRT_AVX512 QRT_INLINE void tflite_real(const tflite_operand *o, __m512i codes, const int half, __m512i real[2]) {
    __m512i d = _mm512_sub_epi16(widen(codes, half), o->zero_point), d32 = _mm512_slli_epi16(d, 5);
    const __m512i pairs[2] = {_mm512_unpacklo_epi16(d, d32), _mm512_unpackhi_epi16(d, d32)};
#pragma GCC unroll 2
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
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
        __m512i real_a[2], real_b[2];
        tflite_real(&c->a, a, half, real_a);
        tflite_real(&c->b, b, half, real_b);
#pragma GCC unroll 2
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

QRT_AVX512 static void add_tflite(const qrt_add_params *p, const int8_t *const *inputs, int8_t *output) {
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
    broadcast_rows(&p->broadcast, inputs, output, tflite_codes, &c);
}

QRT_AVX512 static void add_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_add_params *p = params;
    (void)scratch;
    if (p->form == 0 && fits_common_shift(p)) {
        add_common_shift(p, inputs, output);
    } else if (p->form == 1 && fits_tflite(p)) {
        add_tflite(p, inputs, output);
    } else {
        qrt_kernels kernels;
        qrt_kernels_portable(&kernels);
        portable(&kernels.add, params, inputs, output);
    }
}

/* mul */
typedef struct product {
    __m512i a_zero_point, b_zero_point; /* int16 */
    requant_all requant;
} product;

QRT_AVX512 QRT_INLINE __m512i product_codes(const product *c, __m512i a, __m512i b, const int form) {
    __m512i y[4];
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
        __m512i left = _mm512_sub_epi16(widen(a, half), c->a_zero_point);
        __m512i right = _mm512_sub_epi16(widen(b, half), c->b_zero_point);
        __m512i low = _mm512_mullo_epi16(left, right), high = _mm512_mulhi_epi16(left, right);
        y[2 * half] = requant16_apply(_mm512_unpacklo_epi16(low, high), &c->requant.r, form);
        y[2 * half + 1] = requant16_apply(_mm512_unpackhi_epi16(low, high), &c->requant.r, form);
    }
    return _mm512_min_epi8(_mm512_max_epi8(narrow_unpacked(y), c->requant.output_min), c->requant.output_max);
}

QRT_AVX512 QRT_INLINE __m512i product_single(const void *constants, __m512i a, __m512i b) {
    return product_codes(constants, a, b, QRT_LANES_SINGLE);
}

QRT_AVX512 QRT_INLINE __m512i product_single_left(const void *constants, __m512i a, __m512i b) {
    return product_codes(constants, a, b, QRT_LANES_SINGLE_LEFT);
}

QRT_AVX512 QRT_INLINE __m512i product_double(const void *constants, __m512i a, __m512i b) {
    return product_codes(constants, a, b, QRT_LANES_DOUBLE);
}

QRT_AVX512 static void mul_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_mul_params *p = params;
    product c;
    (void)scratch;
    c.a_zero_point = _mm512_set1_epi16((short)p->a_zero_point);
    c.b_zero_point = _mm512_set1_epi16((short)p->b_zero_point);
    c.requant = requant_all_load(&p->requant, 255 * 255);
    if (c.requant.form == QRT_LANES_SINGLE) {
        broadcast_rows(&p->broadcast, inputs, output, product_single, &c);
    } else if (c.requant.form == QRT_LANES_SINGLE_LEFT) {
        broadcast_rows(&p->broadcast, inputs, output, product_single_left, &c);
    } else if (c.requant.form == QRT_LANES_DOUBLE) {
        broadcast_rows(&p->broadcast, inputs, output, product_double, &c);
    } else {
        qrt_kernels kernels;
        qrt_kernels_portable(&kernels);
        portable(&kernels.mul, params, inputs, output);
    }
}

QRT_AVX512 QRT_INLINE __m512i larger(const void *constants, __m512i a, __m512i b) {
    (void)constants;
    return _mm512_max_epi8(a, b);
}

QRT_AVX512 QRT_INLINE __m512i smaller(const void *constants, __m512i a, __m512i b) {
    (void)constants;
    return _mm512_min_epi8(a, b);
}

QRT_AVX512 static void maximum_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_extremum_params *p = params;
    (void)scratch;
    broadcast_rows(&p->broadcast, inputs, output, larger, NULL);
}

QRT_AVX512 static void minimum_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_extremum_params *p = params;
    (void)scratch;
    broadcast_rows(&p->broadcast, inputs, output, smaller, NULL);
}

/* Operators on one tensor are those on two of which the second is not looked at. */
QRT_AVX512 QRT_INLINE void one_row(const int8_t *x, ptrdiff_t size, int8_t *y, codes_of_two function,
                                   const void *constants) {
    two_rows(x, 1, x, 0, size, y, function, constants);
}

typedef struct bounds {
    __m512i output_min, output_max;
} bounds;

QRT_AVX512 QRT_INLINE __m512i clamped(const void *constants, __m512i x, __m512i unused) {
    const bounds *c = constants;
    (void)unused;
    return _mm512_min_epi8(_mm512_max_epi8(x, c->output_min), c->output_max);
}

QRT_AVX512 static void clamp_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_clamp_params *p = params;
    bounds c = {_mm512_set1_epi8((char)p->output_min), _mm512_set1_epi8((char)p->output_max)};
    (void)scratch;
    one_row(inputs[0], p->size, output, clamped, &c);
}

/* requantize */
typedef struct rescale {
    __m512i x_zero_point; /* int16 */
    requant_all requant;
} rescale;

QRT_AVX512 QRT_INLINE __m512i rescaled(const rescale *c, __m512i x, const int form) {
    __m512i y[4];
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
        __m512i d = _mm512_sub_epi16(widen(x, half), c->x_zero_point), sign = _mm512_srai_epi16(d, 15);
        y[2 * half] = requant16_apply(_mm512_unpacklo_epi16(d, sign), &c->requant.r, form);
        y[2 * half + 1] = requant16_apply(_mm512_unpackhi_epi16(d, sign), &c->requant.r, form);
    }
    return _mm512_min_epi8(_mm512_max_epi8(narrow_unpacked(y), c->requant.output_min), c->requant.output_max);
}

QRT_AVX512 QRT_INLINE __m512i rescaled_single(const void *constants, __m512i x, __m512i unused) {
    (void)unused;
    return rescaled(constants, x, QRT_LANES_SINGLE);
}

QRT_AVX512 QRT_INLINE __m512i rescaled_single_left(const void *constants, __m512i x, __m512i unused) {
    (void)unused;
    return rescaled(constants, x, QRT_LANES_SINGLE_LEFT);
}

QRT_AVX512 QRT_INLINE __m512i rescaled_double(const void *constants, __m512i x, __m512i unused) {
    (void)unused;
    return rescaled(constants, x, QRT_LANES_DOUBLE);
}

QRT_AVX512 static void requantize_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_requantize_params *p = params;
    rescale c;
    (void)scratch;
    c.x_zero_point = _mm512_set1_epi16((short)p->x_zero_point);
    c.requant = requant_all_load(&p->requant, 255);
    if (c.requant.form == QRT_LANES_SINGLE) {
        one_row(inputs[0], p->size, output, rescaled_single, &c);
    } else if (c.requant.form == QRT_LANES_SINGLE_LEFT) {
        one_row(inputs[0], p->size, output, rescaled_single_left, &c);
    } else if (c.requant.form == QRT_LANES_DOUBLE) {
        one_row(inputs[0], p->size, output, rescaled_double, &c);
    } else {
        qrt_kernels kernels;
        qrt_kernels_portable(&kernels);
        portable(&kernels.requantize, params, inputs, output);
    }
}

/* lut: the table as 128 int16, two codes each, in four registers. An index is a code's upper seven bits; its lowest
 * picks one of the two. */
typedef struct lookup {
    __m512i table[4];
} lookup;

/* For each int16 of `at`, whose lower 7 bits count, an entry of the table. */
QRT_AVX512 QRT_INLINE __m512i look_up(const lookup *c, __m512i at) {
    __mmask32 second = _mm512_test_epi16_mask(at, _mm512_set1_epi16(32));
    __mmask32 upper = _mm512_test_epi16_mask(at, _mm512_set1_epi16(64));
    __m512i low = _mm512_permutexvar_epi16(at, c->table[0]), high = _mm512_permutexvar_epi16(at, c->table[2]);
    low = _mm512_mask_permutexvar_epi16(low, second, at, c->table[1]);
    high = _mm512_mask_permutexvar_epi16(high, second, at, c->table[3]);
    return _mm512_mask_mov_epi16(low, upper, high);
}

QRT_AVX512 QRT_INLINE __m512i looked_up(const void *constants, __m512i x, __m512i unused) {
    const __m512i ones = _mm512_set1_epi16(1);
    (void)unused;
    x = _mm512_xor_si512(x, _mm512_set1_epi8(-128));
    /* Codes in even places, then in odd ones. */
    __m512i even = look_up(constants, _mm512_srli_epi16(_mm512_slli_epi16(x, 8), 9));
    __m512i odd = look_up(constants, _mm512_srli_epi16(x, 9));
    __mmask32 even_upper = _mm512_test_epi16_mask(x, ones);
    __mmask32 odd_lower = _mm512_testn_epi16_mask(x, _mm512_set1_epi16(0x100));
    even = _mm512_mask_srli_epi16(even, even_upper, even, 8);
    odd = _mm512_mask_slli_epi16(odd, odd_lower, odd, 8);
    return _mm512_mask_mov_epi8(odd, 0x5555555555555555, even);
}

QRT_AVX512 static void lut_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_lut_params *p = params;
    lookup c;
    (void)scratch;
    for (int i = 0; i < 4; i++) c.table[i] = _mm512_loadu_si512(p->table + 64 * i);
    one_row(inputs[0], p->size, output, looked_up, &c);
}

const qrt_kernel qrt_add_avx512 = {.run = add_run};
const qrt_kernel qrt_mul_avx512 = {.run = mul_run};
const qrt_kernel qrt_maximum_avx512 = {.run = maximum_run};
const qrt_kernel qrt_minimum_avx512 = {.run = minimum_run};
const qrt_kernel qrt_clamp_avx512 = {.run = clamp_run};
const qrt_kernel qrt_requantize_avx512 = {.run = requantize_run};
const qrt_kernel qrt_lut_avx512 = {.run = lut_run};

#endif
