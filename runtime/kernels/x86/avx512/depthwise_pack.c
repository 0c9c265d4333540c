/* SPDX-License-Identifier: Apache-2.0 */
/* depthwise_pack.c: chooses how a dwconv2d is computed with AVX-512, and packs its weights accordingly. */
#include "x86/avx512/depthwise.h"
#include "x86/image.h"
#include "x86/x86.h"

#ifdef QRT_X86

#include <string.h>

/* Registers for a row of `width` positions, `group` at once. */
static int32_t registers_of_row(int32_t width, int32_t group, int32_t channels) {
    return width / group * ((group * channels + 63) / 64) + (width % group * channels + 63) / 64;
}

/* Columns that quads across may extend beyond the filter: 3, and those of the neighbouring outputs. */
#define BEHIND (3 + BESIDE - 1)

/* One position at a time shares quads with its neighbours, and reads a row unchanged for any stride; several positions
 * fill registers that few channels leave partly empty. */
static int32_t choose_group(const qrt_conv2d_params *p) {
    int32_t width = p->out_width, channels = p->out_channels, best = 1;
    for (int32_t group = 2; group <= 64 && group <= width && group * channels <= 64 * MAX_BLOCKS; group++) {
        if (registers_of_row(width, group, channels) < registers_of_row(width, best, channels)) best = group;
    }
    int32_t alone = registers_of_row(width, 1, channels), together = registers_of_row(width, best, channels);
    return 4 * alone <= (p->stride_x > 1 ? 6 : 5) * together ? 1 : best;
}

static int32_t choose_rows(const qrt_conv2d_params *p) {
    if (p->stride_y > 1 || p->dilation_y > 1 || p->filter_height == 1) return 1;
    int32_t spare = (4 - p->filter_height % 4) % 4;
    int32_t rows = spare == 3 ? 4 : spare > 0 ? 2 : 1;
    return rows <= p->out_height ? rows : 1;
}

/* For a filter of one row. */
static int32_t choose_beside(const qrt_conv2d_params *p) {
    int32_t columns = (p->filter_width + BESIDE + 2) / 4;
    int fits = p->stride_x == 1 && p->dilation_x == 1 && p->out_width >= BESIDE && columns <= MAX_BESIDE_COLUMNS;
    return fits && p->filter_width > 1 ? BESIDE : 1;
}

qrt_conv2d_params qrt_depthwise_params(const qrt_conv2d_params *p) {
    qrt_conv2d_params own = *p;
    if (p->in_width > 1 || p->out_width > 1 || p->filter_width > 1 || p->pad_left > 0) return own;
    own.in_width = p->in_height;
    own.out_width = p->out_height;
    own.filter_width = p->filter_height;
    own.stride_x = p->stride_y;
    own.dilation_x = p->dilation_y;
    own.pad_left = p->pad_top;
    own.in_height = own.out_height = own.filter_height = own.stride_y = own.dilation_y = 1;
    own.pad_top = 0;
    return own;
}

/* What follows from the positions of a row. */
static void set_width(const qrt_conv2d_params *p, qrt_depthwise *of) {
    of->whole = p->out_width / of->group;
    of->rest = p->out_width % of->group;
    of->reach = (p->out_width - 1) * p->stride_x + (p->filter_width - 1) * p->dilation_x + 1;
    of->phase = (ptrdiff_t)((of->reach + of->phases - 1) / of->phases) * p->out_channels;
    /* A quad across may extend beyond the filter, and a register beyond the row. */
    ptrdiff_t behind = of->across ? BEHIND * (ptrdiff_t)p->dilation_x * p->out_channels : 0;
    of->pitch = (ptrdiff_t)round_to_64((size_t)(of->phase * of->phases + behind + 64));
}

static qrt_depthwise make_plan(const qrt_conv2d_params *p) {
    qrt_depthwise of;
    memset(&of, 0, sizeof of);
    of.group = choose_group(p);
    of.blocks = (of.group * p->out_channels + 63) / 64;
    of.rows = choose_rows(p);
    of.phases = of.group > 1 ? p->stride_x : 1;
    of.across = p->filter_height == 1 && 4 * p->dilation_x % of.phases == 0;
    of.beside = of.across && of.group == 1 ? choose_beside(p) : 1;
    of.columns = of.across ? (p->filter_width + of.beside + 2) / 4 : p->filter_width;
    of.quads = of.across ? 1 : (p->filter_height + of.rows + 2) / 4;
    of.ring = (of.rows - 1) * p->stride_y + (p->filter_height - 1) * p->dilation_y + 1;
    set_width(p, &of);
    return of;
}

qrt_depthwise qrt_depthwise_plan(const qrt_conv2d_params *p) {
    qrt_depthwise of = *(const qrt_depthwise *)p->packed;
    set_width(p, &of);
    return of;
}

size_t qrt_depthwise_packed_size(const void *params) {
    const qrt_conv2d_params p = qrt_depthwise_params(params);
    if (!qrt_image_fits(&p, p.out_channels, BEHIND * (int64_t)p.dilation_x)) return 0;
    qrt_depthwise of = make_plan(&p);
    return round_to_64(sizeof(qrt_depthwise)) +
           (size_t)of.blocks * (LANES_OF_BLOCK * sizeof(qrt_lanes) + weights_size(&of));
}

size_t qrt_depthwise_scratch(const void *params) {
    const qrt_conv2d_params p = qrt_depthwise_params(params);
    if (p.packed == NULL) return 0;
    const qrt_depthwise of = qrt_depthwise_plan(&p);
    size_t pointers = round_to_64((size_t)of.quads * 4 * sizeof(uint8_t *));
    size_t shifts = round_to_64((size_t)of.columns * sizeof(ptrdiff_t));
    return (size_t)of.pitch * (size_t)(of.ring + 1) + RUN * MAX_ROWS * 256 + pointers + shifts;
}

/* The weight of entry `i` of a quad for output row `row`, or for the `row`-th neighbouring output, or 0. */
static int8_t weight_of(const qrt_conv2d_params *p, const qrt_depthwise *of, int32_t column, int32_t quad, int32_t row,
                        int32_t i, int32_t channel) {
    int32_t filter_y = of->across ? 0 : 4 * quad + i - row;
    int32_t filter_x = of->across ? 4 * column + i - row : column;
    if (filter_y < 0 || filter_y >= p->filter_height || filter_x < 0 || filter_x >= p->filter_width) return 0;
    return p->weights[((ptrdiff_t)filter_y * p->filter_width + filter_x) * p->out_channels + channel];
}

/* Whether SINGLE_BIASED or DOUBLE_BIASED can compute a channel that `form` can. A DOUBLE that is SINGLE cannot: what is
 * added to its upper half leaves 2^30. */
static int can_be_biased(const qrt_requant *requant, int32_t channel, int32_t form) {
    int32_t shift = requant->shift[channel * requant->step], multiplier = requant->multiplier[channel * requant->step];
    if (shift > 53) return 0;
    if (form == QRT_LANES_SINGLE) return requant->rounding == 0 && requant->addend == NULL && shift > 32;
    return form == QRT_LANES_DOUBLE && shift > 31 && (multiplier == 0 || multiplier >= 1 << 30);
}

/* A product that the shift drops need not be summed. */
static int is_dropped(const qrt_requant *requant, int32_t channel) {
    return requant->multiplier[channel * requant->step] == 0;
}

/* Byte `byte` of a block belongs to `channel`. Initial values turn sums into the sum of (x - x_zero_point) * w. */
static int32_t pack_lane(const qrt_conv2d_params *p, int32_t byte, int32_t channel, qrt_lanes *lanes, int32_t *start) {
    int32_t sum = 0, size = 0;
    for (ptrdiff_t i = 0; i < (ptrdiff_t)p->filter_height * p->filter_width; i++) {
        int32_t w = p->weights[i * p->out_channels + channel];
        sum += w;
        size += w < 0 ? -w : w;
    }
    if (is_dropped(&p->requant, channel)) sum = size = 0;
    int64_t bias = p->requant.bias != NULL ? p->requant.bias[channel] : 0;
    start[register_of(byte) * QRT_LANES + element_of(byte)] = -(p->x_zero_point + 128) * sum;
    return qrt_lane_fill(&lanes[register_of(byte)], element_of(byte), &p->requant, channel, 0,
                         255 * (int64_t)size + (bias < 0 ? -bias : bias));
}

/* From SINGLE to SINGLE_BIASED, from DOUBLE to DOUBLE_BIASED. */
static void bias_lane(const qrt_requant *requant, int32_t byte, int32_t channel, qrt_lanes *lanes, int32_t *start) {
    int32_t entry = channel * requant->step, lane = element_of(byte);
    int32_t right = requant->shift[entry] - (requant->rounding == 0 ? 32 : 31);
    int32_t round = (1 << (right - 1)) + requant->y_zero_point * (1 << right);
    lanes += register_of(byte);
    if (requant->bias != NULL && !is_dropped(requant, channel)) {
        start[register_of(byte) * QRT_LANES + lane] += requant->bias[channel];
    }
    if (requant->rounding == 0) {
        lanes->round[lane] = round;
    } else {
        lanes->shift[lane] = right;
        lanes->multiplier[lane] = (int32_t)(2 * (uint32_t)requant->multiplier[entry]);
        (lane % 2 ? lanes->odd : lanes->even)[lane / 2] = ((int64_t)1 << 31) + round * ((int64_t)1 << 32);
    }
}

static void pack_weights(const qrt_conv2d_params *p, const qrt_depthwise *of, int32_t byte, int32_t channel,
                         int8_t *to) {
    if (is_dropped(&p->requant, channel)) return;
    to += register_of(byte) * 64 + element_of(byte) * 4;
    for (int32_t row = 0; row < of->rows * of->beside; row++) {
        for (int32_t column = 0; column < of->columns; column++) {
            for (int32_t quad = 0; quad < of->quads; quad++, to += 256) {
                for (int32_t i = 0; i < 4; i++) to[i] = weight_of(p, of, column, quad, row, i, channel);
            }
        }
    }
}

void qrt_depthwise_pack(const void *params, void *packed) {
    const qrt_conv2d_params own = qrt_depthwise_params(params), *p = &own;
    qrt_depthwise of = make_plan(p);
    int32_t size = of.group * p->out_channels;
    memset(packed, 0, qrt_depthwise_packed_size(p));
    for (int32_t i = 0; i < size; i++) {
        int32_t channel = i % p->out_channels;
        int8_t *to = weights_of(&of, packed, i / 64);
        int32_t form = pack_lane(p, i % 64, channel, lanes_of(packed, i / 64), (int32_t *)to);
        if (form > of.form) of.form = form;
        pack_weights(p, &of, i % 64, channel, to + 256);
    }
    int32_t biased = 1;
    for (int32_t i = 0; i < p->out_channels; i++) biased = biased && can_be_biased(&p->requant, i, of.form);
    if (biased) {
        of.form = of.form == QRT_LANES_SINGLE ? SINGLE_BIASED : DOUBLE_BIASED;
        for (int32_t i = 0; i < size; i++) {
            int32_t *start = (int32_t *)weights_of(&of, packed, i / 64);
            bias_lane(&p->requant, i % 64, i % p->out_channels, lanes_of(packed, i / 64), start);
        }
    }
    memcpy(packed, &of, sizeof of);
}

#endif
