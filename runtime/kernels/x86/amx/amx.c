/* SPDX-License-Identifier: Apache-2.0 */
/* amx.c: the set for CPUs with AMX's int8 tiles: conv2d and linear straight from NHWC.
 *
 * A tile's rows may have any stride, so a tile of 16 positions is loaded directly from the image, without gathering
 * rows. A tile product is 16 positions x 64 bytes of input x 16 channels in 16 cycles; loading a tile takes 8 cycles
 * from the L1 cache, so four products share two tiles of each side. Between the products of one table of
 * accumulators another table is requantized, since tiles and vectors have separate execution units.
 */
#include "x86/x86.h"

#ifdef QRT_AMX_COMPILED
#include "x86/amx/tables.h"
#include "x86/avx512/avx512.h"
#include "x86/avx512/image.h"

#define MAX_UNIT 64

/* Bytes of weights that do not stay in the L2 cache until the next run. */
#define FAR_WEIGHTS (128 * 1024)

/* Bytes of the next channels' weights to prefetch with each chunk, so that all are in the cache in time: every table of
 * the block reads them again, so only the first would wait. 0 if they are in the L2 cache. */
static ptrdiff_t fetch_step(const qrt_product *product, const source *s) {
    ptrdiff_t size = 2 * qrt_product_block(product), tables = (s->count + 2 * TILE - 1) / (2 * TILE);
    if (product->blocks * qrt_product_block(product) < FAR_WEIGHTS) return 0;
    return (size / (tables * s->chunks) + 63) / 64 * 64;
}

QRT_AMX static void conv2d_group(const qrt_emitter *e, const source *s, int32_t group) {
    QRT_ALIGNED int32_t acc[2][TABLE_SIZE];
    const qrt_product *product = e->product;
    int32_t channels = e->p->out_channels / product->groups, end = qrt_part_end(e->p);
    ptrdiff_t block_size = qrt_product_block(product), first = (ptrdiff_t)group * product->blocks;
    const int8_t *weights = qrt_product_weights(product) + first * block_size;
    const qrt_lanes *lanes = qrt_product_lanes(product) + first;
    ptrdiff_t step = fetch_step(product, s);
    table none = {weights, {lanes, 0, 1}, 0, 0, 1, product->blocks > 1 ? 2 : 1, 0, 0}, tables[3] = {none, none, none};
    pipeline line = {e, s, acc[0], acc[1], &tables[0], &tables[1], &tables[2]};
    for (int32_t block = e->p->part.begin / QRT_LANES; block * QRT_LANES < end; block += 2) {
        int32_t left = end - block * QRT_LANES, wide = left > QRT_LANES ? 2 : 1, most = 4 / wide;
        qrt_emit_place place = {lanes + block, group * channels + block * QRT_LANES, left};
        if (left > wide * QRT_LANES) place.channels = wide * QRT_LANES;
        if (line.made->wide != wide) drain(&line);
        for (int32_t position = 0; position < s->count; position += TILE * most) {
            int32_t rows = s->count - position;
            table *t = line.next;
            t->weights = weights + block * block_size;
            t->place = place;
            t->position = position;
            t->rows = rows < TILE * most ? rows : TILE * most;
            t->tall = rows > TILE * most / 2 ? most : rows > TILE ? 2 : 1;
            t->wide = wide;
            t->ahead =
                (uintptr_t)(t->weights + 2 * block_size) + (uintptr_t)(position / (TILE * most) * s->chunks * step);
            t->ahead_step = left > 2 * QRT_LANES ? step : 0;
            move_on(&line);
        }
    }
    drain(&line);
}

/* Whether a row of x can be read in place: each position is its pixel. */
static int has_pointwise_rows(const qrt_conv2d_params *p) {
    return p->filter_height == 1 && p->filter_width == 1 && p->stride_y == 1 && p->stride_x == 1 && p->pad_left == 0 &&
           p->out_width == p->in_width && p->groups == 1;
}

/* Whether all rows can. */
static int is_pointwise(const qrt_conv2d_params *p) {
    return has_pointwise_rows(p) && p->pad_top == 0 && p->out_height == p->in_height;
}

static size_t chunks_size(const qrt_product *product) {
    size_t size = (size_t)product->runs * (size_t)product->chunks * sizeof(ptrdiff_t);
    return (size + 63) / 64 * 64;
}

static ptrdiff_t bytes_in(const qrt_conv2d_params *p) { return (ptrdiff_t)p->in_height * p->in_width * p->in_channels; }

static ptrdiff_t bytes_out(const qrt_conv2d_params *p) {
    return (ptrdiff_t)p->out_height * p->out_width * p->out_channels * (p->requant.wide ? 4 : 1);
}

/* If the output overlaps an input that could be read in place, the smaller of the two is copied: here, the output. */
static int makes_aside(const qrt_conv2d_params *p) {
    return has_pointwise_rows(p) && p->out_channels * (p->requant.wide ? (int64_t)4 : 1) < p->in_channels;
}

/* Size of the image, which may be read beyond its end. */
static size_t image_size(const qrt_conv2d_params *p, const qrt_product *product) {
    qrt_image image = qrt_image_of(p);
    size_t size = image.size + (size_t)MAX_POSITIONS * (size_t)image.step + (size_t)(product->chunks * product->unit);
    return (size + 63) / 64 * 64;
}

/* Scratch: offsets of the chunks, the image, the output of one image. */
static size_t tiles_scratch(const qrt_conv2d_params *p, const qrt_product *product) {
    return chunks_size(product) + image_size(p, product) + (makes_aside(p) ? (size_t)bytes_out(p) : 0);
}

/* Positions that can be multiplied without reading beyond x: a whole number of tables. */
static int32_t readable(const qrt_product *product, const qrt_image *image) {
    int32_t beyond = product->chunks * product->unit - image->step; /* excess bytes that the last position reads */
    int32_t unsafe = (beyond + image->step - 1) / image->step;
    int32_t safe = image->count - unsafe;
    return safe < 0 ? 0 : safe / MAX_POSITIONS * MAX_POSITIONS;
}

static int intersect(const int8_t *a, ptrdiff_t a_size, const int8_t *b, ptrdiff_t b_size) {
    return (uintptr_t)a < (uintptr_t)b + (size_t)b_size && (uintptr_t)b < (uintptr_t)a + (size_t)a_size;
}

QRT_AMX static void tiles_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_conv2d_params *p = params;
    const qrt_product *product = p->packed;
    qrt_image image = qrt_image_of(p);
    qrt_emitter e = qrt_emitter_of(p, &image, output);
    ptrdiff_t *chunk = scratch;
    uint8_t *copy = (uint8_t *)scratch + chunks_size(product);
    int32_t taps = product->runs / p->filter_height; /* 1, or each filter position is a run of its own */
    for (int32_t run = 0, k = 0; run < product->runs; run++) {
        ptrdiff_t first = qrt_image_tap(&image, p, run / taps, run % taps);
        for (int32_t i = 0; i < product->chunks; i++) chunk[k++] = first + i * product->unit;
    }
    source s = {NULL, copy, 0, image.step, image.count, product->runs * product->chunks, product->unit, chunk};
    ptrdiff_t in_size = bytes_in(p), out_size = bytes_out(p);
    int8_t *aside = makes_aside(p) ? (int8_t *)copy + image_size(p, product) : NULL;
    configure_tiles(product);
    for (int32_t n = 0; n < p->batch; n++, output += out_size) {
        const int8_t *x = inputs[0] + n * in_size;
        int over = intersect(x, in_size, output, out_size);
        e.output = over && aside != NULL ? aside : output;
        if (is_pointwise(p) && (!over || aside != NULL)) {
            s.x = (const uint8_t *)x;
            s.split = readable(product, &image);
            ptrdiff_t first = (ptrdiff_t)s.split * s.step;
            copy_flipped(copy, x + first, in_size - first, _mm512_setzero_si512());
        } else {
            s.split = 0;
            image_copy(&image, p, x, 0, copy);
        }
        for (int32_t group = 0; group < p->groups; group++) {
            ptrdiff_t channel = (ptrdiff_t)group * (p->in_channels / p->groups);
            source g = s;
            g.copy += channel;
            conv2d_group(&e, &g, group);
        }
        if (e.output == aside) memcpy(output, aside, (size_t)out_size);
    }
}

/* As few chunks as possible, all of one size: the shorter a tile's rows, the fewer of them cross a cache line, which
 * doubles the load time. */
static qrt_product tiles_of(const qrt_conv2d_params *p) {
    qrt_product product = qrt_product_of(p, MAX_UNIT);
    int32_t unit = (product.run_size + product.chunks - 1) / product.chunks;
    int32_t multiple = p->in_channels % 16 == 0 ? 16 : 4;
    product = qrt_product_of(p, (unit + multiple - 1) / multiple * multiple);
    product.signed_input = 1;
    return product;
}

/* Whether tiles, which always compute 16 positions and 64 bytes, are faster than vpdpbusd. In quarters of a cycle for a
 * block of channels. */
static int wants_tiles(const qrt_conv2d_params *p) {
    if (!qrt_image_fits(p, p->in_channels, 0)) return 0;
    qrt_product tiles = tiles_of(p), quads = qrt_product_of(p, 4);
    qrt_image image = qrt_image_of(p);
    int64_t tile_rows = (image.count + TILE - 1) / TILE;
    int64_t by_tiles = tile_rows * tiles.runs * tiles.chunks * 16 * 4 + tile_rows * 16 * 4;
    int64_t by_quads = (int64_t)image.count * quads.runs * quads.chunks * 3;
    return by_tiles < by_quads;
}

static size_t conv2d_packed_size(const void *params) {
    if (!wants_tiles(params)) return qrt_conv2d_avx512vnni.packed_size(params);
    qrt_product product = tiles_of(params);
    return qrt_product_size(&product);
}

static void conv2d_pack(const void *params, void *packed) {
    if (wants_tiles(params)) {
        qrt_product product = tiles_of(params);
        qrt_product_pack(params, &product, packed);
    } else {
        qrt_conv2d_avx512vnni.pack(params, packed);
    }
}

static int has_tiles(const qrt_product *product) { return product != NULL && product->signed_input; }

static size_t conv2d_scratch(const void *params) {
    const qrt_conv2d_params *p = params;
    const qrt_product *product = p->packed;
    return has_tiles(product) ? tiles_scratch(params, product) : qrt_conv2d_avx512vnni.scratch_size(params);
}

static void conv2d_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_conv2d_params *p = params;
    const qrt_product *product = p->packed;
    if (has_tiles(product)) {
        tiles_run(params, inputs, output, scratch);
    } else {
        qrt_conv2d_avx512vnni.run(params, inputs, output, scratch);
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
    const qrt_linear_params *p = params;
    const qrt_product *product = p->packed;
    qrt_conv2d_params conv = qrt_linear_as_conv2d(p);
    return has_tiles(product) ? tiles_scratch(&conv, product) : qrt_linear_avx512vnni.scratch_size(params);
}

static void linear_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_linear_params *p = params;
    const qrt_product *product = p->packed;
    if (has_tiles(product)) {
        qrt_conv2d_params conv = qrt_linear_as_conv2d(p);
        tiles_run(&conv, inputs, output, scratch);
    } else {
        qrt_linear_avx512vnni.run(params, inputs, output, scratch);
    }
}

void qrt_kernels_amx(qrt_kernels *kernels) {
    static const qrt_kernel linear = {
        .run = linear_run,
        .packed_size = linear_packed_size,
        .pack = linear_pack,
        .scratch_size = linear_scratch,
        .channel_unit = QRT_PRODUCT_UNIT,
    };
    static const qrt_kernel conv2d = {
        .run = conv2d_run,
        .packed_size = conv2d_packed_size,
        .pack = conv2d_pack,
        .scratch_size = conv2d_scratch,
        .channel_unit = QRT_PRODUCT_UNIT,
    };
    qrt_kernels_avx512vnni(kernels);
    kernels->name = "amx";
    kernels->conv2d = conv2d;
    kernels->linear = linear;
}

#elif defined(QRT_X86)
void qrt_kernels_amx(qrt_kernels *kernels) { qrt_kernels_avx512vnni(kernels); }
#endif
