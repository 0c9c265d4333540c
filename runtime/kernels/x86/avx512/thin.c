/* SPDX-License-Identifier: Apache-2.0 */
/* thin.c: see thin.h. Packed weights are a head, the lanes of each block, int8 [blocks][quads][16][4]. */
#include "x86/avx512/thin.h"

#include "x86/avx512/avx512.h"
#include "x86/avx512/image.h"
#include "x86/avx512/requant.h"
#include "x86/lanes.h"
#include "x86/x86.h"

#ifdef QRT_X86

#include <string.h>

#define FLIP 0x80 /* x ^ FLIP is x + 128 */
/* More quads are a matter of the product. */
#define MAX_QUADS 24
#define MAX_STEP 64
/* Positions at once. */
#define GROUP 4

typedef struct head {
    int32_t form; /* of lanes.h, for all lanes */
    int32_t reserved[15];
} head;

/* What follows from the shape. */
typedef struct layout {
    int32_t chunks, quads; /* of a row of the filter, and of the filter */
    int32_t blocks;
    int32_t streams;
    int32_t count;    /* positions of a stream */
    int32_t second;   /* the second stream's first position */
    int32_t copies;   /* of a row; 1 with one stream */
    int32_t ring;     /* rows of the input needed at once */
    ptrdiff_t step;   /* bytes of the input from one position to the next */
    ptrdiff_t line;   /* bytes of a padded row */
    ptrdiff_t copied; /* bytes of a copy of it */
    ptrdiff_t pitch;  /* of all */
} layout;

static ptrdiff_t round_to_64(ptrdiff_t size) { return (size + 63) / 64 * 64; }

static layout layout_of(const qrt_conv2d_params *p) {
    layout l;
    l.chunks = (p->filter_width * p->in_channels + 3) / 4;
    l.quads = p->filter_height * l.chunks;
    l.streams = p->out_channels == 8 && p->out_width >= 2 * GROUP ? 2 : 1;
    l.blocks = (p->out_channels * l.streams + QRT_LANES - 1) / QRT_LANES;
    l.count = (p->out_width + l.streams - 1) / l.streams;
    l.second = p->out_width - l.count;
    l.step = (ptrdiff_t)p->stride_x * p->in_channels;
    l.copies = l.streams == 1 || l.step % 4 == 0 ? 1 : l.step % 2 == 0 ? 2 : 4;
    l.ring = (p->filter_height - 1) * p->dilation_y + 1;
    /* Up to 4 * GROUP positions are computed at once, and their quads are read whole. */
    ptrdiff_t reach = (l.count + 4 * GROUP) * l.step + 4 * l.chunks;
    ptrdiff_t padded = ((ptrdiff_t)p->pad_left + p->in_width) * p->in_channels;
    l.copied = round_to_64(l.streams * reach + 64);
    l.line = l.second * l.step + l.copied + 64;
    l.line = round_to_64(l.line < padded ? padded : l.line);
    l.pitch = l.streams == 1 ? l.line : l.copies * l.copied;
    return l;
}

/* Whether the convolution of one group is thin. What it costs elsewhere is in proportion to the tensors. */
static int is_thin(const qrt_conv2d_params *p) {
    if (p->groups != 1 || p->x_int16 || p->requant.wide || p->requant.y_int16) return 0;
    if (p->dilation_x > 1 && p->filter_width > 1) return 0;
    if ((int64_t)p->stride_x * p->in_channels > MAX_STEP || p->filter_height > MAX_QUADS) return 0;
    if ((int64_t)p->filter_width * p->in_channels > 4 * MAX_QUADS || !qrt_image_fits(p, p->in_channels, 0)) return 0;
    return layout_of(p).quads <= MAX_QUADS;
}

/* Whether this is the fastest way, as measured: rows that are not long cost more than they save. */
static int pays(const qrt_conv2d_params *p) {
    const layout l = layout_of(p);
    if (l.streams == 2) return p->out_width >= 20;
    return l.quads <= 9 && p->out_width >= (p->filter_height * p->filter_width > 1 ? 32 : 48);
}

/* At least the magnitude of a channel's sum, whatever the weights are. */
static int64_t largest_sum(const qrt_conv2d_params *p, int32_t channel) {
    int64_t bias = p->requant.bias != NULL ? p->requant.bias[channel] : 0;
    int64_t taps = (int64_t)p->filter_height * p->filter_width * p->in_channels;
    return 255 * 128 * taps + (bias < 0 ? -bias : bias);
}

/* Whether the lanes of all channels have a form that requantizes registers. */
static int has_lanes(const qrt_conv2d_params *p) {
    qrt_lanes lanes;
    for (int32_t i = 0; i < p->out_channels; i++) {
        if (qrt_lane_fill(&lanes, 0, &p->requant, i, 0, largest_sum(p, i)) > QRT_LANES_DOUBLE) return 0;
    }
    return 1;
}

int qrt_thin_covers(const void *params) {
    const qrt_conv2d_params *p = params;
    return is_thin(p) && pays(p) && has_lanes(p);
}

int qrt_thin_depthwise_covers(const void *params) {
    const qrt_conv2d_params *p = params;
    return p->in_channels == 1 && p->out_channels > 1 && is_thin(p) && has_lanes(p);
}

static qrt_lanes *lanes_of(const void *packed) { return (qrt_lanes *)((uintptr_t)packed + sizeof(head)); }

static int8_t *weights_of(const layout *l, const void *packed) { return (int8_t *)(lanes_of(packed) + l->blocks); }

size_t qrt_thin_packed_size(const void *params) {
    const layout l = layout_of(params);
    return sizeof(head) + (size_t)l.blocks * (sizeof(qrt_lanes) + (size_t)l.quads * 64);
}

/* `weights` are [out_channels][filter_height][run] with these distances. */
static void pack(const qrt_conv2d_params *p, ptrdiff_t of_channel, ptrdiff_t of_row, ptrdiff_t of_byte, void *packed) {
    const layout l = layout_of(p);
    int32_t run = p->filter_width * p->in_channels;
    memset(packed, 0, qrt_thin_packed_size(p));
    head *h = packed;
    for (int32_t lane = 0; lane < p->out_channels * l.streams; lane++) {
        int32_t channel = lane / l.streams, block = lane / QRT_LANES, sum = 0;
        int8_t *to = weights_of(&l, packed) + (ptrdiff_t)block * l.quads * 64 + lane % QRT_LANES * 4;
        for (int32_t y = 0; y < p->filter_height; y++) {
            for (int32_t i = 0; i < run; i++) {
                int8_t w = p->weights[channel * of_channel + y * of_row + i * of_byte];
                to[(ptrdiff_t)(y * l.chunks + i / 4) * 64 + i % 4] = w;
                sum += w;
            }
        }
        int64_t correction = -(int64_t)sum * (p->x_zero_point + 128);
        int32_t form = qrt_lane_fill(lanes_of(packed) + block, lane % QRT_LANES, &p->requant, channel, correction,
                                     largest_sum(p, channel));
        h->form = form > h->form ? form : h->form;
    }
}

void qrt_thin_pack(const void *params, void *packed) {
    const qrt_conv2d_params *p = params;
    ptrdiff_t run = (ptrdiff_t)p->filter_width * p->in_channels;
    pack(p, p->filter_height * run, run, 1, packed);
}

void qrt_thin_depthwise_pack(const void *params, void *packed) {
    const qrt_conv2d_params *p = params;
    pack(p, 1, (ptrdiff_t)p->filter_width * p->out_channels, p->out_channels, packed);
}

/* Scratch buffer: addresses of the quads; a padded row, if there are streams; the ring and a row of padding. */
static ptrdiff_t taps_size(const layout *l) { return round_to_64(l->quads * (ptrdiff_t)sizeof(uint8_t *)); }

size_t qrt_thin_scratch(const void *params) {
    const layout l = layout_of(params);
    return (size_t)(taps_size(&l) + l.line + (l.ring + 1) * l.pitch);
}

/* Alternates the words of two streams. */
QRT_AVX512 static void make_copies(const layout *l, const uint8_t *line, uint8_t *to) {
    const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
    for (int32_t k = 0; k < l->copies; k++) {
        const uint8_t *first = line + k * l->step % 4, *second = first + l->second * l->step;
        uint8_t *copy = to + k * l->copied;
        for (ptrdiff_t i = 0; i < l->copied; i += 128, first += 64, second += 64) {
            __m512i a = _mm512_loadu_si512(first), b = _mm512_loadu_si512(second);
            _mm512_storeu_si512(copy + i, _mm512_permutex2var_epi32(a, low, b));
            if (i + 64 < l->copied) _mm512_storeu_si512(copy + i + 64, _mm512_permutex2var_epi32(a, high, b));
        }
    }
}

/* Codes of the output: where they go, and what they are clamped to. */
typedef struct outlet {
    ptrdiff_t stride; /* bytes from one position to the next */
    ptrdiff_t second; /* to the second stream */
    uint64_t mask;    /* of a position's channels */
    int dense;        /* whether positions that are computed together are contiguous */
    __m512i output_min, output_max;
} outlet;

/* The first `left` of GROUP positions, `blocks` registers of numbers each. */
QRT_AVX512 QRT_INLINE void put(const outlet *out, const __m512i *v, int8_t *y, int32_t left, const int blocks) {
    QRT_UNROLL
    for (int i = 0; i < blocks; i++, v += 4) {
        __m512i codes = narrow64(v[0], v[1], v[2], v[3]);
        codes = _mm512_min_epi8(_mm512_max_epi8(codes, out->output_min), out->output_max);
        int8_t *to = y + i * (4 / blocks) * out->stride;
        int32_t here = left - i * (4 / blocks);
        if (here <= 0) return;
        if (blocks == 4) {
            _mm512_mask_storeu_epi8(to, out->mask, codes);
        } else if (out->dense && here >= 4 / blocks) {
            _mm512_storeu_si512(to, codes);
        } else if (blocks == 2) {
            __mmask32 channels = (__mmask32)out->mask;
            _mm256_mask_storeu_epi8(to, channels, _mm512_castsi512_si256(codes));
            if (here > 1) _mm256_mask_storeu_epi8(to + out->stride, channels, _mm512_extracti64x4_epi64(codes, 1));
        } else {
            __mmask16 channels = (__mmask16)out->mask;
            _mm_mask_storeu_epi8(to, channels, _mm512_castsi512_si128(codes));
            to += out->stride;
            if (here > 1) _mm_mask_storeu_epi8(to, channels, _mm512_extracti32x4_epi32(codes, 1));
            if (here > 2) _mm_mask_storeu_epi8(to + out->stride, channels, _mm512_extracti32x4_epi32(codes, 2));
            if (here > 3) _mm_mask_storeu_epi8(to + 2 * out->stride, channels, _mm512_extracti32x4_epi32(codes, 3));
        }
    }
}

/* Two streams of 8 channels: the numbers of each register alternate. */
QRT_AVX512 QRT_INLINE void put_streams(const outlet *out, const __m512i *v, int8_t *y, int32_t left) {
    const __m512i apart = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15));
    /* Words of two channels, of lane 0 to 3 for each position and stream. */
    const __m512i order = _mm512_setr_epi32(0x00080000, 0x00180010, 0x000a0002, 0x001a0012, 0x000c0004, 0x001c0014,
                                            0x000e0006, 0x001e0016, 0x00090001, 0x00190011, 0x000b0003, 0x001b0013,
                                            0x000d0005, 0x001d0015, 0x000f0007, 0x001f0017);
    __m512i codes = _mm512_shuffle_epi8(narrow_in_lanes(v[0], v[1], v[2], v[3]), apart);
    codes = _mm512_permutexvar_epi16(order, codes);
    codes = _mm512_min_epi8(_mm512_max_epi8(codes, out->output_min), out->output_max);
    __m256i first = _mm512_castsi512_si256(codes), second = _mm512_extracti64x4_epi64(codes, 1);
    if (left >= GROUP) {
        _mm256_storeu_si256((__m256i *)y, first);
        _mm256_storeu_si256((__m256i *)(y + out->second), second);
    } else {
        __mmask32 mask = ((__mmask32)1 << 8 * left) - 1;
        _mm256_mask_storeu_epi8(y, mask, first);
        _mm256_mask_storeu_epi8(y + out->second, mask, second);
    }
}

/* The quads of a row of outputs, and how its positions lie. */
typedef struct row {
    const uint8_t *const *tap; /* [quads] */
    int32_t quads;
    ptrdiff_t at[GROUP]; /* of the positions of a group */
    ptrdiff_t step;      /* from one group to the next */
} row;

/* In one register: gcc would copy the sums of a round, which takes as long as the products. */
QRT_AVX512 QRT_INLINE void add_products(__m512i *sum, __m512i x, __m512i w) {
    *sum = _mm512_dpbusd_epi32(*sum, x, w);
    __asm__("" : "+v"(*sum));
}

/* `groups` groups of positions, `blocks` registers each; all three counts and `form` are constants. */
QRT_AVX512 QRT_INLINE void put_groups(const row *r, ptrdiff_t at, const int8_t *weights, ptrdiff_t block_size,
                                      const requant16 *requant, const outlet *out, int8_t *y, int32_t left,
                                      const int groups, const int blocks, const int streams, const int form) {
    __m512i sum[4 * GROUP];
    QRT_UNROLL
    for (int i = 0; i < groups * GROUP * blocks; i++) sum[i] = _mm512_setzero_si512();
    for (int32_t t = 0; t < r->quads; t++, weights += 64) {
        const uint8_t *x = r->tap[t] + at;
        __m512i w[4];
        QRT_UNROLL
        for (int n = 0; n < blocks; n++) w[n] = _mm512_load_si512(weights + n * block_size);
        QRT_UNROLL
        for (int m = 0; m < groups * GROUP; m++) {
            __m512i all;
            const uint8_t *from = x + m / GROUP * r->step + r->at[m % GROUP];
            if (streams == 2) {
                int64_t both;
                memcpy(&both, from, sizeof both);
                all = _mm512_set1_epi64(both);
            } else {
                int32_t quad;
                memcpy(&quad, from, sizeof quad);
                all = _mm512_set1_epi32(quad);
            }
            QRT_UNROLL
            for (int n = 0; n < blocks; n++) add_products(&sum[m * blocks + n], all, w[n]);
        }
    }
    QRT_UNROLL
    for (int i = 0; i < groups * GROUP * blocks; i++) sum[i] = requant16_apply(sum[i], &requant[i % blocks], form);
    QRT_UNROLL
    for (int g = 0; g < groups; g++) {
        int8_t *to = y + g * GROUP * out->stride;
        if (left <= g * GROUP) return;
        if (streams == 2) {
            put_streams(out, sum + g * GROUP, to, left - g * GROUP);
        } else {
            put(out, sum + g * GROUP * blocks, to, left - g * GROUP, blocks);
        }
    }
}

#define PUT_GROUPS(groups)                                                                                             \
    {                                                                                                                  \
        put_groups(r, at, weights, block_size, requant, out, y, count, groups, blocks, streams, form);                 \
        count -= (groups) * GROUP;                                                                                     \
        at += (groups) * r->step;                                                                                      \
        y += (groups) * GROUP * out->stride;                                                                           \
    }

/* `count` positions of a row, `blocks` blocks of channels from `lanes` on. */
QRT_AVX512 QRT_INLINE void put_row(const row *r, int32_t count, const qrt_lanes *lanes, const int8_t *weights,
                                   const outlet *out, int8_t *y, const int blocks, const int streams, const int form) {
    requant16 requant[4];
    ptrdiff_t at = 0, block_size = (ptrdiff_t)r->quads * 64;
    QRT_UNROLL
    for (int n = 0; n < blocks; n++) requant[n] = requant16_load(lanes + n);
    /* As many sums at once as the latency of a product needs, and no more groups than are left. */
    const int most = 4 / blocks;
    while (most == 4 && count > 3 * GROUP) PUT_GROUPS(4);
    while (most == 4 && count > 2 * GROUP) PUT_GROUPS(3);
    while (most >= 2 && count > GROUP) PUT_GROUPS(2);
    while (count > 0) PUT_GROUPS(1);
}

typedef void (*put_some)(const row *r, int32_t count, const qrt_lanes *lanes, const int8_t *weights, const outlet *out,
                         int8_t *y);

#define PUT(name, blocks, streams, form)                                                                               \
    QRT_AVX512 static void name(const row *r, int32_t count, const qrt_lanes *lanes, const int8_t *weights,            \
                                const outlet *out, int8_t *y) {                                                        \
        put_row(r, count, lanes, weights, out, y, blocks, streams, form);                                              \
    }
#define PUT_FORMS(name, blocks, streams)                                                                               \
    PUT(name##_single, blocks, streams, QRT_LANES_SINGLE)                                                              \
    PUT(name##_left, blocks, streams, QRT_LANES_SINGLE_LEFT)                                                           \
    PUT(name##_double, blocks, streams, QRT_LANES_DOUBLE)
PUT_FORMS(streams, 1, 2)
PUT_FORMS(one, 1, 1)
PUT_FORMS(two, 2, 1)
PUT_FORMS(four, 4, 1)

/* For blocks [0] as two streams, [1], [2] as 2, [3] as 4; by form. */
static const put_some puts_of[4][3] = {{streams_single, streams_left, streams_double},
                                       {one_single, one_left, one_double},
                                       {two_single, two_left, two_double},
                                       {four_single, four_left, four_double}};

/* All channels of an output row. */
static void put_channels(const qrt_conv2d_params *p, const layout *l, const row *r, outlet *out, int8_t *y) {
    const head *h = p->packed;
    const qrt_lanes *lanes = lanes_of(h);
    const int8_t *weights = weights_of(l, h);
    int32_t at_once;
    for (int32_t block = 0; block < l->blocks; block += at_once, lanes += at_once, y += at_once * QRT_LANES) {
        int32_t left = l->blocks - block, channels = p->out_channels - block * QRT_LANES;
        at_once = left >= 3 ? (left == 3 ? 2 : 4) : left;
        int32_t wide = at_once * QRT_LANES;
        if (channels > wide) channels = wide;
        out->mask = ~(uint64_t)0 >> (64 - channels);
        out->dense = channels == wide && p->out_channels == wide;
        int32_t way = l->streams == 2 ? 0 : at_once == 4 ? 3 : at_once;
        puts_of[way][h->form](r, l->count, lanes, weights + (ptrdiff_t)block * l->quads * 64, out, y);
    }
}

/* The rows of the input that are needed, one behind another; row i is in slot i % l->ring. */
typedef struct ring {
    uint8_t *line, *rows; /* filled with padding; behind the rows is one that remains so */
    int32_t next, slot;   /* the first row that is not there yet, and its slot */
} ring;

/* Copies the rows up to `end` that are not in the ring yet, from row `first` on. */
QRT_AVX512 static void fill_ring(const qrt_conv2d_params *p, const layout *l, const int8_t *image, int32_t first,
                                 int32_t end, ring *r) {
    const __m512i flip = _mm512_set1_epi8((char)FLIP);
    ptrdiff_t row_size = (ptrdiff_t)p->in_width * p->in_channels, left = (ptrdiff_t)p->pad_left * p->in_channels;
    if (r->next < first) {
        r->next = first;
        r->slot = first % l->ring;
    }
    for (; r->next < end && r->next < p->in_height; r->next++) {
        uint8_t *slot = r->rows + r->slot * l->pitch;
        copy_flipped((l->streams == 1 ? slot : r->line) + left, image + r->next * row_size, row_size, flip);
        if (l->streams == 2) make_copies(l, r->line, slot);
        r->slot = r->slot + 1 < l->ring ? r->slot + 1 : 0;
    }
}

/* The quads of the output row whose filter begins at row `first`. */
static void set_taps(const qrt_conv2d_params *p, const layout *l, const ring *r, int32_t first, const uint8_t **tap) {
    const uint8_t *padding = r->rows + l->ring * l->pitch;
    int32_t slot = first % l->ring;
    if (slot < 0) slot += l->ring;
    for (int32_t i = 0; i < p->filter_height; i++, first += p->dilation_y, slot += p->dilation_y) {
        while (slot >= l->ring) slot -= l->ring;
        const uint8_t *from = first >= 0 && first < p->in_height ? r->rows + slot * l->pitch : padding;
        for (int32_t k = 0; k < l->chunks; k++) *tap++ = from + (ptrdiff_t)k * 4 * l->streams;
    }
}

static void run_image(const qrt_conv2d_params *p, const layout *l, const int8_t *image, int8_t *output, ring *rows,
                      outlet *out, const uint8_t **tap) {
    row r = {tap, l->quads, {0}, GROUP * l->step * l->streams};
    for (int32_t m = 0; m < GROUP; m++) {
        ptrdiff_t from = m * l->step;
        r.at[m] = l->streams == 1 ? from : m % l->copies * l->copied + from / 4 * 8;
    }
    rows->next = rows->slot = 0;
    for (int32_t out_y = 0; out_y < p->out_height; out_y++, output += (ptrdiff_t)p->out_width * p->out_channels) {
        int32_t first = out_y * p->stride_y - p->pad_top;
        fill_ring(p, l, image, first, first + l->ring, rows);
        set_taps(p, l, rows, first, tap);
        put_channels(p, l, &r, out, output);
    }
}

QRT_AVX512 void qrt_thin_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_conv2d_params *p = params;
    const layout l = layout_of(p);
    const uint8_t **tap = scratch;
    uint8_t *line = (uint8_t *)scratch + taps_size(&l);
    ring r = {line, line + l.line, 0, 0};
    outlet out = {p->out_channels,
                  (ptrdiff_t)l.second * p->out_channels,
                  0,
                  0,
                  _mm512_set1_epi8((char)p->requant.output_min),
                  _mm512_set1_epi8((char)p->requant.output_max)};
    ptrdiff_t in_size = (ptrdiff_t)p->in_height * p->in_width * p->in_channels;
    ptrdiff_t out_size = (ptrdiff_t)p->out_height * p->out_width * p->out_channels;
    fill(line, l.line + (l.ring + 1) * l.pitch, _mm512_set1_epi8((char)((uint8_t)p->x_zero_point ^ FLIP)));
    for (int32_t n = 0; n < p->batch; n++) {
        run_image(p, &l, inputs[0] + n * in_size, output + n * out_size, &r, &out, tap);
    }
}

const qrt_kernel qrt_conv2d_thin_avx512 = QRT_THIN_CONV2D(&qrt_conv2d_avx512vnni);
const qrt_kernel qrt_dwconv2d_thin_avx512 = QRT_THIN_DWCONV2D(&qrt_dwconv2d_avx512vnni);

#endif
