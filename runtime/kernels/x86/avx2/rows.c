/* SPDX-License-Identifier: Apache-2.0 */
/* rows.c: operators on single codes with AVX2, 32 at a time: add, mul, maximum, minimum, requantize, clamp and
 * lut.
 *
 * The rest of a row, less than 32 codes, goes through a buffer: nothing is read or written beyond a tensor.
 */
#include "portable/walk.h"
#include "x86/add_once.h"
#include "x86/avx2/avx2.h"
#include "x86/avx2/requant.h"

#ifdef QRT_X86

#define CODES 32

/* Two registers of int16, codes in order. */
typedef struct codes16 {
    __m256i first, second;
} codes16;

QRT_AVX2 QRT_INLINE codes16 widen_codes(__m256i codes) {
    codes16 wide = {_mm256_cvtepi8_epi16(_mm256_castsi256_si128(codes)),
                    _mm256_cvtepi8_epi16(_mm256_extracti128_si256(codes, 1))};
    return wide;
}

/* Saturates. */
QRT_AVX2 QRT_INLINE __m256i narrow_codes(codes16 wide) {
    return _mm256_permute4x64_epi64(_mm256_packs_epi16(wide.first, wide.second), 0xD8);
}

QRT_AVX2 QRT_INLINE __m256i clamp_codes(__m256i codes, int32_t minimum, int32_t maximum) {
    codes = _mm256_max_epi8(codes, _mm256_set1_epi8((char)minimum));
    return _mm256_min_epi8(codes, _mm256_set1_epi8((char)maximum));
}

QRT_AVX2 QRT_INLINE __m256i load_32(const int8_t *x) { return _mm256_loadu_si256((const __m256i *)x); }

QRT_AVX2 QRT_INLINE void store_32(int8_t *y, __m256i codes) { _mm256_storeu_si256((__m256i *)y, codes); }

typedef __m256i (*unary_codes)(const void *constants, __m256i x);
typedef __m256i (*binary_codes)(const void *constants, __m256i a, __m256i b);

/* `operation` is a constant. */
QRT_AVX2 QRT_INLINE void unary_row(const int8_t *x, int8_t *y, ptrdiff_t size, unary_codes operation,
                                   const void *constants) {
    ptrdiff_t i = 0;
    for (; i + CODES <= size; i += CODES) store_32(y + i, operation(constants, load_32(x + i)));
    if (i < size) {
        int8_t rest[CODES] = {0};
        memcpy(rest, x + i, (size_t)(size - i));
        store_32(rest, operation(constants, load_32(rest)));
        memcpy(y + i, rest, (size_t)(size - i));
    }
}

/* One operand of a row: codes, or one code for all. */
typedef struct operand {
    const int8_t *codes;
    int32_t step; /* 0 or 1 */
} operand;

QRT_AVX2 QRT_INLINE __m256i load_operand(operand x, ptrdiff_t i) {
    return x.step == 1 ? load_32(x.codes + i) : _mm256_set1_epi8((char)*x.codes);
}

QRT_AVX2 QRT_INLINE __m256i load_rest(operand x, ptrdiff_t i, ptrdiff_t size) {
    int8_t rest[CODES] = {0};
    if (x.step == 0) return load_operand(x, 0);
    memcpy(rest, x.codes + i, (size_t)(size - i));
    return load_32(rest);
}

QRT_AVX2 QRT_INLINE void binary_row(operand a, operand b, int8_t *y, ptrdiff_t size, binary_codes operation,
                                    const void *constants) {
    ptrdiff_t i = 0;
    for (; i + CODES <= size; i += CODES) {
        store_32(y + i, operation(constants, load_operand(a, i), load_operand(b, i)));
    }
    if (i < size) {
        int8_t rest[CODES];
        store_32(rest, operation(constants, load_rest(a, i, size), load_rest(b, i, size)));
        memcpy(y + i, rest, (size_t)(size - i));
    }
}

QRT_AVX2 QRT_INLINE void binary(const qrt_broadcast *s, const int8_t *const *inputs, int8_t *output,
                                binary_codes operation, const void *constants) {
    int32_t last = s->rank - 1, size = s->shape[last];
    walk at_a = {{0}, 0}, at_b = {{0}, 0};
    for (ptrdiff_t row = row_count(s->rank, s->shape); row > 0; row--, output += size) {
        operand a = {inputs[0] + at_a.position, s->a_stride[last]};
        operand b = {inputs[1] + at_b.position, s->b_stride[last]};
        binary_row(a, b, output, size, operation, constants);
        walk_next(&at_a, s->rank, s->shape, s->a_stride);
        walk_next(&at_b, s->rank, s->shape, s->b_stride);
    }
}

/* add, COMMON_SHIFT. Multipliers are split at bit 16, so that each half multiplies by vpmaddwd:
 *
 *   (sum >> shift) = (high + addend_high + ((low + addend_low) >> 16)) >> (shift - 16)
 */
typedef struct common_shift {
    __m256i high, low; /* int16 pairs: of a, of b */
    __m256i addend_high, addend_low;
    __m128i shift;
    int32_t output_min, output_max;
} common_shift;

/* Whether all values fit their types. */
QRT_AVX2 static int common_shift_of(const qrt_add_params *p, common_shift *k) {
    int64_t multiplier[2] = {p->a_multiplier, p->b_multiplier}, addend = p->addend;
    int64_t largest = 128 * ((multiplier[0] < 0 ? -multiplier[0] : multiplier[0]) +
                             (multiplier[1] < 0 ? -multiplier[1] : multiplier[1]));
    int16_t high[2], low[2];
    if (p->form != 0 || p->shift < 16 || p->shift > 47) return 0;
    if (addend >= ((int64_t)1 << 47) - largest || -addend > ((int64_t)1 << 47) - largest) return 0;
    for (int i = 0; i < 2; i++) {
        int64_t upper = (multiplier[i] + (1 << 15)) >> 16;
        if (upper > INT16_MAX || upper < INT16_MIN) return 0;
        high[i] = (int16_t)upper;
        low[i] = (int16_t)(multiplier[i] - upper * (1 << 16));
    }
    k->high = _mm256_set1_epi32((int32_t)((uint32_t)(uint16_t)high[0] | (uint32_t)(uint16_t)high[1] << 16));
    k->low = _mm256_set1_epi32((int32_t)((uint32_t)(uint16_t)low[0] | (uint32_t)(uint16_t)low[1] << 16));
    k->addend_high = _mm256_set1_epi32((int32_t)(addend >> 16));
    k->addend_low = _mm256_set1_epi32((int32_t)(addend & 0xFFFF));
    k->shift = _mm_cvtsi32_si128(p->shift - 16);
    k->output_min = p->output_min;
    k->output_max = p->output_max;
    return 1;
}

QRT_AVX2 QRT_INLINE __m256i common_shift_8(const common_shift *k, __m256i pairs) {
    __m256i low = _mm256_add_epi32(_mm256_madd_epi16(pairs, k->low), k->addend_low);
    __m256i high = _mm256_add_epi32(_mm256_madd_epi16(pairs, k->high), k->addend_high);
    return _mm256_sra_epi32(_mm256_add_epi32(high, _mm256_srai_epi32(low, 16)), k->shift);
}

QRT_AVX2 QRT_INLINE __m256i common_shift_16(const common_shift *k, __m256i a, __m256i b) {
    return _mm256_packs_epi32(common_shift_8(k, _mm256_unpacklo_epi16(a, b)),
                              common_shift_8(k, _mm256_unpackhi_epi16(a, b)));
}

QRT_AVX2 QRT_INLINE __m256i common_shift_codes(const void *constants, __m256i a, __m256i b) {
    const common_shift *k = constants;
    codes16 wide_a = widen_codes(a), wide_b = widen_codes(b);
    codes16 y = {common_shift_16(k, wide_a.first, wide_b.first), common_shift_16(k, wide_a.second, wide_b.second)};
    return clamp_codes(narrow_codes(y), k->output_min, k->output_max);
}

/* add, TFLITE: each of the three multiplications is a DOUBLE requantization without bounds. */
typedef struct tflite_sum {
    requant8 a, b, y;
    __m256i a_zero_point, b_zero_point, b_sign;
    int32_t output_min, output_max;
} tflite_sum;

static int32_t scale_down(int32_t multiplier, int32_t shift, int32_t y_zero_point, int64_t largest, requant8 *r) {
    uint8_t places = (uint8_t)shift;
    qrt_requant requant = {0};
    requant.multiplier = &multiplier;
    requant.shift = &places;
    requant.rounding = 1;
    requant.y_zero_point = y_zero_point;
    requant.output_min = INT32_MIN;
    requant.output_max = INT32_MAX;
    return requant8_uniform(&requant, largest, r);
}

QRT_AVX2 static int tflite_sum_of(const qrt_add_params *p, tflite_sum *k) {
    if (scale_down(p->a_multiplier, p->a_shift, 0, 255 << 20, &k->a) > QRT_LANES_DOUBLE) return 0;
    if (scale_down(p->b_multiplier, p->b_shift, 0, 255 << 20, &k->b) > QRT_LANES_DOUBLE) return 0;
    if (scale_down(p->y_multiplier, p->y_shift, p->y_zero_point, 510 << 20, &k->y) > QRT_LANES_DOUBLE) return 0;
    k->a_zero_point = _mm256_set1_epi32(p->a_zero_point);
    k->b_zero_point = _mm256_set1_epi32(p->b_zero_point);
    k->b_sign = _mm256_set1_epi32(p->b_sign);
    k->output_min = p->output_min;
    k->output_max = p->output_max;
    return 1;
}

QRT_AVX2 QRT_INLINE __m256i tflite_sum_8(const tflite_sum *k, __m128i a, __m128i b) {
    __m256i real_a = _mm256_slli_epi32(_mm256_sub_epi32(_mm256_cvtepi8_epi32(a), k->a_zero_point), 20);
    __m256i real_b = _mm256_slli_epi32(_mm256_sub_epi32(_mm256_cvtepi8_epi32(b), k->b_zero_point), 20);
    real_a = requant8_apply(real_a, &k->a, QRT_LANES_DOUBLE);
    real_b = _mm256_sign_epi32(requant8_apply(real_b, &k->b, QRT_LANES_DOUBLE), k->b_sign);
    return requant8_apply(_mm256_add_epi32(real_a, real_b), &k->y, QRT_LANES_DOUBLE);
}

QRT_AVX2 QRT_INLINE __m256i tflite_sum_codes(const void *constants, __m256i a, __m256i b) {
    const tflite_sum *k = constants;
    __m128i a_low = _mm256_castsi256_si128(a), a_high = _mm256_extracti128_si256(a, 1);
    __m128i b_low = _mm256_castsi256_si128(b), b_high = _mm256_extracti128_si256(b, 1);
    __m256i y = narrow32(
        tflite_sum_8(k, a_low, b_low), tflite_sum_8(k, _mm_srli_si128(a_low, 8), _mm_srli_si128(b_low, 8)),
        tflite_sum_8(k, a_high, b_high), tflite_sum_8(k, _mm_srli_si128(a_high, 8), _mm_srli_si128(b_high, 8)));
    y = _mm256_permutevar8x32_epi32(y, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    return clamp_codes(y, k->output_min, k->output_max);
}

/* Without the portable kernel. Returns 0 where that runs. */
QRT_AVX2 static int add(const qrt_add_params *p, const int8_t *const *inputs, int8_t *output) {
    common_shift once;
    tflite_sum thrice;
    if (common_shift_of(p, &once)) {
        binary(&p->broadcast, inputs, output, common_shift_codes, &once);
    } else if (p->form == 1 && tflite_sum_of(p, &thrice)) {
        binary(&p->broadcast, inputs, output, tflite_sum_codes, &thrice);
    } else {
        return 0;
    }
    return 1;
}

/* Packed memory holds the parameters to run, except the shape. */
static size_t add_packed_size(const void *params) {
    (void)params;
    return sizeof(qrt_add_params);
}

static void add_row(const qrt_add_params *p, const int8_t *const *inputs, int8_t *output) { add(p, inputs, output); }

static void add_pack(const void *params, void *packed) {
    const qrt_add_params *p = params;
    qrt_add_params once;
    tflite_sum thrice;
    common_shift constants;
    int faster = p->form == 1 && tflite_sum_of(p, &thrice) && qrt_add_once(p, add_row, &once) &&
                 common_shift_of(&once, &constants);
    memcpy(packed, faster ? &once : p, sizeof once);
}

QRT_AVX2 static void add_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_add_params *given = params;
    qrt_add_params own = *(const qrt_add_params *)given->packed;
    own.broadcast = given->broadcast;
    if (add(&own, inputs, output)) return;
    qrt_kernels portable;
    qrt_kernels_portable(&portable);
    portable.add.run(params, inputs, output, scratch);
}

/* mul and requantize: 16 numbers in two registers of eight, then their requantization. */
typedef struct uniform {
    requant8 requant;
    __m256i a_zero_point, b_zero_point; /* int16 */
    int32_t output_min, output_max;
} uniform;

QRT_AVX2 static int32_t uniform_of(const qrt_requant *requant, int32_t a_zero_point, int32_t b_zero_point,
                                   int64_t largest, uniform *k) {
    k->a_zero_point = _mm256_set1_epi16((int16_t)a_zero_point);
    k->b_zero_point = _mm256_set1_epi16((int16_t)b_zero_point);
    k->output_min = requant->output_min;
    k->output_max = requant->output_max;
    return requant8_uniform(requant, largest, &k->requant);
}

/* The numbers are products of a and b. */
QRT_AVX2 QRT_INLINE __m256i uniform_16(const uniform *k, __m256i a, __m256i b, const int form) {
    __m256i low = _mm256_mullo_epi16(a, b), high = _mm256_mulhi_epi16(a, b);
    __m256i first = requant8_apply(_mm256_unpacklo_epi16(low, high), &k->requant, form);
    __m256i second = requant8_apply(_mm256_unpackhi_epi16(low, high), &k->requant, form);
    return _mm256_packs_epi32(first, second);
}

QRT_AVX2 QRT_INLINE __m256i product_codes(const uniform *k, __m256i a, __m256i b, const int form) {
    codes16 wide_a = widen_codes(a), wide_b = widen_codes(b), y;
    y.first = uniform_16(k, _mm256_sub_epi16(wide_a.first, k->a_zero_point),
                         _mm256_sub_epi16(wide_b.first, k->b_zero_point), form);
    y.second = uniform_16(k, _mm256_sub_epi16(wide_a.second, k->a_zero_point),
                          _mm256_sub_epi16(wide_b.second, k->b_zero_point), form);
    return clamp_codes(narrow_codes(y), k->output_min, k->output_max);
}

QRT_AVX2 QRT_INLINE __m256i product_single(const void *constants, __m256i a, __m256i b) {
    return product_codes(constants, a, b, QRT_LANES_SINGLE_LEFT);
}

QRT_AVX2 QRT_INLINE __m256i product_double(const void *constants, __m256i a, __m256i b) {
    return product_codes(constants, a, b, QRT_LANES_DOUBLE);
}

QRT_AVX2 static void mul_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_binary_params *p = params;
    uniform k;
    int32_t form = uniform_of(&p->requant, p->a_zero_point, p->b_zero_point, 255 * 255, &k);
    if (form == QRT_LANES_SINGLE || form == QRT_LANES_SINGLE_LEFT) {
        binary(&p->broadcast, inputs, output, product_single, &k);
    } else if (form == QRT_LANES_DOUBLE) {
        binary(&p->broadcast, inputs, output, product_double, &k);
    } else {
        qrt_kernels portable;
        qrt_kernels_portable(&portable);
        portable.mul.run(params, inputs, output, scratch);
    }
}

/* x - x_zero_point is its product with 1. */
QRT_AVX2 QRT_INLINE __m256i requantize_single(const void *constants, __m256i x) {
    return product_codes(constants, x, _mm256_set1_epi8(1), QRT_LANES_SINGLE_LEFT);
}

QRT_AVX2 QRT_INLINE __m256i requantize_double(const void *constants, __m256i x) {
    return product_codes(constants, x, _mm256_set1_epi8(1), QRT_LANES_DOUBLE);
}

QRT_AVX2 static void requantize_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_unary_params *p = params;
    uniform k;
    int32_t form = uniform_of(&p->requant, p->x_zero_point, 0, 255, &k);
    if (form == QRT_LANES_SINGLE || form == QRT_LANES_SINGLE_LEFT) {
        unary_row(inputs[0], output, p->size, requantize_single, &k);
    } else if (form == QRT_LANES_DOUBLE) {
        unary_row(inputs[0], output, p->size, requantize_double, &k);
    } else {
        qrt_kernels portable;
        qrt_kernels_portable(&portable);
        portable.requantize.run(params, inputs, output, scratch);
    }
}

QRT_AVX2 QRT_INLINE __m256i maximum_codes(const void *constants, __m256i a, __m256i b) {
    (void)constants;
    return _mm256_max_epi8(a, b);
}

QRT_AVX2 QRT_INLINE __m256i minimum_codes(const void *constants, __m256i a, __m256i b) {
    (void)constants;
    return _mm256_min_epi8(a, b);
}

QRT_AVX2 static void maximum_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_binary_params *p = params;
    (void)scratch;
    binary(&p->broadcast, inputs, output, maximum_codes, NULL);
}

QRT_AVX2 static void minimum_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_binary_params *p = params;
    (void)scratch;
    binary(&p->broadcast, inputs, output, minimum_codes, NULL);
}

QRT_AVX2 QRT_INLINE __m256i clamped_codes(const void *constants, __m256i x) {
    const qrt_unary_params *p = constants;
    return clamp_codes(x, p->requant.output_min, p->requant.output_max);
}

QRT_AVX2 static void clamp_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_unary_params *p = params;
    (void)scratch;
    unary_row(inputs[0], output, p->size, clamped_codes, p);
}

/* A row of the table is 16 codes, which vpshufb can look up: the row's number is removed from `index`, so that it is
 * below 16 only in the right row; in the others vpshufb gives 0. */
QRT_AVX2 QRT_INLINE __m256i lut_codes(const void *constants, __m256i x) {
    const int8_t *table = constants;
    const __m256i beyond = _mm256_set1_epi8(0x70);
    __m256i index = _mm256_xor_si256(x, _mm256_set1_epi8((char)0x80)), y = _mm256_setzero_si256();
    QRT_UNROLL
    for (int row = 0; row < 16; row++) {
        __m256i codes = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(table + 16 * row)));
        __m256i own = _mm256_xor_si256(index, _mm256_set1_epi8((char)(16 * row)));
        y = _mm256_or_si256(y, _mm256_shuffle_epi8(codes, _mm256_adds_epu8(own, beyond)));
    }
    return y;
}

QRT_AVX2 static void lut_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_lut_params *p = params;
    (void)scratch;
    unary_row(inputs[0], output, p->size, lut_codes, p->table);
}

void qrt_rows_avx2(qrt_kernels *kernels) {
    kernels->add = (qrt_kernel){.run = add_run, .packed_size = add_packed_size, .pack = add_pack};
    kernels->mul.run = mul_run;
    kernels->maximum.run = maximum_run;
    kernels->minimum.run = minimum_run;
    kernels->requantize.run = requantize_run;
    kernels->clamp.run = clamp_run;
    kernels->lut.run = lut_run;
}

#endif
