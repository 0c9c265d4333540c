/* SPDX-License-Identifier: Apache-2.0 */
/* conv2d_row.c: the rows of conv2d: what they cover, and packing. */
#include "arm/dsp/conv2d_row.h"

#include "arm/dsp/conv2d.h"
#include "arm/dsp/dsp.h"
#include "arm/dsp/pairs.h"
#include "portable/portable.h"

static qrt_dsp_channels channels_of(const qrt_conv2d_params *p, int32_t by_place) {
    qrt_dsp_channels channels = {.weights = p->weights,
                                 .requant = &p->requant,
                                 .count = p->out_channels,
                                 .size = p->filter_height * p->filter_width * p->in_channels,
                                 .x_zero_point = p->x_zero_point,
                                 .by_place = by_place,
                                 .int4 = p->int4};
    return channels;
}

int qrt_dsp_conv2d_covers(const qrt_conv2d_params *p, int32_t kind, int32_t by_place) {
    qrt_dsp_channels channels = channels_of(p, by_place);
    return p->groups == 1 && p->dilation_y == 1 && p->dilation_x == 1 && qrt_dsp_window_fits(p) &&
           qrt_dsp_pairs_cover(&channels, kind);
}

size_t qrt_dsp_conv2d_packed_size(const qrt_conv2d_params *p, int32_t kind) {
    qrt_dsp_window w = qrt_dsp_window_of(p);
    return qrt_dsp_pairs_words(p->out_channels, qrt_dsp_window_size(&w), kind) * sizeof(uint32_t);
}

/* Which weight meets place `place` of a column. */
static int32_t order(const void *window, int32_t place) {
    const qrt_dsp_window *w = window;
    if (place < w->rows * w->main) return place / w->main * w->run + place % w->main;
    place -= w->rows * w->main;
    return place < w->rows * w->tail ? place / w->tail * w->run + w->main + place % w->tail : -1;
}

void qrt_dsp_conv2d_pack(const qrt_conv2d_params *p, int32_t kind, int32_t by_place, uint32_t *packed) {
    qrt_dsp_window w = qrt_dsp_window_of(p);
    qrt_dsp_channels channels = channels_of(p, by_place);
    for (int32_t pair = 0; 2 * pair < p->out_channels; pair++) {
        packed = qrt_dsp_pack_pair(&channels, pair, kind, qrt_dsp_window_size(&w), order, &w, packed);
    }
}

static int covers(const void *params, int32_t kind) { return qrt_dsp_conv2d_covers(params, kind, 0); }
static size_t packed_size(const void *params, int32_t kind) { return qrt_dsp_conv2d_packed_size(params, kind); }
static void pack(const void *params, int32_t kind, void *packed) { qrt_dsp_conv2d_pack(params, kind, 0, packed); }

QRT_DSP_TILED(by_general, QRT_DSP_GENERAL)
QRT_DSP_TILED(by_single, QRT_DSP_SINGLE)
QRT_DSP_TILED(by_double, QRT_DSP_DOUBLE)
QRT_DSP_TILED(by_general_int4, QRT_DSP_GENERAL + QRT_DSP_INT4)
QRT_DSP_TILED(by_single_int4, QRT_DSP_SINGLE + QRT_DSP_INT4)
QRT_DSP_TILED(by_double_int4, QRT_DSP_DOUBLE + QRT_DSP_INT4)

#define ROW(kind_name, function, next)                                                                                 \
    QRT_DSP_TILED_ROW(kind_name, function, qrt_dsp_conv2d_scratch, QRT_READS_BY_POSITION, next)
static const qrt_kernel general = ROW(by_general, qrt_conv2d_s8_dsp_general, &qrt_conv2d_portable);
static const qrt_kernel single = ROW(by_single, qrt_conv2d_s8_dsp_single, &general);
static const qrt_kernel any = ROW(by_double, qrt_conv2d_s8_dsp, &single);
static const qrt_kernel general_int4 = ROW(by_general_int4, qrt_conv2d_s8_dsp_general_int4, &any);
static const qrt_kernel single_int4 = ROW(by_single_int4, qrt_conv2d_s8_dsp_single_int4, &general_int4);
const qrt_kernel qrt_conv2d_dsp = ROW(by_double_int4, qrt_conv2d_s8_dsp_int4, &single_int4);
