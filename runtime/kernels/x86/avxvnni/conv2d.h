/* SPDX-License-Identifier: Apache-2.0 */
/* conv2d.h: conv2d and linear by vpdpbusd or vpdpbssd with registers of 256 bits: the source of all encodings, see
 * avxvnni.h.
 *
 * vpdpbusd multiplies unsigned by signed bytes: x + 128, computed while the image is copied, by the weights. The
 * difference is the same for every position and is part of the lanes' correction. A block of 16 channels of product.h
 * is two registers. An image is copied in bands of rows that fit a cache; tables of positions of a band are multiplied
 * by all weights.
 */
#include "portable/portable.h"
#include "x86/avx2/emit.h"
#include "x86/avxvnni/image.h"
#include "x86/product.h"

#define UNIT 4

/* Positions of a table; 7 by 7 are one. */
#define TABLE 64
#define TABLE_SIZE ((TABLE + QRT_EMIT_ROWS) * QRT_LANES)

/* Positions at once, by registers of channels: sums, weights and an input fit the 16 registers, the pointers fit
 * theirs.
 */
#define POSITIONS_2 6
#define POSITIONS_1 8

static qrt_product product_of(const qrt_conv2d_params *p) {
    qrt_product product = qrt_product_of(p, UNIT);
    product.signed_input = FLIP == 0;
    return product;
}

/* Scratch buffer: offsets of the runs, then the band, which may be read beyond its end. */
static size_t runs_size(const qrt_product *product) {
    return ((size_t)product->runs * sizeof(ptrdiff_t) + 63) / 64 * 64;
}

static size_t conv2d_scratch(const void *params) {
    const qrt_conv2d_params *p = params;
    if (p->packed == NULL) return qrt_conv2d_s8_scratch(p);
    return runs_size(p->packed) + image_band_of(p).image.size + UNIT;
}

/* 0 if the portable kernel runs. */
static size_t conv2d_packed_size(const void *params) {
    const qrt_conv2d_params *p = params;
    if (!qrt_image_fits(p, p->in_channels, 0)) return 0;
    qrt_product product = product_of(p);
    return qrt_product_size(&product);
}

static void conv2d_pack(const void *params, void *packed) {
    qrt_product product = product_of(params);
    qrt_product_pack(params, &product, packed);
}

/* What all positions of a group have in common. */
typedef struct factors {
    const ptrdiff_t *runs;
    int32_t run_count, chunks; /* of a run */
    ptrdiff_t first;           /* byte of the group in a position */
    ptrdiff_t block_size;
} factors;

/* acc [vectors / 2][positions][16], or [positions][8] of one register. Both counts are constants. */
VNNI QRT_INLINE void multiply_quads(const factors *f, const uint8_t *const *x, const int8_t *weights, int32_t *acc,
                                    const int positions, const int vectors) {
    __m256i sum[12];
    const uint8_t *from[8];
    QRT_UNROLL
    for (int m = 0; m < positions; m++) from[m] = x[m] + f->first;
    QRT_UNROLL
    for (int i = 0; i < positions * vectors; i++) sum[i] = _mm256_setzero_si256();
    for (int32_t run = 0; run < f->run_count; run++) {
        ptrdiff_t at = f->runs[run];
        for (int32_t chunk = 0; chunk < f->chunks; chunk++, at += UNIT, weights += UNIT * QRT_LANES) {
            __m256i w[8];
            QRT_UNROLL
            for (int n = 0; n < vectors; n++) {
                w[n] = _mm256_load_si256((const __m256i *)(weights + n / 2 * f->block_size + n % 2 * 32));
            }
            QRT_UNROLL
            for (int m = 0; m < positions; m++) {
                int32_t quad;
                memcpy(&quad, from[m] + at, sizeof quad);
                __m256i all = _mm256_set1_epi32(quad);
                QRT_UNROLL
                for (int n = 0; n < vectors; n++) {
                    sum[m * vectors + n] = DOT_BYTES(sum[m * vectors + n], all, w[n]);
                }
            }
        }
    }
    QRT_UNROLL
    for (int i = 0; i < positions * vectors; i++) {
        int m = i / vectors, n = i % vectors;
        int32_t *to = vectors == 1 ? acc + 8 * m : acc + QRT_LANES * (n / 2 * positions + m) + n % 2 * 8;
        _mm256_store_si256((__m256i *)to, sum[i]);
    }
}

/* A table in parts of nearly equal size, so that none waits for its sums: `parts` parts, the first `larger` of which
 * have size + 1 positions. */
typedef struct parts_of {
    int32_t parts, size, larger;
} parts_of;

static parts_of parts(int32_t positions, int32_t most) {
    int32_t count = (positions + most - 1) / most;
    parts_of all = {count, positions / count, positions % count};
    return all;
}

/* The positions of a table for one block. */
VNNI static void quads_16(const factors *f, const uint8_t *const *x, parts_of all, const int8_t *weights,
                          int32_t *acc) {
    for (int32_t part = 0, size; part < all.parts; part++, x += size, acc += QRT_LANES * size) {
        size = all.size + (part < all.larger);
        if (size == 6) multiply_quads(f, x, weights, acc, 6, 2);
        if (size == 5) multiply_quads(f, x, weights, acc, 5, 2);
        if (size == 4) multiply_quads(f, x, weights, acc, 4, 2);
        if (size == 3) multiply_quads(f, x, weights, acc, 3, 2);
        if (size == 2) multiply_quads(f, x, weights, acc, 2, 2);
        if (size == 1) multiply_quads(f, x, weights, acc, 1, 2);
    }
}

/* The same for a block of at most 8 channels. */
VNNI static void quads_8(const factors *f, const uint8_t *const *x, parts_of all, const int8_t *weights, int32_t *acc) {
    for (int32_t part = 0, size; part < all.parts; part++, x += size, acc += 8 * size) {
        size = all.size + (part < all.larger);
        if (size == 8) multiply_quads(f, x, weights, acc, 8, 1);
        if (size == 7) multiply_quads(f, x, weights, acc, 7, 1);
        if (size == 6) multiply_quads(f, x, weights, acc, 6, 1);
        if (size == 5) multiply_quads(f, x, weights, acc, 5, 1);
        if (size == 4) multiply_quads(f, x, weights, acc, 4, 1);
        if (size == 3) multiply_quads(f, x, weights, acc, 3, 1);
        if (size == 2) multiply_quads(f, x, weights, acc, 2, 1);
        if (size == 1) multiply_quads(f, x, weights, acc, 1, 1);
    }
}

/* At most 3 positions, which take several blocks at once: as many as there are, of at most `left` channels. Returns how
 * many. */
VNNI static int32_t quads_few(const factors *f, const uint8_t *const *x, int32_t positions, int32_t left,
                              const int8_t *weights, int32_t *acc) {
    if (positions == 3 && left > QRT_LANES) {
        multiply_quads(f, x, weights, acc, 3, 4);
        return 2;
    }
    if (positions == 2 && left > QRT_LANES) {
        multiply_quads(f, x, weights, acc, 2, 4);
        return 2;
    }
    if (positions == 1 && left > 3 * QRT_LANES) {
        multiply_quads(f, x, weights, acc, 1, 8);
        return 4;
    }
    if (positions == 1 && left > QRT_LANES) {
        multiply_quads(f, x, weights, acc, 1, 4);
        return 2;
    }
    return 0;
}

/* One position of two blocks at a time: `blocks` is even. */
VNNI QRT_INLINE void emit_row_form(const qrt_emitter *e, const int32_t *acc, int32_t blocks, qrt_emit_place place,
                                   const int form) {
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    __m256i lowest = _mm256_set1_epi8((char)e->requant->output_min);
    __m256i highest = _mm256_set1_epi8((char)e->requant->output_max);
    int8_t *y = place.output + place.channel;
    for (; blocks > 0; blocks -= 2, acc += 2 * QRT_LANES, y += 2 * QRT_LANES, place.lanes += 2) {
        __m256i v[4];
        QRT_UNROLL
        for (int i = 0; i < 4; i++) {
            requant8 r = requant8_load(place.lanes + i / 2, i % 2);
            v[i] = requant8_apply(_mm256_load_si256((const __m256i *)(acc + 8 * i)), &r, form);
        }
        __m256i codes = _mm256_permutevar8x32_epi32(narrow32(v[0], v[1], v[2], v[3]), order);
        codes = _mm256_min_epi8(_mm256_max_epi8(codes, lowest), highest);
        if (place.channels >= 2 * QRT_LANES) {
            _mm256_storeu_si256((__m256i *)y, codes);
        } else {
            store_codes(y, _mm256_castsi256_si128(codes), QRT_LANES);
            store_codes(y + QRT_LANES, _mm256_extracti128_si256(codes, 1), place.channels - QRT_LANES);
        }
        place.channels -= 2 * QRT_LANES;
    }
}

/* Several blocks of a table: acc [blocks][positions][16]. */
VNNI static void emit_blocks(const qrt_emitter *e, const int32_t *acc, int32_t positions, int32_t blocks,
                             qrt_emit_place place) {
    if (positions == 1 && e->form == QRT_LANES_SINGLE) {
        emit_row_form(e, acc, blocks, place, QRT_LANES_SINGLE);
    } else if (positions == 1 && e->form == QRT_LANES_DOUBLE) {
        emit_row_form(e, acc, blocks, place, QRT_LANES_DOUBLE);
    } else {
        for (int32_t i = 0; i < blocks; i++, place.lanes++, place.channel += QRT_LANES, acc += QRT_LANES * positions) {
            qrt_emit_place block = place;
            block.channels = place.channels < QRT_LANES ? place.channels : QRT_LANES;
            emit(e, acc, positions, block, 2);
            place.channels -= QRT_LANES;
        }
    }
}

/* The channels of one group, of the positions of a table. `output` is the first position's. */
VNNI static void conv2d_group(const qrt_conv2d_params *p, const qrt_emitter *e, factors f, int32_t group,
                              const uint8_t *const *x, int32_t positions, int8_t *output) {
    int32_t acc[TABLE_SIZE] QRT_ALIGNED;
    const qrt_product *product = p->packed;
    int32_t channels = p->out_channels / p->groups, end = qrt_part_end(p);
    const parts_of halves = parts(positions, POSITIONS_1), wholes = parts(positions, POSITIONS_2);
    f.first = (ptrdiff_t)group * (p->in_channels / p->groups);
    for (int32_t block = p->part.begin / QRT_LANES, at_once; block * QRT_LANES < end; block += at_once) {
        int32_t left = end - block * QRT_LANES;
        ptrdiff_t index = (ptrdiff_t)group * product->blocks + block;
        const int8_t *weights = qrt_product_weights(product) + index * f.block_size;
        qrt_emit_place place = {qrt_product_lanes(product) + index, group * channels + block * QRT_LANES, left, output};
        at_once = quads_few(&f, x, positions, left, weights, acc);
        if (at_once > 0) {
            if (left > at_once * QRT_LANES) place.channels = at_once * QRT_LANES;
            emit_blocks(e, acc, positions, at_once, place);
            continue;
        }
        at_once = 1;
        if (left > QRT_LANES) place.channels = QRT_LANES;
        if (left > 8) quads_16(&f, x, wholes, weights, acc);
        if (left <= 8) quads_8(&f, x, halves, weights, acc);
        emit(e, acc, positions, place, left > 8 ? 2 : 1);
    }
}

/* `height` rows of a band. */
VNNI static void conv2d_band(const qrt_conv2d_params *p, const qrt_emitter *e, const factors *f, const qrt_image *image,
                             const uint8_t *copy, int32_t height, int8_t *output) {
    const uint8_t *x[TABLE];
    ptrdiff_t position_size = (ptrdiff_t)p->out_channels * (p->requant.wide ? 4 : 1);
    int32_t out_y = 0, out_x = 0, count = 0;
    while (out_y < height) {
        int32_t here = p->out_width - out_x < TABLE - count ? p->out_width - out_x : TABLE - count;
        const uint8_t *from = copy + out_y * image->pitch + (ptrdiff_t)out_x * image->step;
        for (int32_t i = 0; i < here; i++, from += image->step) x[count++] = from;
        out_x += here;
        if (out_x == p->out_width) out_x = 0, out_y++;
        if (count < TABLE && out_y < height) continue;
        for (int32_t group = 0; group < p->groups; group++) conv2d_group(p, e, *f, group, x, count, output);
        output += count * position_size;
        count = 0;
    }
}

VNNI static void conv2d_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_conv2d_params *p = params;
    const qrt_product *product = p->packed;
    if (product == NULL) {
        qrt_conv2d_s8(params, inputs, output, scratch);
        return;
    }
    const image_band band = image_band_of(p);
    const qrt_emitter e = {&p->requant, p->out_channels, p->out_channels, product->form, QRT_ORDER_PLAIN};
    ptrdiff_t *runs = scratch, row_size = (ptrdiff_t)p->out_width * p->out_channels * (p->requant.wide ? 4 : 1);
    const factors f = {runs, product->runs, product->chunks, 0, qrt_product_block(product)};
    uint8_t *copy = (uint8_t *)scratch + runs_size(product);
    const int8_t *image = inputs[0];
    for (int32_t run = 0; run < product->runs; run++) {
        int32_t taps = product->runs / p->filter_height; /* 1, or each filter position is a run of its own */
        runs[run] = qrt_image_tap(&band.image, p, run / taps, run % taps);
    }
    for (int32_t n = 0; n < p->batch; n++, image += (ptrdiff_t)p->in_height * p->in_width * p->in_channels) {
        for (int32_t out_y = 0, height; out_y < p->out_height; out_y += height, output += height * row_size) {
            height = p->out_height - out_y < band.height ? p->out_height - out_y : band.height;
            image_copy(&band, p, image, FLIP, out_y, height, copy);
            conv2d_band(p, &e, &f, &band.image, copy, height, output);
        }
    }
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

/* With more rows than this, linear runs as a convolution. */
#define FEW_ROWS 3

VNNI static void linear_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_conv2d_params conv = qrt_linear_as_conv2d(params);
    const qrt_product *product = conv.packed;
    if (product == NULL) {
        qrt_linear_s8(params, inputs, output, scratch);
        return;
    }
    if (conv.out_width > FEW_ROWS) {
        conv2d_run(&conv, inputs, output, scratch);
        return;
    }
    static const ptrdiff_t run = 0;
    const qrt_emitter e = {&conv.requant, conv.out_channels, conv.out_channels, product->form, QRT_ORDER_PLAIN};
    const factors f = {&run, 1, product->chunks, 0, qrt_product_block(product)};
    const uint8_t *x[FEW_ROWS];
    for (int32_t row = 0; row < conv.out_width; row++) {
        x[row] = (uint8_t *)scratch + row * (ptrdiff_t)conv.in_channels;
    }
    copy_flipped(scratch, inputs[0], (ptrdiff_t)conv.out_width * conv.in_channels, FLIP);
    conv2d_group(&conv, &e, f, 0, x, conv.out_width, output);
}

static const qrt_kernel conv2d = {.run = conv2d_run,
                                  .packed_size = conv2d_packed_size,
                                  .pack = conv2d_pack,
                                  .scratch_size = conv2d_scratch,
                                  .channel_unit = QRT_PRODUCT_UNIT};
static const qrt_kernel linear = {.run = linear_run,
                                  .packed_size = linear_packed_size,
                                  .pack = linear_pack,
                                  .scratch_size = linear_scratch,
                                  .channel_unit = QRT_PRODUCT_UNIT};
