/* SPDX-License-Identifier: Apache-2.0 */
/* depthwise.c: dwconv2d with AVX2, 16 channels at a time.
 *
 * Two taps are interleaved, so that vpmaddwd multiplies and adds both:
 *
 *   packed: depthwise | qrt_lanes [blocks] | int16 [blocks][pairs][16][2]
 *
 * with channels in the order of QRT_ORDER_UNPACKED. An odd tap is paired with zero weights. If neighbouring positions
 * are contiguous and 16 is a multiple of the channels, a block is all channels of several positions.
 */
#include "portable/portable.h"
#include "x86/avx2/avx2.h"
#include "x86/avx2/emit.h"
#include "x86/avx2/image.h"

#ifdef QRT_X86

/* 64 bytes. */
typedef struct depthwise {
    int32_t form; /* of lanes.h, for all lanes */
    int32_t blocks;
    int32_t pairs;
    int32_t reserved[13];
} depthwise;

/* The layer in blocks of 16: `p` has as many in_channels as out_channels, and may combine several positions in one. */
typedef struct folded {
    qrt_conv2d_params p;
    int32_t channels; /* distinct channels */
} folded;

static folded fold(const qrt_conv2d_params *p) {
    folded f = {*p, p->out_channels};
    int32_t positions = QRT_LANES / p->out_channels;
    if (p->stride_x == 1 && p->out_channels < QRT_LANES && QRT_LANES % p->out_channels == 0 &&
        p->out_width % positions == 0) {
        f.p.out_channels = QRT_LANES;
        f.p.out_width /= positions;
    }
    return f;
}

/* First channel of a block. The last block overlaps the previous one if it would be partial. */
static int32_t first_channel(int32_t block, int32_t channels) {
    int32_t first = block * QRT_LANES, last = channels - QRT_LANES;
    return first < last ? first : last > 0 ? last : 0;
}

static depthwise depthwise_of(const folded *f) {
    depthwise d = {0};
    d.blocks = (f->p.out_channels + QRT_LANES - 1) / QRT_LANES;
    d.pairs = (f->p.filter_height * f->p.filter_width + 1) / 2;
    return d;
}

static size_t dwconv2d_packed_size(const void *params) {
    const qrt_conv2d_params *p = params;
    folded f = fold(p);
    depthwise d = depthwise_of(&f);
    if (!qrt_band_fits(p, p->out_channels)) return 0;
    size_t weights = (size_t)d.pairs * 2 * QRT_LANES * sizeof(int16_t);
    return sizeof d + (size_t)d.blocks * (sizeof(qrt_lanes) + weights);
}

/* Packs one channel of a block; `weights` is the block's. Returns the form that it needs. */
static int32_t pack_channel(const qrt_conv2d_params *p, int32_t channel, int32_t lane, qrt_lanes *lanes,
                            int16_t *weights) {
    int64_t sum = 0, magnitude = 0, bias = p->requant.bias != NULL ? p->requant.bias[channel] : 0;
    for (int32_t tap = 0; tap < p->filter_height * p->filter_width; tap++) {
        int32_t w = p->weights[(ptrdiff_t)tap * p->out_channels + channel];
        weights[2 * (tap / 2 * QRT_LANES + lane) + tap % 2] = (int16_t)w;
        sum += w;
        magnitude += w < 0 ? -w : w;
    }
    int64_t largest = magnitude * 255 + (bias < 0 ? -bias : bias);
    return qrt_lane_fill(lanes, lane, &p->requant, channel, -sum * p->x_zero_point, largest);
}

static void dwconv2d_pack(const void *params, void *packed) {
    const qrt_conv2d_params *p = params;
    folded f = fold(p);
    depthwise *d = packed;
    *d = depthwise_of(&f);
    qrt_lanes *lanes = (qrt_lanes *)(d + 1);
    int16_t *weights = (int16_t *)(lanes + d->blocks);
    memset(lanes, 0, dwconv2d_packed_size(p) - sizeof *d);
    for (int32_t block = 0; block < d->blocks; block++, lanes++, weights += d->pairs * 2 * QRT_LANES) {
        int32_t first = first_channel(block, f.p.out_channels);
        for (int32_t lane = 0; lane < QRT_LANES; lane++) {
            int32_t channel = first + channel_of_lane(lane, QRT_ORDER_UNPACKED);
            if (channel >= f.p.out_channels) continue;
            int32_t form = pack_channel(p, channel % f.channels, lane, lanes, weights);
            d->form = form > d->form ? form : d->form;
        }
    }
}

/* Scratch: offsets of the taps, then the band. */
static size_t offsets_size(int32_t pairs) { return ((size_t)pairs * 2 * sizeof(int32_t) + 63) / 64 * 64; }

static size_t dwconv2d_scratch(const void *params) {
    const qrt_conv2d_params *p = params;
    if (!qrt_band_fits(p, p->out_channels)) return 0;
    return offsets_size((p->filter_height * p->filter_width + 1) / 2) + qrt_band_of(p, p->out_channels).size;
}

/* acc [positions][16]. `positions` is a constant. */
QRT_AVX2 QRT_INLINE void multiply(const int16_t *const *x, ptrdiff_t channel, const int32_t *offset, int32_t pairs,
                                  const int16_t *weights, int32_t *acc, const int positions) {
    __m256i low[4], high[4];
    const int16_t *from[4];
    QRT_UNROLL
    for (int m = 0; m < positions; m++) {
        low[m] = high[m] = _mm256_setzero_si256();
        from[m] = x[m] + channel;
    }
    for (int32_t i = 0; i < pairs; i++, weights += 2 * QRT_LANES) {
        ptrdiff_t first = offset[2 * i], second = offset[2 * i + 1];
        __m256i low_weights = _mm256_load_si256((const __m256i *)weights);
        __m256i high_weights = _mm256_load_si256((const __m256i *)(weights + QRT_LANES));
        QRT_UNROLL
        for (int m = 0; m < positions; m++) {
            __m256i a = _mm256_loadu_si256((const __m256i *)(from[m] + first));
            __m256i b = _mm256_loadu_si256((const __m256i *)(from[m] + second));
            low[m] = _mm256_add_epi32(low[m], _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), low_weights));
            high[m] = _mm256_add_epi32(high[m], _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), high_weights));
        }
    }
    QRT_UNROLL
    for (int m = 0; m < positions; m++) {
        _mm256_store_si256((__m256i *)(acc + QRT_LANES * m), low[m]);
        _mm256_store_si256((__m256i *)(acc + QRT_LANES * m + 8), high[m]);
    }
}

/* All channels of the positions with inputs at x. `output` is the first position's. */
QRT_AVX2 static void dwconv2d_table(const folded *f, const qrt_emitter *e, const int16_t *const *x, int32_t positions,
                                    const int32_t *offset, int8_t *output) {
    int32_t acc[QRT_TABLE_SIZE] QRT_ALIGNED;
    const depthwise *d = f->p.packed;
    const qrt_lanes *lanes = (const qrt_lanes *)(d + 1);
    const int16_t *weights = (const int16_t *)(lanes + d->blocks);
    int32_t channels = f->p.out_channels;
    for (int32_t block = 0; block < d->blocks; block++, lanes++, weights += d->pairs * 2 * QRT_LANES) {
        int32_t first = first_channel(block, channels), m = 0;
        for (; m + 4 <= positions; m += 4) {
            multiply(x + m, first, offset, d->pairs, weights, acc + QRT_LANES * m, 4);
        }
        for (; m < positions; m++) multiply(x + m, first, offset, d->pairs, weights, acc + QRT_LANES * m, 1);
        qrt_emit_place place = {lanes, first, channels < QRT_LANES ? channels : QRT_LANES, output};
        emit(e, acc, positions, place, 2);
    }
}

static void set_offsets(const qrt_conv2d_params *p, const qrt_band *band, int32_t *offset) {
    int32_t taps = p->filter_height * p->filter_width;
    for (int32_t tap = 0; tap < taps; tap++) {
        offset[tap] = (int32_t)qrt_band_tap(band, p, tap / p->filter_width, tap % p->filter_width);
    }
    if (taps % 2 == 1) offset[taps] = offset[taps - 1];
}

QRT_AVX2 static void dwconv2d_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_conv2d_params *p = params;
    if (p->packed == NULL) {
        qrt_dwconv2d_s8(params, inputs, output, scratch);
        return;
    }
    const folded f = fold(p);
    const depthwise *d = p->packed;
    const qrt_band band = qrt_band_of(p, p->out_channels);
    qrt_band view = band; /* the band in positions of `f` */
    view.channels = f.p.out_channels;
    int32_t *offset = scratch;
    int16_t *copy = (int16_t *)((uint8_t *)scratch + offsets_size(d->pairs));
    const qrt_emitter e = {&p->requant, f.p.out_channels, f.channels, d->form, QRT_ORDER_UNPACKED};
    ptrdiff_t position_size = (ptrdiff_t)f.p.out_channels * (p->requant.wide ? 4 : 1);
    const int8_t *image = inputs[0];
    set_offsets(p, &band, offset);
    for (int32_t n = 0; n < p->batch; n++, image += (ptrdiff_t)p->in_height * p->in_width * p->in_channels) {
        for (int32_t out_y = 0; out_y < p->out_height; out_y += band.height) {
            int32_t height = p->out_height - out_y < band.height ? p->out_height - out_y : band.height;
            int32_t count = height * f.p.out_width;
            qrt_band_copy(&band, p, image, out_y, height, copy);
            for (int32_t q = 0; q < count; q += QRT_TABLE) {
                int32_t positions = count - q < QRT_TABLE ? count - q : QRT_TABLE;
                const int16_t *x[QRT_TABLE];
                qrt_band_positions(&view, &f.p, copy, q, positions, x);
                dwconv2d_table(&f, &e, x, positions, offset, output);
                output += positions * position_size;
            }
        }
    }
}

const qrt_kernel qrt_dwconv2d_avx2 = {
    .run = dwconv2d_run, .packed_size = dwconv2d_packed_size, .pack = dwconv2d_pack, .scratch_size = dwconv2d_scratch};

#endif
