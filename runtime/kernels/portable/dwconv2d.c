/* dwconv2d.c: dwconv2d in plain C99. */
#include "portable/portable.h"
#include "qrt_math.h"

/* The accumulators and addends of this many channels are on the stack. Microcontrollers have little of it. */
#if UINTPTR_MAX > UINT32_MAX
#define BLOCK 64
#else
#define BLOCK 8
#endif

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
    int32_t in_channel;    /* of the first */
    int64_t addend[BLOCK]; /* of qrt_requant_channel() */
} block;

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
    for (int32_t i = 0; i < b->count; i++) b->addend[i] = qrt_requant_channel(&p->requant, first + i).addend;
}

/* The rows of the filter that lie in the image: where the first begins in the image and in the weights, and their
 * count. */
typedef struct overlap {
    const int8_t *x, *weights;
    int32_t rows;
} overlap;

/* Sums of one block at the position whose filter begins at column `start_x` of the image. */
static void dwconv2d_position(const qrt_conv2d_params *p, const block *b, overlap at, int32_t start_x, int32_t *acc) {
    qrt_span taps = qrt_window(start_x, p->filter_width, p->dilation_x, p->in_width);
    for (int32_t i = 0; i < b->count; i++) acc[i] = 0;
    if (taps.first == taps.last) return;
    at.x += (ptrdiff_t)(start_x + taps.first * p->dilation_x) * p->in_channels + b->in_channel;
    at.weights += (ptrdiff_t)taps.first * p->out_channels + b->first;
    for (; at.rows > 0; at.rows--) {
        const int8_t *x = at.x, *weights = at.weights;
        for (int32_t tap = taps.first; tap < taps.last; tap++) {
            if (b->shared) {
                accumulate_shared(*x - p->x_zero_point, weights, b->count, acc);
            } else {
                accumulate_channels(x, p->x_zero_point, weights, b->count, acc);
            }
            x += (ptrdiff_t)p->dilation_x * p->in_channels;
            weights += p->out_channels;
        }
        at.x += (ptrdiff_t)p->dilation_y * p->in_width * p->in_channels;
        at.weights += (ptrdiff_t)p->filter_width * p->out_channels;
    }
}

/* One block of an output row, which begins at `index` of the output. */
static void dwconv2d_row(const qrt_conv2d_params *p, const block *b, overlap at, int8_t *output, ptrdiff_t index) {
    const qrt_requant requant = p->requant; /* a copy, which no store to `output` can reach */
    int32_t acc[BLOCK];
    index += b->first;
    for (int32_t out_x = 0; out_x < p->out_width; out_x++, index += p->out_channels) {
        dwconv2d_position(p, b, at, out_x * p->stride_x - p->pad_left, acc);
        for (int32_t i = 0; i < b->count; i++) {
            int32_t entry = (b->first + i) * requant.step;
            qrt_channel own = {b->addend[i], requant.multiplier[entry], requant.shift[entry]};
            qrt_put(&requant, own, acc[i], output, index + i);
        }
    }
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
            int32_t start_y = out_y * p->stride_y - p->pad_top;
            qrt_span rows = qrt_window(start_y, p->filter_height, p->dilation_y, p->in_height);
            overlap at = {image, p->weights, rows.last - rows.first};
            if (at.rows > 0) {
                at.x += (ptrdiff_t)(start_y + rows.first * p->dilation_y) * p->in_width * p->in_channels;
                at.weights += (ptrdiff_t)rows.first * p->filter_width * p->out_channels;
            }
            for (int32_t first = 0; first < p->out_channels; first += b.count) {
                dwconv2d_channels(p, first, &b);
                dwconv2d_row(p, &b, at, output, index);
            }
            index += (ptrdiff_t)p->out_width * p->out_channels;
        }
        image += (ptrdiff_t)p->in_height * p->in_width * p->in_channels;
    }
}
