/* SPDX-License-Identifier: Apache-2.0 */
/* conv2d16.c: conv2d and linear of int16 codes by vpdpwssd, which multiplies pairs of int16.
 *
 * As in avx512vnni.c, in bytes: a register of weights has one pair of codes for each of 16 channels, where that of int8
 * has a quad. Accumulators are 32 bits wide; where they do not hold the sum they hold its parts, which are added in 64.
 */
#include "portable/portable.h"
#include "x86/avx512/avx512.h"
#include "x86/avx512/emit16.h"
#include "x86/avx512/image.h"
#include "x86/x86.h"

#ifdef QRT_X86

#define UNIT 4

/* As in avx512vnni.c. */
#define POSITIONS_4 6
#define POSITIONS_2 12
#define POSITIONS_1 16
#define MAX_POSITIONS 16

static size_t runs_size(const qrt_product *product) {
    return ((size_t)product->runs * sizeof(ptrdiff_t) + 63) / 64 * 64;
}

static size_t conv2d16_scratch(const void *params) {
    const qrt_conv2d_params *p = params;
    if (p->packed == NULL) return 0;
    qrt_conv2d_params bytes = qrt_bytes_of(p);
    qrt_product product = qrt_product_of(&bytes, UNIT);
    qrt_image image = qrt_image_of(&bytes);
    return runs_size(&product) + image.size + (size_t)MAX_POSITIONS * (size_t)image.step + UNIT;
}

/* 0 if the portable kernel runs: of int8 codes, to int8 codes, and where a copy would be immense. */
static size_t conv2d16_packed_size(const void *params) {
    const qrt_conv2d_params *p = params;
    if (!p->x_int16 || !p->requant.y_int16 || p->in_channels > INT32_MAX / 2) return 0;
    qrt_conv2d_params bytes = qrt_bytes_of(p);
    if (!qrt_image_fits(&bytes, bytes.in_channels, 0)) return 0;
    qrt_product product = qrt_product_of(&bytes, UNIT);
    return qrt_product16_size(&product);
}

static void conv2d16_pack(const void *params, void *packed) {
    qrt_conv2d_params bytes = qrt_bytes_of(params);
    qrt_product product = qrt_product_of(&bytes, UNIT);
    qrt_product16_pack(params, &product, packed);
}

/* What the weights of one block are: int16 of them, and how they are read. */
typedef struct blocks_of {
    const int16_t *weights;
    ptrdiff_t size;         /* of one block */
    const qrt_lanes *lanes; /* of the first */
} blocks_of;

/* acc [positions][blocks * 16] of `chunks` chunks of each run, from the lanes' corrections on or from 0. All counts but
 * that are constants. */
QRT_AVX512 QRT_INLINE void multiply(int32_t run_count, int32_t chunks, const ptrdiff_t *runs, const uint8_t *x,
                                    ptrdiff_t step, blocks_of b, int32_t *acc, const int positions, const int blocks,
                                    const int corrected) {
    __m512i sum[MAX_POSITIONS][4];
    QRT_UNROLL
    for (int m = 0; m < positions; m++) {
        QRT_UNROLL
        for (int n = 0; n < blocks; n++) {
            sum[m][n] = corrected ? _mm512_load_si512(b.lanes[n].correction) : _mm512_setzero_si512();
        }
    }
    for (int32_t run = 0; run < run_count; run++) {
        const uint8_t *from = x + runs[run];
        for (int32_t chunk = 0; chunk < chunks; chunk++, from += UNIT, b.weights += 2 * QRT_LANES) {
            __m512i w[4];
            QRT_UNROLL
            for (int n = 0; n < blocks; n++) w[n] = _mm512_loadu_si512(b.weights + n * b.size);
            QRT_UNROLL
            for (int m = 0; m < positions; m++) {
                int32_t pair;
                memcpy(&pair, from + m * step, sizeof pair);
                __m512i all = _mm512_set1_epi32(pair);
                QRT_UNROLL
                for (int n = 0; n < blocks; n++) sum[m][n] = _mm512_dpwssd_epi32(sum[m][n], all, w[n]);
            }
        }
    }
    QRT_UNROLL
    for (int m = 0; m < positions; m++) {
        QRT_UNROLL
        for (int n = 0; n < blocks; n++) _mm512_store_si512(acc + QRT_LANES * (m * blocks + n), sum[m][n]);
    }
}

/* The same in int64, of parts that 32 bits hold. */
QRT_AVX512 QRT_INLINE void multiply_wide(const qrt_product *product, const ptrdiff_t *runs, const uint8_t *x,
                                         ptrdiff_t step, blocks_of b, int64_t *acc, const int positions,
                                         const int blocks) {
    QRT_ALIGNED int32_t part[MAX_POSITIONS * 64];
    const int32_t size = QRT_LANES * positions * blocks;
    memset(acc, 0, (size_t)size * sizeof *acc);
    for (int32_t run = 0; run < product->runs; run++) {
        for (int32_t first = 0, count; first < product->chunks; first += count) {
            count = product->chunks - first < QRT_CHUNKS16 ? product->chunks - first : QRT_CHUNKS16;
            multiply(1, count, runs + run, x + UNIT * (ptrdiff_t)first, step, b, part, positions, blocks, 0);
            b.weights += (ptrdiff_t)count * 2 * QRT_LANES;
            for (int32_t i = 0; i < size; i++) acc[i] += part[i];
        }
    }
}

/* All positions of one image for `blocks` blocks of channels. */
QRT_AVX512 QRT_INLINE void conv2d16_blocks(const qrt_emitter *e, const qrt_image *image, const ptrdiff_t *runs,
                                           const uint8_t *x, blocks_of b, qrt_emit_place place, const int positions,
                                           const int blocks) {
    QRT_ALIGNED int32_t acc[MAX_POSITIONS * 64];
    const qrt_product *product = e->product;
    for (int32_t q = 0; q < image->count; q += positions, x += (ptrdiff_t)positions * image->step) {
        int32_t left = image->count - q;
        multiply(product->runs, product->chunks, runs, x, image->step, b, acc, positions, blocks, 1);
        emit16(e, acc, q, left < positions ? left : positions, place, blocks);
    }
}

QRT_AVX512 static void conv2d16_wide_4(const qrt_emitter *e, const qrt_image *image, const ptrdiff_t *runs,
                                       const uint8_t *x, blocks_of b, qrt_emit_place place) {
    QRT_ALIGNED int64_t acc[MAX_POSITIONS * 64];
    for (int32_t q = 0; q < image->count; q += POSITIONS_4, x += (ptrdiff_t)POSITIONS_4 * image->step) {
        int32_t left = image->count - q;
        multiply_wide(e->product, runs, x, image->step, b, acc, POSITIONS_4, 4);
        emit16(e, acc, q, left < POSITIONS_4 ? left : POSITIONS_4, place, 4);
    }
}

QRT_AVX512 static void conv2d16_wide_1(const qrt_emitter *e, const qrt_image *image, const ptrdiff_t *runs,
                                       const uint8_t *x, blocks_of b, qrt_emit_place place) {
    QRT_ALIGNED int64_t acc[MAX_POSITIONS * 64];
    for (int32_t q = 0; q < image->count; q += POSITIONS_1, x += (ptrdiff_t)POSITIONS_1 * image->step) {
        int32_t left = image->count - q;
        multiply_wide(e->product, runs, x, image->step, b, acc, POSITIONS_1, 1);
        emit16(e, acc, q, left < POSITIONS_1 ? left : POSITIONS_1, place, 1);
    }
}

QRT_AVX512 static void conv2d16_4(const qrt_emitter *e, const qrt_image *image, const ptrdiff_t *runs, const uint8_t *x,
                                  blocks_of b, qrt_emit_place place) {
    conv2d16_blocks(e, image, runs, x, b, place, POSITIONS_4, 4);
}

QRT_AVX512 static void conv2d16_2(const qrt_emitter *e, const qrt_image *image, const ptrdiff_t *runs, const uint8_t *x,
                                  blocks_of b, qrt_emit_place place) {
    conv2d16_blocks(e, image, runs, x, b, place, POSITIONS_2, 2);
}

QRT_AVX512 static void conv2d16_1(const qrt_emitter *e, const qrt_image *image, const ptrdiff_t *runs, const uint8_t *x,
                                  blocks_of b, qrt_emit_place place) {
    conv2d16_blocks(e, image, runs, x, b, place, POSITIONS_1, 1);
}

/* Block `block` of a group and those behind it. */
static blocks_of blocks_from(const qrt_product *product, ptrdiff_t block) {
    const qrt_lanes *lanes = qrt_product_lanes(product);
    blocks_of b = {(const int16_t *)(lanes + (ptrdiff_t)product->groups * product->blocks),
                   (ptrdiff_t)product->runs * product->chunks * 2 * QRT_LANES, lanes + block};
    b.weights += block * b.size;
    return b;
}

QRT_AVX512 static void conv2d16_group(const qrt_emitter *e, const qrt_image *image, const ptrdiff_t *runs,
                                      const uint8_t *x, int32_t group) {
    const qrt_product *product = e->product;
    int32_t channels = e->p->out_channels / product->groups, end = qrt_part_end(e->p);
    int is_wide = product->form == QRT_LANES_INT64;
    for (int32_t block = e->p->part.begin / QRT_LANES, at_once; block * QRT_LANES < end; block += at_once) {
        int32_t left = end - block * QRT_LANES, blocks = (left + QRT_LANES - 1) / QRT_LANES;
        at_once = blocks >= 4 ? 4 : is_wide ? 1 : blocks == 3 ? 2 : blocks;
        blocks_of b = blocks_from(product, (ptrdiff_t)group * product->blocks + block);
        qrt_emit_place place = {b.lanes, group * channels + block * QRT_LANES, left};
        if (left > at_once * QRT_LANES) place.channels = at_once * QRT_LANES;
        if (at_once == 4) (is_wide ? conv2d16_wide_4 : conv2d16_4)(e, image, runs, x, b, place);
        if (at_once == 2) conv2d16_2(e, image, runs, x, b, place);
        if (at_once == 1) (is_wide ? conv2d16_wide_1 : conv2d16_1)(e, image, runs, x, b, place);
    }
}

QRT_AVX512 static void conv2d16_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_conv2d_params *p = params;
    const qrt_product *product = p->packed;
    if (product == NULL) {
        qrt_conv2d16_s8(params, inputs, output, scratch);
        return;
    }
    qrt_conv2d_params bytes = qrt_bytes_of(p);
    qrt_image image = qrt_image_of(&bytes);
    qrt_emitter e = qrt_emitter_of(p, &image, output);
    ptrdiff_t *runs = scratch, image_size = (ptrdiff_t)p->in_height * p->in_width * bytes.in_channels;
    uint8_t *copy = (uint8_t *)scratch + runs_size(product);
    for (int32_t run = 0; run < product->runs; run++) {
        int32_t taps = product->runs / p->filter_height; /* 1, or each filter position is a run of its own */
        runs[run] = qrt_image_tap(&image, &bytes, run / taps, run % taps);
    }
    __m512i padding = _mm512_set1_epi16((int16_t)p->x_zero_point);
    for (int32_t n = 0; n < p->batch; n++) {
        image_copy_padded(&image, &bytes, inputs[0] + n * image_size, _mm512_setzero_si512(), padding, copy);
        for (int32_t group = 0; group < p->groups; group++) {
            conv2d16_group(&e, &image, runs, copy + (ptrdiff_t)group * (bytes.in_channels / p->groups), group);
        }
        e.output += 2 * (ptrdiff_t)p->out_height * p->out_width * p->out_channels;
    }
}

/* acc [blocks * 16] for one position, `blocks` times `splits` sums at once. */
QRT_AVX512 QRT_INLINE void multiply_row(const uint8_t *x, int32_t chunks, blocks_of b, int32_t *acc, const int blocks,
                                        const int splits) {
    __m512i sum[8];
    QRT_UNROLL
    for (int i = 0; i < 8; i++) {
        sum[i] = i < blocks ? _mm512_load_si512(b.lanes[i].correction) : _mm512_setzero_si512();
    }
    int32_t i = 0;
    for (; i + splits <= chunks; i += splits, b.weights += 2 * QRT_LANES * splits) {
        QRT_UNROLL
        for (int k = 0; k < splits; k++) {
            int32_t pair;
            memcpy(&pair, x + UNIT * (i + k), sizeof pair);
            __m512i all = _mm512_set1_epi32(pair);
            QRT_UNROLL
            for (int n = 0; n < blocks; n++) {
                __m512i w = _mm512_loadu_si512(b.weights + n * b.size + 2 * QRT_LANES * k);
                sum[k * blocks + n] = _mm512_dpwssd_epi32(sum[k * blocks + n], all, w);
            }
        }
    }
    for (; i < chunks; i++, b.weights += 2 * QRT_LANES) {
        int32_t pair;
        memcpy(&pair, x + UNIT * i, sizeof pair);
        __m512i all = _mm512_set1_epi32(pair);
        QRT_UNROLL
        for (int n = 0; n < blocks; n++) {
            sum[n] = _mm512_dpwssd_epi32(sum[n], all, _mm512_loadu_si512(b.weights + n * b.size));
        }
    }
    QRT_UNROLL
    for (int n = 0; n < blocks; n++) {
        QRT_UNROLL
        for (int k = 1; k < splits; k++) sum[n] = _mm512_add_epi32(sum[n], sum[k * blocks + n]);
        _mm512_store_si512(acc + QRT_LANES * n, sum[n]);
    }
}

/* With this many rows or more, linear runs as a convolution. */
#define CONV2D_ROWS 4

static size_t linear16_packed_size(const void *params) {
    qrt_conv2d_params conv = qrt_linear_as_conv2d(params);
    return conv2d16_packed_size(&conv);
}

static void linear16_pack(const void *params, void *packed) {
    qrt_conv2d_params conv = qrt_linear_as_conv2d(params);
    conv2d16_pack(&conv, packed);
}

static size_t linear16_scratch(const void *params) {
    qrt_conv2d_params conv = qrt_linear_as_conv2d(params);
    return conv2d16_scratch(&conv);
}

/* One row. */
QRT_AVX512 static void linear16_row(const qrt_emitter *e, const uint8_t *x) {
    const qrt_product *product = e->product;
    int32_t end = qrt_part_end(e->p);
    QRT_ALIGNED int32_t acc[8 * QRT_LANES];
    for (int32_t block = e->p->part.begin / QRT_LANES, at_once; block * QRT_LANES < end; block += at_once) {
        int32_t left = end - block * QRT_LANES, blocks = (left + QRT_LANES - 1) / QRT_LANES;
        blocks_of b = blocks_from(product, block);
        at_once = blocks >= 8 ? 8 : blocks >= 4 ? 4 : blocks >= 2 ? 2 : 1;
        if (at_once == 8) multiply_row(x, product->chunks, b, acc, 8, 1);
        if (at_once == 4) multiply_row(x, product->chunks, b, acc, 4, 2);
        if (at_once == 2) multiply_row(x, product->chunks, b, acc, 2, 4);
        if (at_once == 1) multiply_row(x, product->chunks, b, acc, 1, 8);
        for (int32_t i = 0; i < at_once; i += 4, left -= 4 * QRT_LANES) {
            int32_t channels = left < 4 * QRT_LANES ? left : 4 * QRT_LANES;
            qrt_emit_place place = {b.lanes + i, (block + i) * QRT_LANES, channels};
            if (at_once >= 4) emit16_form(e, acc + i * QRT_LANES, 1, place, 0, 4);
            if (at_once == 2) emit16_form(e, acc, 1, place, 0, 2);
            if (at_once == 1) emit16_form(e, acc, 1, place, 0, 1);
        }
    }
}

QRT_AVX512 static void linear16_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_linear_params *p = params;
    qrt_conv2d_params conv = qrt_linear_as_conv2d(p);
    const qrt_product *product = p->packed;
    if (product == NULL) {
        qrt_linear16_s8(params, inputs, output, scratch);
        return;
    }
    if (p->rows >= CONV2D_ROWS || product->form == QRT_LANES_INT64) {
        conv2d16_run(&conv, inputs, output, scratch);
        return;
    }
    qrt_emitter e = {&conv, product, 1, 1, output};
    ptrdiff_t size = 2 * (ptrdiff_t)p->in_features;
    for (int32_t row = 0; row < p->rows; row++) {
        copy_flipped(scratch, inputs[0] + row * size, size, _mm512_setzero_si512());
        linear16_row(&e, scratch);
        e.output += 2 * (ptrdiff_t)p->out_features;
    }
}

const qrt_kernel qrt_conv2d16_avx512vnni = {.run = conv2d16_run,
                                            .packed_size = conv2d16_packed_size,
                                            .pack = conv2d16_pack,
                                            .scratch_size = conv2d16_scratch,
                                            .channel_unit = QRT_PRODUCT_UNIT};
const qrt_kernel qrt_linear16_avx512vnni = {.run = linear16_run,
                                            .packed_size = linear16_packed_size,
                                            .pack = linear16_pack,
                                            .scratch_size = linear16_scratch,
                                            .channel_unit = QRT_PRODUCT_UNIT};

#endif
