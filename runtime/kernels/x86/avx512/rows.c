/* SPDX-License-Identifier: Apache-2.0 */
/* rows.c: elementwise operators, with AVX-512.
 *
 * If the parameters exceed a bound that the fast path needs, the portable kernel runs: such extreme parameters do not
 * occur in real networks.
 */
#include "x86/avx512/rows.h"

#include "x86/avx512/avx512.h"

#ifdef QRT_X86

/* mul */
typedef struct product {
    __m512i a_zero_point, b_zero_point; /* int16 */
    requant_all requant;
} product;

QRT_AVX512 QRT_INLINE __m512i product_codes(const product *c, __m512i a, __m512i b, const int form) {
    __m512i y[4];
    QRT_UNROLL
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
    const qrt_binary_params *p = params;
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
        kernels.mul.run(params, inputs, output, scratch);
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
    const qrt_binary_params *p = params;
    (void)scratch;
    broadcast_rows(&p->broadcast, inputs, output, larger, NULL);
}

QRT_AVX512 static void minimum_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_binary_params *p = params;
    (void)scratch;
    broadcast_rows(&p->broadcast, inputs, output, smaller, NULL);
}

/* Operators on one tensor run as operators on two that ignore the second. */
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
    const qrt_unary_params *p = params;
    bounds c = {_mm512_set1_epi8((char)p->requant.output_min), _mm512_set1_epi8((char)p->requant.output_max)};
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
    QRT_UNROLL
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
    const qrt_unary_params *p = params;
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
        kernels.requantize.run(params, inputs, output, scratch);
    }
}

/* lut: the table as 128 int16, two codes each, in four registers. An index is a code's upper seven bits; the lowest
 * bit selects one of the two. */
typedef struct lookup {
    __m512i table[4];
} lookup;

/* For each int16 of `at`, of which only the lower 7 bits are used, an entry of the table. */
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

/* requantize_sum, 8 channels at once, in 64 bits. */
typedef struct sum8 {
    __m512i multiplier, b_multiplier, addend, shift;
} sum8;

QRT_AVX512 QRT_INLINE sum8 sum8_load(const qrt_requantize_sum_params *p, int32_t channel, __mmask8 rest) {
    const qrt_requant *requant = &p->requant;
    sum8 c;
    if (requant->step == 0) {
        c.multiplier = _mm512_set1_epi64(requant->multiplier[0]);
        c.b_multiplier = _mm512_set1_epi64(p->b_multiplier[0]);
        c.addend = _mm512_set1_epi64(requant->addend[0]);
        c.shift = _mm512_set1_epi64(requant->shift[0]);
    } else {
        c.multiplier = _mm512_cvtepi32_epi64(_mm256_maskz_loadu_epi32(rest, requant->multiplier + channel));
        c.b_multiplier = _mm512_maskz_loadu_epi64(rest, p->b_multiplier + channel);
        c.addend = _mm512_maskz_loadu_epi64(rest, requant->addend + channel);
        c.shift = _mm512_cvtepu8_epi64(_mm_maskz_loadu_epi8(rest, requant->shift + channel));
    }
    return c;
}

QRT_AVX512 static void requantize_sum_run(const void *params, const int8_t *const *inputs, int8_t *output,
                                          void *scratch) {
    const qrt_requantize_sum_params *p = params;
    const __m128i output_min = _mm_set1_epi8((char)p->requant.output_min);
    const __m128i output_max = _mm_set1_epi8((char)p->requant.output_max);
    (void)scratch;
    ptrdiff_t at = 0;
    for (int32_t row = 0; row < p->rows; row++, at += p->channels) {
        for (int32_t channel = 0; channel < p->channels; channel += 8) {
            int32_t left = p->channels - channel;
            __mmask8 rest = (__mmask8)(left >= 8 ? 0xff : (1 << left) - 1);
            const sum8 c = sum8_load(p, channel, rest);
            __m512i a = _mm512_cvtepi32_epi64(_mm256_maskz_loadu_epi32(rest, inputs[0] + 4 * (at + channel)));
            __m512i b = _mm512_cvtepi8_epi64(_mm_maskz_loadu_epi8(rest, inputs[1] + at + channel));
            __m512i sum = _mm512_add_epi64(_mm512_mul_epi32(a, c.multiplier), _mm512_mullo_epi64(b, c.b_multiplier));
            sum = _mm512_srav_epi64(_mm512_add_epi64(sum, c.addend), c.shift);
            __m128i codes = _mm_min_epi8(_mm_max_epi8(_mm512_cvtsepi64_epi8(sum), output_min), output_max);
            _mm_mask_storeu_epi8(output + at + channel, rest, codes);
        }
    }
}

const qrt_kernel qrt_requantize_sum_avx512 = {.run = requantize_sum_run};
const qrt_kernel qrt_mul_avx512 = {.run = mul_run};
const qrt_kernel qrt_maximum_avx512 = {.run = maximum_run};
const qrt_kernel qrt_minimum_avx512 = {.run = minimum_run};
const qrt_kernel qrt_clamp_avx512 = {.run = clamp_run};
const qrt_kernel qrt_requantize_avx512 = {.run = requantize_run};
const qrt_kernel qrt_lut_avx512 = {.run = lut_run};

#endif
