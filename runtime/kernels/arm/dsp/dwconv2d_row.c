/* SPDX-License-Identifier: Apache-2.0 */
/* dwconv2d_row.c: which operators the kernels of dwconv2d cover, and what they pack. */
#include "arm/dsp/channels.h"
#include "arm/dsp/depthwise.h"
#include "arm/dsp/depthwise_planes.h"
#include "arm/dsp/depthwise_taps.h"
#include "arm/dsp/dsp.h"

static qrt_dsp_channels channels_of(const qrt_conv2d_params *p) {
    qrt_dsp_channels channels = {.weights = p->weights,
                                 .requant = &p->requant,
                                 .count = p->out_channels,
                                 .size = p->filter_height * p->filter_width,
                                 .x_zero_point = p->x_zero_point,
                                 .by_place = 1,
                                 .int4 = p->int4};
    return channels;
}

static int covers_channel(const qrt_dsp_channels *c, int32_t channel) {
    qrt_dsp_bounds b = qrt_dsp_bounds_of(c, channel);
    if (c->requant->rounding == 1) return qrt_dsp_power_of(c, channel, b) != 0;
    return qrt_dsp_single_covers(c->requant, channel, b.least, b.most, 0);
}

/* Four channels at a time, with requantization in three instructions; a clamp comes after it. */
static int covers(const qrt_conv2d_params *p, int32_t rounding) {
    if (p->in_channels != p->out_channels || p->in_channels < 4) return 0;
    if (p->requant.wide || p->requant.rounding != rounding) return 0;
    qrt_dsp_channels channels = channels_of(p);
    for (int32_t c = 0; c < p->out_channels; c++) {
        if (!covers_channel(&channels, c)) return 0;
    }
    return 1;
}

/* A row whose records fit a microcontroller's memory. */
static int row_fits(const qrt_conv2d_params *p) { return p->out_width <= 1 << 12; }

static int is_3x3(const qrt_conv2d_params *p) {
    return row_fits(p) && p->filter_height == 3 && p->filter_width == 3 && p->stride_y == 1 && p->stride_x == 1 &&
           p->dilation_y == 1 && p->dilation_x == 1;
}

static int covers_double(const void *params) { return covers(params, 1); }
static int covers_single(const void *params) { return covers(params, 0); }
static int covers_general(const void *params) {
    const qrt_conv2d_params *p = params;
    return p->in_channels == p->out_channels && p->in_channels >= 4 && !p->requant.wide;
}
static int covers_3x3(const void *params) { return is_3x3(params) && covers(params, 1); }
static int covers_3x3_single(const void *params) { return is_3x3(params) && covers(params, 0); }
static int covers_3x3_kept(const void *params) {
    return qrt_dsp_depthwise_planes_are_kept(params) && covers_3x3(params);
}
static int covers_3x3_single_kept(const void *params) {
    return qrt_dsp_depthwise_planes_are_kept(params) && covers_3x3_single(params);
}

/* What a sum begins with: what the zero point of x contributes and, but for general requantization, the bias. */
static uint32_t first_sum(const qrt_dsp_channels *c, int32_t channel, int general) {
    uint32_t sum = qrt_dsp_zero_point_part(c, channel);
    if (general) return sum;
    if (c->requant->rounding == 1) return sum + (uint32_t)qrt_dsp_bias(c, channel);
    return sum + (uint32_t)qrt_dsp_single_of(c->requant, channel, 0).bias;
}

/* How many words the constants of requantization of a channel are, and these. */
static int32_t constants(const qrt_conv2d_params *p) { return p->requant.rounding == 0 ? 3 : 2; }

static uint32_t *pack_constants(const qrt_dsp_channels *c, int32_t channel, uint32_t *d) {
    const qrt_requant *r = c->requant;
    if (r->rounding == 0) {
        qrt_dsp_single_constants single = qrt_dsp_single_of(r, channel, 0);
        *d++ = (uint32_t)single.multiplier;
        *d++ = single.rest;
        *d++ = (uint32_t)single.shift;
    } else {
        *d++ = (uint32_t)qrt_dsp_double_multiplier(r, channel);
        *d++ = (uint32_t)qrt_dsp_power_of(c, channel, qrt_dsp_bounds_of(c, channel));
    }
    return d;
}

static size_t taps_size(const qrt_conv2d_params *p, size_t channel_words) {
    size_t words = (size_t)qrt_dsp_taps_words(p->filter_height * p->filter_width) + 4 * channel_words;
    return 4 * words * (size_t)((p->out_channels + 3) / 4);
}

static size_t taps_packed_size(const void *params) { return taps_size(params, (size_t)constants(params)); }
static size_t general_packed_size(const void *params) { return taps_size(params, sizeof(qrt_channel) / 4); }

/* The weights of two taps of a channel. */
static uint32_t two_taps(const qrt_dsp_channels *c, int32_t channel, int32_t tap) {
    return word_of(qrt_dsp_weight(c, channel, tap), qrt_dsp_weight(c, channel, tap + 1));
}

static void pack_taps(const qrt_conv2d_params *p, int general, void *packed) {
    qrt_dsp_channels channels = channels_of(p), *c = &channels;
    uint32_t *d = packed;
    int32_t taps = channels.size, tap;
    for (int32_t group = 0; group < channels.count; group += 4) {
        int32_t first = group < channels.count - 4 ? group : channels.count - 4;
        for (int32_t i = 0; i < 4; i++) *d++ = first_sum(c, first + i, general);
        for (tap = 0; tap + 1 < taps; tap += 2) {
            for (int32_t i = 0; i < 4; i++) *d++ = two_taps(c, first + i, tap);
        }
        if (tap < taps) {
            for (int32_t i = first; i < first + 2; i++) {
                *d++ = word_of(qrt_dsp_weight(c, i, tap), qrt_dsp_weight(c, i + 2, tap));
            }
        }
        for (int32_t i = 0; i < 4; i++) {
            if (general) {
                qrt_channel own = qrt_requant_channel(&p->requant, first + i);
                memcpy(d, &own, sizeof own);
                d += sizeof own / 4;
            } else {
                d = pack_constants(c, first + i, d);
            }
        }
    }
}

static void taps_pack(const void *params, void *packed) { pack_taps(params, 0, packed); }
static void general_pack(const void *params, void *packed) { pack_taps(params, 1, packed); }

static size_t taps_scratch_size(const void *params) {
    const qrt_conv2d_params *p = params;
    size_t taps = (size_t)p->filter_height * (size_t)p->filter_width;
    return 2 * taps * QRT_ADDRESS_SIZE + (size_t)p->in_channels;
}

static size_t planes_packed_size(const void *params) {
    const qrt_conv2d_params *p = params;
    return 4 * (size_t)(QRT_DSP_PLANES_WORDS + constants(p)) * (size_t)p->out_channels;
}

static void planes_pack(const void *params, void *packed) {
    qrt_dsp_channels channels = channels_of(params);
    uint32_t *d = packed;
    for (int32_t c = 0; c < channels.count; c++) {
        for (int32_t tap = 0; tap < 9; tap += 3) {
            *d++ = two_taps(&channels, c, tap);
            *d++ = two_taps(&channels, c, tap + 1);
        }
        *d++ = first_sum(&channels, c, 0);
        d = pack_constants(&channels, c, d);
    }
}

static size_t planes_scratch_size(const void *params) { return qrt_dsp_depthwise_planes_scratch(params); }

static const qrt_kernel general = {.run = qrt_dwconv2d_s8_dsp_general,
                                   .packed_size = general_packed_size,
                                   .pack = general_pack,
                                   .scratch_size = taps_scratch_size,
                                   .name = "qrt_dwconv2d_s8_dsp_general",
                                   .covers = covers_general,
                                   .otherwise = &qrt_dsp_dwconv2d_shared,
                                   .int4 = 1,
                                   .packs_all = 1};
static const qrt_kernel single = {.run = qrt_dwconv2d_s8_dsp_single,
                                  .packed_size = taps_packed_size,
                                  .pack = taps_pack,
                                  .scratch_size = taps_scratch_size,
                                  .name = "qrt_dwconv2d_s8_dsp_single",
                                  .covers = covers_single,
                                  .otherwise = &general,
                                  .int4 = 1,
                                  .packs_all = 1};
static const qrt_kernel any = {.run = qrt_dwconv2d_s8_dsp,
                               .packed_size = taps_packed_size,
                               .pack = taps_pack,
                               .scratch_size = taps_scratch_size,
                               .name = "qrt_dwconv2d_s8_dsp",
                               .covers = covers_double,
                               .otherwise = &single,
                               .int4 = 1,
                               .packs_all = 1};
/* Of a 3x3 whose rows stay unpacked, and of one that unpacks them for each block of channels. */
#define PLANES(row, function, which, reads, next)                                                                      \
    row = {.run = function,                                                                                            \
           .packed_size = planes_packed_size,                                                                          \
           .pack = planes_pack,                                                                                        \
           .scratch_size = planes_scratch_size,                                                                        \
           .reading = reads,                                                                                           \
           .name = #function,                                                                                          \
           .covers = which,                                                                                            \
           .otherwise = &next,                                                                                         \
           .int4 = 1,                                                                                                  \
           .packs_all = 1}
PLANES(static const qrt_kernel single_in_blocks, qrt_dwconv2d_s8_dsp_3x3_single, covers_3x3_single, QRT_READS_BY_ROW,
       any);
PLANES(static const qrt_kernel in_blocks, qrt_dwconv2d_s8_dsp_3x3, covers_3x3, QRT_READS_BY_ROW, single_in_blocks);
PLANES(static const qrt_kernel single_kept, qrt_dwconv2d_s8_dsp_3x3_single, covers_3x3_single_kept, QRT_READS_ONCE,
       in_blocks);
PLANES(const qrt_kernel qrt_dwconv2d_dsp, qrt_dwconv2d_s8_dsp_3x3, covers_3x3_kept, QRT_READS_ONCE, single_kept);
