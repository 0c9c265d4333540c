/* SPDX-License-Identifier: Apache-2.0 */
/* linear_row.c: the rows of linear: what they cover, and packing. */
#include "arm/dsp/dsp.h"
#include "arm/dsp/linear.h"
#include "arm/dsp/pairs.h"

static qrt_dsp_channels channels_of(const qrt_linear_params *p) {
    qrt_dsp_channels channels = {.weights = p->weights,
                                 .requant = &p->requant,
                                 .count = p->out_features,
                                 .size = p->in_features,
                                 .x_zero_point = p->x_zero_point,
                                 .int4 = p->int4};
    return channels;
}

static int covers(const void *params, int32_t kind) {
    qrt_dsp_channels channels = channels_of(params);
    return qrt_dsp_pairs_cover(&channels, kind);
}

static int has_one_feature(const void *params) {
    const qrt_linear_params *p = params;
    return p->out_features == 1 && !p->int4;
}

static size_t packed_size(const void *params, int32_t kind) {
    const qrt_linear_params *p = params;
    return qrt_dsp_pairs_words(p->out_features, qrt_dsp_linear_places(p), kind) * sizeof(uint32_t);
}

static int32_t order(const void *params, int32_t place) {
    return place < ((const qrt_linear_params *)params)->in_features ? place : -1;
}

static void pack(const void *params, int32_t kind, uint32_t *packed) {
    const qrt_linear_params *p = params;
    qrt_dsp_channels channels = channels_of(p);
    for (int32_t pair = 0; 2 * pair < p->out_features; pair++) {
        packed = qrt_dsp_pack_pair(&channels, pair, kind, qrt_dsp_linear_places(p), order, p, packed);
    }
}

static size_t scratch_size(const void *params) {
    const qrt_linear_params *p = params;
    return (size_t)(p->rows < QRT_DSP_POSITIONS ? 1 : QRT_DSP_POSITIONS) * 2 * (size_t)qrt_dsp_linear_places(p);
}

QRT_DSP_TILED(by_general, QRT_DSP_GENERAL)
QRT_DSP_TILED(by_single, QRT_DSP_SINGLE)
QRT_DSP_TILED(by_double, QRT_DSP_DOUBLE)
QRT_DSP_TILED(by_general_int4, QRT_DSP_GENERAL + QRT_DSP_INT4)
QRT_DSP_TILED(by_single_int4, QRT_DSP_SINGLE + QRT_DSP_INT4)
QRT_DSP_TILED(by_double_int4, QRT_DSP_DOUBLE + QRT_DSP_INT4)

/* The general one covers all. */
#define ROW(kind_name, function, next) QRT_DSP_TILED_ROW(kind_name, function, scratch_size, QRT_READS_BY_ROW, next)
static const qrt_kernel general = ROW(by_general, qrt_linear_s8_dsp_general, NULL);
static const qrt_kernel single = ROW(by_single, qrt_linear_s8_dsp_single, &general);
static const qrt_kernel any = ROW(by_double, qrt_linear_s8_dsp, &single);
static const qrt_kernel general_int4 = ROW(by_general_int4, qrt_linear_s8_dsp_general_int4, &any);
static const qrt_kernel single_int4 = ROW(by_single_int4, qrt_linear_s8_dsp_single_int4, &general_int4);
static const qrt_kernel tiled = ROW(by_double_int4, qrt_linear_s8_dsp_int4, &single_int4);
const qrt_kernel qrt_linear_dsp = {
    .run = qrt_linear_s8_dsp_one,
    .name = "qrt_linear_s8_dsp_one",
    .covers = has_one_feature,
    .otherwise = &tiled,
    .int4 = 1,
};
