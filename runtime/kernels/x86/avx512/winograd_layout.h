/* SPDX-License-Identifier: Apache-2.0 */
/* winograd_layout.h: how avx512/winograd.c divides a convolution, and whether it is faster than a direct one. */
#ifndef QRT_AVX512_WINOGRAD_LAYOUT_H
#define QRT_AVX512_WINOGRAD_LAYOUT_H

#include "x86/avx512/winograd_transforms.h"

#ifdef QRT_X86

#include <cpuid.h>

/* Bytes of inputs and sums of a group that leave the L2 cache room for weights; tiles of a group that weights are worth
 * reading for, and that are enough. */
#define GROUP_SIZE (400 * 1024)
#define LEAST_TILES 12
#define MOST_TILES 48
/* A whole batch that is small is one group. */
#define WHOLE_SIZE (768 * 1024)
#define WHOLE_TILES 24

/* int16 and int32 between points and tiles, so that they do not all begin at the same place of the L1 cache. */
#define GAP 64

/* Blocks of output channels that are multiplied together, at most. */
#define AT_ONCE 4

/* A tile of a group: its row, of all images, and column. */
typedef struct place {
    int32_t row, column;
} place;

typedef struct layout {
    int32_t columns, rows;     /* of tiles, of an image */
    int32_t wide, high;        /* outputs of the last tile of a row, of a column: 2 to 4 */
    int32_t group;             /* rows of tiles */
    int32_t tiles, at_once;    /* of a group; of them, how many are multiplied together */
    int32_t depth;             /* int16 of a tile at a point */
    ptrdiff_t pitch;           /* bytes of a padded row of inputs */
    ptrdiff_t point, tile;     /* int16 from point to point of inputs; int32 from tile to tile of sums */
    size_t inputs, sums, size; /* offsets in scratch, which begins with places and a band; its size */
    size_t band;
} layout;

/* Outputs of the last tile along an axis. One output is computed as two. */
static int32_t tail_of(int32_t outs) { return outs % 4 == 0 ? 4 : outs % 4 == 1 ? 2 : outs % 4; }

/* How many of `count` to take at once, at most `most`, so that all but the last time it is the same and that not
 * much less. */
static int32_t even(int32_t count, int32_t most) {
    if (most < 1) most = 1;
    int32_t times = (count + most - 1) / most;
    return (count + times - 1) / times;
}

static layout layout_of(const qrt_conv2d_params *p) {
    layout l;
    int32_t blocks = qrt_winograd_blocks(p), channels = p->in_channels;
    int32_t sums = QRT_WINOGRAD_POINTS * QRT_LANES * (blocks < AT_ONCE ? blocks : AT_ONCE);
    l.columns = (p->out_width + 3) / 4;
    l.rows = (p->out_height + 3) / 4;
    l.wide = tail_of(p->out_width);
    l.high = tail_of(p->out_height);
    l.depth = channels <= WIDE / 2 ? WIDE / 2 : (channels + WIDE - 1) / WIDE * WIDE;
    l.pitch = (ptrdiff_t)(4 * l.columns + l.wide - 2) * channels;
    int64_t each = QRT_WINOGRAD_POINTS * 2 * (int64_t)l.depth + 4 * sums, all = (int64_t)p->batch * l.rows * l.columns;
    int64_t most = GROUP_SIZE / each;
    if (most < LEAST_TILES) most = LEAST_TILES;
    if (most > MOST_TILES) most = MOST_TILES;
    if (all <= WHOLE_TILES && all * each <= WHOLE_SIZE) most = all;
    l.group = even(p->batch * l.rows, (int32_t)most / l.columns);
    l.tiles = l.group * l.columns;
    l.at_once = even(l.tiles, (int32_t)most);
    l.point = (ptrdiff_t)(l.tiles + 1) * l.depth + GAP / 2;
    l.tile = sums + GAP / 4;
    l.band = ((size_t)l.tiles * sizeof(place) + 63) / 64 * 64;
    l.inputs = (l.band + 6 * (size_t)l.pitch + 64 + 63) / 64 * 64;
    l.sums = l.inputs + QRT_WINOGRAD_POINTS * (size_t)l.point * sizeof(int16_t);
    l.size = l.sums + (size_t)(l.at_once + 1) * (size_t)l.tile * sizeof(int32_t);
    return l;
}

/* What any rows of a convolution need, of which some can be a larger group than those of all. A group that is not the
 * whole has at most MOST_TILES, or is a row. */
static size_t scratch_of_rows(const qrt_conv2d_params *p) {
    const layout l = layout_of(p);
    int32_t all = p->batch * l.rows, most = MOST_TILES / l.columns;
    qrt_conv2d_params some = *p;
    size_t size = l.size;
    some.batch = 1;
    for (int32_t rows = 1; rows <= all && (rows <= most || rows == 1); rows++) {
        some.out_height = 4 * rows;
        size_t needed = layout_of(&some).size;
        if (needed > size) size = needed;
    }
    return size;
}

/* The cost of a convolution is counted in vector operations, additions or the like, of which as many are done as a core
 * can. Numbers were fitted to the times of 150 layers on a Sapphire Rapids core; bench/winograd.py compares. */

/* What a product costs. AMD's cores with VNNI add twice as many registers in a cycle as they multiply. */
static int32_t product_cost(void) {
    uint32_t eax, ebx, ecx, edx;
    const uint32_t amd = 0x68747541; /* "Auth", of AuthenticAMD */
    return __get_cpuid(0, &eax, &ebx, &ecx, &edx) && ebx == amd ? 2 : 1;
}

/* 64 bytes of weights are read in the time of this many operations, from the L3 cache or the L2. */
static int32_t line_cost(int near, int32_t product) { return near ? 5 : product == 2 ? 20 : 14; }

static int64_t direct_cost(const qrt_conv2d_params *p, int32_t product) {
    int64_t positions = (int64_t)p->batch * p->out_height * p->out_width, blocks = qrt_winograd_blocks(p);
    int64_t products = positions * ((9 * (int64_t)p->in_channels + 3) / 4) * blocks;
    int64_t lines = qrt_winograd_stays_near(p) ? 0 : 9 * (int64_t)p->in_channels * blocks / 4;
    return products * product * 96 / 100 + positions * blocks * 6 + positions * p->in_channels * 2 / 5 + lines * 11 +
           1500;
}

/* Outputs of 4, 3 or 2 have 6, 5 or 4 points. Weights are read while others are multiplied, but for some of those that
 * come from far. */
static int64_t winograd_cost(const qrt_conv2d_params *p, const layout *l, int32_t product) {
    const int near = qrt_winograd_stays_near(p);
    int64_t points = (int64_t)(6 * l->columns - 4 + l->wide) * (6 * l->rows - 4 + l->high) * p->batch;
    int64_t outputs = (int64_t)(4 * l->columns - 4 + l->wide) * (4 * l->rows - 4 + l->high) * p->batch;
    int64_t groups = ((int64_t)p->batch * l->rows + l->group - 1) / l->group, blocks = qrt_winograd_blocks(p);
    int64_t sets = (blocks + AT_ONCE - 1) / AT_ONCE;
    int64_t multiply = points * product * 11 / 10, read = groups * QRT_WINOGRAD_POINTS * line_cost(near, product);
    int64_t both = (multiply > read ? multiply : read) + (near ? 0 : QRT_WINOGRAD_POINTS);
    return both * qrt_winograd_pairs(p) * blocks + (4 * points + 16 * outputs) * blocks + points * l->depth / 3 +
           groups * sets * QRT_WINOGRAD_POINTS * 77 + 650;
}

/* By 5 % at least: a model is not exact. Tests define QRT_COSTS_NOTHING, to reach layers that it does not pay for. */
static int pays(const qrt_conv2d_params *p, const layout *l) {
    int32_t product = product_cost();
    int faster = winograd_cost(p, l, product) * 105 < direct_cost(p, product) * 100;
#ifdef QRT_COSTS_NOTHING
    faster = 1;
#endif
    return faster;
}

#endif
#endif
