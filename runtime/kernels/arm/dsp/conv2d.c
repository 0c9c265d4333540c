/* SPDX-License-Identifier: Apache-2.0 */
/* conv2d.c: conv2d by tiles, with DOUBLE requantization. */
#include "arm/dsp/conv2d.h"

#include "arm/dsp/dsp.h"
#include "arm/dsp/gather.h"
#include "arm/dsp/requant.h"
#include "arm/dsp/tile_double.h"

/* Scratch: the column; the bytes left over of each position; and where windows reach over the image, a row of a window
 * for each position, and one that lies outside. */
static int32_t tail_size(const qrt_dsp_window *w) { return qrt_dsp_words(w->rows * w->tail); }
static int32_t edge_size(const qrt_dsp_window *w) { return qrt_dsp_words(w->run); }
/* The most positions that are computed at once: a tile is of one image. */
static int32_t at_once(const qrt_dsp_window *w) { return w->positions < QRT_DSP_POSITIONS ? 1 : QRT_DSP_POSITIONS; }

size_t qrt_dsp_conv2d_scratch(const void *params) {
    qrt_dsp_window w = qrt_dsp_window_of(params);
    size_t edges = qrt_dsp_window_padded(&w) ? (QRT_DSP_POSITIONS + 1) * (size_t)edge_size(&w) : 0;
    return (size_t)at_once(&w) * (2 * (size_t)qrt_dsp_window_size(&w) + (size_t)tail_size(&w)) + edges;
}

/* The windows of a tile, and what is known while it is gathered. */
typedef struct tile_windows {
    const qrt_dsp_window *w;
    const int8_t *image;
    int8_t *tails, *edges;
    int32_t count, zero_point;
    int32_t top[QRT_DSP_POSITIONS], left[QRT_DSP_POSITIONS];
    qrt_dsp_rows rows;
} tile_windows;

/* The windows from output position (y, x) on. Returns whether all lie in the image; then the rows begin at their
 * first. */
static int place(tile_windows *t, int32_t y, int32_t x) {
    const qrt_dsp_window *w = t->w;
    int32_t top = w->top + y * w->stride_y, left = w->left + x * w->step, inside = 1;
    for (int32_t i = 0; i < t->count; i++) {
        int32_t within = top >= 0 && left >= 0 && top + w->rows <= w->height && left + w->run <= w->pitch;
        t->top[i] = top;
        t->left[i] = left;
        t->rows.x[i] = within ? t->image + (ptrdiff_t)top * w->pitch + left : t->image;
        inside &= within;
        left += w->step;
        if (++x == w->out_width) {
            x = 0;
            left = w->left;
            top += w->stride_y;
        }
    }
    return inside;
}

/* The same for windows side by side in the image, which are most of all. Returns 0 if they do not lie so. */
static int place_inside(tile_windows *t, int32_t y, int32_t x) {
    const qrt_dsp_window *w = t->w;
    int32_t top = w->top + y * w->stride_y, left = w->left + x * w->step, step = w->step;
    int32_t last = left + (t->count - 1) * step;
    if (top < 0 || left < 0 || top + w->rows > w->height || last + w->run > w->pitch) return 0;
    if (x + t->count > w->out_width) return 0;
    const int8_t *first = t->image + (ptrdiff_t)top * w->pitch + left;
    for (int32_t i = 0; i < t->count; i++, first += step) t->rows.x[i] = first;
    return 1;
}

/* Row `row` of window i, or a copy of it where a part lies outside. */
static const int8_t *row_of(const tile_windows *t, int32_t i, int32_t row) {
    const qrt_dsp_window *w = t->w;
    int32_t y = t->top[i] + row, left = t->left[i], right = left + w->run;
    const int8_t *x = t->image + (ptrdiff_t)y * w->pitch;
    int8_t *edge = t->edges + i * edge_size(w);
    if (y < 0 || y >= w->height || right <= 0 || left >= w->pitch) return t->edges + QRT_DSP_POSITIONS * edge_size(w);
    if (left >= 0 && right <= w->pitch) return x + left;
    int32_t first = left < 0 ? 0 : left, last = right < w->pitch ? right : w->pitch;
    memset(edge, t->zero_point, (size_t)w->run);
    memcpy(edge + first - left, x + first, (size_t)(last - first));
    return edge;
}

/* The next `count` rows of all windows. */
static void gather_rows(tile_windows *t, int32_t count) {
    const qrt_dsp_window *w = t->w;
    qrt_dsp_rows *rows = &t->rows;
    if (t->count > 1) {
        rows->count = count;
        qrt_dsp_gather(rows);
        return;
    }
    for (const int8_t *x = rows->x[0]; count > 0; count--, x += w->pitch) {
        rows->column = qrt_dsp_gather_one(x, w->main, rows->column, 1);
        for (int32_t i = 0; i < w->tail; i++) *rows->tails++ = x[w->main + i];
    }
}

static void gather_tails(tile_windows *t) {
    qrt_dsp_rows rows = {.column = t->rows.column, .size = t->rows.tail_size, .count = 1};
    if (t->count == 1) {
        qrt_dsp_gather_one(t->tails, rows.size, rows.column, 1);
        return;
    }
    for (int32_t i = 0; i < QRT_DSP_POSITIONS; i++) rows.x[i] = t->tails + i * rows.size;
    qrt_dsp_gather(&rows);
}

static void gather_windows(tile_windows *t, int32_t y, int32_t x) {
    if (place_inside(t, y, x) || place(t, y, x)) {
        gather_rows(t, t->w->rows);
    } else {
        for (int32_t row = 0; row < t->w->rows; row++) {
            for (int32_t i = 0; i < t->count; i++) t->rows.x[i] = row_of(t, i, row);
            gather_rows(t, 1);
        }
    }
    if (t->w->tail > 0) gather_tails(t);
}

void qrt_dsp_conv2d(const qrt_conv2d_params *p, const int8_t *input, int8_t *output, void *scratch,
                    const qrt_dsp_tiles *tiles) {
    const qrt_dsp_window w = qrt_dsp_window_of(p);
    uint32_t *column = scratch;
    int32_t words = qrt_dsp_window_size(&w) / 2, y = 0, x = 0, stride = p->out_channels;
    int32_t positions = p->batch * w.positions;
    int8_t *first = output;
    tile_windows t = {.w = &w, .image = input, .zero_point = p->x_zero_point};
    qrt_dsp_tile tile = {.stride = p->requant.wide ? 4 * stride : stride, .column = column, .packed = p->packed};
    tile.requant = &p->requant;
    t.tails = (int8_t *)(column + at_once(&w) * words);
    t.edges = t.tails + at_once(&w) * tail_size(&w);
    t.rows.size = w.main;
    t.rows.gap = w.pitch - w.run;
    t.rows.tail = w.tail;
    t.rows.tail_size = tail_size(&w);
    if (qrt_dsp_window_padded(&w)) memset(t.edges + QRT_DSP_POSITIONS * edge_size(&w), t.zero_point, (size_t)w.run);
    for (int32_t left = positions; left > 0; left -= t.count) {
        int32_t rest = w.positions - y * w.out_width - x;
        t.count = rest < QRT_DSP_POSITIONS ? 1 : QRT_DSP_POSITIONS;
        t.rows.column = column;
        t.rows.tails = t.tails;
        gather_windows(&t, y, x);
        tile.output = output;
        tile.end = output + p->out_channels;
        tile.column_end = column + t.count * words;
        if (tiles->before != NULL) tiles->before(&tile, column, t.count);
        (t.count == 1 ? tiles->one : tiles->four)(&tile);
        output += (ptrdiff_t)t.count * tile.stride;
        for (x += t.count; x >= w.out_width; x -= w.out_width) y++;
        if (rest == t.count) {
            y = x = 0;
            t.image += (ptrdiff_t)w.height * w.pitch;
        }
    }
    qrt_dsp_clamp(&p->requant, first, (ptrdiff_t)positions * stride);
}

void qrt_conv2d_s8_dsp(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    qrt_dsp_conv2d(params, inputs[0], output, scratch, &qrt_dsp_tiles_double);
}
