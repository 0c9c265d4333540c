/* conv2d.c: conv2d by tiles, with DOUBLE requantization. */
#include "arm/dsp/conv2d.h"

#include "arm/dsp/dsp.h"
#include "arm/dsp/gather.h"
#include "arm/dsp/tile_double.h"

/* The windows of a tile. */
typedef struct tile_windows {
    int32_t top[QRT_DSP_POSITIONS], left[QRT_DSP_POSITIONS];
    int32_t inside; /* all lie in the image */
} tile_windows;

/* Scratch: the column; the bytes left over of each position; and where windows reach over the image, a row of a window
 * for each position, and one outside. */
static int32_t tail_size(const qrt_dsp_window *w) { return qrt_dsp_words(w->rows * w->tail); }
static int32_t edge_size(const qrt_dsp_window *w) { return qrt_dsp_words(w->run); }

size_t qrt_dsp_conv2d_scratch(const void *params) {
    qrt_dsp_window w = qrt_dsp_window_of(params);
    size_t edges = qrt_dsp_window_padded(&w) ? (QRT_DSP_POSITIONS + 1) * (size_t)edge_size(&w) : 0;
    return QRT_DSP_POSITIONS * (2 * (size_t)qrt_dsp_window_size(&w) + (size_t)tail_size(&w)) + edges;
}

/* The windows from output position `first` on, with those at hand twice in place of missing ones. */
static tile_windows windows_at(const qrt_dsp_window *w, int32_t first) {
    static const uint8_t order[QRT_DSP_POSITIONS][QRT_DSP_POSITIONS] = {
        {0, 0, 0, 0}, {0, 1, 0, 1}, {0, 1, 1, 2}, {0, 1, 2, 3}};
    int32_t count = w->positions - first < QRT_DSP_POSITIONS ? w->positions - first : QRT_DSP_POSITIONS;
    tile_windows windows = {.inside = 1};
    for (int32_t i = 0; i < QRT_DSP_POSITIONS; i++) {
        int32_t position = first + order[count - 1][i], y = position / w->out_width;
        int32_t top = w->top + y * w->stride_y, left = w->left + (position - y * w->out_width) * w->step;
        windows.inside &= top >= 0 && left >= 0 && top + w->rows <= w->height && left + w->run <= w->pitch;
        windows.top[i] = top;
        windows.left[i] = left;
    }
    return windows;
}

/* Row `row` of window i; what lies outside is in `edge`. */
static const int8_t *row_of(const qrt_dsp_window *w, const tile_windows *windows, int32_t i, int32_t row,
                            const int8_t *image, int8_t *edge, int32_t zero_point) {
    int32_t y = windows->top[i] + row, left = windows->left[i], first = left < 0 ? -left : 0;
    int32_t last = left + w->run > w->pitch ? w->pitch - left : w->run;
    if (y < 0 || y >= w->height || last <= first) return edge + QRT_DSP_POSITIONS * edge_size(w);
    const int8_t *x = image + (ptrdiff_t)y * w->pitch;
    if (last - first == w->run) return x + left;
    edge += i * edge_size(w);
    memset(edge, zero_point, (size_t)w->run);
    memcpy(edge + first, x + left + first, (size_t)(last - first));
    return edge;
}

static void gather_windows(const qrt_dsp_window *w, const tile_windows *windows, const int8_t *image, uint32_t *column,
                           int32_t zero_point) {
    int8_t *tails = (int8_t *)(column + 2 * qrt_dsp_window_size(w)), *edge = tails + QRT_DSP_POSITIONS * tail_size(w);
    int32_t at_once = windows->inside ? w->rows : 1;
    qrt_dsp_rows rows = {.column = column, .size = w->main, .gap = w->pitch - w->main};
    for (int32_t row = 0; row < w->rows; row += at_once) {
        for (int32_t i = 0; i < QRT_DSP_POSITIONS; i++) {
            rows.x[i] = windows->inside ? image + (ptrdiff_t)windows->top[i] * w->pitch + windows->left[i]
                                        : row_of(w, windows, i, row, image, edge, zero_point);
        }
        if (w->main > 0) {
            rows.end = rows.column + 2 * at_once * w->main;
            qrt_dsp_gather(&rows);
            rows.column = rows.end;
        }
        for (int32_t i = 0; i < QRT_DSP_POSITIONS && w->tail > 0; i++) {
            const int8_t *x = rows.x[i] + w->main;
            int8_t *y = tails + i * tail_size(w) + row * w->tail;
            for (int32_t k = 0; k < at_once; k++, x += w->pitch) {
                for (int32_t j = 0; j < w->tail; j++) *y++ = x[j];
            }
        }
    }
    if (w->tail > 0) {
        for (int32_t i = 0; i < QRT_DSP_POSITIONS; i++) rows.x[i] = tails + i * tail_size(w);
        rows.size = tail_size(w);
        rows.end = rows.column + 2 * rows.size;
        qrt_dsp_gather(&rows);
    }
}

void qrt_dsp_conv2d(const qrt_conv2d_params *p, const int8_t *input, int8_t *output, void *scratch,
                    qrt_dsp_tile_function *run_tile) {
    qrt_dsp_window w = qrt_dsp_window_of(p);
    uint32_t *column = scratch;
    int32_t size = p->requant.wide ? p->out_channels * 4 : p->out_channels;
    qrt_dsp_tile tile = {.stride = size,
                         .column = column,
                         .column_end = column + 2 * qrt_dsp_window_size(&w),
                         .packed = p->packed,
                         .requant = &p->requant};
    memset(column, 0, qrt_dsp_conv2d_scratch(p));
    if (qrt_dsp_window_padded(&w)) {
        int8_t *outside = (int8_t *)scratch + qrt_dsp_conv2d_scratch(p) - edge_size(&w);
        memset(outside, p->x_zero_point, (size_t)w.run);
    }
    for (int32_t n = 0; n < p->batch; n++, input += (ptrdiff_t)w.height * w.pitch) {
        for (int32_t position = 0; position < w.positions; position += QRT_DSP_POSITIONS) {
            int32_t count = w.positions - position < QRT_DSP_POSITIONS ? w.positions - position : QRT_DSP_POSITIONS;
            tile_windows windows = windows_at(&w, position);
            gather_windows(&w, &windows, input, column, p->x_zero_point);
            tile.output = output;
            tile.end = output + p->out_channels;
            tile.stride = count > 1 ? size : 0;
            tile.second = (count - 2) * tile.stride;
            run_tile(&tile);
            output += count * size;
        }
    }
}

void qrt_conv2d_s8_dsp(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    qrt_dsp_conv2d(params, inputs[0], output, scratch, qrt_dsp_tile_double);
}
