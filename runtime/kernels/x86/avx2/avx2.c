/* SPDX-License-Identifier: Apache-2.0 */
/* avx2.c: the set for CPUs with AVX2; conv2d and linear by vpmaddwd.
 *
 * vpmaddwd multiplies pairs of int16, so that no sum saturates: the image is widened when it is copied, weights when
 * they are loaded. One row of linear uses vpmaddubsw, which multiplies four times as many bytes in the same number of
 * steps: |x| by the weights with x's sign, where sums of two are at most 2 * 128 * 127 unless a weight is -128.
 */
#include "x86/avx2/avx2.h"
#include "portable/portable.h"
#include "x86/avx2/emit.h"
#include "x86/avx2/image.h"
#include "x86/avx2/pairs.h"
#include "x86/avx2/winograd.h"
#include "x86/product.h"

#ifdef QRT_X86

#define QUAD 4

static size_t conv2d_scratch(const void *params) {
    const qrt_conv2d_params *p = params;
    if (!qrt_band_fits(p, p->in_channels)) return qrt_conv2d_s8_scratch(p);
    qrt_product product = qrt_product_of(p, PAIR);
    return offsets_size(&product) + qrt_band_of(p, p->in_channels).size;
}

static size_t conv2d_packed_size(const void *params) {
    const qrt_conv2d_params *p = params;
    qrt_product product = qrt_product_of(p, PAIR);
    return qrt_band_fits(p, p->in_channels) ? qrt_product_size(&product) : 0;
}

static void conv2d_pack(const void *params, void *packed) {
    qrt_product product = qrt_product_of(params, PAIR);
    product.signed_input = 1;
    qrt_product_pack(params, &product, packed);
}

/* All channels of the positions with inputs at x. `output` is the first position's. */
QRT_AVX2 static void conv2d_table(const qrt_conv2d_params *p, const qrt_emitter *e, const int16_t *const *x,
                                  int32_t positions, const int32_t *offset, int8_t *output) {
    int32_t acc[QRT_TABLE_SIZE] QRT_ALIGNED;
    const qrt_product *product = p->packed;
    int32_t channels = p->out_channels / p->groups, in_channels = p->in_channels / p->groups;
    const qrt_lanes *lanes = qrt_product_lanes(product);
    const int8_t *weights = qrt_product_weights(product);
    const int16_t *from[QRT_TABLE];
    for (int32_t group = 0; group < p->groups; group++) {
        for (int32_t m = 0; m < positions; m++) from[m] = x[m] + (ptrdiff_t)group * in_channels;
        for (int32_t first = 0; first < channels; first += QRT_LANES, lanes++, weights += qrt_product_block(product)) {
            int32_t count = channels - first < QRT_LANES ? channels - first : QRT_LANES;
            qrt_emit_place place = {lanes, group * channels + first, count, output};
            if (count > 8) {
                multiply_16(from, positions, offset, pair_count(product), weights, acc);
                emit(e, acc, positions, place, 2);
            } else {
                multiply_8(from, positions, offset, pair_count(product), weights, acc);
                emit(e, acc, positions, place, 1);
            }
        }
    }
}

QRT_AVX2 static void conv2d_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_conv2d_params *p = params;
    const qrt_product *product = p->packed;
    if (product == NULL) {
        qrt_conv2d_s8(params, inputs, output, scratch);
        return;
    }
    const qrt_band band = qrt_band_of(p, p->in_channels);
    int32_t *offset = scratch;
    int16_t *copy = (int16_t *)((uint8_t *)scratch + offsets_size(product));
    const qrt_emitter e = {&p->requant, p->out_channels, p->out_channels, product->form, QRT_ORDER_PLAIN};
    ptrdiff_t position_size = (ptrdiff_t)p->out_channels * (p->requant.wide ? 4 : 1);
    const int8_t *image = inputs[0];
    set_offsets(p, product, &band, offset);
    for (int32_t n = 0; n < p->batch; n++, image += (ptrdiff_t)p->in_height * p->in_width * p->in_channels) {
        for (int32_t out_y = 0; out_y < p->out_height; out_y += band.height) {
            int32_t height = p->out_height - out_y < band.height ? p->out_height - out_y : band.height;
            qrt_band_copy(&band, p, image, out_y, height, copy);
            int32_t count = height * p->out_width;
            for (int32_t q = 0; q < count; q += QRT_TABLE) {
                int32_t positions = count - q < QRT_TABLE ? count - q : QRT_TABLE;
                const int16_t *x[QRT_TABLE];
                qrt_band_positions(&band, p, copy, q, positions, x);
                conv2d_table(p, &e, x, positions, offset, output);
                output += positions * position_size;
            }
        }
    }
}

/* acc [vectors * 8] of one row of `quads` times 4 bytes. `vectors` is a constant. */
QRT_AVX2 QRT_INLINE void multiply_row(const int8_t *x, int32_t quads, const int8_t *weights, ptrdiff_t block_size,
                                      int32_t *acc, const int vectors) {
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i sum[8];
    QRT_UNROLL
    for (int n = 0; n < vectors; n++) sum[n] = _mm256_setzero_si256();
    for (int32_t i = 0; i < quads; i++, weights += QUAD * QRT_LANES) {
        int32_t quad;
        memcpy(&quad, x + QUAD * i, sizeof quad);
        __m256i all = _mm256_set1_epi32(quad), magnitude = _mm256_abs_epi8(all);
        QRT_UNROLL
        for (int n = 0; n < vectors; n++) {
            __m256i w = _mm256_load_si256((const __m256i *)(weights + n / 2 * block_size + n % 2 * 32));
            __m256i pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(w, all));
            sum[n] = _mm256_add_epi32(sum[n], _mm256_madd_epi16(pairs, ones));
        }
    }
    QRT_UNROLL
    for (int n = 0; n < vectors; n++) _mm256_store_si256((__m256i *)(acc + 8 * n), sum[n]);
}

QRT_AVX2 static void linear_row(const qrt_linear_params *p, const qrt_emitter *e, const int8_t *x, int8_t *output) {
    int32_t acc[(4 + QRT_EMIT_ROWS) * QRT_LANES] QRT_ALIGNED;
    const qrt_product *product = p->packed;
    const qrt_lanes *lanes = qrt_product_lanes(product);
    const int8_t *weights = qrt_product_weights(product);
    ptrdiff_t block_size = qrt_product_block(product);
    for (int32_t block = 0, at_once; block < product->blocks; block += at_once, weights += at_once * block_size) {
        if (product->blocks - block >= 4) {
            at_once = 4;
            multiply_row(x, product->chunks, weights, block_size, acc, 8);
        } else if (product->blocks - block >= 2) {
            at_once = 2;
            multiply_row(x, product->chunks, weights, block_size, acc, 4);
        } else {
            at_once = 1;
            multiply_row(x, product->chunks, weights, block_size, acc, 2);
        }
        for (int32_t i = 0; i < at_once; i++, lanes++) {
            int32_t first = (block + i) * QRT_LANES, left = p->out_features - first;
            qrt_emit_place place = {lanes, first, left < QRT_LANES ? left : QRT_LANES, output};
            emit(e, acc + i * QRT_LANES, 1, place, 2);
        }
    }
}

/* With this many rows or more, linear runs as a convolution. */
#define CONV2D_ROWS 4

/* Bytes of input multiplied at once. */
static int32_t linear_unit(const qrt_linear_params *p) {
    if (p->rows >= CONV2D_ROWS) return PAIR;
    ptrdiff_t size = (ptrdiff_t)p->in_features * p->out_features;
    int8_t lowest = 0;
    if (p->int4) return QUAD;
    for (ptrdiff_t i = 0; i < size; i++) lowest = p->weights[i] < lowest ? p->weights[i] : lowest;
    return lowest == -128 ? PAIR : QUAD;
}

static size_t linear_packed_size(const void *params) {
    qrt_conv2d_params conv = qrt_linear_as_rows(params);
    qrt_product product = qrt_product_of(&conv, linear_unit(params));
    return qrt_product_size(&product);
}

static void linear_pack(const void *params, void *packed) {
    qrt_conv2d_params conv = qrt_linear_as_rows(params);
    qrt_product product = qrt_product_of(&conv, linear_unit(params));
    product.signed_input = 1;
    qrt_product_pack(&conv, &product, packed);
}

static size_t linear_scratch(const void *params) {
    const qrt_linear_params *p = params;
    qrt_conv2d_params conv = qrt_linear_as_rows(p);
    return ((const qrt_product *)p->packed)->unit == PAIR ? conv2d_scratch(&conv) : (size_t)p->in_features + QUAD;
}

QRT_AVX2 static void linear_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_linear_params *p = params;
    const qrt_product *product = p->packed;
    if (product->unit == PAIR) {
        qrt_conv2d_params conv = qrt_linear_as_rows(p);
        conv2d_run(&conv, inputs, output, scratch);
        return;
    }
    const qrt_emitter e = {&p->requant, p->out_features, p->out_features, product->form, QRT_ORDER_PLAIN};
    const int8_t *x = inputs[0];
    for (int32_t row = 0; row < p->rows; row++, x += p->in_features) {
        memcpy(scratch, x, (size_t)p->in_features); /* may be read to a multiple of 4 */
        linear_row(p, &e, scratch, output);
        output += (ptrdiff_t)p->out_features * (p->requant.wide ? 4 : 1);
    }
}

static const qrt_kernel conv2d = {
    .run = conv2d_run, .packed_size = conv2d_packed_size, .pack = conv2d_pack, .scratch_size = conv2d_scratch};

/* In thirds of a cycle, since vpmaddwd, vpaddd and their like are three to a cycle. */
static const qrt_winograd_costs winograd_costs = {
    .direct = 2, .product = 2, .inputs = 11, .sums = 25, .transformed = 100, .taps = 600, .run = 500};

#include "x86/avx2/winograd_rows.h"

void qrt_kernels_avx2(qrt_kernels *kernels) {
    static const qrt_kernel linear = {
        .run = linear_run, .packed_size = linear_packed_size, .pack = linear_pack, .scratch_size = linear_scratch};
    qrt_kernels_portable(kernels);
    kernels->name = "avx2";
    kernels->conv2d = winograd;
    kernels->dwconv2d = qrt_dwconv2d_avx2;
    kernels->linear = linear;
    kernels->conv2d16 = qrt_conv2d16_avx2;
    kernels->linear16 = qrt_linear16_avx2;
    kernels->transpose = qrt_transpose_avx2;
    kernels->resize2d = qrt_resize2d_avx2;
    qrt_rows_avx2(kernels);
    qrt_pools_avx2(kernels);
}

#endif
