/* SPDX-License-Identifier: Apache-2.0 */
/* depthwise.h: dwconv2d by vpdpbusd or vpdpbssd with registers of 256 bits: the source of all encodings, see avxvnni.h.
 *
 * A unit is 32 contiguous codes of an output row: 32 channels of a position, or several positions of fewer channels.
 * The input of a filter position is then 32 contiguous codes, too. Those of four filter positions, a quad, are
 * interleaved byte by byte, so that each sum gets four products at once; missing positions of a quad have weights 0. Of
 * a filter three rows high with stride 1, a quad is four rows of a column, and serves two rows of the output.
 *
 *   packed: depthwise | qrt_lanes [blocks][2] | int8 [blocks][rows][quads][4][8][4]
 *
 * Interleaving leaves channel 16 * l + 4 * k + e of a block in lane l, element e of register k: narrowing by packs puts
 * it back without a permutation.
 */
#include "x86/avx2/avx2.h"
#include "x86/avx2/requant.h"
#include "x86/avxvnni/image.h"

#define UNIT_CODES 32
#define QUAD_SIZE (4 * UNIT_CODES)

/* 64 bytes. */
typedef struct depthwise {
    int32_t form; /* of lanes.h, for all lanes */
    int32_t blocks;
    int32_t quads;
    int32_t rows; /* of the output that share a quad */
    int32_t reserved[12];
} depthwise;

static depthwise depthwise_of(const qrt_conv2d_params *p) {
    depthwise d = {0};
    d.blocks = (p->out_channels + UNIT_CODES - 1) / UNIT_CODES;
    d.rows = p->filter_height == 3 && p->stride_y == 1 && p->dilation_y == 1 ? 2 : 1;
    d.quads = d.rows == 2 ? p->filter_width : (p->filter_height * p->filter_width + 3) / 4;
    return d;
}

/* Where filter position (filter_y, filter_x) is: 4 * quad + place in it. */
static int32_t depthwise_place(const qrt_conv2d_params *p, int32_t rows, int32_t filter_y, int32_t filter_x) {
    return rows == 2 ? 4 * filter_x + filter_y : filter_y * p->filter_width + filter_x;
}

/* Bytes of the weights of one block. */
static ptrdiff_t depthwise_block(const depthwise *d) { return (ptrdiff_t)d->rows * d->quads * QUAD_SIZE; }

/* Each channel of the input has one of the output, and a row of the output is units. */
static int depthwise_covers(const void *params) {
    const qrt_conv2d_params *p = params;
    int32_t channels = p->out_channels;
    if (p->in_channels != channels || !qrt_image_fits(p, channels, 0)) return 0;
    if (channels >= UNIT_CODES) return 1;
    return UNIT_CODES % channels == 0 && qrt_image_of(p).step == channels && p->out_width >= UNIT_CODES / channels;
}

static size_t depthwise_packed_size(const void *params) {
    depthwise d = depthwise_of(params);
    return sizeof d + (size_t)d.blocks * (2 * sizeof(qrt_lanes) + (size_t)depthwise_block(&d));
}

/* First channel of a block. The last block overlaps the previous one if it would be partial. */
static int32_t depthwise_first(int32_t block, int32_t channels) {
    int32_t first = block * UNIT_CODES, last = channels - UNIT_CODES;
    return first < last ? first : last > 0 ? last : 0;
}

/* Packs one channel as the `place`-th of a block; `weights` is the block's. Returns the form that it needs. */
static int32_t depthwise_pack_channel(const qrt_conv2d_params *p, const depthwise *d, int32_t channel, int32_t place,
                                      qrt_lanes *lanes, int8_t *weights) {
    int32_t number = place % 16 / 4, element = place / 16 * 4 + place % 4; /* of the register, in it */
    int64_t sum = 0, magnitude = 0, bias = p->requant.bias != NULL ? p->requant.bias[channel] : 0;
    for (int32_t tap = 0; tap < p->filter_height * p->filter_width; tap++) {
        int32_t at = depthwise_place(p, d->rows, tap / p->filter_width, tap % p->filter_width);
        int8_t w = p->weights[(ptrdiff_t)tap * p->out_channels + channel];
        int8_t *to = weights + at / 4 * QUAD_SIZE + number * 32 + element * 4 + at % 4;
        *to = w;
        if (d->rows == 2) to[d->quads * QUAD_SIZE + 1] = w;
        sum += w;
        magnitude += w < 0 ? -w : w;
    }
    int64_t largest = magnitude * 255 + (bias < 0 ? -bias : bias);
    return qrt_lane_fill(lanes + number / 2, number % 2 * 8 + element, &p->requant, channel,
                         -sum * (p->x_zero_point + FLIP), largest);
}

static void depthwise_pack(const void *params, void *packed) {
    const qrt_conv2d_params *p = params;
    depthwise *d = packed;
    memset(packed, 0, depthwise_packed_size(p));
    *d = depthwise_of(p);
    qrt_lanes *lanes = (qrt_lanes *)(d + 1);
    int8_t *weights = (int8_t *)(lanes + 2 * (ptrdiff_t)d->blocks);
    for (int32_t block = 0; block < d->blocks; block++, lanes += 2, weights += depthwise_block(d)) {
        int32_t first = depthwise_first(block, p->out_channels);
        for (int32_t place = 0; place < UNIT_CODES; place++) {
            int32_t form = depthwise_pack_channel(p, d, (first + place) % p->out_channels, place, lanes, weights);
            d->form = form > d->form ? form : d->form;
        }
    }
}

/* Scratch: offsets of the filter positions in quads, for one row of the output and for two, then the band. */
static size_t depthwise_taps_size(const depthwise *d) { return (size_t)d->quads * 8 * sizeof(ptrdiff_t); }

static size_t depthwise_scratch(const void *params) {
    const qrt_conv2d_params *p = params;
    return depthwise_taps_size(p->packed) + image_band_of(p).image.size;
}

/* Units of one block: `rows` rows of `count`. */
typedef struct units {
    const qrt_conv2d_params *p;
    const ptrdiff_t *taps; /* of the quads */
    const qrt_lanes *lanes;
    const int8_t *weights;
    int32_t quads, rows, count;
    ptrdiff_t x_step, x_pitch, y_step, y_pitch; /* of the output in codes */
    int32_t channel;                            /* of the first code */
} units;

/* sum [rows][4] of `rows` rows of the output, a constant. */
VNNI QRT_INLINE void depthwise_sum(const uint8_t *x, const ptrdiff_t *taps, int32_t quads, const int8_t *weights,
                                   __m256i *sum, const int rows) {
    const ptrdiff_t below = quads * (ptrdiff_t)(QUAD_SIZE / sizeof(__m256i)); /* weights of the second row */
    QRT_UNROLL
    for (int i = 0; i < 4 * rows; i++) sum[i] = _mm256_setzero_si256();
    for (int32_t quad = 0; quad < quads; quad++, taps += 4, weights += QUAD_SIZE) {
        const __m256i *w = (const __m256i *)weights;
        __m256i a = _mm256_loadu_si256((const __m256i *)(x + taps[0]));
        __m256i b = _mm256_loadu_si256((const __m256i *)(x + taps[1]));
        __m256i c = _mm256_loadu_si256((const __m256i *)(x + taps[2]));
        __m256i d = _mm256_loadu_si256((const __m256i *)(x + taps[3]));
        __m256i ab[2] = {_mm256_unpacklo_epi8(a, b), _mm256_unpackhi_epi8(a, b)};
        __m256i cd[2] = {_mm256_unpacklo_epi8(c, d), _mm256_unpackhi_epi8(c, d)};
        QRT_UNROLL
        for (int k = 0; k < 4; k++) {
            __m256i all =
                k % 2 == 0 ? _mm256_unpacklo_epi16(ab[k / 2], cd[k / 2]) : _mm256_unpackhi_epi16(ab[k / 2], cd[k / 2]);
            sum[k] = DOT_BYTES(sum[k], all, _mm256_load_si256(w + k));
            if (rows == 2) sum[4 + k] = DOT_BYTES(sum[4 + k], all, _mm256_load_si256(w + below + k));
        }
    }
}

/* `form`, `quads` and `rows` at once are constants, or `quads` is u->quads. */
VNNI QRT_INLINE void depthwise_units(const units *u, const uint8_t *x, int8_t *y, const int form, const int32_t quads,
                                     const int rows) {
    requant8 r[4];
    QRT_UNROLL
    for (int k = 0; k < 4; k++) r[k] = requant8_load(u->lanes + k / 2, k % 2);
    const __m256i lowest = _mm256_set1_epi8((char)u->p->requant.output_min);
    const __m256i highest = _mm256_set1_epi8((char)u->p->requant.output_max);
    for (int32_t row = 0; row < u->rows; row += rows, x += rows * u->x_pitch, y += rows * u->y_pitch) {
        const uint8_t *from = x;
        int8_t *to = y;
        for (int32_t i = 0; i < u->count; i++, from += u->x_step, to += u->y_step) {
            __m256i v[8];
            depthwise_sum(from, u->taps, quads, u->weights, v, rows);
            QRT_UNROLL
            for (int k = 0; k < 4 * rows; k++) v[k] = requant8_apply(v[k], &r[k % 4], form);
            QRT_UNROLL
            for (int k = 0; k < rows; k++) {
                __m256i codes = narrow32(v[4 * k], v[4 * k + 1], v[4 * k + 2], v[4 * k + 3]);
                codes = _mm256_min_epi8(_mm256_max_epi8(codes, lowest), highest);
                _mm256_storeu_si256((__m256i *)(to + k * u->y_pitch), codes);
            }
        }
    }
}

/* Sums without requantization, and those that no vector form supports; `output` and `index` are of the first code. */
VNNI static void depthwise_units_scalar(const units *u, const uint8_t *x, int8_t *output, ptrdiff_t index) {
    const qrt_requant *requant = &u->p->requant;
    for (int32_t row = 0; row < u->rows; row++, x += u->x_pitch, index += u->y_pitch) {
        for (int32_t i = 0; i < u->count; i++) {
            QRT_ALIGNED int32_t acc[UNIT_CODES];
            depthwise_sum(x + i * u->x_step, u->taps, u->quads, u->weights, (__m256i *)acc, 1);
            for (int32_t place = 0; place < UNIT_CODES; place++) {
                int32_t lane = place % 16 / 4 * 8 + place / 16 * 4 + place % 4;
                int32_t correction = u->lanes[lane / QRT_LANES].correction[lane % QRT_LANES];
                int32_t sum = (int32_t)((uint32_t)acc[lane] + (uint32_t)correction);
                ptrdiff_t at = index + i * u->y_step + place;
                if (requant->wide) {
                    memcpy(output + 4 * at, &sum, sizeof sum); /* the correction includes the bias */
                } else {
                    int32_t channel = (u->channel + place) % u->p->out_channels;
                    output[at] = qrt_requantize(requant, qrt_requant_channel(requant, channel), sum);
                }
            }
        }
    }
}

/* All rows, of a form up to DOUBLE; `rows` at once is a constant. */
VNNI QRT_INLINE void depthwise_form(const units *u, const uint8_t *x, int8_t *y, const int rows) {
    int32_t form = ((const depthwise *)u->p->packed)->form;
    if (u->quads == 3) { /* 3x3 */
        if (form == QRT_LANES_SINGLE) depthwise_units(u, x, y, QRT_LANES_SINGLE, 3, rows);
        if (form == QRT_LANES_SINGLE_LEFT) depthwise_units(u, x, y, QRT_LANES_SINGLE_LEFT, 3, rows);
        if (form == QRT_LANES_DOUBLE) depthwise_units(u, x, y, QRT_LANES_DOUBLE, 3, rows);
    } else {
        if (form == QRT_LANES_SINGLE) depthwise_units(u, x, y, QRT_LANES_SINGLE, u->quads, rows);
        if (form == QRT_LANES_SINGLE_LEFT) depthwise_units(u, x, y, QRT_LANES_SINGLE_LEFT, u->quads, rows);
        if (form == QRT_LANES_DOUBLE) depthwise_units(u, x, y, QRT_LANES_DOUBLE, u->quads, rows);
    }
}

/* All rows, in the output from code `index` on. */
VNNI static void depthwise_rows(units u, const uint8_t *x, int8_t *output, ptrdiff_t index) {
    const depthwise *d = u.p->packed;
    int32_t odd = d->rows == 2 ? u.rows % 2 : u.rows;
    if (d->form >= QRT_LANES_WIDE) {
        depthwise_units_scalar(&u, x, output, index);
        return;
    }
    units pairs = u;
    pairs.rows = u.rows - odd;
    pairs.taps += 4 * (ptrdiff_t)u.quads;
    depthwise_form(&pairs, x, output + index, 2);
    u.rows = odd;
    depthwise_form(&u, x + pairs.rows * u.x_pitch, output + index + pairs.rows * u.y_pitch, 1);
}

/* `height` rows of a band, in the output from code `index` on. */
VNNI static void depthwise_band(const qrt_conv2d_params *p, const qrt_image *image, const ptrdiff_t *taps,
                                const uint8_t *copy, int32_t height, int8_t *output, ptrdiff_t index) {
    const depthwise *d = p->packed;
    const qrt_lanes *lanes = (const qrt_lanes *)(d + 1);
    const int8_t *weights = (const int8_t *)(lanes + 2 * (ptrdiff_t)d->blocks);
    ptrdiff_t channels = p->out_channels, size = p->out_width * channels;
    units u = {p, taps, lanes, weights, d->quads, height, p->out_width, image->step, image->pitch, channels, size, 0};
    if (channels < UNIT_CODES) {
        u.count = (int32_t)(size / UNIT_CODES);
        u.x_step = u.y_step = UNIT_CODES;
        depthwise_rows(u, copy, output, index);
        u.count = 1;
        ptrdiff_t last = size - UNIT_CODES; /* a multiple of the channels */
        if (size % UNIT_CODES > 0) depthwise_rows(u, copy + last, output, index + last);
        return;
    }
    for (int32_t block = 0; block < d->blocks; block++, u.lanes += 2, u.weights += depthwise_block(d)) {
        u.channel = depthwise_first(block, p->out_channels);
        depthwise_rows(u, copy + u.channel, output, index + u.channel);
    }
}

static void depthwise_set_taps(const qrt_conv2d_params *p, const depthwise *d, const qrt_image *image,
                               ptrdiff_t *taps) {
    memset(taps, 0, depthwise_taps_size(d)); /* what is missing is read at the first position */
    for (int32_t y = 0; y < p->filter_height; y++) {
        for (int32_t x = 0; x < p->filter_width; x++) {
            taps[depthwise_place(p, d->rows, y, x)] = qrt_image_tap(image, p, y, x);
        }
    }
    if (d->rows == 1) return;
    memcpy(taps + 4 * (ptrdiff_t)d->quads, taps, 4 * (size_t)d->quads * sizeof *taps);
    for (int32_t x = 0; x < d->quads; x++) {
        taps[4 * ((ptrdiff_t)d->quads + x) + 3] = qrt_image_tap(image, p, 3, x);
    }
}

VNNI static void depthwise_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_conv2d_params *p = params;
    const depthwise *d = p->packed;
    const image_band band = image_band_of(p);
    ptrdiff_t *taps = scratch, index = 0;
    uint8_t *copy = (uint8_t *)scratch + depthwise_taps_size(d);
    const int8_t *image = inputs[0];
    depthwise_set_taps(p, d, &band.image, taps);
    for (int32_t n = 0; n < p->batch; n++, image += (ptrdiff_t)p->in_height * p->in_width * p->in_channels) {
        for (int32_t out_y = 0, height; out_y < p->out_height; out_y += height) {
            height = p->out_height - out_y < band.height ? p->out_height - out_y : band.height;
            image_copy(&band, p, image, FLIP, out_y, height, copy);
            depthwise_band(p, &band.image, taps, copy, height, output, index);
            index += (ptrdiff_t)height * p->out_width * p->out_channels;
        }
    }
}

static const qrt_kernel dwconv2d = {.run = depthwise_run,
                                    .packed_size = depthwise_packed_size,
                                    .pack = depthwise_pack,
                                    .scratch_size = depthwise_scratch,
                                    .covers = depthwise_covers,
                                    .otherwise = &qrt_dwconv2d_avx2};
