/* SPDX-License-Identifier: Apache-2.0 */
/* conv2d16.h: conv2d and linear of int16 codes, as those of int8 by vpmaddwd, whose bands are int16 too: the source of
 * the sets that multiply pairs, see pairs.h. */
#include "portable/portable.h"
#include "x86/avx2/pairs.h"
#include "x86/avx2/requant.h"
#include "x86/product16.h"

/* 0 if the portable kernel runs: of int8 codes, to int8 codes, with sums beyond 32 bits, or with an immense band. */
static size_t conv2d16_packed_size(const void *params) {
    const qrt_conv2d_params *p = params;
    if (!p->x_int16 || !p->requant.y_int16 || !qrt_band_fits(p, p->in_channels)) return 0;
    if (qrt_product16_needs_int64(p)) return 0;
    qrt_product product = qrt_product_of(p, PAIR);
    return qrt_product_size(&product);
}

static size_t conv2d16_scratch(const void *params) {
    const qrt_conv2d_params *p = params;
    if (p->packed == NULL) return 0;
    qrt_product product = qrt_product_of(p, PAIR);
    return offsets_size(&product) + qrt_band_of(p, p->in_channels).size;
}

/* The weights as for int8, with other lanes. */
static void conv2d16_pack(const void *params, void *packed) {
    qrt_product described = qrt_product_of(params, PAIR), *product = packed;
    described.signed_input = 1;
    qrt_product_pack(params, &described, packed);
    qrt_lanes *lanes = (qrt_lanes *)(product + 1);
    memset(lanes, 0, (size_t)product->groups * (size_t)product->blocks * sizeof *lanes);
    product->form = qrt_product16_lanes(params, product, lanes);
}

/* The band of int16 codes: qrt_band_copy() without widening. */
QRT_AVX2 static void band_copy16(const qrt_band *band, const qrt_conv2d_params *p, const int16_t *image, int32_t out_y,
                                 int32_t height, int16_t *to) {
    int32_t left = p->pad_left < band->columns ? p->pad_left : band->columns, columns = band->columns - p->pad_left;
    columns = columns < 0 ? 0 : columns < p->in_width ? columns : p->in_width;
    ptrdiff_t before = (ptrdiff_t)left * band->channels, inside = (ptrdiff_t)columns * band->channels;
    ptrdiff_t in_y = (ptrdiff_t)out_y * p->stride_y - p->pad_top;
    int16_t padding = (int16_t)p->x_zero_point;
    for (ptrdiff_t rows = qrt_band_rows(p, height); rows > 0; rows--, in_y++, to += band->pitch) {
        if (in_y < 0 || in_y >= p->in_height) {
            fill16(to, band->pitch, padding);
            continue;
        }
        fill16(to, before, padding);
        memcpy(to + before, image + in_y * p->in_width * p->in_channels, (size_t)inside * sizeof *to);
        fill16(to + before + inside, band->pitch - before - inside, padding);
    }
}

/* `rows` positions of at most 16 channels: acc [rows][8 * halves]. `form` and `halves` are constants. */
QRT_AVX2 QRT_INLINE void emit16(const qrt_conv2d_params *p, const int32_t *acc, int32_t rows, const qrt_lanes *lanes,
                                int32_t channels, int16_t *y, const int form, const int halves) {
    requant8 r[2];
    __m256i correction[2];
    for (int i = 0; i < halves; i++) {
        r[i] = requant8_load(lanes, i);
        correction[i] = load_lanes(lanes->correction + 8 * i);
    }
    __m256i lowest = _mm256_set1_epi16((int16_t)p->requant.output_min);
    __m256i highest = _mm256_set1_epi16((int16_t)p->requant.output_max);
    for (int32_t row = 0; row < rows; row++, acc += 8 * halves, y += p->out_channels) {
        __m256i v[2];
        for (int i = 0; i < halves; i++) {
            __m256i sum = _mm256_add_epi32(_mm256_load_si256((const __m256i *)(acc + 8 * i)), correction[i]);
            v[i] = requant8_apply(sum, &r[i], form);
        }
        __m256i codes = _mm256_permute4x64_epi64(_mm256_packs_epi32(v[0], v[halves - 1]), 0xD8);
        codes = _mm256_min_epi16(_mm256_max_epi16(codes, lowest), highest);
        if (channels == QRT_LANES) {
            _mm256_storeu_si256((__m256i *)y, codes);
        } else {
            QRT_ALIGNED int16_t all[QRT_LANES];
            _mm256_store_si256((__m256i *)all, codes);
            memcpy(y, all, (size_t)channels * sizeof *y);
        }
    }
}

static void emit16_scalar(const qrt_conv2d_params *p, const int32_t *acc, int32_t rows, const qrt_lanes *lanes,
                          int32_t channel, int32_t channels, int16_t *y, int32_t halves) {
    for (int32_t row = 0; row < rows; row++, acc += 8 * halves, y += p->out_channels) {
        for (int32_t i = 0; i < channels; i++) {
            int32_t sum = (int32_t)((uint32_t)acc[i] + (uint32_t)lanes->correction[i]);
            y[i] = (int16_t)qrt_requantize16(&p->requant, qrt_requant_channel(&p->requant, channel + i), sum);
        }
    }
}

QRT_AVX2 static void emit16_form(const qrt_conv2d_params *p, const int32_t *acc, int32_t rows, const qrt_lanes *lanes,
                                 int32_t channel, int32_t channels, int16_t *y, int32_t halves) {
    int32_t form = ((const qrt_product *)p->packed)->form;
    if (form == QRT_LANES_SLOW) {
        emit16_scalar(p, acc, rows, lanes, channel, channels, y, halves);
    } else if (halves == 2) {
        if (form == QRT_LANES_SINGLE) emit16(p, acc, rows, lanes, channels, y, QRT_LANES_SINGLE, 2);
        if (form == QRT_LANES_SINGLE_LEFT) emit16(p, acc, rows, lanes, channels, y, QRT_LANES_SINGLE_LEFT, 2);
        if (form == QRT_LANES_DOUBLE) emit16(p, acc, rows, lanes, channels, y, QRT_LANES_DOUBLE, 2);
    } else {
        if (form == QRT_LANES_SINGLE) emit16(p, acc, rows, lanes, channels, y, QRT_LANES_SINGLE, 1);
        if (form == QRT_LANES_SINGLE_LEFT) emit16(p, acc, rows, lanes, channels, y, QRT_LANES_SINGLE_LEFT, 1);
        if (form == QRT_LANES_DOUBLE) emit16(p, acc, rows, lanes, channels, y, QRT_LANES_DOUBLE, 1);
    }
}

/* All channels of the positions with inputs at x. `output` is the first position's. */
PAIRS static void conv2d16_table(const qrt_conv2d_params *p, const int16_t *const *x, int32_t positions,
                                 const int32_t *offset, int16_t *output) {
    int32_t acc[QRT_TABLE * QRT_LANES] QRT_ALIGNED;
    const qrt_product *product = p->packed;
    int32_t channels = p->out_channels / p->groups, in_channels = p->in_channels / p->groups;
    const qrt_lanes *lanes = qrt_product_lanes(product);
    const int8_t *weights = qrt_product_weights(product);
    const int16_t *from[QRT_TABLE];
    for (int32_t group = 0; group < p->groups; group++) {
        for (int32_t m = 0; m < positions; m++) from[m] = x[m] + (ptrdiff_t)group * in_channels;
        for (int32_t first = 0; first < channels; first += QRT_LANES, lanes++, weights += qrt_product_block(product)) {
            int32_t count = channels - first < QRT_LANES ? channels - first : QRT_LANES, halves = count > 8 ? 2 : 1;
            int32_t channel = group * channels + first;
            (halves == 2 ? multiply_16 : multiply_8)(from, positions, offset, pair_count(product), weights, acc);
            emit16_form(p, acc, positions, lanes, channel, count, output + channel, halves);
        }
    }
}

PAIRS static void conv2d16_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_conv2d_params *p = params;
    const qrt_product *product = p->packed;
    if (product == NULL) {
        qrt_conv2d16_s8(params, inputs, output, scratch);
        return;
    }
    const qrt_band band = qrt_band_of(p, p->in_channels);
    int32_t *offset = scratch;
    int16_t *copy = (int16_t *)((uint8_t *)scratch + offsets_size(product)), *y = qrt_output16(output);
    const int16_t *image = qrt_codes16(inputs[0]);
    set_offsets(p, product, &band, offset);
    for (int32_t n = 0; n < p->batch; n++, image += (ptrdiff_t)p->in_height * p->in_width * p->in_channels) {
        for (int32_t out_y = 0; out_y < p->out_height; out_y += band.height) {
            int32_t height = p->out_height - out_y < band.height ? p->out_height - out_y : band.height;
            band_copy16(&band, p, image, out_y, height, copy);
            int32_t count = height * p->out_width;
            for (int32_t q = 0; q < count; q += QRT_TABLE) {
                int32_t positions = count - q < QRT_TABLE ? count - q : QRT_TABLE;
                const int16_t *x[QRT_TABLE];
                qrt_band_positions(&band, p, copy, q, positions, x);
                conv2d16_table(p, x, positions, offset, y);
                y += (ptrdiff_t)positions * p->out_channels;
            }
        }
    }
}

static size_t linear16_packed_size(const void *params) {
    qrt_conv2d_params conv = qrt_linear_as_rows(params);
    return conv2d16_packed_size(&conv);
}

static void linear16_pack(const void *params, void *packed) {
    qrt_conv2d_params conv = qrt_linear_as_rows(params);
    conv2d16_pack(&conv, packed);
}

static size_t linear16_scratch(const void *params) {
    qrt_conv2d_params conv = qrt_linear_as_rows(params);
    return conv2d16_scratch(&conv);
}

static void linear16_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    qrt_conv2d_params conv = qrt_linear_as_rows(params);
    if (conv.packed == NULL) {
        qrt_linear16_s8(params, inputs, output, scratch);
    } else {
        conv2d16_run(&conv, inputs, output, scratch);
    }
}

static const qrt_kernel conv2d16 = {
    .run = conv2d16_run, .packed_size = conv2d16_packed_size, .pack = conv2d16_pack, .scratch_size = conv2d16_scratch};
static const qrt_kernel linear16 = {
    .run = linear16_run, .packed_size = linear16_packed_size, .pack = linear16_pack, .scratch_size = linear16_scratch};
