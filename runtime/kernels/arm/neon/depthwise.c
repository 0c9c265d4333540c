/* SPDX-License-Identifier: Apache-2.0 */
/* depthwise.c: dwconv2d for 64-bit Arm: weights are packed, and rows of the input copied with padding. The kernels are
 * in depthwise_pairs.c and depthwise_quads.c.
 *
 * The code of padding is x_zero_point, which contributes nothing. A band of rows is copied at a time, enough for a
 * number of rows of the output. If the output overlaps the input, a band's outputs only overwrite inputs that no
 * later band needs.
 */
#include "arm/neon/depthwise.h"
#include "portable/portable.h"

#ifdef QRT_NEON

/* Preferred maximum size of a band in bytes: most of an L1 cache. */
#define BAND_SIZE (24 * 1024)

/* Bytes that may be read or written beyond a band: by a block of fewer than 16 codes, and by the last row's last
 * positions where several rows or columns are computed at once. */
#define SLACK 64

/* Blocks of several positions need the inputs of neighbouring positions side by side: column c of a padded row is then
 * in part c % phases. */
typedef struct band {
    int32_t columns; /* of the padded image, read by windows */
    int32_t phases;
    ptrdiff_t phase, pitch; /* bytes of a part, of a row */
    int32_t height;         /* rows of the output, at most */
    size_t size;
} band;

/* Rows of the padded image for `height` rows of the output. */
static ptrdiff_t band_rows(const qrt_conv2d_params *p, ptrdiff_t height) {
    return (height - 1) * p->stride_y + (ptrdiff_t)(p->filter_height - 1) * p->dilation_y + 1;
}

static band band_of(const qrt_depthwise_way *way, const qrt_conv2d_params *p) {
    band b;
    b.columns = (p->out_width - 1) * p->stride_x + (p->filter_width - 1) * p->dilation_x + 1;
    b.phases = p->out_channels >= way->block ? 1 : p->stride_x < b.columns ? p->stride_x : b.columns;
    b.phase = (ptrdiff_t)((b.columns + b.phases - 1) / b.phases) * p->out_channels;
    b.pitch = b.phases * b.phase;
    ptrdiff_t height = (BAND_SIZE / b.pitch - band_rows(p, 1)) / p->stride_y + 1;
    b.height = height < 1 ? 1 : height < p->out_height ? (int32_t)height : p->out_height;
    /* A kernel of two rows reads a row more. */
    b.size = (size_t)((band_rows(p, b.height) + p->stride_y) * b.pitch) + SLACK;
    return b;
}

/* A column of an image is computed as a row: then its positions are neighbours. */
static qrt_conv2d_params in_rows(const qrt_conv2d_params *p) {
    qrt_conv2d_params row = *p;
    if (p->in_width > 1 || p->out_width > 1 || p->filter_width > 1) return row;
    row.in_width = p->in_height;
    row.out_width = p->out_height;
    row.filter_width = p->filter_height;
    row.stride_x = p->stride_y;
    row.dilation_x = p->dilation_y;
    row.pad_left = p->pad_top;
    row.in_height = row.out_height = row.filter_height = row.stride_y = row.dilation_y = 1;
    row.pad_top = p->pad_left;
    return row;
}

/* Whether a band has a reasonable size; a file's window may be nearly 2^31 wide. */
static int band_fits(const qrt_conv2d_params *p) {
    ptrdiff_t columns = (ptrdiff_t)(p->out_width - 1) * p->stride_x + (ptrdiff_t)(p->filter_width - 1) * p->dilation_x;
    columns += p->stride_x; /* at most, for parts of equal size */
    ptrdiff_t rows = band_rows(p, 1) + p->stride_y, limit = (ptrdiff_t)1 << 24;
    return columns < limit && rows < limit && (columns + 1) * p->out_channels <= limit / rows;
}

static int32_t group_of(const qrt_depthwise_way *way, const qrt_conv2d_params *p) {
    return p->out_channels < way->block ? way->block / p->out_channels : 1;
}

/* First code of a block. The last block overlaps the previous one if it would be partial. */
static int32_t first_code(const qrt_depthwise_way *way, int32_t block, int32_t codes) {
    int32_t first = block * way->block, last = codes - way->block;
    return first < last ? first : last > 0 ? last : 0;
}

static int32_t blocks_of(const qrt_depthwise_way *way, const qrt_conv2d_params *p) {
    return (group_of(way, p) * p->out_channels + way->block - 1) / way->block;
}

static size_t round_to_64(size_t size) { return (size + 63) / 64 * 64; }

size_t qrt_depthwise_packed_size(const qrt_depthwise_way *way, const qrt_conv2d_params *p) {
    const qrt_conv2d_params row = in_rows(p);
    size_t block = sizeof(qrt_requant_lanes) + QRT_REQUANT_LANES * sizeof(int32_t) + way->weights_size(p);
    return band_fits(&row) ? round_to_64(sizeof(qrt_depthwise) + (size_t)blocks_of(way, p) * block) : 0;
}

/* Whether no two weights of -128 are a pair: 2 * -128 * -128 does not fit int16. */
static int can_be_paired(const qrt_conv2d_params *p) {
    ptrdiff_t channels = p->out_channels, taps = (ptrdiff_t)p->filter_height * p->filter_width;
    for (ptrdiff_t tap = 0; tap + 1 < taps; tap += 2) {
        const int8_t *weights = p->weights + tap * channels;
        for (ptrdiff_t i = 0; i < channels; i++) {
            if (weights[i] == -128 && weights[channels + i] == -128) return 0;
        }
    }
    return 1;
}

/* Packs one lane of a block and returns the form that it needs. */
static int32_t pack_lane(const qrt_depthwise_way *way, const qrt_conv2d_params *p, int32_t channel, int32_t lane,
                         qrt_requant_lanes *lanes, int32_t *start, int8_t *weights) {
    const int32_t *bias = p->requant.bias;
    int64_t sum = 0, magnitude = 0;
    for (int32_t tap = 0; tap < p->filter_height * p->filter_width; tap++) {
        int8_t weight = p->weights[(ptrdiff_t)tap * p->out_channels + channel];
        way->place(p, tap, lane, weight, weights);
        sum += weight;
        magnitude += weight < 0 ? -weight : weight;
    }
    int64_t first = (bias != NULL ? bias[channel] : 0) - sum * p->x_zero_point;
    start[lane] = (int32_t)(uint32_t)(uint64_t)first; /* only the whole sum must fit */
    return qrt_requant_lane_fill(lanes, lane, &p->requant, channel, magnitude * 255);
}

void qrt_depthwise_pack(const qrt_depthwise_way *way, const qrt_conv2d_params *p, void *packed) {
    qrt_depthwise *of = packed;
    memset(packed, 0, qrt_depthwise_packed_size(way, p));
    of->group = group_of(way, p);
    of->blocks = blocks_of(way, p);
    of->paired = can_be_paired(p);
    qrt_requant_lanes *lanes = (qrt_requant_lanes *)(of + 1);
    int32_t *start = (int32_t *)(lanes + of->blocks);
    int8_t *weights = (int8_t *)(start + of->blocks * QRT_REQUANT_LANES);
    int32_t codes = of->group * p->out_channels;
    for (int32_t block = 0; block < of->blocks; block++) {
        int32_t first = first_code(way, block, codes);
        for (int32_t lane = 0; lane < way->block && first + lane < codes; lane++) {
            int32_t channel = (first + lane) % p->out_channels;
            int32_t form = pack_lane(way, p, channel, lane, lanes + block, start + block * QRT_REQUANT_LANES, weights);
            of->form = form > of->form ? form : of->form;
        }
        weights += way->weights_size(p);
    }
}

/* Scratch: offsets of the taps, then the band. */
static size_t offsets_size(const qrt_conv2d_params *p) {
    return round_to_64(((size_t)p->filter_height * (size_t)p->filter_width + 1) * sizeof(int32_t));
}

size_t qrt_depthwise_scratch(const qrt_depthwise_way *way, const qrt_conv2d_params *p) {
    const qrt_conv2d_params row = in_rows(p);
    return p->packed == NULL ? 0 : offsets_size(p) + band_of(way, &row).size;
}

static void set_offsets(const qrt_conv2d_params *p, const band *b, int32_t *offset) {
    int32_t taps = p->filter_height * p->filter_width;
    for (int32_t tap = 0; tap < taps; tap++) {
        ptrdiff_t row = (ptrdiff_t)(tap / p->filter_width) * p->dilation_y;
        int32_t column = tap % p->filter_width * p->dilation_x;
        ptrdiff_t in_row = column % b->phases * b->phase + (ptrdiff_t)(column / b->phases) * p->out_channels;
        offset[tap] = (int32_t)(row * b->pitch + in_row);
    }
    offset[taps] = 0;
}

/* `count` codes that are `step` apart, each `times` times. Writes up to 15 bytes more. */
static void copy_repeated(const int8_t *x, ptrdiff_t step, ptrdiff_t count, int32_t times, int8_t *to) {
    if (times <= 16) {
        for (; count > 0; count--, x += step, to += times) vst1q_s8(to, vld1q_dup_s8(x));
    } else {
        for (; count > 0; count--, x += step, to += times) memset(to, *x, (size_t)times);
    }
}

/* Copies `columns` positions of a row of the input, every one of `phases`. May write 15 bytes more. */
static void copy_columns(const qrt_conv2d_params *p, const int8_t *x, int32_t phases, int32_t columns, int8_t *to) {
    int32_t times = p->out_channels / p->in_channels;
    ptrdiff_t step = (ptrdiff_t)phases * p->in_channels;
    if (times == 1 && phases == 1) {
        memcpy(to, x, (size_t)columns * (size_t)p->in_channels);
    } else if (phases == 1) {
        copy_repeated(x, 1, (ptrdiff_t)columns * p->in_channels, times, to);
    } else if (p->in_channels == 1) {
        copy_repeated(x, phases, columns, times, to);
    } else {
        for (; columns > 0; columns--, x += step, to += p->out_channels) {
            if (times == 1) {
                memcpy(to, x, (size_t)p->in_channels);
            } else {
                copy_repeated(x, 1, p->in_channels, times, to);
            }
        }
    }
}

/* Of the columns `phase`, `phase` + phases, ..., how many are below `end`. */
static int32_t columns_below(int32_t end, int32_t phase, int32_t phases) {
    return end > phase ? (end - phase - 1) / phases + 1 : 0;
}

/* One padded row: its parts one after another, each from left to right, since a copy may write too much. */
static void copy_row(const qrt_conv2d_params *p, const band *b, const int8_t *x, int8_t *to) {
    int32_t left = p->pad_left < b->columns ? p->pad_left : b->columns, inside = b->columns - left;
    if (inside > p->in_width) inside = p->in_width;
    for (int32_t phase = 0; phase < b->phases; phase++, to += b->phase) {
        int32_t first = columns_below(left, phase, b->phases), end = columns_below(left + inside, phase, b->phases);
        ptrdiff_t before = (ptrdiff_t)first * p->out_channels, copied = (ptrdiff_t)end * p->out_channels;
        int32_t source = first * b->phases + phase - left;
        memset(to, p->x_zero_point, (size_t)before);
        copy_columns(p, x + (ptrdiff_t)source * p->in_channels, b->phases, end - first, to + before);
        memset(to + copied, p->x_zero_point, (size_t)(b->phase - copied));
    }
}

/* Copies the input of `height` rows of the output, beginning with out_y, from one image. */
static void copy_band(const qrt_conv2d_params *p, const band *b, const int8_t *image, int32_t out_y, int32_t height,
                      int8_t *to) {
    ptrdiff_t in_y = (ptrdiff_t)out_y * p->stride_y - p->pad_top;
    for (ptrdiff_t rows = band_rows(p, height); rows > 0; rows--, in_y++, to += b->pitch) {
        if (in_y < 0 || in_y >= p->in_height) {
            memset(to, p->x_zero_point, (size_t)b->pitch);
        } else {
            copy_row(p, b, image + in_y * p->in_width * p->in_channels, to);
        }
    }
}

/* The blocks of `height` rows of the output. */
static void run_band(const qrt_depthwise_way *way, const qrt_conv2d_params *p, const band *b, int32_t height,
                     const int32_t *offset, const int8_t *copy, int8_t *output) {
    const qrt_depthwise *of = p->packed;
    const qrt_requant_lanes *lanes = (const qrt_requant_lanes *)(of + 1);
    const int32_t *start = (const int32_t *)(lanes + of->blocks);
    const int8_t *weights = (const int8_t *)(start + of->blocks * QRT_REQUANT_LANES);
    int32_t codes = of->group * p->out_channels, rest = p->out_width % of->group;
    qrt_depthwise_tile tile = {.p = p, .of = of, .offset = offset, .rows = height, .output = output};
    tile.x_row = p->stride_y * b->pitch;
    tile.x_step = (ptrdiff_t)(p->stride_x / b->phases) * codes;
    tile.pitch = b->pitch;
    tile.positions = (p->out_width + of->group - 1) / of->group;
    tile.size = codes < way->block ? codes : way->block;
    tile.last_size = rest > 0 ? rest * p->out_channels : tile.size;
    for (int32_t block = 0; block < of->blocks; block++, weights += way->weights_size(p)) {
        tile.lanes = lanes + block;
        tile.start = start + block * QRT_REQUANT_LANES;
        tile.weights = weights;
        tile.channel = first_code(way, block, codes);
        tile.x = copy + tile.channel;
        way->run(&tile);
    }
}

void qrt_depthwise_run(const qrt_depthwise_way *way, const qrt_conv2d_params *params, const int8_t *const *inputs,
                       int8_t *output, void *scratch) {
    const qrt_conv2d_params row = in_rows(params), *p = &row;
    if (p->packed == NULL) {
        qrt_dwconv2d_s8(params, inputs, output, scratch);
        return;
    }
    const band b = band_of(way, p);
    int32_t *offset = scratch;
    int8_t *copy = (int8_t *)scratch + offsets_size(p);
    ptrdiff_t row_size = (ptrdiff_t)p->out_width * p->out_channels * (p->requant.wide ? 4 : 1);
    const int8_t *image = inputs[0];
    set_offsets(p, &b, offset);
    for (int32_t n = 0; n < p->batch; n++, image += (ptrdiff_t)p->in_height * p->in_width * p->in_channels) {
        for (int32_t out_y = 0; out_y < p->out_height; out_y += b.height) {
            int32_t height = p->out_height - out_y < b.height ? p->out_height - out_y : b.height;
            copy_band(p, &b, image, out_y, height, copy);
            run_band(way, p, &b, height, offset, copy, output);
            output += height * row_size;
        }
    }
}

void qrt_depthwise_put(const qrt_depthwise_tile *tile, int32_t row, int32_t position, const int32_t *sum) {
    const qrt_conv2d_params *p = tile->p;
    int32_t channels = p->out_channels, group = tile->of->group;
    int32_t size = position + 1 == tile->positions ? tile->last_size : tile->size;
    int32_t run = group > 1 ? channels : size;
    ptrdiff_t index = ((ptrdiff_t)row * p->out_width + position * group) * channels + tile->channel;
    for (; size > 0; size -= run, sum += run, index += run) {
        qrt_put_channels(&p->requant, tile->channel, sum, run, tile->output, index);
    }
}

#endif
