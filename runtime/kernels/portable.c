/* portable.c: elementwise operators, pools and data movement in plain C99, and the table of the portable set. */
#include <string.h>

#include "portable.h"
#include "qrt_math.h"

/* Pools and mean keep the accumulators of this many channels on the stack. */
#define BLOCK 64

/* Walks over all axes of a shape but the last, in order; `position` is sum(index * stride). */
typedef struct walk {
    int32_t index[QRT_KERNEL_MAX_RANK];
    ptrdiff_t position;
} walk;

static void walk_next(walk *at, int32_t rank, const int32_t *shape, const int32_t *stride) {
    for (int32_t axis = rank - 2; axis >= 0; axis--) {
        at->position += stride[axis];
        if (++at->index[axis] < shape[axis]) return;
        at->position -= (ptrdiff_t)shape[axis] * stride[axis];
        at->index[axis] = 0;
    }
}

/* How often walk_next() can be called before everything has been seen: rows of the last axis. */
static ptrdiff_t row_count(int32_t rank, const int32_t *shape) {
    ptrdiff_t rows = 1;
    for (int32_t axis = 0; axis < rank - 1; axis++) rows *= shape[axis];
    return rows;
}

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
    int64_t y = scale_down(real_a + real_b, p->y_multiplier, p->y_shift) + p->y_zero_point;
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
    const qrt_mul_params *p = params;
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

static void qrt_requantize_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_requantize_params *p = params;
    const int8_t *x = inputs[0];
    qrt_channel requant = qrt_requant_channel(&p->requant, 0);
    (void)scratch;
    for (int32_t i = 0; i < p->size; i++) output[i] = qrt_requantize(&p->requant, requant, x[i] - p->x_zero_point);
}

static void qrt_clamp_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_clamp_params *p = params;
    const int8_t *x = inputs[0];
    int8_t minimum = (int8_t)p->output_min, maximum = (int8_t)p->output_max;
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
}

/* inverse(a) of SPEC.md: 1 / (1 + a), both in units of 2^-31, by Newton's method. */
static int32_t softmax_inverse(int64_t a) {
    int64_t h = (a + ((int64_t)1 << 31)) >> 1;
    int64_t v = 1515870810 + qrt_high_mul(h, -1010580540);
    for (int32_t i = 0; i < 3; i++) v += 4 * qrt_high_mul(((int64_t)1 << 29) - qrt_high_mul(h, (int32_t)v), (int32_t)v);
    return (int32_t)qrt_clamp(2 * v, 0, INT32_MAX);
}

static void softmax_tflite_row(const qrt_softmax_params *p, const int8_t *x, int32_t max, int8_t *y) {
    int64_t sum = 0;
    int32_t bits = 0;
    for (int32_t i = 0; i < p->channels; i++) sum += qrt_rounding_shift(p->exponential[max - x[i]], 12);
    while (sum << bits < (int64_t)1 << 31) bits++;
    int32_t inverse = softmax_inverse((sum << bits) - ((int64_t)1 << 31));
    for (int32_t i = 0; i < p->channels; i++) {
        int64_t code = qrt_rounding_shift(qrt_high_mul(p->exponential[max - x[i]], inverse), 35 - bits) - 128;
        y[i] = (int8_t)qrt_clamp(code, -128, 127);
    }
}

static void softmax_exact_row(const qrt_softmax_params *p, const int8_t *x, int32_t max, int8_t *y) {
    uint64_t round = (uint64_t)qrt_round(p->shift), sum = 0;
    for (int32_t i = 0; i < p->channels; i++) sum += p->exponential[max - x[i]];
    uint64_t reciprocal = divide(p->numerator, sum);
    for (int32_t i = 0; i < p->channels; i++) {
        uint64_t code = (p->exponential[max - x[i]] * reciprocal + round) >> p->shift;
        /* 255 and more are 127 with any zero point. */
        y[i] = (int8_t)qrt_clamp((code < 255 ? (int32_t)code : 255) + p->y_zero_point, -128, 127);
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

/* What of a pooling window lies in the image. */
typedef struct pool_window {
    const int8_t *x; /* first channel of the first position */
    int32_t rows, columns;
} pool_window;

static pool_window pool_window_at(const qrt_pool2d_params *p, const int8_t *image, int32_t out_y, int32_t out_x) {
    int32_t start_y = out_y * p->stride_y - p->pad_top, start_x = out_x * p->stride_x - p->pad_left;
    qrt_span rows = qrt_window(start_y, p->filter_height, 1, p->in_height);
    qrt_span columns = qrt_window(start_x, p->filter_width, 1, p->in_width);
    ptrdiff_t position = (ptrdiff_t)(start_y + rows.first) * p->in_width + start_x + columns.first;
    pool_window window = {image + position * p->channels, rows.last - rows.first, columns.last - columns.first};
    return window;
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
static void average_block(const qrt_pool2d_params *p, pool_window window, int32_t channel, int32_t size, int8_t *y) {
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
                pool_window window = pool_window_at(p, image, out_y, out_x);
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
static void max_position(const qrt_pool2d_params *p, pool_window window, int8_t *restrict y) {
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
                max_position(p, pool_window_at(p, image, out_y, out_x), output);
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

static void qrt_pad_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_pad_params *p = params;
    const int8_t *x = inputs[0];
    int32_t out_stride[QRT_KERNEL_MAX_RANK];
    int32_t out_size = 1, last = p->rank - 1;
    walk at = {{0}, 0};
    (void)scratch;
    for (int32_t axis = last; axis >= 0; axis--) {
        out_stride[axis] = out_size;
        out_size *= p->out_shape[axis];
        at.position += (ptrdiff_t)p->before[axis] * out_stride[axis];
    }
    memset(output, p->value, (size_t)out_size);
    for (ptrdiff_t row = row_count(p->rank, p->in_shape); row > 0; row--) {
        memcpy(output + at.position, x, (size_t)p->in_shape[last]);
        x += p->in_shape[last];
        walk_next(&at, p->rank, p->in_shape, out_stride);
    }
}

static void qrt_concat_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_concat_params *p = params;
    (void)scratch;
    for (ptrdiff_t row = 0; row < p->outer; row++) {
        for (int32_t i = 0; i < p->input_count; i++) {
            memcpy(output, inputs[i] + row * p->run_size[i], (size_t)p->run_size[i]);
            output += p->run_size[i];
        }
    }
}

static void qrt_copy_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_copy_params *p = params;
    (void)scratch;
    memmove(output, inputs[0], (size_t)p->size);
}

static void qrt_transpose_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_transpose_params *p = params;
    int32_t last = p->rank - 1;
    ptrdiff_t size = p->out_shape[last], step = p->in_stride[last];
    walk at = {{0}, 0};
    (void)scratch;
    for (ptrdiff_t row = row_count(p->rank, p->out_shape); row > 0; row--) {
        const int8_t *x = inputs[0] + at.position;
        if (step == 1) {
            memcpy(output, x, (size_t)size);
        } else {
            for (ptrdiff_t i = 0; i < size; i++) output[i] = x[i * step];
        }
        output += size;
        walk_next(&at, p->rank, p->out_shape, p->in_stride);
    }
}

void qrt_kernels_portable(qrt_kernels *kernels) {
    static const qrt_kernels portable = {
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
        .copy = {.run = qrt_copy_s8},
        .transpose = {.run = qrt_transpose_s8},
        .requantize = {.run = qrt_requantize_s8},
        .clamp = {.run = qrt_clamp_s8},
        .softmax = {.run = qrt_softmax_s8},
        .lut = {.run = qrt_lut_s8},
    };
    *kernels = portable;
}
