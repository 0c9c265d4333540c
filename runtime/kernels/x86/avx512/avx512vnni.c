/* SPDX-License-Identifier: Apache-2.0 */
/* avx512vnni.c: the set for CPUs with AVX-512 and its VNNI instructions; conv2d and linear by vpdpbusd.
 *
 * vpdpbusd multiplies unsigned by signed bytes: x + 128, computed while the image is copied, by the weights. The
 * difference is the same for every position and is part of the lanes' correction.
 */
#include "portable/portable.h"
#include "x86/avx512/avx512.h"
#include "x86/avx512/emit.h"
#include "x86/avx512/image.h"
#include "x86/x86.h"

#ifdef QRT_X86

#define FLIP 0x80 /* x ^ FLIP is x + 128 */
#define UNIT 4

/* Maximum positions at once, by blocks of channels: accumulators, weights and one input fill the 32 registers. */
#define MAX_BLOCKS 4
#define MAX_POSITIONS 16
static const int32_t most_positions[MAX_BLOCKS + 1] = {0, 16, 14, 9, 7};

/* Scratch buffer: offsets of the runs, then the image, of which the last chunk of a run may read beyond the end. */
static size_t runs_size(const qrt_product *product) {
    return ((size_t)product->runs * sizeof(ptrdiff_t) + 63) / 64 * 64;
}

#define STRIP 28 /* positions, in whole tables of 7 and of 14 */

/* Bytes of input that stay in the L1 cache beside weights. */
#define NEAR_INPUT 8192

/* Positions whose input is copied at once. Of a pointwise convolution these are as many as stay in the L1 cache, or
 * more if the weights, which each copy reads again, are large. */
static int32_t positions_at_once(const qrt_conv2d_params *p, const qrt_image *image) {
    if (p->filter_height != 1 || p->filter_width != 1 || p->stride_y != 1 || p->stride_x != 1 || p->pad_top != 0 ||
        p->pad_left != 0 || p->out_height != p->in_height || p->out_width != p->in_width) {
        return image->count;
    }
    int64_t weights = (int64_t)p->out_channels * (p->in_channels / p->groups);
    int64_t positions = (NEAR_INPUT + weights / 8) / image->step / STRIP * STRIP;
    if (positions < STRIP) positions = STRIP;
    return positions < image->count ? (int32_t)positions : image->count;
}

static size_t conv2d_scratch(const void *params) {
    const qrt_conv2d_params *p = params;
    if (p->packed == NULL) return qrt_conv2d_s8_scratch(p);
    qrt_product product = qrt_product_of(p, UNIT);
    qrt_image image = qrt_image_of(p);
    int32_t at_once = positions_at_once(p, &image);
    if (at_once < image.count) image.size = (size_t)at_once * (size_t)image.step;
    return runs_size(&product) + image.size + UNIT;
}

/* 0 if the portable kernel runs. */
static size_t conv2d_packed_size(const void *params) {
    const qrt_conv2d_params *p = params;
    if (!qrt_image_fits(p, p->in_channels, 0)) return 0;
    qrt_product product = qrt_product_of(params, UNIT);
    return qrt_product_size(&product);
}

static void conv2d_pack(const void *params, void *packed) {
    qrt_product product = qrt_product_of(params, UNIT);
    qrt_product_pack(params, &product, packed);
}

/* sum += x * w, for registers that would not all fit: w stays in memory. */
#define ADD_PRODUCT_OF_MEMORY(sum, x, w) __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "m"(*(const __m512i *)(w)))

/* What the tables of some blocks of channels share. */
typedef struct operands {
    const qrt_product *product;
    const ptrdiff_t *runs;
    ptrdiff_t step; /* bytes from one position to the next */
    const int8_t *weights;
    uintptr_t ahead; /* weights to prefetch, ahead_step bytes with each chunk */
    ptrdiff_t ahead_step;
} operands;

/* acc [positions][blocks * 16] for `positions` positions from x on. Both counts are constants. */
QRT_AVX512 QRT_INLINE void multiply(const operands *o, const uint8_t *x, int32_t *acc, const int positions,
                                    const int blocks) {
    const qrt_product *product = o->product;
    const int8_t *weights = o->weights;
    ptrdiff_t step = o->step, ahead_step = o->ahead_step;
    uintptr_t ahead = o->ahead;
    __m512i sum[MAX_POSITIONS][MAX_BLOCKS];
    ptrdiff_t block_size = qrt_product_block(product);
    const int loaded = positions * blocks + blocks + 1 > 32 ? blocks - 1 : blocks;
    QRT_UNROLL
    for (int m = 0; m < positions; m++) {
        QRT_UNROLL
        for (int n = 0; n < blocks; n++) sum[m][n] = _mm512_setzero_si512();
    }
    for (int32_t run = 0; run < product->runs; run++) {
        const uint8_t *from = x + o->runs[run];
        for (int32_t chunk = 0; chunk < product->chunks; chunk++, from += UNIT, weights += 64) {
            __m512i w[MAX_BLOCKS];
            if (blocks > 1) _mm_prefetch((const char *)ahead, _MM_HINT_T1);
            ahead += (uintptr_t)ahead_step;
            QRT_UNROLL
            for (int n = 0; n < loaded; n++) w[n] = _mm512_load_si512(weights + n * block_size);
            QRT_UNROLL
            for (int m = 0; m < positions; m++) {
                int32_t quad;
                memcpy(&quad, from + m * step, sizeof quad);
                __m512i all = _mm512_set1_epi32(quad);
                QRT_UNROLL
                for (int n = 0; n < loaded; n++) sum[m][n] = _mm512_dpbusd_epi32(sum[m][n], all, w[n]);
                if (loaded < blocks) ADD_PRODUCT_OF_MEMORY(sum[m][loaded], all, weights + loaded * block_size);
            }
        }
    }
    QRT_UNROLL
    for (int m = 0; m < positions; m++) {
        QRT_UNROLL
        for (int n = 0; n < blocks; n++) _mm512_store_si512(acc + 16 * (m * blocks + n), sum[m][n]);
    }
}

typedef void multiply_function(const operands *o, const uint8_t *x, int32_t *acc);
#define X(positions, blocks)                                                                                           \
    QRT_AVX512 static void multiply_##blocks##_##positions(const operands *o, const uint8_t *x, int32_t *acc) {        \
        multiply(o, x, acc, positions, blocks);                                                                        \
    }
#define UP_TO_7(blocks) X(1, blocks) X(2, blocks) X(3, blocks) X(4, blocks) X(5, blocks) X(6, blocks) X(7, blocks)
#define UP_TO_9(blocks) UP_TO_7(blocks) X(8, blocks) X(9, blocks)
#define UP_TO_14(blocks) UP_TO_9(blocks) X(10, blocks) X(11, blocks) X(12, blocks) X(13, blocks) X(14, blocks)
#define UP_TO_16(blocks) UP_TO_14(blocks) X(15, blocks) X(16, blocks)
UP_TO_16(1)
UP_TO_14(2)
UP_TO_9(3)
UP_TO_7(4)
#undef X
#define X(positions, blocks) multiply_##blocks##_##positions,
static multiply_function *const multiply_of[MAX_BLOCKS + 1][MAX_POSITIONS + 1] = {
    {0}, {0, UP_TO_16(1)}, {0, UP_TO_14(2)}, {0, UP_TO_9(3)}, {0, UP_TO_7(4)}};
#undef X

/* Positions to compute: rows of `width` positions, `pitch` bytes apart; the outputs begin at `position`. */
typedef struct span {
    const uint8_t *x;
    int32_t rows, width, position;
    ptrdiff_t pitch;
} span;

/* Relative time of a span. A table of few positions takes as long as loading its weights, and one of less than 8 sums
 * as long as they wait for each other. */
static int64_t span_cost(span s, int32_t blocks) {
    int32_t tiles = (s.width + most_positions[blocks] - 1) / most_positions[blocks], least = blocks == 1 ? 8 : 4;
    return (int64_t)s.rows * (2 * (tiles * least > s.width ? tiles * least : s.width) + tiles);
}

QRT_AVX512 static void emit_table(const qrt_emitter *e, qrt_emission table, qrt_emit_place place, int32_t blocks) {
    if (blocks == 4) emit(e, &table, table.rows, place, 4);
    if (blocks == 3) emit(e, &table, table.rows, place, 3);
    if (blocks == 2) emit(e, &table, table.rows, place, 2);
    if (blocks == 1) emit(e, &table, table.rows, place, 1);
}

/* Bytes to prefetch with each chunk of one of `tables` tables so that the weights of the next channels, as many, are in
 * the L2 cache in time: every table reads them again, so only the first would wait. Behind the last channels are the
 * weights of the next operator. */
static ptrdiff_t next_weights_step(int32_t blocks, int64_t tables) {
    return tables > blocks ? 64 * blocks / (ptrdiff_t)tables + 1 : 64;
}

/* All positions of a span for `blocks` blocks of channels. A table is requantized after the next one is computed: by
 * then it is in memory, and the two overlap. */
QRT_AVX512 static void conv2d_blocks(const qrt_emitter *e, const qrt_image *image, const ptrdiff_t *runs, span s,
                                     const int8_t *weights, qrt_emit_place place, int32_t blocks) {
    /* A table has at most 448 numbers. Loads from the one would wait for stores at the other's same place of a page. */
    QRT_ALIGNED int32_t acc[2][512];
    const int32_t most = most_positions[blocks];
    span by_row = {s.x, e->p->out_height, e->p->out_width, 0, image->pitch};
    qrt_emitter all = *e;
    if (s.width > e->out_width && span_cost(by_row, blocks) < span_cost(s, blocks)) {
        s = by_row;
        all.width = all.out_width = s.rows * s.width;
    }
    int32_t tiles = (s.width + most - 1) / most, small = s.width / tiles, bigger = s.width % tiles;
    uintptr_t next = (uintptr_t)weights + (uintptr_t)(blocks * qrt_product_block(e->product));
    operands o = {e->product, runs, image->step, weights, next, next_weights_step(blocks, (int64_t)s.rows * tiles)};
    qrt_emission table = {NULL, 0, 0};
    for (int32_t row = 0, turn = 0; row < s.rows; row++) {
        const uint8_t *from = s.x + row * s.pitch;
        for (int32_t tile = 0; tile < tiles; tile++, turn ^= 1) {
            int32_t positions = small + (tile < bigger);
            multiply_of[blocks][positions](&o, from, acc[turn]);
            o.ahead += (uintptr_t)(o.ahead_step * e->product->runs * e->product->chunks);
            emit_table(&all, table, place, blocks);
            table = (qrt_emission){acc[turn], s.position, positions};
            from += positions * (ptrdiff_t)image->step;
            s.position += positions;
        }
    }
    emit_table(&all, table, place, blocks);
}

QRT_AVX512 static void conv2d_group(const qrt_emitter *e, const qrt_image *image, const ptrdiff_t *runs, span s,
                                    int32_t group) {
    const qrt_product *product = e->product;
    int32_t channels = e->p->out_channels / product->groups, end = qrt_part_end(e->p);
    ptrdiff_t block_size = qrt_product_block(product), first = (ptrdiff_t)group * product->blocks;
    const int8_t *weights = qrt_product_weights(product) + first * block_size;
    const qrt_lanes *lanes = qrt_product_lanes(product) + first;
    s.x += (ptrdiff_t)group * (e->p->in_channels / e->p->groups);
    for (int32_t block = e->p->part.begin / QRT_LANES, at_once; block * QRT_LANES < end; block += at_once) {
        int32_t left = end - block * QRT_LANES, blocks = (left + QRT_LANES - 1) / QRT_LANES;
        at_once = blocks == 5 ? 3 : blocks < 4 ? blocks : 4; /* one block alone is slow */
        qrt_emit_place place = {lanes + block, group * channels + block * QRT_LANES, left};
        if (left > at_once * QRT_LANES) place.channels = at_once * QRT_LANES;
        conv2d_blocks(e, image, runs, s, weights + block * block_size, place, at_once);
    }
}

QRT_AVX512 static void conv2d_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_conv2d_params *p = params;
    const qrt_product *product = p->packed;
    if (product == NULL) {
        qrt_conv2d_s8(params, inputs, output, scratch);
        return;
    }
    qrt_image image = qrt_image_of(p);
    qrt_emitter e = qrt_emitter_of(p, &image, output);
    ptrdiff_t *runs = scratch;
    uint8_t *copy = (uint8_t *)scratch + runs_size(product);
    for (int32_t run = 0; run < product->runs; run++) {
        int32_t taps = product->runs / p->filter_height; /* 1, or each filter position is a run of its own */
        runs[run] = qrt_image_tap(&image, p, run / taps, run % taps);
    }
    const __m512i flips = _mm512_set1_epi8((char)FLIP);
    int32_t at_once = positions_at_once(p, &image);
    for (int32_t n = 0; n < p->batch; n++) {
        const int8_t *x = inputs[0] + (ptrdiff_t)n * p->in_height * p->in_width * p->in_channels;
        for (int32_t first = 0; first < image.count; first += at_once) {
            span s = {copy, 1, image.count - first < at_once ? image.count - first : at_once, first, 0};
            if (at_once < image.count) {
                copy_flipped(copy, x + (ptrdiff_t)first * image.step, (ptrdiff_t)s.width * image.step, flips);
            } else {
                image_copy(&image, p, x, FLIP, copy);
            }
            for (int32_t group = 0; group < p->groups; group++) conv2d_group(&e, &image, runs, s, group);
        }
        ptrdiff_t size = p->requant.wide ? 4 : 1;
        e.output += size * p->out_height * p->out_width * p->out_channels;
    }
}

/* acc [blocks * 16] for one position; its input is `quads` times 4 bytes. `blocks` times `splits` sums are computed at
 * once. */
QRT_AVX512 QRT_INLINE void multiply_row(const uint8_t *x, int32_t quads, const int8_t *weights, ptrdiff_t block_size,
                                        int32_t *acc, const int blocks, const int splits) {
    __m512i sum[8];
    QRT_UNROLL
    for (int i = 0; i < 8; i++) sum[i] = _mm512_setzero_si512();
    int32_t i = 0;
    for (; i + splits <= quads; i += splits, weights += 64 * splits) {
        QRT_UNROLL
        for (int k = 0; k < splits; k++) {
            int32_t quad;
            memcpy(&quad, x + 4 * (i + k), sizeof quad);
            __m512i all = _mm512_set1_epi32(quad);
            QRT_UNROLL
            for (int n = 0; n < blocks; n++) {
                __m512i w = _mm512_load_si512(weights + n * block_size + 64 * k);
                sum[k * blocks + n] = _mm512_dpbusd_epi32(sum[k * blocks + n], all, w);
            }
        }
    }
    for (; i < quads; i++, weights += 64) {
        int32_t quad;
        memcpy(&quad, x + 4 * i, sizeof quad);
        __m512i all = _mm512_set1_epi32(quad);
        QRT_UNROLL
        for (int n = 0; n < blocks; n++) {
            sum[n] = _mm512_dpbusd_epi32(sum[n], all, _mm512_load_si512(weights + n * block_size));
        }
    }
    QRT_UNROLL
    for (int n = 0; n < blocks; n++) {
        QRT_UNROLL
        for (int k = 1; k < splits; k++) sum[n] = _mm512_add_epi32(sum[n], sum[k * blocks + n]);
        _mm512_store_si512(acc + 16 * n, sum[n]);
    }
}

/* Whether linear runs as a convolution, which reads weights once for several rows. */
static int as_conv2d(const qrt_linear_params *p) {
    return p->rows >= 4 || (p->rows > 1 && (int64_t)p->in_features * p->out_features >= 1 << 18);
}

static size_t linear_packed_size(const void *params) {
    qrt_conv2d_params conv = qrt_linear_as_conv2d(params);
    return conv2d_packed_size(&conv);
}

static void linear_pack(const void *params, void *packed) {
    qrt_conv2d_params conv = qrt_linear_as_conv2d(params);
    conv2d_pack(&conv, packed);
}

static size_t linear_scratch(const void *params) {
    qrt_conv2d_params conv = qrt_linear_as_conv2d(params);
    return conv.packed == NULL ? 0 : conv2d_scratch(&conv);
}

/* One row. `y` is its output. */
QRT_AVX512 static void linear_row(const qrt_emitter *e, const uint8_t *x) {
    const qrt_product *product = e->product;
    const int8_t *weights = qrt_product_weights(product);
    ptrdiff_t block_size = qrt_product_block(product);
    int32_t end = qrt_part_end(e->p);
    QRT_ALIGNED int32_t acc[8 * QRT_LANES + 64 * QRT_EMIT_ROWS];
    for (int32_t block = e->p->part.begin / QRT_LANES, at_once; block * QRT_LANES < end; block += at_once) {
        int32_t left = end - block * QRT_LANES, blocks = (left + QRT_LANES - 1) / QRT_LANES;
        const int8_t *w = weights + block * block_size;
        if (blocks >= 8) {
            at_once = 8;
            multiply_row(x, product->chunks, w, block_size, acc, 8, 1);
        } else if (blocks >= 4) {
            at_once = 4;
            multiply_row(x, product->chunks, w, block_size, acc, 4, 2);
        } else if (blocks >= 2) {
            at_once = 2;
            multiply_row(x, product->chunks, w, block_size, acc, 2, 4);
        } else {
            at_once = 1;
            multiply_row(x, product->chunks, w, block_size, acc, 1, 8);
        }
        for (int32_t i = 0; i < at_once; i += 4, left -= 4 * QRT_LANES) {
            int32_t channels = left < 4 * QRT_LANES ? left : 4 * QRT_LANES;
            qrt_emit_place place = {qrt_product_lanes(product) + block + i, (block + i) * QRT_LANES, channels};
            if (at_once >= 4) emit_form(e, acc + i * QRT_LANES, 1, place, 0, 4);
            if (at_once == 2) emit_form(e, acc, 1, place, 0, 2);
            if (at_once == 1) emit_form(e, acc, 1, place, 0, 1);
        }
    }
}

QRT_AVX512 static void linear_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_linear_params *p = params;
    qrt_conv2d_params conv = qrt_linear_as_conv2d(p);
    if (conv.packed == NULL) {
        qrt_linear_s8(params, inputs, output, scratch);
        return;
    }
    if (as_conv2d(p)) {
        conv2d_run(&conv, inputs, output, scratch);
        return;
    }
    qrt_emitter e = {&conv, p->packed, 1, 1, output};
    const int8_t *x = inputs[0];
    for (int32_t row = 0; row < p->rows; row++, x += p->in_features) {
        copy_flipped(scratch, x, p->in_features, _mm512_set1_epi8((char)FLIP));
        linear_row(&e, scratch);
        e.output += (ptrdiff_t)p->out_features * (p->requant.wide ? 4 : 1);
    }
}

const qrt_kernel qrt_linear_avx512vnni = {.run = linear_run,
                                          .packed_size = linear_packed_size,
                                          .pack = linear_pack,
                                          .scratch_size = linear_scratch,
                                          .channel_unit = QRT_PRODUCT_UNIT};
const qrt_kernel qrt_conv2d_avx512vnni = {.run = conv2d_run,
                                          .packed_size = conv2d_packed_size,
                                          .pack = conv2d_pack,
                                          .scratch_size = conv2d_scratch,
                                          .channel_unit = QRT_PRODUCT_UNIT};

void qrt_kernels_avx512vnni(qrt_kernels *kernels) {
    qrt_kernels_avx2(kernels);
    kernels->name = "avx512vnni";
    kernels->conv2d = qrt_winograd_avx512vnni;
    kernels->linear = qrt_linear_avx512vnni;
    kernels->conv2d16 = qrt_conv2d16_avx512vnni;
    kernels->linear16 = qrt_linear16_avx512vnni;
    kernels->dwconv2d = qrt_dwconv2d_thin_avx512;
    kernels->add = qrt_add_avx512;
    kernels->mul = qrt_mul_avx512;
    kernels->maximum = qrt_maximum_avx512;
    kernels->minimum = qrt_minimum_avx512;
    kernels->clamp = qrt_clamp_avx512;
    kernels->requantize = qrt_requantize_avx512;
    kernels->lut = qrt_lut_avx512;
    kernels->requantize_sum = qrt_requantize_sum_avx512;
    kernels->average_pool2d = qrt_average_pool2d_avx512;
    kernels->max_pool2d = qrt_max_pool2d_avx512;
    kernels->mean = qrt_mean_avx512;
}

#endif
