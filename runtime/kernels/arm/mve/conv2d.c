/* SPDX-License-Identifier: Apache-2.0 */
/* conv2d.c: conv2d with Helium, of any window. */
#include "arm/mve/conv2d.h"

#include "arm/mve/mve.h"
#include "arm/mve/tile.h"

/* How to put pieces of less than 16 bytes, of which as many as possible are read at once. */
typedef struct scattering {
    uint8x16_t offsets;
    int32_t pieces;
} scattering;

static scattering scatter(const qrt_mve_rows *r, int32_t size) {
    uint8_t offsets[16];
    scattering result;
    result.pieces = size < 16 && r->column_step == 1 ? 16 / size : 1;
    /* Offsets are bytes. */
    while (result.pieces > 1 && (result.pieces - 1) * r->column + size > 256) result.pieces--;
    for (int32_t i = 0, piece = 0, at = 0; i < 16; i++, at++) {
        if (at == size && result.pieces > 1) piece++, at = 0;
        offsets[i] = (uint8_t)(piece * r->column + at);
    }
    result.offsets = vldrbq_u8(offsets);
    return result;
}

/* Copies `count` pieces of `size` bytes. */
static void place(const int8_t *x, int32_t x_step, int8_t *y, int32_t y_step, int32_t size, int32_t count,
                  scattering small) {
    for (; size >= 16; size -= 16, x += 16, y += 16) {
        const int8_t *from = x;
        int8_t *to = y;
        for (int32_t i = 0; i < count; i++, from += x_step, to += y_step) vstrbq_s8(to, vldrbq_s8(from));
    }
    if (size == 0) return;
    for (int32_t all = small.pieces * size, left = count * size; left > 0; left -= all) {
        mve_pred16_t p = vctp8q((uint32_t)(left < all ? left : all));
        vstrbq_scatter_offset_p_s8(y, small.offsets, vldrbq_z_s8(x, p), p);
        x += small.pieces * x_step;
        y += small.pieces * y_step;
    }
}

static void copy(const int8_t *x, int8_t *y, int32_t size) {
    for (; size > 0; size -= 16, x += 16, y += 16) {
        mve_pred16_t p = vctp8q((uint32_t)size);
        vstrbq_p_s8(y, vldrbq_z_s8(x, p), p);
    }
}

static void fill(int8_t *y, int32_t value, size_t size) {
    int8x16_t values = vdupq_n_s8((int8_t)value);
    for (size_t at = 0; at < size; at += 16) vstrbq_p_s8(y + at, values, vctp8q((uint32_t)(size - at)));
}

/* Fills the columns with what row `index` of output sees. */
static void look(const qrt_conv2d_params *p, const qrt_mve_rows *r, const int8_t *x, int32_t index, int8_t *columns,
                 const int8_t *blank, scattering small) {
    int32_t y = index % p->out_height * p->stride_y - p->pad_top;
    const int8_t *image = x + (ptrdiff_t)(index / p->out_height) * p->in_height * p->in_width * p->in_channels;
    for (int32_t row = 0; row < p->filter_height; row++, y++) {
        int8_t *to = columns + r->first * r->column + row * p->in_channels;
        int32_t inside = y >= 0 && y < p->in_height, step = r->column_step * p->in_channels;
        ptrdiff_t position = (ptrdiff_t)y * p->in_width + r->first * r->column_step - p->pad_left;
        place(inside ? image + position * p->in_channels : blank, inside ? step : 0, to, r->column, p->in_channels,
              r->last - r->first, small);
    }
}

void qrt_conv2d_s8_mve(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_conv2d_params *p = params;
    const qrt_mve_rows r = qrt_mve_rows_of(p);
    int8_t *columns = scratch, *blank = columns + qrt_mve_columns_size(&r);
    int32_t positions_left = p->batch * p->out_height * p->out_width;
    qrt_mve_tile tile;
    qrt_mve_begin(&tile, &p->requant, p->packed, r.size, p->out_channels);
    tile.x_step = r.x_step;
    if (r.blank > 0) fill(columns, p->x_zero_point, qrt_mve_columns_size(&r) + (size_t)r.blank);
    const scattering small = scatter(&r, p->in_channels);
    const int8_t *x = inputs[0];
    for (int32_t row = 0; row < r.rows; row++) {
        int32_t width = positions_left < r.width ? positions_left : r.width;
        if (r.flat) {
            copy(x, columns, width * r.column);
            x += width * r.column;
        } else {
            look(p, &r, inputs[0], row, columns, blank, small);
        }
        tile.x[0] = columns;
        tile.x[1] = columns + r.x_step;
        tile.y[0] = output;
        tile.y[1] = output + p->out_channels;
        tile.count = width / r.tile;
        if (tile.count > 0) (r.tile == 3 ? qrt_mve_three_short_positions : qrt_mve_two_positions)(&tile);
        tile.count = width % r.tile;
        if (tile.count > 0) qrt_mve_one_position(&tile);
        output += width * p->out_channels;
        positions_left -= width;
    }
}
