/* SPDX-License-Identifier: Apache-2.0 */
/* rows.c: operators on single codes with NEON, 16 at a time: add, mul, maximum, minimum, requantize, clamp, lut and
 * requantize_sum.
 *
 * The rest of a row, less than 16 codes, goes through a buffer: nothing is read or written beyond a tensor.
 */
#include "arm/neon/rows.h"
#include "arm/neon/requant.h"
#include "portable/portable.h"
#include "portable/walk.h"

#ifdef QRT_NEON

#define CODES 16

typedef int8x16_t (*unary_codes)(const void *constants, int8x16_t x);
typedef int8x16_t (*binary_codes)(const void *constants, int8x16_t a, int8x16_t b);

/* `operation` is a constant, and `constants` point to a variable that nobody else sees, so that they stay in registers.
 */
QRT_NEON_INLINE void unary_row(const int8_t *x, int8_t *y, ptrdiff_t size, unary_codes operation,
                               const void *constants) {
    ptrdiff_t i = 0;
    for (; i + CODES <= size; i += CODES) vst1q_s8(y + i, operation(constants, vld1q_s8(x + i)));
    if (i < size) {
        int8_t rest[CODES];
        vst1q_s8(rest, operation(constants, load_codes(x + i, (int32_t)(size - i))));
        memcpy(y + i, rest, (size_t)(size - i));
    }
}

/* One operand of a row: codes, or one code for all. */
typedef struct operand {
    const int8_t *codes;
    int32_t step; /* 0 or 1 */
} operand;

QRT_NEON_INLINE int8x16_t load_rest(operand x, ptrdiff_t i, ptrdiff_t size) {
    return x.step == 0 ? vld1q_dup_s8(x.codes) : load_codes(x.codes + i, (int32_t)(size - i));
}

QRT_NEON_INLINE void binary_row(operand a, operand b, int8_t *y, ptrdiff_t size, binary_codes operation,
                                const void *constants) {
    ptrdiff_t i = 0;
    if (a.step == 1 && b.step == 1) {
        for (; i + CODES <= size; i += CODES) {
            vst1q_s8(y + i, operation(constants, vld1q_s8(a.codes + i), vld1q_s8(b.codes + i)));
        }
    } else if (size >= CODES) {
        int8x16_t one_a = vld1q_dup_s8(a.codes), one_b = vld1q_dup_s8(b.codes);
        for (; i + CODES <= size; i += CODES) {
            int8x16_t codes_a = a.step == 0 ? one_a : vld1q_s8(a.codes + i);
            int8x16_t codes_b = b.step == 0 ? one_b : vld1q_s8(b.codes + i);
            vst1q_s8(y + i, operation(constants, codes_a, codes_b));
        }
    }
    if (i < size) {
        int8_t rest[CODES];
        vst1q_s8(rest, operation(constants, load_rest(a, i, size), load_rest(b, i, size)));
        memcpy(y + i, rest, (size_t)(size - i));
    }
}

QRT_NEON_INLINE void binary(const qrt_broadcast *s, const int8_t *const *inputs, int8_t *output, binary_codes operation,
                            const void *constants) {
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

/* Codes less a zero point, in order. */
typedef struct codes16 {
    int16x8_t low, high;
} codes16;

QRT_NEON_INLINE codes16 less(int8x16_t x, int8x16_t zero_point) {
    codes16 y = {vsubl_s8(vget_low_s8(x), vget_low_s8(zero_point)), vsubl_high_s8(x, zero_point)};
    return y;
}

/* add, COMMON_SHIFT. Multipliers are split at bit 16, so that each half is an int16:
 *
 *   (sum + 2^(shift - 1)) >> shift = (high + (low >> 16) + 2^(shift - 17)) >> (shift - 16)
 */
typedef struct common_shift {
    int8x16_t a_zero_point, b_zero_point;
    int16x8_t a_high, a_low, b_high, b_low;
    int32x4_t right;
    codes_range range;
} common_shift;

/* Whether a multiplier has such halves. */
static int split_multiplier(int32_t multiplier, int16x8_t *high, int16x8_t *low) {
    int64_t upper = ((int64_t)multiplier + (1 << 15)) >> 16;
    *high = vdupq_n_s16((int16_t)upper);
    *low = vdupq_n_s16((int16_t)(multiplier - upper * (1 << 16)));
    return upper <= INT16_MAX && upper >= INT16_MIN;
}

static int common_shift_of(const qrt_add_params *p, common_shift *k) {
    if (p->form != 0 || p->shift < 17 || p->shift > 47) return 0;
    if (!split_multiplier(p->a_multiplier, &k->a_high, &k->a_low)) return 0;
    if (!split_multiplier(p->b_multiplier, &k->b_high, &k->b_low)) return 0;
    k->a_zero_point = vdupq_n_s8((int8_t)p->a_zero_point);
    k->b_zero_point = vdupq_n_s8((int8_t)p->b_zero_point);
    k->right = vdupq_n_s32(16 - p->shift);
    k->range = codes_range_of(p->y_zero_point, p->output_min, p->output_max);
    return 1;
}

QRT_NEON_INLINE int16x8_t common_shift_8(const common_shift *k, int16x8_t a, int16x8_t b) {
    int32x4_t high[2] = {vmull_s16(vget_low_s16(a), vget_low_s16(k->a_high)), vmull_high_s16(a, k->a_high)};
    int32x4_t low[2] = {vmull_s16(vget_low_s16(a), vget_low_s16(k->a_low)), vmull_high_s16(a, k->a_low)};
    high[0] = vmlal_s16(high[0], vget_low_s16(b), vget_low_s16(k->b_high));
    high[1] = vmlal_high_s16(high[1], b, k->b_high);
    low[0] = vmlal_s16(low[0], vget_low_s16(b), vget_low_s16(k->b_low));
    low[1] = vmlal_high_s16(low[1], b, k->b_low);
    int32x4_t first = vrshlq_s32(vsraq_n_s32(high[0], low[0], 16), k->right);
    int32x4_t second = vrshlq_s32(vsraq_n_s32(high[1], low[1], 16), k->right);
    return narrow_8(first, second, &k->range, QRT_REQUANT_SINGLE);
}

QRT_NEON_INLINE int8x16_t common_shift_codes(const void *constants, int8x16_t a, int8x16_t b) {
    const common_shift *k = constants;
    codes16 real_a = less(a, k->a_zero_point), real_b = less(b, k->b_zero_point);
    return narrow_16(common_shift_8(k, real_a.low, real_b.low), common_shift_8(k, real_a.high, real_b.high), &k->range);
}

/* add, TFLITE. The operand of the larger scale usually has the factor 1/2: half of d * 2^20 needs no rounding. */
typedef struct tflite_sum {
    int8x16_t a_zero_point, b_zero_point;
    int16x8_t a_half, b_half; /* 2^14, and its negative to subtract */
    int32x4_t b_sign;
    requant4 a, b, y;
    codes_range range;
} tflite_sum;

static int is_half(int32_t multiplier, int32_t shift) { return multiplier == 1 << 30 && shift == 31; }

static requant4 scale_down_of(int32_t multiplier, int32_t shift) {
    requant4 r = {vdupq_n_s32(multiplier), vdupq_n_s32(0), vdupq_n_s32(31 - shift), vdupq_n_s64(0), vdupq_n_s64(0)};
    return r;
}

static int tflite_sum_of(const qrt_add_params *p, tflite_sum *k) {
    if (p->form != 1 || p->y_shift < 32) return 0;
    if (p->a_shift < 32 && !is_half(p->a_multiplier, p->a_shift)) return 0;
    if (p->b_shift < 32 && !is_half(p->b_multiplier, p->b_shift)) return 0;
    k->a_zero_point = vdupq_n_s8((int8_t)p->a_zero_point);
    k->b_zero_point = vdupq_n_s8((int8_t)p->b_zero_point);
    k->a_half = vdupq_n_s16(1 << 14);
    k->b_half = vdupq_n_s16((int16_t)(p->b_sign * (1 << 14)));
    k->b_sign = vdupq_n_s32(p->b_sign);
    k->a = scale_down_of(p->a_multiplier, p->a_shift);
    k->b = scale_down_of(p->b_multiplier, p->b_shift);
    k->y = scale_down_of(p->y_multiplier, p->y_shift);
    k->range = codes_range_of(p->y_zero_point, p->output_min, p->output_max);
    return 1;
}

typedef struct eight {
    int32x4_t low, high;
} eight;

/* scale_down() of 8 differences of codes, which come times 2^5. */
QRT_NEON_INLINE eight scale_8(int16x8_t x, const requant4 *scaled) {
    eight y = {requant4_apply(vshll_n_s16(vget_low_s16(x), 15), scaled, QRT_REQUANT_DOUBLE),
               requant4_apply(vshll_high_n_s16(x, 15), scaled, QRT_REQUANT_DOUBLE)};
    return y;
}

/* `a_half` and `b_half` are constants: which factors are 1/2. */
QRT_NEON_INLINE int16x8_t tflite_sum_8(const tflite_sum *k, int16x8_t a, int16x8_t b, const int a_half,
                                       const int b_half) {
    eight sum;
    a = vshlq_n_s16(a, 5);
    b = vshlq_n_s16(b, 5);
    if (a_half) {
        sum.low = vmull_s16(vget_low_s16(a), vget_low_s16(k->a_half));
        sum.high = vmull_high_s16(a, k->a_half);
    } else {
        sum = scale_8(a, &k->a);
    }
    if (b_half) {
        sum.low = vmlal_s16(sum.low, vget_low_s16(b), vget_low_s16(k->b_half));
        sum.high = vmlal_high_s16(sum.high, b, k->b_half);
    } else {
        eight real_b = scale_8(b, &k->b);
        sum.low = vmlaq_s32(sum.low, real_b.low, k->b_sign);
        sum.high = vmlaq_s32(sum.high, real_b.high, k->b_sign);
    }
    return narrow_8(requant4_apply(sum.low, &k->y, QRT_REQUANT_DOUBLE),
                    requant4_apply(sum.high, &k->y, QRT_REQUANT_DOUBLE), &k->range, QRT_REQUANT_DOUBLE);
}

QRT_NEON_INLINE int8x16_t tflite_sum_16(const tflite_sum *k, int8x16_t a, int8x16_t b, const int a_half,
                                        const int b_half) {
    codes16 real_a = less(a, k->a_zero_point), real_b = less(b, k->b_zero_point);
    return narrow_16(tflite_sum_8(k, real_a.low, real_b.low, a_half, b_half),
                     tflite_sum_8(k, real_a.high, real_b.high, a_half, b_half), &k->range);
}

QRT_NEON_INLINE int8x16_t both_half_codes(const void *constants, int8x16_t a, int8x16_t b) {
    return tflite_sum_16(constants, a, b, 1, 1);
}

QRT_NEON_INLINE int8x16_t a_half_codes(const void *constants, int8x16_t a, int8x16_t b) {
    return tflite_sum_16(constants, a, b, 1, 0);
}

QRT_NEON_INLINE int8x16_t b_half_codes(const void *constants, int8x16_t a, int8x16_t b) {
    return tflite_sum_16(constants, a, b, 0, 1);
}

QRT_NEON_INLINE int8x16_t no_half_codes(const void *constants, int8x16_t a, int8x16_t b) {
    return tflite_sum_16(constants, a, b, 0, 0);
}

static void add_tflite(const qrt_add_params *p, const int8_t *const *inputs, int8_t *output, const tflite_sum *made) {
    const tflite_sum k = *made;
    int a_half = is_half(p->a_multiplier, p->a_shift), b_half = is_half(p->b_multiplier, p->b_shift);
    if (a_half && b_half) {
        binary(&p->broadcast, inputs, output, both_half_codes, &k);
    } else if (a_half) {
        binary(&p->broadcast, inputs, output, a_half_codes, &k);
    } else if (b_half) {
        binary(&p->broadcast, inputs, output, b_half_codes, &k);
    } else {
        binary(&p->broadcast, inputs, output, no_half_codes, &k);
    }
}

static void add_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_add_params *p = params;
    common_shift once;
    tflite_sum thrice;
    if (common_shift_of(p, &once)) {
        const common_shift k = once;
        binary(&p->broadcast, inputs, output, common_shift_codes, &k);
    } else if (tflite_sum_of(p, &thrice)) {
        add_tflite(p, inputs, output, &thrice);
    } else {
        qrt_add_s8(params, inputs, output, scratch);
    }
}

/* mul and requantize: 16 numbers, then their requantization. */
typedef struct uniform {
    requant4 requant;
    int8x16_t a_zero_point, b_zero_point;
    codes_range range;
} uniform;

static int32_t uniform_of(const qrt_requant *requant, int32_t a_zero_point, int32_t b_zero_point, int64_t largest,
                          uniform *k) {
    k->a_zero_point = vdupq_n_s8((int8_t)a_zero_point);
    k->b_zero_point = vdupq_n_s8((int8_t)b_zero_point);
    k->range = codes_range_of(requant->y_zero_point, requant->output_min, requant->output_max);
    return requant4_uniform(requant, largest, &k->requant);
}

QRT_NEON_INLINE int16x8_t product_8(const uniform *k, int16x8_t a, int16x8_t b, const int form) {
    int32x4_t first = vmull_s16(vget_low_s16(a), vget_low_s16(b)), second = vmull_high_s16(a, b);
    return narrow_8(requant4_apply(first, &k->requant, form), requant4_apply(second, &k->requant, form), &k->range,
                    form);
}

QRT_NEON_INLINE int8x16_t product_16(const uniform *k, int8x16_t a, int8x16_t b, const int form) {
    codes16 real_a = less(a, k->a_zero_point), real_b = less(b, k->b_zero_point);
    return narrow_16(product_8(k, real_a.low, real_b.low, form), product_8(k, real_a.high, real_b.high, form),
                     &k->range);
}

#define PRODUCT(form)                                                                                                  \
    QRT_NEON_INLINE int8x16_t product_##form(const void *constants, int8x16_t a, int8x16_t b) {                        \
        return product_16(constants, a, b, QRT_REQUANT_##form);                                                        \
    }                                                                                                                  \
    QRT_NEON_INLINE int8x16_t requantize_##form(const void *constants, int8x16_t x) {                                  \
        const uniform *k = constants;                                                                                  \
        return product_16(k, x, vaddq_s8(k->b_zero_point, vdupq_n_s8(1)), QRT_REQUANT_##form); /* by 1 */              \
    }
QRT_REQUANT_FORMS(PRODUCT)

static void mul_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_binary_params *p = params;
    uniform made;
    int32_t form = uniform_of(&p->requant, p->a_zero_point, p->b_zero_point, 255 * 255, &made);
    const uniform k = made;
    switch (form) {
#define RUN(form)                                                                                                      \
    case QRT_REQUANT_##form:                                                                                           \
        binary(&p->broadcast, inputs, output, product_##form, &k);                                                     \
        break;
        QRT_REQUANT_FORMS(RUN)
#undef RUN
    default:
        qrt_mul_s8(params, inputs, output, scratch);
    }
}

static void requantize_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_unary_params *p = params;
    uniform made;
    int32_t form = uniform_of(&p->requant, p->x_zero_point, 0, 255, &made);
    const uniform k = made;
    switch (form) {
#define RUN(form)                                                                                                      \
    case QRT_REQUANT_##form:                                                                                           \
        unary_row(inputs[0], output, p->size, requantize_##form, &k);                                                  \
        break;
        QRT_REQUANT_FORMS(RUN)
#undef RUN
    default:
        qrt_requantize_s8(params, inputs, output, scratch);
    }
}

QRT_NEON_INLINE int8x16_t maximum_codes(const void *constants, int8x16_t a, int8x16_t b) {
    (void)constants;
    return vmaxq_s8(a, b);
}

QRT_NEON_INLINE int8x16_t minimum_codes(const void *constants, int8x16_t a, int8x16_t b) {
    (void)constants;
    return vminq_s8(a, b);
}

static void maximum_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_binary_params *p = params;
    (void)scratch;
    binary(&p->broadcast, inputs, output, maximum_codes, NULL);
}

static void minimum_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_binary_params *p = params;
    (void)scratch;
    binary(&p->broadcast, inputs, output, minimum_codes, NULL);
}

QRT_NEON_INLINE int8x16_t clamped_codes(const void *constants, int8x16_t x) {
    const codes_range *range = constants;
    return vminq_s8(vmaxq_s8(x, range->lowest), range->highest);
}

static void clamp_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_unary_params *p = params;
    const codes_range range = codes_range_of(0, p->requant.output_min, p->requant.output_max);
    (void)scratch;
    unary_row(inputs[0], output, p->size, clamped_codes, &range);
}

/* A quarter of the table is 64 codes, which TBL can look up; beyond them it gives 0, and TBX leaves a byte. */
typedef struct quarters {
    int8x16x4_t codes[4];
} quarters;

QRT_NEON_INLINE int8x16_t lut_codes(const void *constants, int8x16_t x) {
    const quarters *table = constants;
    const uint8x16_t quarter = vdupq_n_u8(64);
    uint8x16_t index = veorq_u8(vreinterpretq_u8_s8(x), vdupq_n_u8(0x80));
    int8x16_t y = vqtbl4q_s8(table->codes[0], index);
    QRT_NEON_UNROLL
    for (int i = 1; i < 4; i++) {
        index = vsubq_u8(index, quarter);
        y = vqtbx4q_s8(y, table->codes[i], index);
    }
    return y;
}

static void lut_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_lut_params *p = params;
    (void)scratch;
    if (p->size < CODES) { /* fewer codes than the table fills registers */
        qrt_lut_s8(params, inputs, output, scratch);
        return;
    }
    const quarters table = {
        {vld1q_s8_x4(p->table), vld1q_s8_x4(p->table + 64), vld1q_s8_x4(p->table + 128), vld1q_s8_x4(p->table + 192)}};
    unary_row(inputs[0], output, p->size, lut_codes, &table);
}

/* requantize_sum of 8 channels. b_multiplier is split, so that each part multiplies 32 bits:
 *
 *   high(a * multiplier + b * b_multiplier + addend) = high(a * multiplier + b * b_low + addend) + b * b_high
 *
 * with b_multiplier = b_high * 2^32 + b_low, -2^31 <= b_low < 2^31, and high(v) = v >> 32.
 */
typedef struct sum_lanes {
    int32_t multiplier[8], b_low[8], b_high[8], right[8];
    int64_t addend[8];
} sum_lanes;

/* Whether a shift keeps no more than the upper half. */
static int sum_lanes_of(const qrt_requantize_sum_params *p, int32_t first, sum_lanes *lanes) {
    for (int32_t i = 0; i < 8; i++) {
        int32_t entry = (first + i) * p->requant.step, shift = p->requant.shift[entry];
        int64_t b_multiplier = p->b_multiplier[entry];
        if (shift < 32) return 0;
        lanes->multiplier[i] = p->requant.multiplier[entry];
        lanes->b_low[i] = (int32_t)(uint32_t)(uint64_t)b_multiplier;
        lanes->b_high[i] = (int32_t)((b_multiplier - lanes->b_low[i]) >> 32);
        lanes->right[i] = 32 - shift;
        lanes->addend[i] = p->requant.addend[entry];
    }
    return 1;
}

/* `half` is a constant. */
QRT_NEON_INLINE int32x4_t sum_4(const sum_lanes *k, const int8_t *a, int32x4_t b, const int half) {
    int32x4_t acc = vreinterpretq_s32_s8(vld1q_s8(a + 16 * half)), multiplier = vld1q_s32(k->multiplier + 4 * half);
    int32x4_t b_low = vld1q_s32(k->b_low + 4 * half);
    int64x2_t low = vmull_s32(vget_low_s32(acc), vget_low_s32(multiplier)), high = vmull_high_s32(acc, multiplier);
    low = vmlal_s32(low, vget_low_s32(b), vget_low_s32(b_low));
    high = vmlal_high_s32(high, b, b_low);
    int32x4_t upper =
        vaddhn_high_s64(vaddhn_s64(low, vld1q_s64(k->addend + 4 * half)), high, vld1q_s64(k->addend + 4 * half + 2));
    return vshlq_s32(vmlaq_s32(upper, b, vld1q_s32(k->b_high + 4 * half)), vld1q_s32(k->right + 4 * half));
}

/* Channels [first, first + 8) of all rows. */
static void sum_channels(const qrt_requantize_sum_params *p, const sum_lanes *lanes, int32_t first,
                         const int8_t *const *inputs, int8_t *output) {
    const sum_lanes k = *lanes;
    const codes_range range = codes_range_of(0, p->requant.output_min, p->requant.output_max);
    const ptrdiff_t channels = p->channels;
    const int8_t *a = inputs[0] + (ptrdiff_t)first * 4, *b = inputs[1] + first;
    int8_t *y = output + first;
    for (int32_t row = p->rows; row > 0; row--, a += 4 * channels, b += channels, y += channels) {
        int16x8_t codes = vmovl_s8(vld1_s8(b));
        int32x4_t low = sum_4(&k, a, vmovl_s16(vget_low_s16(codes)), 0);
        int32x4_t high = sum_4(&k, a, vmovl_high_s16(codes), 1);
        int16x8_t wide = narrow_8(low, high, &range, QRT_REQUANT_ADDEND);
        vst1_s8(y, vget_low_s8(narrow_16(wide, wide, &range)));
    }
}

/* The output lies over no input, so the last channels can overlap those before them. */
static void requantize_sum_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_requantize_sum_params *p = params;
    for (int32_t channel = 0; channel < p->channels; channel += 8) {
        sum_lanes lanes;
        int32_t first = channel + 8 <= p->channels ? channel : p->channels - 8;
        if (first < 0 || !sum_lanes_of(p, first, &lanes)) {
            qrt_requantize_sum_s8(params, inputs, output, scratch);
            return;
        }
        sum_channels(p, &lanes, first, inputs, output);
    }
}

void qrt_rows_neon(qrt_kernels *kernels) {
    kernels->add.run = add_run;
    kernels->mul.run = mul_run;
    kernels->maximum.run = maximum_run;
    kernels->minimum.run = minimum_run;
    kernels->requantize.run = requantize_run;
    kernels->clamp.run = clamp_run;
    kernels->lut.run = lut_run;
    kernels->requantize_sum.run = requantize_sum_run;
}

#endif
