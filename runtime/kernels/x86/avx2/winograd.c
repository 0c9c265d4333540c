/* SPDX-License-Identifier: Apache-2.0 */
/* winograd.c: conv2d with a 3x3 window and stride 1 by Winograd's F(4x4, 3x3) with AVX2, see x86/winograd.h.
 *
 * A group is some rows of tiles. Its inputs are widened and transformed; then, for each block of 16 channels, its tiles
 * are multiplied at each point, and the sums are transformed to accumulators and requantized. Weights are transformed
 * when they are packed if those of the network stay in the L2 cache. Otherwise 8 times the bytes would come from far
 * away, so they are packed as they are, and a few channels at a time are transformed before they are multiplied.
 *
 * Tiles are stored so that those with a point are neighbours: first the column of last tiles if it has fewer points,
 * then whole tiles, then the row of last tiles if it has fewer points, and what is in both at the end.
 */
#include "x86/avx2/winograd.h"
#include "x86/avx2/emit.h"
#include "x86/avx2/image.h"
#include "x86/avx2/winograd_transform.h"
#include "x86/product.h"
#include "x86/winograd_weights.h"

#ifdef QRT_X86

#define POINTS QRT_WINOGRAD_POINTS

/* Preferred size of a group's inputs and sums: part of the L2 cache. */
#define GROUP_SIZE (512 * 1024)
#define MOST_TILES 48

/* Limits: of scratch; of entries in a row of the output, so that sizes are no overflow. */
#define MOST_SCRATCH (1 << 20)
#define MOST_ENTRIES (1 << 19)

/* Pairs whose weights are transformed together: the result is part of the L1 cache. */
#define TAP_PAIRS 16

/* Points are no power of two apart: a cache would keep all of them in a few places. This is a line of it, in bytes. */
#define GAP 64

/* int16 from point to point of weights that are transformed when they are used. */
#define TAP_POINT (TAP_PAIRS * 2 * QRT_LANES + GAP / 2)

/* Tiles along an axis. */
typedef struct axis {
    int32_t tiles;
    int last; /* kind of the last */
} axis;

/* Layout of the scratch buffer. */
typedef struct layout {
    qrt_conv2d_params p; /* with whole tiles */
    axis rows, columns;
    int32_t rows_at_once;           /* of tiles */
    int32_t tiles;                  /* rows_at_once * columns */
    int32_t channels;               /* of a transformed tile: in_channels rounded up to whole registers */
    ptrdiff_t input_step, sum_step; /* entries from point to point */
    qrt_band band;
    size_t inputs, weights, sums, acc, size; /* offsets in scratch, and its size */
} layout;

/* Tiles of one group. */
typedef struct group {
    int32_t rows, columns;
    int32_t whole_rows, whole_columns; /* those without the last, if that has fewer points */
    int row_kind, column_kind;         /* of the last */
} group;

static axis axis_of(int32_t outputs) {
    static const int last[4] = {WINOGRAD_4, WINOGRAD_2, WINOGRAD_2, WINOGRAD_3};
    axis a = {(outputs + 3) / 4, last[outputs % 4]};
    return a;
}

static int32_t axis_outputs(axis a) { return 4 * (a.tiles - 1) + winograd_outputs(a.last); }

/* Rows of tiles, at most. */
static int32_t most_at_once(const layout *l) {
    int32_t size = POINTS * (l->channels * (int32_t)sizeof(int16_t) + QRT_LANES * (int32_t)sizeof(int32_t));
    int32_t tiles = GROUP_SIZE / size;
    if (tiles > MOST_TILES) tiles = MOST_TILES;
    int32_t rows = tiles / l->columns.tiles, all = l->rows.tiles;
    return rows < 1 ? 1 : rows > all ? all : rows;
}

/* All groups are of about one size. */
static int32_t rows_at_once(const layout *l) {
    int32_t rows = most_at_once(l), all = l->rows.tiles, groups = (all + rows - 1) / rows;
    return (all + groups - 1) / groups;
}

static layout layout_of(const qrt_conv2d_params *p) {
    layout l;
    l.p = *p;
    l.rows = axis_of(p->out_height);
    l.columns = axis_of(p->out_width);
    l.p.out_height = axis_outputs(l.rows);
    l.p.out_width = axis_outputs(l.columns);
    l.channels = (p->in_channels + 15) / 16 * 16;
    l.rows_at_once = rows_at_once(&l);
    l.tiles = l.rows_at_once * l.columns.tiles;
    l.input_step = (ptrdiff_t)l.tiles * l.channels + GAP / (ptrdiff_t)sizeof(int16_t);
    l.sum_step = (ptrdiff_t)l.tiles * QRT_LANES + GAP / (ptrdiff_t)sizeof(int32_t);
    l.band = qrt_band_of(&l.p, p->in_channels);
    qrt_band_set_height(&l.band, &l.p, 4 * l.rows_at_once);
    l.inputs = (l.band.size + 63) / 64 * 64;
    l.weights = l.inputs + POINTS * (size_t)l.input_step * sizeof(int16_t);
    l.sums = l.weights + POINTS * TAP_POINT * sizeof(int16_t);
    l.acc = l.sums + POINTS * (size_t)l.sum_step * sizeof(int32_t);
    l.size = l.acc + ((size_t)l.tiles * 16 + QRT_EMIT_ROWS) * QRT_LANES * sizeof(int32_t);
    return l;
}

static int32_t tile_index(const group *g, int32_t row, int32_t column) {
    int32_t tails = g->columns > g->whole_columns ? g->whole_rows : 0;
    if (column < g->whole_columns) return tails + row * g->whole_columns + column;
    return row < g->whole_rows ? row : g->rows * g->columns - 1;
}

static int row_kind(const group *g, int32_t row) { return row < g->whole_rows ? WINOGRAD_4 : g->row_kind; }

static int column_kind(const group *g, int32_t column) {
    return column < g->whole_columns ? WINOGRAD_4 : g->column_kind;
}

/* B' d B of a tile with inputs at x. */
QRT_AVX2 static void transform_inputs(const layout *l, const int16_t *x, int16_t *to, int rows, int columns) {
    ptrdiff_t pitch = l->band.pitch, channels = l->p.in_channels;
    int32_t count = winograd_outputs(columns) + 2;
    for (int32_t i = 0; i < l->channels; i += 16, x += 16, to += 16) {
        __m256i t[6][6];
        if (rows == WINOGRAD_4) winograd_inputs_columns(x, pitch, channels, count, t, WINOGRAD_4);
        if (rows == WINOGRAD_3) winograd_inputs_columns(x, pitch, channels, count, t, WINOGRAD_3);
        if (rows == WINOGRAD_2) winograd_inputs_columns(x, pitch, channels, count, t, WINOGRAD_2);
        if (columns == WINOGRAD_4) winograd_inputs_rows(t, rows, to, l->input_step, WINOGRAD_4);
        if (columns == WINOGRAD_3) winograd_inputs_rows(t, rows, to, l->input_step, WINOGRAD_3);
        if (columns == WINOGRAD_2) winograd_inputs_rows(t, rows, to, l->input_step, WINOGRAD_2);
    }
}

/* A' m A of a tile, without its factor. Points are `step` apart, lines of `acc` `line`. */
QRT_AVX2 static void transform_sums(const int32_t *sums, ptrdiff_t step, int rows, int columns, int32_t width,
                                    int32_t *acc, ptrdiff_t line) {
    for (int half = 0; half < QRT_LANES; half += 8, sums += 8, acc += 8) {
        __m256i s[4][6];
        if (rows == WINOGRAD_4) winograd_sums_columns(sums, step, columns, s, WINOGRAD_4);
        if (rows == WINOGRAD_3) winograd_sums_columns(sums, step, columns, s, WINOGRAD_3);
        if (rows == WINOGRAD_2) winograd_sums_columns(sums, step, columns, s, WINOGRAD_2);
        if (columns == WINOGRAD_4) winograd_sums_rows(s, rows, width, acc, line, WINOGRAD_4);
        if (columns == WINOGRAD_3) winograd_sums_rows(s, rows, width, acc, line, WINOGRAD_3);
        if (columns == WINOGRAD_2) winograd_sums_rows(s, rows, width, acc, line, WINOGRAD_2);
    }
}

/* All tiles of a group at all points that they have, for some pairs. Points of the weights are `point` apart. */
static void multiply_points(const layout *l, const group *g, const int16_t *x, int32_t pairs, const int16_t *weights,
                            ptrdiff_t point, int32_t *sums, int add, qrt_winograd_multiply *multiply) {
    int32_t tails = tile_index(g, 0, 0), above = g->whole_rows * g->columns, all = g->rows * g->columns;
    int32_t corner = g->rows > g->whole_rows && g->columns > g->whole_columns;
    for (int i = 0; i < 6; i++) {
        for (int j = 0; j < 6; j++, x += l->input_step, weights += point, sums += l->sum_step) {
            int32_t begin = 0, end = all;
            if (!winograd_has_point(g->column_kind, j)) begin = tails, end = all - corner;
            if (!winograd_has_point(g->row_kind, i)) end = above;
            if (begin == end) continue;
            multiply(x + (ptrdiff_t)begin * l->channels, l->channels, pairs, weights,
                     sums + (ptrdiff_t)begin * QRT_LANES, end - begin, add);
        }
    }
}

/* Weights of `pairs` pairs transformed: int16 [36][TAP_PAIRS][16][2], points TAP_POINT apart. */
QRT_AVX2 static void transform_taps(const int8_t *taps, int32_t pairs, int16_t *to) {
    const ptrdiff_t tap = QRT_WINOGRAD_CHANNELS * QRT_LANES;
    for (; pairs > 0; pairs -= QRT_WINOGRAD_CHANNELS / 2, taps += QRT_WINOGRAD_TAPS, to += tap) {
        for (int32_t i = 0; i < tap; i += 16) winograd_weights(taps + i, tap, to + i, TAP_POINT);
    }
}

/* The sums of one block. */
static void multiply_block(const layout *l, const group *g, uint8_t *scratch, int32_t block,
                           qrt_winograd_multiply *multiply) {
    const qrt_winograd *head = l->p.packed;
    const int16_t *x = (const int16_t *)(scratch + l->inputs);
    int16_t *weights = (int16_t *)(scratch + l->weights);
    int32_t *sums = (int32_t *)(scratch + l->sums);
    if (head->at_once > 0) {
        const int16_t *packed = qrt_winograd_weights(head) + block * qrt_winograd_block(head->pairs);
        multiply_points(l, g, x, head->pairs, packed, (ptrdiff_t)head->pairs * 2 * QRT_LANES, sums, 0, multiply);
        return;
    }
    const int8_t *taps = qrt_winograd_taps(head) + (ptrdiff_t)block * qrt_winograd_steps(&l->p) * QRT_WINOGRAD_TAPS;
    for (int32_t pair = 0; pair < head->pairs; pair += TAP_PAIRS) {
        int32_t pairs = head->pairs - pair < TAP_PAIRS ? head->pairs - pair : TAP_PAIRS;
        transform_taps(taps + pair / (QRT_WINOGRAD_CHANNELS / 2) * QRT_WINOGRAD_TAPS, pairs, weights);
        multiply_points(l, g, x + 2 * pair, pairs, weights, TAP_POINT, sums, pair > 0, multiply);
    }
}

/* The sums of all tiles to acc [rows][width][16]. */
static void gather_positions(const layout *l, const group *g, const int32_t *sums, int32_t width, int32_t *acc) {
    ptrdiff_t line = (ptrdiff_t)width * QRT_LANES;
    for (int32_t row = 0; row < g->rows; row++, acc += 4 * line) {
        for (int32_t column = 0; column < g->columns; column++) {
            const int32_t *from = sums + (ptrdiff_t)tile_index(g, row, column) * QRT_LANES;
            transform_sums(from, l->sum_step, row_kind(g, row), column_kind(g, column), width - 4 * column,
                           acc + 4 * column * QRT_LANES, line);
        }
    }
}

/* A group with inputs in the band; `positions` of its `width` columns are outputs. */
static void run_group(const layout *l, const qrt_emitter *e, uint8_t *scratch, const group *g, int32_t width,
                      int32_t positions, int8_t *output, qrt_winograd_multiply *multiply) {
    const int16_t *copy = (const int16_t *)scratch;
    int16_t *inputs = (int16_t *)(scratch + l->inputs);
    int32_t *sums = (int32_t *)(scratch + l->sums), *acc = (int32_t *)(scratch + l->acc);
    for (int32_t row = 0; row < g->rows; row++) {
        for (int32_t column = 0; column < g->columns; column++) {
            const int16_t *x = copy + 4 * (row * l->band.pitch + (ptrdiff_t)column * l->p.in_channels);
            int16_t *to = inputs + (ptrdiff_t)tile_index(g, row, column) * l->channels;
            transform_inputs(l, x, to, row_kind(g, row), column_kind(g, column));
        }
    }
    const qrt_lanes *lanes = qrt_winograd_lanes(l->p.packed);
    int32_t end = l->p.part.end > 0 ? l->p.part.end : l->p.out_channels;
    for (int32_t first = l->p.part.begin; first < end; first += QRT_LANES) {
        multiply_block(l, g, scratch, first / QRT_LANES, multiply);
        gather_positions(l, g, sums, width, acc);
        int32_t left = end - first;
        qrt_emit_place place = {lanes + first / QRT_LANES, first, left < QRT_LANES ? left : QRT_LANES, output};
        emit(e, acc, positions, place, 2);
    }
}

void qrt_winograd_run_avx2(const qrt_conv2d_params *p, const int8_t *image, int8_t *output, void *scratch,
                           qrt_winograd_multiply *multiply) {
    const layout l = layout_of(p);
    const qrt_winograd *head = p->packed;
    const qrt_emitter e = {&p->requant, p->out_channels, p->out_channels, head->form, QRT_ORDER_PLAIN};
    ptrdiff_t position_size = (ptrdiff_t)p->out_channels * (p->requant.wide ? 4 : 1);
    for (int32_t n = 0; n < p->batch; n++, image += (ptrdiff_t)p->in_height * p->in_width * p->in_channels) {
        for (int32_t row = 0; row < l.rows.tiles; row += l.rows_at_once) {
            int32_t left = l.rows.tiles - row, rows = left < l.rows_at_once ? left : l.rows_at_once;
            int32_t height = p->out_height - 4 * row < 4 * rows ? p->out_height - 4 * row : 4 * rows;
            int row_last = left > rows ? WINOGRAD_4 : l.rows.last, column_last = l.columns.last;
            group g = {rows,
                       l.columns.tiles,
                       rows - (row_last != WINOGRAD_4),
                       l.columns.tiles - (column_last != WINOGRAD_4),
                       row_last,
                       column_last};
            qrt_band_copy(&l.band, &l.p, image, 4 * row, 4 * (rows - 1) + winograd_outputs(row_last), scratch);
            run_group(&l, &e, scratch, &g, p->out_width, height * p->out_width, output, multiply);
            output += height * p->out_width * position_size;
        }
    }
}

/* The same for all rows as for those that are the largest group. */
size_t qrt_winograd_scratch_avx2(const void *params) {
    qrt_conv2d_params group = *(const qrt_conv2d_params *)params;
    const layout l = layout_of(&group);
    int32_t height = 4 * most_at_once(&l);
    if (height < group.out_height) group.out_height = height;
    return layout_of(&group).size;
}

/* Steps of all products: positions or points, times pairs, times registers of 8 channels. */
static int64_t direct_products(const qrt_conv2d_params *p) {
    int64_t positions = (int64_t)p->out_height * p->out_width * 9;
    return positions * qrt_winograd_pairs(p) * ((p->out_channels + 7) / 8);
}

static int32_t axis_points(axis a) { return axis_outputs(a) + 2 * a.tiles; }

/* Whether Winograd's form takes less than a direct convolution, as far as can be foreseen. Tests define
 * QRT_COSTS_NOTHING, to reach layers that it does not pay for. */
static int pays(const qrt_conv2d_params *p, const qrt_winograd_costs *costs, int32_t weights_cost) {
    const layout l = layout_of(p);
    int64_t blocks = qrt_winograd_blocks(p), weights = qrt_winograd_pairs(p) * blocks;
    int64_t points = (int64_t)axis_points(l.rows) * axis_points(l.columns);
    int64_t groups = (l.rows.tiles + l.rows_at_once - 1) / l.rows_at_once;
    int64_t of_point = costs->product * 2 * weights + costs->inputs * (l.channels / 16) + costs->sums * blocks;
    int64_t cost = points * of_point + groups * weights * weights_cost + costs->run;
#ifdef QRT_COSTS_NOTHING
    cost = 0;
#endif
    return cost < direct_products(p) * costs->direct;
}

static int fits(const qrt_conv2d_params *p) {
    return qrt_winograd_has_shape(p) && p->out_channels > 8 && (int64_t)p->out_width * p->in_channels <= MOST_ENTRIES &&
           layout_of(p).size <= MOST_SCRATCH;
}

int qrt_winograd_covers_avx2(const qrt_conv2d_params *p, const qrt_winograd_costs *costs) {
    return fits(p) && qrt_winograd_stays_near(p) && pays(p, costs, costs->transformed) && qrt_winograd_is_exact(p);
}

int qrt_winograd_taps_covers_avx2(const qrt_conv2d_params *p, const qrt_winograd_costs *costs) {
    return fits(p) && pays(p, costs, costs->taps) && qrt_winograd_is_exact(p);
}

size_t qrt_winograd_packed_size_avx2(const void *params) { return qrt_winograd_size(params); }

void qrt_winograd_pack_avx2(const void *params, void *packed) { qrt_winograd_pack(params, 1, packed); }

size_t qrt_winograd_taps_packed_size_avx2(const void *params) { return qrt_winograd_taps_size(params); }

void qrt_winograd_taps_pack_avx2(const void *params, void *packed) { qrt_winograd_pack_taps(params, packed); }

#endif
