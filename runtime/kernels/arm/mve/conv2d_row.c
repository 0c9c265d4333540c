/* SPDX-License-Identifier: Apache-2.0 */
/* conv2d_row.c: which conv2d the mve set runs, and what is done before. */
#include "arm/mve/conv2d.h"
#include "arm/mve/mve.h"
#include "arm/mve/requantize_row.h"
#include "arm/mve/tile_row.h"
#include "portable/portable.h"

static qrt_mve_filter filter_of(const qrt_conv2d_params *p) {
    qrt_mve_filter filter = {p->filter_height, p->filter_width, p->in_channels};
    return filter;
}

/* Whether what one row of output sees has a size that no sum below exceeds. */
static int is_row_small(const qrt_conv2d_params *p) {
    int64_t columns = (int64_t)p->out_width * p->stride_x + p->filter_width;
    int64_t column = (int64_t)p->filter_height * p->in_channels;
    return columns < 1 << 24 && column < 1 << 24 && columns * column < 1 << 30;
}

static int covers(const void *params) {
    const qrt_conv2d_params *p = params;
    return p->groups == 1 && p->dilation_y == 1 && p->dilation_x == 1 && is_row_small(p) &&
           qrt_mve_covers(&p->requant, p->out_channels, qrt_mve_filter_size(filter_of(p)));
}

static size_t packed_size(const void *params) {
    const qrt_conv2d_params *p = params;
    return qrt_mve_packed_size(&p->requant, p->out_channels, filter_of(p));
}

static void pack(const void *params, void *packed) {
    const qrt_conv2d_params *p = params;
    qrt_mve_weights weights = {p->weights, p->int4};
    qrt_mve_pack(&p->requant, p->out_channels, filter_of(p), weights, p->x_zero_point, packed);
}

static size_t rows_size(const qrt_conv2d_params *p) {
    const qrt_mve_rows rows = qrt_mve_rows_of(p);
    return qrt_mve_columns_size(&rows) + (size_t)rows.blank;
}

/* The rows between those that see padding may be flat where all rows are not. */
static size_t scratch_size(const void *params) {
    qrt_conv2d_params inside = *(const qrt_conv2d_params *)params;
    size_t all = rows_size(&inside);
    inside.pad_top = 0;
    inside.in_height = inside.out_height;
    size_t between = rows_size(&inside);
    return all > between ? all : between;
}

const qrt_kernel qrt_conv2d_mve = {.run = qrt_conv2d_s8_mve,
                                   .packed_size = packed_size,
                                   .pack = pack,
                                   .scratch_size = scratch_size,
                                   .reading = QRT_READS_BY_POSITION,
                                   .name = "qrt_conv2d_s8_mve",
                                   .covers = covers,
                                   .otherwise = &qrt_conv2d_portable,
                                   .int4 = 1,
                                   .packs_all = 1};
