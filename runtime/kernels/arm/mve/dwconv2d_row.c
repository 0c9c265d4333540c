/* SPDX-License-Identifier: Apache-2.0 */
/* dwconv2d_row.c: which dwconv2d the mve set covers, and how it packs weights. */
#include <string.h>

#include "arm/mve/dwconv2d.h"
#include "arm/mve/mve.h"
#include "arm/mve/requantize_row.h"
#include "portable/portable.h"
#include "qrt_int4.h"

/* Whether x * w of the pairs' two taps fits 16 bits in all lanes: unless both w are -128. */
static int pairs_fit(const qrt_conv2d_params *p) {
    int32_t taps = dwconv2d_taps(p), channels = p->out_channels;
    if (p->int4) return 1;
    for (int32_t tap = 0; tap + 1 < taps; tap += 2) {
        const int8_t *weights = p->weights + (ptrdiff_t)tap * channels;
        for (int32_t channel = 0; channel < channels; channel++)
            if (weights[channel] == -128 && weights[channels + channel] == -128) return 0;
    }
    return 1;
}

/* Rows of a size for microcontrollers. With a large dilation they are mostly padding. */
static int rows_fit(const qrt_conv2d_params *p) {
    const int64_t most = 1 << 17;
    int64_t height = ((int64_t)p->filter_height - 1) * p->dilation_y + 1;
    int64_t width = ((int64_t)p->out_width - 1) * p->stride_x + ((int64_t)p->filter_width - 1) * p->dilation_x + 1;
    if (height > most || width > most) return 0;
    return height * width <= most && height * width * p->out_channels <= most;
}

static int covers_any(const void *params) {
    const qrt_conv2d_params *p = params;
    return rows_fit(p) && qrt_mve_covers(&p->requant, p->out_channels, dwconv2d_taps(p));
}

static int covers_nine(const void *params) {
    const qrt_conv2d_params *p = params;
    return dwconv2d_taps(p) == 9 && covers_any(p) && pairs_fit(p);
}

/* Bytes of a group of 16 channels. */
static int32_t group_size(const qrt_conv2d_params *p) {
    return DWCONV2D_BLOCK * (dwconv2d_taps(p) + qrt_mve_constants(qrt_mve_mode(&p->requant)));
}

static size_t packed_size(const void *params) {
    const qrt_conv2d_params *p = params;
    return sizeof(dwconv2d_header) + (size_t)dwconv2d_groups(p) * (size_t)group_size(p);
}

static size_t scratch_size(const void *params) { return dwconv2d_taps_size(params) + dwconv2d_ring_size(params); }

/* Packs what lane `lane` needs, a channel or -1, into its group. */
static void pack_lane(const qrt_conv2d_params *p, int32_t channel, int32_t lane, int8_t *group) {
    static const uint8_t quads[4] = {0, 2, 1, 3};
    int32_t taps = dwconv2d_taps(p), sum = 0;
    int32_t quad = quads[lane % 4] * qrt_mve_constants(qrt_mve_mode(&p->requant)) + lane / 4;
    for (int32_t tap = 0; channel >= 0 && tap < taps; tap++) {
        int8_t weight = qrt_weight(p->weights, p->int4, (ptrdiff_t)tap * p->out_channels + channel);
        group[DWCONV2D_BLOCK * tap + lane] = weight;
        sum += weight;
    }
    int32_t *constants = (int32_t *)(void *)(group + DWCONV2D_BLOCK * taps) + quad;
    qrt_mve_pack_channel(&p->requant, channel, -p->x_zero_point * sum, constants);
}

static void pack(const void *params, void *packed) {
    const qrt_conv2d_params *p = params;
    dwconv2d_header *header = packed;
    int8_t *group = (int8_t *)(header + 1);
    memset(packed, 0, packed_size(p));
    header->mode = qrt_mve_mode(&p->requant);
    header->pairs = pairs_fit(p) ? dwconv2d_taps(p) / 2 : 0;
    for (int32_t i = 0; i < dwconv2d_groups(p); i++, group += group_size(p)) {
        for (int32_t lane = 0; lane < DWCONV2D_BLOCK; lane++) {
            int32_t channel = DWCONV2D_BLOCK * i + lane;
            int32_t own = dwconv2d_is_flat(p) ? channel % p->out_channels : channel < p->out_channels ? channel : -1;
            pack_lane(p, own, lane, group);
        }
    }
}

static const qrt_kernel any = {.run = qrt_dwconv2d_s8_mve_any,
                               .packed_size = packed_size,
                               .pack = pack,
                               .scratch_size = scratch_size,
                               .name = "qrt_dwconv2d_s8_mve_any",
                               .covers = covers_any,
                               .otherwise = &qrt_dwconv2d_portable,
                               .int4 = 1,
                               .packs_all = 1};

const qrt_kernel qrt_dwconv2d_mve = {.run = qrt_dwconv2d_s8_mve,
                                     .packed_size = packed_size,
                                     .pack = pack,
                                     .scratch_size = scratch_size,
                                     .name = "qrt_dwconv2d_s8_mve",
                                     .covers = covers_nine,
                                     .otherwise = &any,
                                     .int4 = 1,
                                     .packs_all = 1};
