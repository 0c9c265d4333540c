/* portable.c: operators on single codes and on rows of them, and pools, in plain C99, and the portable set's table. */
#include <string.h>

#include "portable/portable.h"
#include "portable/walk.h"
#include "qrt_math.h"

/* Pools and mean keep the accumulators of this many channels on the stack. */
#define BLOCK 64

static int32_t add_common_shift(const qrt_add_params *p, int32_t a, int32_t b) {
    int64_t sum = (int64_t)a * p->a_multiplier + (int64_t)b * p->b_multiplier + p->addend;
    return (int32_t)qrt_clamp(sum >> p->shift, p->output_min, p->output_max);
}

static int64_t scale_down(int64_t value, int32_t multiplier, int32_t shift) {
    return qrt_rounding_shift(qrt_high_mul(value, multiplier), shift - 31);
}

static int32_t add_tflite(const qrt_add_params *p, int32_t a, int32_t b) {
    int64_t real_a = scale_down((a - p->a_zero_point) * ((int64_t)1 << 20), p->a_multiplier, p->a_shift);
    int64_t real_b = scale_down((b - p->b_zero_point) * ((int64_t)1 << 20), p->b_multiplier, p->b_shift);
    int64_t y = scale_down(real_a + p->b_sign * real_b, p->y_multiplier, p->y_shift) + p->y_zero_point;
    return (int32_t)qrt_clamp(y, p->output_min, p->output_max);
}

static void qrt_add_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_add_params *p = params;
    const qrt_broadcast *s = &p->broadcast;
    int32_t last = s->rank - 1;
    ptrdiff_t rows = row_count(s->rank, s->shape);
    walk at_a = {{0}, 0}, at_b = {{0}, 0};
    (void)scratch;
    for (ptrdiff_t row = 0; row < rows; row++) {
        const int8_t *a = inputs[0] + at_a.position, *b = inputs[1] + at_b.position;
        int32_t a_step = s->a_stride[last], b_step = s->b_stride[last], size = s->shape[last];
        for (int32_t i = 0; i < size; i++, a += a_step, b += b_step) {
            *output++ = (int8_t)(p->form == 0 ? add_common_shift(p, *a, *b) : add_tflite(p, *a, *b));
        }
        walk_next(&at_a, s->rank, s->shape, s->a_stride);
        walk_next(&at_b, s->rank, s->shape, s->b_stride);
    }
}

static void qrt_mul_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_binary_params *p = params;
    const qrt_broadcast *s = &p->broadcast;
    int32_t last = s->rank - 1;
    ptrdiff_t rows = row_count(s->rank, s->shape);
    qrt_channel requant = qrt_requant_channel(&p->requant, 0);
    walk at_a = {{0}, 0}, at_b = {{0}, 0};
    (void)scratch;
    for (ptrdiff_t row = 0; row < rows; row++) {
        const int8_t *a = inputs[0] + at_a.position, *b = inputs[1] + at_b.position;
        int32_t a_step = s->a_stride[last], b_step = s->b_stride[last], size = s->shape[last];
        for (int32_t i = 0; i < size; i++, a += a_step, b += b_step) {
            int32_t acc = (*a - p->a_zero_point) * (*b - p->b_zero_point);
            *output++ = qrt_requantize(&p->requant, requant, acc);
        }
        walk_next(&at_a, s->rank, s->shape, s->a_stride);
        walk_next(&at_b, s->rank, s->shape, s->b_stride);
    }
}

/* The larger code of a and b times `sign`, which is 1 or -1. */
static void extremum(const qrt_broadcast *s, const int8_t *const *inputs, int8_t *output, int32_t sign) {
    int32_t last = s->rank - 1;
    walk at_a = {{0}, 0}, at_b = {{0}, 0};
    for (ptrdiff_t row = row_count(s->rank, s->shape); row > 0; row--) {
        const int8_t *a = inputs[0] + at_a.position, *b = inputs[1] + at_b.position;
        int32_t a_step = s->a_stride[last], b_step = s->b_stride[last], size = s->shape[last];
        for (int32_t i = 0; i < size; i++, a += a_step, b += b_step) *output++ = *a * sign > *b * sign ? *a : *b;
        walk_next(&at_a, s->rank, s->shape, s->a_stride);
        walk_next(&at_b, s->rank, s->shape, s->b_stride);
    }
}

static void qrt_maximum_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_binary_params *p = params;
    (void)scratch;
    extremum(&p->broadcast, inputs, output, 1);
}

static void qrt_minimum_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_binary_params *p = params;
    (void)scratch;
    extremum(&p->broadcast, inputs, output, -1);
}

static void qrt_requantize_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_unary_params *p = params;
    const int8_t *x = inputs[0];
    qrt_channel requant = qrt_requant_channel(&p->requant, 0);
    (void)scratch;
    for (int32_t i = 0; i < p->size; i++) output[i] = qrt_requantize(&p->requant, requant, x[i] - p->x_zero_point);
}

static void qrt_clamp_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_unary_params *p = params;
    const int8_t *x = inputs[0];
    int8_t minimum = (int8_t)p->requant.output_min, maximum = (int8_t)p->requant.output_max;
    (void)scratch;
    for (int32_t i = 0; i < p->size; i++) {
        int8_t code = x[i] < minimum ? minimum : x[i];
        output[i] = code > maximum ? maximum : code;
    }
}

static void qrt_lut_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_lut_params *p = params;
    const int8_t *x = inputs[0];
    (void)scratch;
    for (int32_t i = 0; i < p->size; i++) output[i] = p->table[x[i] + 128];
}

/* floor(a / b) for 0 < b < 2^63. Cortex-M cannot divide 64 bits, and no library is linked. */
static uint64_t divide(uint64_t a, uint64_t b) {
#if UINTPTR_MAX > UINT32_MAX
    return a / b;
#else
    uint64_t quotient = 0, rest = 0;
    for (int32_t bit = 63; bit >= 0; bit--) {
        rest = rest << 1 | (a >> bit & 1);
        quotient <<= 1;
        if (rest >= b) {
            rest -= b;
            quotient |= 1;
        }
    }
    return quotient;
#endif
}

/* inverse(a) of SPEC.md: 1 / (1 + a), both in units of 2^-31, by Newton's method. */
static int32_t softmax_inverse(int64_t a) {
    int64_t h = (a + ((int64_t)1 << 31)) >> 1;
    int64_t v = 1515870810 + qrt_high_mul(h, -1010580540);
    for (int32_t i = 0; i < 3; i++) v += 4 * qrt_high_mul(((int64_t)1 << 29) - qrt_high_mul(h, (int32_t)v), (int32_t)v);
    return (int32_t)qrt_clamp(2 * v, 0, INT32_MAX);
}

/* Without a branch, which nothing could predict. */
static uint64_t exponential(const uint32_t *table, int32_t count, int32_t distance) {
    int32_t inside = (distance - count) >> 31; /* all bits or none */
    return table[distance & inside] & (uint32_t)inside;
}

static void softmax_tflite_row(const qrt_softmax_params *p, const int8_t *x, int32_t max, int8_t *y) {
    const uint32_t *table = p->exponential;
    int32_t bits = 0, channels = p->channels, count = p->exponential_count;
    uint64_t sum = 0;
    for (int32_t i = 0; i < channels; i++) sum += (exponential(table, count, max - x[i]) + 2048) >> 12;
    while (sum << bits < (uint64_t)1 << 31) bits++;
    uint64_t inverse = (uint64_t)softmax_inverse((int64_t)(sum << bits) - ((int64_t)1 << 31));
    uint64_t round = (uint64_t)1 << (34 - bits);
    for (int32_t i = 0; i < channels; i++) {
        uint64_t high = (exponential(table, count, max - x[i]) * inverse + ((uint64_t)1 << 30)) >> 31;
        uint64_t code = (high + round) >> (35 - bits);
        y[i] = (int8_t)((int32_t)(code < 255 ? code : 255) - 128);
    }
}

static void softmax_exact_row(const qrt_softmax_params *p, const int8_t *x, int32_t max, int8_t *y) {
    const uint32_t *table = p->exponential;
    int32_t shift = p->shift, zero_point = p->y_zero_point, channels = p->channels, count = p->exponential_count;
    uint64_t round = (uint64_t)qrt_round(shift), sum = 0, most = (uint64_t)(127 - zero_point);
    for (int32_t i = 0; i < channels; i++) sum += exponential(table, count, max - x[i]);
    uint64_t reciprocal = divide(p->numerator, sum);
    for (int32_t i = 0; i < channels; i++) {
        uint64_t code = (exponential(table, count, max - x[i]) * reciprocal + round) >> shift;
        y[i] = (int8_t)((int32_t)(code < most ? code : most) + zero_point);
    }
}

static void qrt_softmax_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_softmax_params *p = params;
    const int8_t *x = inputs[0];
    (void)scratch;
    for (int32_t row = 0; row < p->rows; row++, x += p->channels, output += p->channels) {
        int32_t max = -128;
        for (int32_t i = 0; i < p->channels; i++) max = x[i] > max ? x[i] : max;
        if (p->form == 0) {
            softmax_exact_row(p, x, max, output);
        } else {
            softmax_tflite_row(p, x, max, output);
        }
    }
}

/* sum / count to nearest, count > 0; ties as SPEC.md says for average_pool2d. */
static int32_t average(int32_t sum, int32_t count, int32_t rounding) {
    int32_t magnitude = sum < 0 ? -sum : sum;
    int32_t quotient = magnitude / count, rest = magnitude % count;
    int32_t up = rounding == 0 ? rest >= count - rest : rest > count - rest || (rest == count - rest && quotient % 2);
    quotient += up;
    return sum < 0 ? -quotient : quotient;
}

/* One output position, channels [channel, channel + size), size <= BLOCK. */
static void average_block(const qrt_pool2d_params *p, qrt_pool_window window, int32_t channel, int32_t size,
                          int8_t *y) {
    int32_t acc[BLOCK] = {0};
    int32_t count = window.rows * window.columns;
    int32_t zero_point = p->rounding == 1 ? p->x_zero_point : 0; /* HALF_EVEN alone counts from it */
    for (int32_t row = 0; row < window.rows; row++) {
        const int8_t *x = window.x + (ptrdiff_t)row * p->in_width * p->channels + channel;
        for (int32_t column = 0; column < window.columns; column++, x += p->channels) {
            for (int32_t i = 0; i < size; i++) acc[i] += x[i];
        }
    }
    for (int32_t i = 0; i < size; i++) {
        int32_t mean = average(acc[i] - count * zero_point, count, p->rounding) + zero_point;
        y[channel + i] = (int8_t)qrt_clamp(mean, p->output_min, p->output_max);
    }
}

static void qrt_average_pool2d_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_pool2d_params *p = params;
    const int8_t *image = inputs[0];
    (void)scratch;
    for (int32_t n = 0; n < p->batch; n++) {
        for (int32_t out_y = 0; out_y < p->out_height; out_y++) {
            for (int32_t out_x = 0; out_x < p->out_width; out_x++) {
                qrt_pool_window window = qrt_pool_window_at(p, image, out_y, out_x);
                for (int32_t channel = 0; channel < p->channels; channel += BLOCK) {
                    int32_t left = p->channels - channel;
                    average_block(p, window, channel, left < BLOCK ? left : BLOCK, output);
                }
                output += p->channels;
            }
        }
        image += (ptrdiff_t)p->in_height * p->in_width * p->channels;
    }
}

/* One output position. Starting from output_min and stopping at output_max is the clamp. */
static void max_position(const qrt_pool2d_params *p, qrt_pool_window window, int8_t *restrict y) {
    memset(y, p->output_min, (size_t)p->channels);
    for (int32_t row = 0; row < window.rows; row++) {
        const int8_t *restrict x = window.x + (ptrdiff_t)row * p->in_width * p->channels;
        for (int32_t column = 0; column < window.columns; column++, x += p->channels) {
            for (int32_t i = 0; i < p->channels; i++) y[i] = x[i] > y[i] ? x[i] : y[i];
        }
    }
    int8_t maximum = (int8_t)p->output_max;
    for (int32_t i = 0; i < p->channels; i++) y[i] = y[i] > maximum ? maximum : y[i];
}

static void qrt_max_pool2d_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_pool2d_params *p = params;
    const int8_t *image = inputs[0];
    (void)scratch;
    for (int32_t n = 0; n < p->batch; n++) {
        for (int32_t out_y = 0; out_y < p->out_height; out_y++) {
            for (int32_t out_x = 0; out_x < p->out_width; out_x++) {
                max_position(p, qrt_pool_window_at(p, image, out_y, out_x), output);
                output += p->channels;
            }
        }
        image += (ptrdiff_t)p->in_height * p->in_width * p->channels;
    }
}

/* Channels [0, size) of one image, size <= BLOCK. */
static void mean_block(const qrt_mean_params *p, const int8_t *x, int32_t size, int8_t *y) {
    int32_t acc[BLOCK] = {0};
    for (int32_t position = 0; position < p->positions; position++, x += p->channels) {
        for (int32_t i = 0; i < size; i++) acc[i] += x[i] - p->x_zero_point;
    }
    qrt_channel requant = qrt_requant_channel(&p->requant, 0);
    for (int32_t i = 0; i < size; i++) y[i] = qrt_requantize(&p->requant, requant, acc[i]);
}

static void qrt_mean_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_mean_params *p = params;
    const int8_t *x = inputs[0];
    (void)scratch;
    for (int32_t n = 0; n < p->batch; n++) {
        for (int32_t channel = 0; channel < p->channels; channel += BLOCK) {
            int32_t left = p->channels - channel;
            mean_block(p, x + channel, left < BLOCK ? left : BLOCK, output + channel);
        }
        x += (ptrdiff_t)p->positions * p->channels;
        output += p->channels;
    }
}

/* Index of the first of the largest codes, less 128. */
static void qrt_arg_max_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_arg_max_params *p = params;
    const int8_t *x = inputs[0];
    (void)scratch;
    for (int32_t row = 0; row < p->rows; row++, x += p->channels) {
        int32_t best = 0;
        for (int32_t i = 1; i < p->channels; i++) best = x[i] > x[best] ? i : best;
        output[row] = (int8_t)(best - 128);
    }
}

static int64_t saturate(int64_t value) { return qrt_clamp(value, INT32_MIN, INT32_MAX); }

/* inverse_root(s) of SPEC.md: 1 / sqrt(s) is the result times 2^-(31 + *exponent). */
static int32_t inverse_root(int32_t s, int32_t *exponent) {
    int32_t e = 11, zeros = 0;
    *exponent = 0;
    if (s <= 1) return INT32_MAX;
    for (; s >= 1 << 29; e++) s /= 4;
    while (s <= INT32_MAX >> (zeros + 1)) zeros++; /* as a 32-bit number it has one zero bit more in front */
    int32_t pairs = zeros / 2 - 1;
    int64_t t = (int64_t)s * ((int64_t)1 << (2 * pairs));
    int64_t h = qrt_rounding_shift(t >> 1, 1), v = 1 << 28;
    e -= pairs;
    for (int32_t i = 0; i < 5; i++) {
        int64_t cube = saturate(64 * qrt_high_mul(qrt_high_mul(v, (int32_t)v), (int32_t)v));
        v = saturate(8 * (qrt_high_mul(402653184, (int32_t)v) - qrt_high_mul(h, (int32_t)cube)));
    }
    v = qrt_high_mul(v, 1518500250);
    for (; e < 0; e++) v *= 2;
    *exponent = e;
    return (int32_t)v;
}

static void qrt_l2_norm_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_l2_norm_params *p = params;
    const int8_t *x = inputs[0];
    (void)scratch;
    for (int32_t row = 0; row < p->rows; row++, x += p->channels, output += p->channels) {
        int32_t sum = 0, exponent;
        for (int32_t i = 0; i < p->channels; i++) sum += (x[i] - p->x_zero_point) * (x[i] - p->x_zero_point);
        int32_t multiplier = inverse_root(sum, &exponent);
        int64_t left = (int64_t)1 << (exponent < 7 ? 7 - exponent : 0);
        int32_t right = exponent > 7 ? exponent - 7 : 0;
        for (int32_t i = 0; i < p->channels; i++) {
            int64_t y = qrt_rounding_shift(qrt_high_mul((x[i] - p->x_zero_point) * left, multiplier), right);
            output[i] = (int8_t)qrt_clamp(y, -128, 127);
        }
    }
}

static void qrt_requantize_sum_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_requantize_sum_params *p = params;
    const qrt_requant *requant = &p->requant;
    const int8_t *a = inputs[0], *b = inputs[1];
    (void)scratch;
    for (int32_t row = 0; row < p->rows; row++) {
        for (int32_t channel = 0; channel < p->channels; channel++, a += sizeof(int32_t)) {
            int32_t entry = channel * requant->step, acc;
            memcpy(&acc, a, sizeof acc);
            int64_t sum = (int64_t)acc * requant->multiplier[entry] + *b++ * p->b_multiplier[entry];
            int64_t y = (sum + requant->addend[entry]) >> requant->shift[entry];
            *output++ = (int8_t)qrt_clamp(y, requant->output_min, requant->output_max);
        }
    }
}

const qrt_kernels qrt_portable = {
    .name = "portable",
    .conv2d = {.run = qrt_conv2d_s8, .scratch_size = qrt_conv2d_s8_scratch},
    .dwconv2d = {.run = qrt_dwconv2d_s8},
    .linear = {.run = qrt_linear_s8},
    .add = {.run = qrt_add_s8},
    .mul = {.run = qrt_mul_s8},
    .average_pool2d = {.run = qrt_average_pool2d_s8},
    .max_pool2d = {.run = qrt_max_pool2d_s8},
    .mean = {.run = qrt_mean_s8},
    .pad = {.run = qrt_pad_s8},
    .concat = {.run = qrt_concat_s8},
    .reshape = {.run = qrt_reshape_s8},
    .transpose = {.run = qrt_transpose_s8},
    .requantize = {.run = qrt_requantize_s8},
    .clamp = {.run = qrt_clamp_s8},
    .softmax = {.run = qrt_softmax_s8},
    .lut = {.run = qrt_lut_s8},
    .slice = {.run = qrt_slice_s8},
    .resize2d = {.run = qrt_resize2d_s8},
    .transpose_conv2d = {.run = qrt_transpose_conv2d_s8},
    .maximum = {.run = qrt_maximum_s8},
    .minimum = {.run = qrt_minimum_s8},
    .arg_max = {.run = qrt_arg_max_s8},
    .matmul = {.run = qrt_matmul_s8},
    .l2_norm = {.run = qrt_l2_norm_s8},
    .requantize_sum = {.run = qrt_requantize_sum_s8},
};

void qrt_kernels_portable(qrt_kernels *kernels) { *kernels = qrt_portable; }
