/* SPDX-License-Identifier: Apache-2.0 */
/* rows16.c: the rows of conv2d and linear with int16 codes: what they cover, and packing. */
#include "arm/dsp/dsp.h"
#include "arm/dsp/pairs16.h"
#include "arm/dsp/tile.h"
#include "arm/dsp/words16.h"
#include "portable/portable.h"

static qrt_dsp_channels conv2d_channels(const qrt_conv2d_params *p) {
    qrt_dsp_channels channels = {.weights = p->weights,
                                 .requant = &p->requant,
                                 .count = p->out_channels,
                                 .size = p->filter_height * p->filter_width * p->in_channels,
                                 .x_zero_point = p->x_zero_point};
    return channels;
}

/* What lies side by side in a row, with its padding, has places in 32 bits. */
static int covers_conv2d(const void *params) {
    const qrt_conv2d_params *p = params;
    qrt_dsp_channels channels = conv2d_channels(p);
    int64_t columns = (int64_t)p->out_width * p->stride_x + p->pad_left + p->filter_width;
    return p->x_int16 && p->groups == 1 && p->dilation_y == 1 && p->dilation_x == 1 &&
           columns * p->in_channels <= 1 << 30 && qrt_dsp_pairs16_cover(&channels);
}

static int32_t conv2d_words(const qrt_conv2d_params *p) {
    return qrt_dsp_words16(p->filter_height, p->filter_width * p->in_channels);
}

static size_t conv2d_packed_size(const void *params) {
    const qrt_conv2d_params *p = params;
    return qrt_dsp_pairs16_size(p->out_channels, conv2d_words(p));
}

static void pack_conv2d(const void *params, void *packed) {
    const qrt_conv2d_params *p = params;
    qrt_dsp_channels channels = conv2d_channels(p);
    qrt_dsp_pairs16_pack(&channels, p->filter_height, p->filter_width * p->in_channels, packed);
}

static size_t conv2d_scratch(const void *params) {
    return QRT_DSP_POSITIONS * sizeof(uint32_t) * (size_t)conv2d_words(params);
}

const qrt_kernel qrt_conv2d16_dsp = {.run = qrt_conv2d16_s8_dsp,
                                     .packed_size = conv2d_packed_size,
                                     .pack = pack_conv2d,
                                     .scratch_size = conv2d_scratch,
                                     .name = "qrt_conv2d16_s8_dsp",
                                     .covers = covers_conv2d,
                                     .otherwise = &qrt_conv2d16_portable,
                                     .packs_all = 1};

static qrt_dsp_channels linear_channels(const qrt_linear_params *p) {
    qrt_dsp_channels channels = {.weights = p->weights,
                                 .requant = &p->requant,
                                 .count = p->out_features,
                                 .size = p->in_features,
                                 .x_zero_point = p->x_zero_point};
    return channels;
}

static int covers_linear(const void *params) {
    const qrt_linear_params *p = params;
    qrt_dsp_channels channels = linear_channels(p);
    return p->x_int16 && qrt_dsp_pairs16_cover(&channels);
}

static size_t linear_packed_size(const void *params) {
    const qrt_linear_params *p = params;
    return qrt_dsp_pairs16_size(p->out_features, qrt_dsp_words16(1, p->in_features));
}

static void pack_linear(const void *params, void *packed) {
    const qrt_linear_params *p = params;
    qrt_dsp_channels channels = linear_channels(p);
    qrt_dsp_pairs16_pack(&channels, 1, p->in_features, packed);
}

static size_t linear_scratch(const void *params) {
    const qrt_linear_params *p = params;
    int32_t positions = p->rows < QRT_DSP_POSITIONS ? 1 : QRT_DSP_POSITIONS;
    return (size_t)positions * sizeof(uint32_t) * (size_t)qrt_dsp_words16(1, p->in_features);
}

const qrt_kernel qrt_linear16_dsp = {.run = qrt_linear16_s8_dsp,
                                     .packed_size = linear_packed_size,
                                     .pack = pack_linear,
                                     .scratch_size = linear_scratch,
                                     .name = "qrt_linear16_s8_dsp",
                                     .covers = covers_linear,
                                     .otherwise = &qrt_linear16_portable,
                                     .packs_all = 1};
