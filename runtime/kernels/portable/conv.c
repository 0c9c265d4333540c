/* conv.c: conv2d, dwconv2d, transpose_conv2d, linear and matmul in plain C99.
 *
 * The inner loops are written so that a compiler can turn them into the multiply-accumulate
 * instructions that nearly every CPU has for int16 (pmaddwd, smlal, smlad): one side is int16, the
 * other int8, the sum int32, and there is no branch inside. Check with tests/test_kernels.py.
 */
#include <string.h>

#include "portable/portable.h"
#include "qrt_math.h"

/* conv2d works on this many output positions at once, so that each weight is widened once for all. */
#define COLUMNS 4

/* Columns are padded with zeros to a multiple of this; a dot product then has no odd end. */
#define COLUMN_ALIGN 16

static ptrdiff_t filter_size(const qrt_conv2d_params *p) {
    return (ptrdiff_t)p->filter_height * p->filter_width * (p->in_channels / p->groups);
}

static ptrdiff_t column_size(const qrt_conv2d_params *p) {
    return (filter_size(p) + COLUMN_ALIGN - 1) / COLUMN_ALIGN * COLUMN_ALIGN;
}

/* More than there can be where a size_t of 32 bits does not hold it. */
size_t qrt_conv2d_s8_scratch(const void *params) {
    uint64_t size = (uint64_t)column_size(params) * COLUMNS * sizeof(int16_t);
    return size < SIZE_MAX ? (size_t)size : SIZE_MAX;
}

static void subtract_zero_point(const int8_t *restrict x, ptrdiff_t size, int32_t zero_point, int16_t *restrict y) {
    for (ptrdiff_t i = 0; i < size; i++) y[i] = (int16_t)(x[i] - zero_point);
}

/* Writes what one output position sees of one group, less the zero point, in the order of the weights.
 * Padding contributes nothing, so it is 0. */
static void gather(const qrt_conv2d_params *p, const int8_t *image, int32_t out_y, int32_t out_x, int32_t group,
                   int16_t *column) {
    int32_t channels = p->in_channels / p->groups;
    int32_t start_y = out_y * p->stride_y - p->pad_top, start_x = out_x * p->stride_x - p->pad_left;
    qrt_span rows = qrt_window(start_y, p->filter_height, p->dilation_y, p->in_height);
    qrt_span taps = qrt_window(start_x, p->filter_width, p->dilation_x, p->in_width);
    int32_t tap_count = taps.last - taps.first;
    if (rows.last - rows.first < p->filter_height || tap_count < p->filter_width) {
        memset(column, 0, (size_t)filter_size(p) * sizeof *column);
    }
    /* Taps that are neighbours in memory are one run. */
    int together = p->groups == 1 && p->dilation_x == 1;
    int32_t run_count = together ? 1 : tap_count;
    ptrdiff_t run_size = together ? (ptrdiff_t)tap_count * channels : channels;
    for (int32_t filter_y = rows.first; filter_y < rows.last; filter_y++) {
        ptrdiff_t in_y = start_y + filter_y * p->dilation_y, in_x = start_x + taps.first * p->dilation_x;
        const int8_t *x = image + (in_y * p->in_width + in_x) * p->in_channels + group * channels;
        int16_t *y = column + ((ptrdiff_t)filter_y * p->filter_width + taps.first) * channels;
        for (int32_t run = 0; run < run_count; run++) {
            subtract_zero_point(x, run_size, p->x_zero_point, y);
            x += (ptrdiff_t)p->dilation_x * p->in_channels;
            y += channels;
        }
    }
}

static void dot_columns(const int16_t *restrict columns, ptrdiff_t stride, const int8_t *restrict weights,
                        ptrdiff_t size, int32_t acc[COLUMNS]) {
    const int16_t *restrict x0 = columns, *restrict x1 = x0 + stride;
    const int16_t *restrict x2 = x1 + stride, *restrict x3 = x2 + stride;
    int32_t acc0 = 0, acc1 = 0, acc2 = 0, acc3 = 0;
    for (ptrdiff_t i = 0; i < size; i++) {
        int16_t w = weights[i];
        acc0 += x0[i] * w;
        acc1 += x1[i] * w;
        acc2 += x2[i] * w;
        acc3 += x3[i] * w;
    }
    acc[0] = acc0;
    acc[1] = acc1;
    acc[2] = acc2;
    acc[3] = acc3;
}

/* Output channels of one group at `count` positions from `position` on. */
static void multiply_columns(const qrt_conv2d_params *p, const int16_t *columns, ptrdiff_t position, int32_t count,
                             int32_t group, int8_t *output) {
    int32_t channels = p->out_channels / p->groups;
    ptrdiff_t size = filter_size(p), stride = column_size(p);
    const int8_t *end = p->weights + size * p->out_channels;
    const qrt_requant requant = p->requant; /* a copy, which no store to `output` can reach */
    ptrdiff_t out_channels = p->out_channels;
    for (int32_t channel = group * channels; channel < (group + 1) * channels; channel++) {
        const int8_t *weights = p->weights + size * channel;
        /* Reads on into the next channel's weights, against the column's closing zeros, if there is one. */
        ptrdiff_t run = end - weights < stride ? end - weights : stride;
        int32_t acc[COLUMNS];
        dot_columns(columns, stride, weights, run, acc);
        qrt_channel own = qrt_requant_channel(&requant, channel);
        for (int32_t k = 0; k < count; k++) {
            qrt_put(&requant, own, acc[k], output, (position + k) * out_channels + channel);
        }
    }
}

void qrt_conv2d_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_conv2d_params *p = params;
    int16_t *columns = scratch;
    ptrdiff_t stride = column_size(p);
    ptrdiff_t image_size = (ptrdiff_t)p->in_height * p->in_width * p->in_channels;
    ptrdiff_t positions = (ptrdiff_t)p->out_height * p->out_width;
    memset(columns, 0, qrt_conv2d_s8_scratch(p));
    for (int32_t n = 0; n < p->batch; n++) {
        const int8_t *image = inputs[0] + n * image_size;
        for (ptrdiff_t position = 0; position < positions; position += COLUMNS) {
            int32_t count = positions - position < COLUMNS ? (int32_t)(positions - position) : COLUMNS;
            for (int32_t group = 0; group < p->groups; group++) {
                for (int32_t k = 0; k < count; k++) {
                    int32_t out_y = (int32_t)((position + k) / p->out_width);
                    int32_t out_x = (int32_t)((position + k) % p->out_width);
                    gather(p, image, out_y, out_x, group, columns + k * stride);
                }
                multiply_columns(p, columns, n * positions + position, count, group, output);
            }
        }
    }
}

/* dwconv2d keeps the accumulators of this many channels on the stack. */
#define BLOCK 64

/* acc[i] += x[i] * w[i], or x[0] * w[i] when the channels share their input. The product fits int16:
 * |x - zero_point| <= 255 and |w| <= 128. */
static void accumulate_channels(const int8_t *restrict x, int32_t zero_point, const int8_t *restrict weights,
                                int32_t size, int32_t *restrict acc) {
    int16_t zero = (int16_t)zero_point;
    for (int32_t i = 0; i < size; i++) acc[i] += (int16_t)((int16_t)(x[i] - zero) * weights[i]);
}

static void accumulate_shared(int32_t x, const int8_t *restrict weights, int32_t size, int32_t *restrict acc) {
    int16_t value = (int16_t)x;
    for (int32_t i = 0; i < size; i++) acc[i] += (int16_t)(value * weights[i]);
}

/* Neighbouring output channels that one pass over the image computes: `count` <= BLOCK of them, which see
 * all different input channels (depth_multiplier 1) or all the same. */
typedef struct block {
    int32_t first, count;
    int shared;
    int32_t in_channel; /* of the first */
    qrt_channel own[BLOCK];
} block;

/* `index` is the place of the position's first channel in the output. */
static void dwconv2d_position(const qrt_conv2d_params *p, const block *b, const int8_t *image, int32_t out_y,
                              int32_t out_x, int8_t *output, ptrdiff_t index) {
    int32_t start_y = out_y * p->stride_y - p->pad_top, start_x = out_x * p->stride_x - p->pad_left;
    qrt_span rows = qrt_window(start_y, p->filter_height, p->dilation_y, p->in_height);
    qrt_span taps = qrt_window(start_x, p->filter_width, p->dilation_x, p->in_width);
    int32_t acc[BLOCK];
    for (int32_t i = 0; i < b->count; i++) acc[i] = 0;
    for (int32_t filter_y = rows.first; filter_y < rows.last; filter_y++) {
        for (int32_t filter_x = taps.first; filter_x < taps.last; filter_x++) {
            ptrdiff_t in_y = start_y + filter_y * p->dilation_y, in_x = start_x + filter_x * p->dilation_x;
            const int8_t *x = image + (in_y * p->in_width + in_x) * p->in_channels + b->in_channel;
            const int8_t *weights =
                p->weights + ((ptrdiff_t)filter_y * p->filter_width + filter_x) * p->out_channels + b->first;
            if (b->shared) {
                accumulate_shared(*x - p->x_zero_point, weights, b->count, acc);
            } else {
                accumulate_channels(x, p->x_zero_point, weights, b->count, acc);
            }
        }
    }
    const qrt_requant requant = p->requant; /* a copy, which no store to `output` can reach */
    for (int32_t i = 0; i < b->count; i++) qrt_put(&requant, b->own[i], acc[i], output, index + b->first + i);
}

/* The run of channels of at most BLOCK from `first` on. */
static void dwconv2d_channels(const qrt_conv2d_params *p, int32_t first, block *b) {
    int32_t depth_multiplier = p->out_channels / p->in_channels;
    /* Blocks do not cross from one of these runs to the next. */
    int32_t run = depth_multiplier == 1 ? p->out_channels : depth_multiplier;
    int32_t left = run - first % run;
    b->first = first;
    b->count = left < BLOCK ? left : BLOCK;
    b->shared = depth_multiplier > 1;
    b->in_channel = first / depth_multiplier;
    for (int32_t i = 0; i < b->count; i++) b->own[i] = qrt_requant_channel(&p->requant, first + i);
}

/* Row by row, since the output may lie over rows of the input that are done with. */
void qrt_dwconv2d_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_conv2d_params *p = params;
    const int8_t *image = inputs[0];
    ptrdiff_t index = 0;
    block b;
    (void)scratch;
    for (int32_t n = 0; n < p->batch; n++) {
        for (int32_t out_y = 0; out_y < p->out_height; out_y++) {
            for (int32_t first = 0; first < p->out_channels; first += b.count) {
                dwconv2d_channels(p, first, &b);
                for (int32_t out_x = 0; out_x < p->out_width; out_x++) {
                    ptrdiff_t at = index + (ptrdiff_t)out_x * p->out_channels;
                    dwconv2d_position(p, &b, image, out_y, out_x, output, at);
                }
            }
            index += (ptrdiff_t)p->out_width * p->out_channels;
        }
        image += (ptrdiff_t)p->in_height * p->in_width * p->in_channels;
    }
}

static int32_t dot(const int8_t *restrict x, int32_t zero_point, const int8_t *restrict weights, int32_t size) {
    int16_t zero = (int16_t)zero_point;
    int32_t acc = 0;
    for (int32_t i = 0; i < size; i++) acc += (int16_t)(x[i] - zero) * weights[i];
    return acc;
}

void qrt_linear_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_linear_params *p = params;
    const int8_t *x = inputs[0];
    ptrdiff_t index = 0;
    (void)scratch;
    for (int32_t row = 0; row < p->rows; row++) {
        const int8_t *weights = p->weights;
        for (int32_t channel = 0; channel < p->out_features; channel++) {
            int32_t acc = dot(x, p->x_zero_point, weights, p->in_features);
            qrt_channel requant = qrt_requant_channel(&p->requant, channel);
            qrt_put(&p->requant, requant, acc, output, index++);
            weights += p->in_features;
        }
        x += p->in_features;
    }
}

/* The entry of x whose window has filter position `filter` at output position `at`, which is counted from the first
 * padding; -1 when there is none. */
static int32_t source_of(int32_t at, int32_t filter, int32_t stride, int32_t size) {
    int32_t distance = at - filter;
    return distance >= 0 && distance % stride == 0 && distance / stride < size ? distance / stride : -1;
}

static int32_t transpose_conv2d_acc(const qrt_conv2d_params *p, const int8_t *image, int32_t out_y, int32_t out_x,
                                    const int8_t *weights) {
    int32_t acc = 0;
    for (int32_t filter_y = 0; filter_y < p->filter_height; filter_y++) {
        int32_t in_y = source_of(out_y + p->pad_top, filter_y, p->stride_y, p->in_height);
        for (int32_t filter_x = 0; filter_x < p->filter_width; filter_x++, weights += p->in_channels) {
            int32_t in_x = source_of(out_x + p->pad_left, filter_x, p->stride_x, p->in_width);
            if (in_y < 0 || in_x < 0) continue;
            const int8_t *x = image + ((ptrdiff_t)in_y * p->in_width + in_x) * p->in_channels;
            acc += dot(x, p->x_zero_point, weights, p->in_channels);
        }
    }
    return acc;
}

void qrt_transpose_conv2d_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_conv2d_params *p = params;
    const int8_t *image = inputs[0];
    ptrdiff_t size = filter_size(p);
    (void)scratch;
    for (int32_t n = 0; n < p->batch; n++) {
        for (int32_t out_y = 0; out_y < p->out_height; out_y++) {
            for (int32_t out_x = 0; out_x < p->out_width; out_x++) {
                for (int32_t channel = 0; channel < p->out_channels; channel++) {
                    int32_t acc = transpose_conv2d_acc(p, image, out_y, out_x, p->weights + size * channel);
                    *output++ = qrt_requantize(&p->requant, qrt_requant_channel(&p->requant, channel), acc);
                }
            }
        }
        image += (ptrdiff_t)p->in_height * p->in_width * p->in_channels;
    }
}

void qrt_matmul_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_matmul_params *p = params;
    const int8_t *a = inputs[0];
    qrt_channel requant = qrt_requant_channel(&p->requant, 0);
    (void)scratch;
    for (ptrdiff_t row = 0; row < (ptrdiff_t)p->batch * p->rows; row++, a += p->depth) {
        const int8_t *b = inputs[1] + row / p->rows * p->b_step;
        for (int32_t column = 0; column < p->columns; column++, b += p->depth) {
            int32_t acc = 0;
            for (int32_t k = 0; k < p->depth; k++) acc += (a[k] - p->a_zero_point) * (b[k] - p->b_zero_point);
            *output++ = qrt_requantize(&p->requant, requant, acc);
        }
    }
}
