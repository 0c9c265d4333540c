/* SPDX-License-Identifier: Apache-2.0 */
/* winograd.c: conv2d by Winograd's F(4x4, 3x3) of x86/winograd.h, with AVX-512 and vpdpwssd.
 *
 * Tiles are computed by groups of whole rows of them, which may belong to several images: all inputs of a group are
 * transformed, then a set of blocks of output channels after another is multiplied, point by point, and put out. So
 * rows of the input are read before the rows of the output that need them are written.
 *
 * The last tile of a row or column may leave points out. Tiles of a group are sorted so that the others follow one
 * another at every point: first those that end a row, then whole ones, then those that end a column, then both.
 */
#include "portable/portable.h"
#include "x86/avx512/avx512.h"
#include "x86/avx512/emit.h"
#include "x86/avx512/image.h"
#include "x86/avx512/winograd_layout.h"
#include "x86/avx512/winograd_products.h"
#include "x86/avx512/winograd_transforms.h"

#ifdef QRT_X86

#define MOST_SCRATCH (1 << 20)
#define MOST_ENTRIES (1 << 19) /* of a row of the input or output */

/* Accumulators of a table, for the tiles that are put out together. */
#define TABLE (8 * 16 * QRT_LANES)

/* Row `row` of tiles of all images: its inputs, with padding. */
QRT_AVX512 static void copy_band(const qrt_conv2d_params *p, const layout *l, const int8_t *x, int32_t row,
                                 int8_t *to) {
    int32_t image = row / l->rows, top = 4 * (row % l->rows);
    int32_t rows = top + 4 < p->out_height ? 6 : l->high + 2;
    ptrdiff_t channels = p->in_channels, line = p->in_width * channels, left = p->pad_left * channels;
    if (left > l->pitch) left = l->pitch;
    ptrdiff_t size = l->pitch - left < line ? l->pitch - left : line;
    const __m512i padding = _mm512_set1_epi8((char)p->x_zero_point), none = _mm512_setzero_si512();
    for (int32_t i = 0; i < rows; i++, to += l->pitch) {
        int64_t y = (int64_t)top + i - p->pad_top;
        if (y < 0 || y >= p->in_height) {
            fill((uint8_t *)to, l->pitch, padding);
            continue;
        }
        fill((uint8_t *)to, left, padding);
        copy_flipped((uint8_t *)to + left, x + ((ptrdiff_t)image * p->in_height + y) * line, size, none);
        fill((uint8_t *)to + left + size, l->pitch - left - size, padding);
    }
}

/* Numbers of the tiles that end rows, that are whole, that end columns, that end both. */
typedef struct kinds {
    int32_t of[4];
} kinds;

static kinds count_kinds(const layout *l, int32_t first, int32_t rows) {
    int32_t ends = l->wide < 4, low = 0;
    for (int32_t i = 0; i < rows; i++) low += l->high < 4 && (first + i) % l->rows == l->rows - 1;
    kinds k = {{(rows - low) * ends, (rows - low) * (l->columns - ends), low * (l->columns - ends), low * ends}};
    return k;
}

/* Inputs of one row of tiles, from its band; `next` is where to put tiles, by kind. */
QRT_AVX512 static void row_inputs(const layout *l, const input_tiles *band, int32_t row, int16_t *inputs, place *places,
                                  int32_t next[4]) {
    int32_t high = row % l->rows == l->rows - 1 ? l->high : 4, depth = l->depth, two = depth < WIDE;
    for (int32_t column = 0, taken; column < l->columns; column += taken) {
        int32_t wide = column == l->columns - 1 ? l->wide : 4;
        int32_t kind = high == 4 ? wide == 4 : wide == 4 ? 2 : 3;
        int32_t follows = l->columns - column > 2 || (l->columns - column == 2 && l->wide == 4);
        taken = two && follows ? 2 : 1;
        input_tiles in = *band;
        in.x += 4 * (ptrdiff_t)column * band->channels;
        in.to = inputs + (ptrdiff_t)next[kind] * depth;
        if (two) two_inputs(&in, taken == 2 ? 0xFF : 0x0F, high, wide);
        if (!two) tile_inputs(&in, depth, high, wide);
        for (int32_t i = 0; i < taken; i++) {
            place at = {row, column + i};
            places[next[kind]++] = at;
        }
    }
}

QRT_AVX512 static void group_inputs(const qrt_conv2d_params *p, const layout *l, const kinds *k, const int8_t *x,
                                    int32_t first, int32_t rows, uint8_t *scratch) {
    int32_t next[4] = {0, k->of[0], k->of[0] + k->of[1], k->of[0] + k->of[1] + k->of[2]};
    int8_t *copy = (int8_t *)scratch + l->band;
    input_tiles band = {copy, l->pitch, p->in_channels, NULL, l->point};
    for (int32_t row = first; row < first + rows; row++) {
        copy_band(p, l, x, row, copy);
        row_inputs(l, &band, row, (int16_t *)(scratch + l->inputs), (place *)scratch, next);
    }
}

/* The blocks of output channels that are multiplied together. */
typedef struct set {
    const int16_t *weights;
    int32_t blocks;
    int32_t last; /* no weights follow */
    qrt_emit_place to;
} set;

/* Tiles [begin, end) of a group at all points. */
QRT_AVX512 static void multiply_points(const layout *l, const kinds *k, int32_t pairs, const set *s, uint8_t *scratch,
                                       int32_t begin, int32_t end) {
    int32_t all = k->of[0] + k->of[1] + k->of[2] + k->of[3];
    const int16_t *weights = s->weights;
    ptrdiff_t panel = (ptrdiff_t)pairs * 2 * QRT_LANES * s->blocks;
    for (int32_t i = 0; i < QRT_WINOGRAD_POINTS; i++, weights += panel) {
        int32_t whole_row = HAS(l->wide, i % 6), whole_column = HAS(l->high, i / 6);
        int32_t first = whole_row ? 0 : k->of[0];
        int32_t last = !whole_column ? k->of[0] + k->of[1] : whole_row ? all : all - k->of[3];
        if (first < begin) first = begin;
        if (last > end) last = end;
        if (first >= last) continue;
        product p = {(const int16_t *)(scratch + l->inputs) + i * l->point + (ptrdiff_t)first * l->depth,
                     l->depth,
                     pairs,
                     weights,
                     (int32_t *)(scratch + l->sums) + i * QRT_LANES + (first - begin) * l->tile,
                     l->tile,
                     NULL,
                     0};
        multiply_tiles(p, last - first, s->blocks, i == QRT_WINOGRAD_POINTS - 1 && s->last ? NULL : weights + panel);
    }
}

/* Puts out tiles [begin, end) of a group: as many at once as follow one another in a row. */
QRT_AVX512 static void put_out(const layout *l, const set *s, qrt_emitter e, const uint8_t *scratch, int32_t begin,
                               int32_t end) {
    QRT_ALIGNED int32_t acc[TABLE];
    const qrt_conv2d_params *p = e.p;
    const place *places = (const place *)scratch;
    const int32_t *sums = (const int32_t *)(scratch + l->sums), most = s->blocks < 3 ? 8 / s->blocks : 2;
    ptrdiff_t pitch = TABLE / 4, step = (ptrdiff_t)QRT_LANES * s->blocks;
    for (int32_t i = begin, count; i < end; i += count) {
        place at = places[i];
        int32_t image = at.row / l->rows, row = at.row % l->rows, high = row == l->rows - 1 ? l->high : 4;
        for (count = 0; count < most && i + count < end; count++, sums += l->tile) {
            place next = places[i + count];
            if (next.row != at.row || next.column != at.column + count) break;
            tile_sums(sums, s->blocks, acc + 4 * count * step, pitch, high,
                      next.column == l->columns - 1 ? l->wide : 4);
        }
        int32_t width = p->out_width - 4 * at.column < 4 * count ? p->out_width - 4 * at.column : 4 * count;
        for (int32_t y = 4 * row; y < 4 * row + high && y < p->out_height; y++) {
            ptrdiff_t position = ((ptrdiff_t)image * p->out_height + y) * p->out_width + 4 * at.column;
            const int32_t *from = acc + (y - 4 * row) * pitch;
            if (s->blocks == 4) emit_form(&e, from, width, s->to, position, 4);
            if (s->blocks == 3) emit_form(&e, from, width, s->to, position, 3);
            if (s->blocks == 2) emit_form(&e, from, width, s->to, position, 2);
            if (s->blocks == 1) emit_form(&e, from, width, s->to, position, 1);
        }
    }
}

QRT_AVX512 static void run_group(const qrt_emitter *e, const layout *l, const int8_t *x, int32_t first, int32_t rows,
                                 uint8_t *scratch) {
    const qrt_conv2d_params *p = e->p;
    const qrt_winograd *head = p->packed;
    const int32_t end = (qrt_part_end(p) + QRT_LANES - 1) / QRT_LANES, tiles = rows * l->columns;
    kinds k = count_kinds(l, first, rows);
    group_inputs(p, l, &k, x, first, rows, scratch);
    for (int32_t block = p->part.begin / QRT_LANES, blocks; block < end; block += blocks) {
        blocks = qrt_winograd_set(head->at_once, head->blocks, block);
        int32_t channel = block * QRT_LANES, left = p->out_channels - channel;
        set s = {qrt_winograd_weights(head) + block * qrt_winograd_block(head->pairs),
                 blocks,
                 block + blocks >= end,
                 {qrt_winograd_lanes(head) + block, channel, left < blocks * QRT_LANES ? left : blocks * QRT_LANES}};
        for (int32_t i = 0; i < tiles; i += l->at_once) {
            int32_t stop = tiles - i < l->at_once ? tiles : i + l->at_once;
            multiply_points(l, &k, head->pairs, &s, scratch, i, stop);
            put_out(l, &s, *e, scratch, i, stop);
        }
    }
}

static void winograd_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_conv2d_params *p = params;
    const layout l = layout_of(p);
    qrt_product form = {0};
    form.form = ((const qrt_winograd *)p->packed)->form;
    const qrt_emitter e = {p, &form, 0, 0, output};
    int32_t all = p->batch * l.rows;
    for (int32_t row = 0; row < all; row += l.group) {
        run_group(&e, &l, inputs[0], row, all - row < l.group ? all - row : l.group, scratch);
    }
}

static size_t winograd_packed_size(const void *params) { return qrt_winograd_size(params); }

static void winograd_pack(const void *params, void *packed) { qrt_winograd_pack(params, AT_ONCE, packed); }

static size_t winograd_scratch(const void *params) { return scratch_of_rows(params); }

static int winograd_covers(const void *params) {
    const qrt_conv2d_params *p = params;
    if (!qrt_winograd_has_shape(p) || (int64_t)p->out_width * p->in_channels > MOST_ENTRIES) return 0;
    const layout l = layout_of(p);
    return l.size <= MOST_SCRATCH && pays(p, &l) && qrt_winograd_is_exact(p);
}

const qrt_kernel qrt_winograd_avx512vnni = {.run = winograd_run,
                                            .packed_size = winograd_packed_size,
                                            .pack = winograd_pack,
                                            .scratch_size = winograd_scratch,
                                            .channel_unit = QRT_PRODUCT_UNIT,
                                            .covers = winograd_covers,
                                            .otherwise = &qrt_conv2d_thin_avx512};

#endif
