/* winograd.c: conv2d with a 3x3 window and stride 1 by Winograd's F(2x2, 3x3), exactly, with AVX2.
 *
 * A tile of 2x2 outputs sees 4x4 inputs d. With the 3x3 weights g of a channel,
 *
 *   4 * acc = A' [sum over in_channel of (2G g 2G') * (B' d B)] A             * entry by entry, ' transposed
 *
 *        | 1  0 -1  0 |         | 2  0  0 |
 *   B' = | 0  1  1  0 |    2G = | 1  1  1 |    A' = | 1  1  1  0 |
 *        | 0 -1  1  0 |         | 1 -1  1 |         | 0  1 -1 -1 |
 *        | 0  1  0 -1 |         | 0  0  2 |
 *
 * which takes 16 products instead of 36. The factors are int16: |B' d B| <= 4 * 128 and |2G g 2G'| <= 9 * 128. Sums
 * may wrap: arithmetic modulo 2^32 gives 4 * acc, which is below 2^31.
 *
 *   packed: winograd | qrt_lanes [blocks] | int16 [blocks][16][pairs][16][2]
 */
#include "x86/avx2/avx2.h"
#include "x86/avx2/emit.h"
#include "x86/avx2/image.h"

#ifdef QRT_X86

#define POINTS 16 /* of a tile */

/* Tiles computed together, unless one row has more. */
#define TILES 24

/* Limits: channels, so that 4 * acc is below 2^31; entries in a row of the output, so that scratch stays small. */
#define MOST_CHANNELS 1024
#define MOST_ENTRIES (1 << 19)

/* 64 bytes. */
typedef struct winograd {
    int32_t form; /* of lanes.h, for all lanes */
    int32_t reserved[15];
} winograd;

/* Layout of the scratch buffer. */
typedef struct layout {
    qrt_conv2d_params p; /* with whole tiles */
    int32_t blocks, pairs;
    int32_t columns, rows, rows_at_once; /* of tiles */
    int32_t tiles;                       /* rows_at_once * columns */
    int32_t channels;                    /* of a transformed tile: in_channels rounded up to whole registers */
    qrt_band band;
    size_t inputs, sums, acc, size; /* offsets in scratch, and its size */
} layout;

static layout layout_of(const qrt_conv2d_params *p) {
    layout l;
    l.p = *p;
    l.blocks = (p->out_channels + QRT_LANES - 1) / QRT_LANES;
    l.pairs = (p->in_channels + 1) / 2;
    l.columns = (p->out_width + 1) / 2;
    l.rows = (p->out_height + 1) / 2;
    l.p.out_width = 2 * l.columns;
    l.p.out_height = 2 * l.rows;
    l.channels = (p->in_channels + 15) / 16 * 16;
    l.rows_at_once = l.columns < TILES ? TILES / l.columns : 1;
    if (l.rows_at_once > l.rows) l.rows_at_once = l.rows;
    l.tiles = l.rows_at_once * l.columns;
    l.band = qrt_band_of(&l.p, p->in_channels);
    qrt_band_set_height(&l.band, &l.p, 2 * l.rows_at_once);
    l.inputs = (l.band.size + 63) / 64 * 64;
    l.sums = l.inputs + (size_t)POINTS * (size_t)l.tiles * (size_t)l.channels * sizeof(int16_t);
    l.acc = l.sums + (size_t)POINTS * (size_t)l.tiles * QRT_LANES * sizeof(int32_t);
    l.size = l.acc + ((size_t)l.tiles * 4 + QRT_EMIT_ROWS) * QRT_LANES * sizeof(int32_t);
    return l;
}

/* Of the height, tests only for 2 rows, since parts with fewer rows share the operator's packed weights. */
int qrt_winograd_serves(const void *params) {
    const qrt_conv2d_params *p = params;
    return p->filter_height == 3 && p->filter_width == 3 && p->stride_y == 1 && p->stride_x == 1 &&
           p->dilation_y == 1 && p->dilation_x == 1 && p->groups == 1 && p->in_channels >= 8 &&
           p->in_channels <= MOST_CHANNELS && p->out_channels > 8 && p->out_height > 1 && p->out_width > 1 &&
           (int64_t)p->out_width * p->in_channels <= MOST_ENTRIES;
}

static ptrdiff_t block_size(const layout *l) { return (ptrdiff_t)POINTS * l->pairs * 2 * QRT_LANES; }

static size_t winograd_packed_size(const void *params) {
    layout l = layout_of(params);
    return sizeof(winograd) + (size_t)l.blocks * (sizeof(qrt_lanes) + (size_t)block_size(&l) * sizeof(int16_t));
}

/* 2G g 2G' of one channel of weights, with entries `step` apart. */
static void transform_weights(const int8_t *g, ptrdiff_t step, int16_t u[POINTS]) {
    static const int8_t factor[4][3] = {{2, 0, 0}, {1, 1, 1}, {1, -1, 1}, {0, 0, 2}};
    for (int point = 0; point < POINTS; point++) {
        int32_t sum = 0;
        for (int tap = 0; tap < 9; tap++) {
            sum += factor[point / 4][tap / 3] * factor[point % 4][tap % 3] * g[tap * step];
        }
        u[point] = (int16_t)sum;
    }
}

/* Packs one channel of a block; `weights` is the block's. Returns the form that it needs. */
static int32_t pack_channel(const layout *l, int32_t channel, int32_t lane, qrt_lanes *lanes, int16_t *weights) {
    const qrt_conv2d_params *p = &l->p;
    ptrdiff_t step = p->in_channels;
    const int8_t *g = p->weights + channel * 9 * step;
    int64_t sum = 0, magnitude = 0, bias = p->requant.bias != NULL ? p->requant.bias[channel] : 0;
    for (int32_t i = 0; i < p->in_channels; i++) {
        int16_t u[POINTS];
        transform_weights(g + i, step, u);
        for (int point = 0; point < POINTS; point++) {
            weights[2 * ((point * l->pairs + i / 2) * QRT_LANES + lane) + i % 2] = u[point];
        }
        for (int tap = 0; tap < 9; tap++) {
            int32_t w = g[i + tap * step];
            sum += w;
            magnitude += w < 0 ? -w : w;
        }
    }
    int64_t largest = magnitude * 255 + (bias < 0 ? -bias : bias);
    return qrt_lane_fill(lanes, lane, &p->requant, channel, -sum * p->x_zero_point, largest);
}

static void winograd_pack(const void *params, void *packed) {
    layout l = layout_of(params);
    winograd *head = packed;
    qrt_lanes *lanes = (qrt_lanes *)(head + 1);
    int16_t *weights = (int16_t *)(lanes + l.blocks);
    memset(packed, 0, winograd_packed_size(params));
    for (int32_t channel = 0; channel < l.p.out_channels; channel++) {
        int32_t block = channel / QRT_LANES, lane = channel % QRT_LANES;
        int32_t form = pack_channel(&l, channel, lane, lanes + block, weights + block * block_size(&l));
        head->form = form > head->form ? form : head->form;
    }
}

static size_t winograd_scratch(const void *params) { return layout_of(params).size; }

/* B' d B of 16 channels; d begins at x. Entries are written to `to`, `step` apart. */
QRT_AVX2 QRT_INLINE void transform_inputs(const int16_t *x, ptrdiff_t pitch, ptrdiff_t channels, int16_t *to,
                                          ptrdiff_t step) {
    __m256i t[4][4];
    QRT_UNROLL
    for (int j = 0; j < 4; j++) {
        __m256i d0 = _mm256_loadu_si256((const __m256i *)(x + j * channels));
        __m256i d1 = _mm256_loadu_si256((const __m256i *)(x + j * channels + pitch));
        __m256i d2 = _mm256_loadu_si256((const __m256i *)(x + j * channels + 2 * pitch));
        __m256i d3 = _mm256_loadu_si256((const __m256i *)(x + j * channels + 3 * pitch));
        t[0][j] = _mm256_sub_epi16(d0, d2);
        t[1][j] = _mm256_add_epi16(d1, d2);
        t[2][j] = _mm256_sub_epi16(d2, d1);
        t[3][j] = _mm256_sub_epi16(d1, d3);
    }
    QRT_UNROLL
    for (int i = 0; i < 4; i++, to += 4 * step) {
        _mm256_store_si256((__m256i *)to, _mm256_sub_epi16(t[i][0], t[i][2]));
        _mm256_store_si256((__m256i *)(to + step), _mm256_add_epi16(t[i][1], t[i][2]));
        _mm256_store_si256((__m256i *)(to + 2 * step), _mm256_sub_epi16(t[i][2], t[i][1]));
        _mm256_store_si256((__m256i *)(to + 3 * step), _mm256_sub_epi16(t[i][1], t[i][3]));
    }
}

/* Sums of products for some tiles at one point: sum [tiles][16]. The count is a constant. */
QRT_AVX2 QRT_INLINE void multiply(const int16_t *x, ptrdiff_t step, int32_t pairs, const int16_t *weights,
                                  int32_t *sums, const int tiles) {
    __m256i sum[6][2];
    QRT_UNROLL
    for (int m = 0; m < tiles; m++) sum[m][0] = sum[m][1] = _mm256_setzero_si256();
    for (int32_t i = 0; i < pairs; i++, weights += 2 * QRT_LANES) {
        __m256i w0 = _mm256_load_si256((const __m256i *)weights);
        __m256i w1 = _mm256_load_si256((const __m256i *)(weights + QRT_LANES));
        QRT_UNROLL
        for (int m = 0; m < tiles; m++) {
            int32_t pair;
            memcpy(&pair, x + m * step + 2 * i, sizeof pair);
            __m256i all = _mm256_set1_epi32(pair);
            sum[m][0] = _mm256_add_epi32(sum[m][0], _mm256_madd_epi16(all, w0));
            sum[m][1] = _mm256_add_epi32(sum[m][1], _mm256_madd_epi16(all, w1));
        }
    }
    QRT_UNROLL
    for (int m = 0; m < tiles; m++) {
        _mm256_store_si256((__m256i *)(sums + QRT_LANES * m), sum[m][0]);
        _mm256_store_si256((__m256i *)(sums + QRT_LANES * m + 8), sum[m][1]);
    }
}

QRT_AVX2 static void multiply_point(const int16_t *x, ptrdiff_t step, int32_t pairs, const int16_t *weights,
                                    int32_t *sums, int32_t tiles) {
    int32_t m = 0;
    for (; m + 6 <= tiles; m += 6) multiply(x + m * step, step, pairs, weights, sums + QRT_LANES * m, 6);
    for (; m + 4 <= tiles; m += 4) multiply(x + m * step, step, pairs, weights, sums + QRT_LANES * m, 4);
    for (; m + 2 <= tiles; m += 2) multiply(x + m * step, step, pairs, weights, sums + QRT_LANES * m, 2);
    for (; m < tiles; m++) multiply(x + m * step, step, pairs, weights, sums + QRT_LANES * m, 1);
}

/* A' m A / 4 of 8 channels: the accumulators of a tile's four positions. Points are `step` apart in `sums`. */
QRT_AVX2 QRT_INLINE void transform_sums(const int32_t *sums, ptrdiff_t step, __m256i y[2][2]) {
    __m256i s[2][4];
    QRT_UNROLL
    for (int j = 0; j < 4; j++) {
        __m256i m0 = _mm256_load_si256((const __m256i *)(sums + j * step));
        __m256i m1 = _mm256_load_si256((const __m256i *)(sums + (4 + j) * step));
        __m256i m2 = _mm256_load_si256((const __m256i *)(sums + (8 + j) * step));
        __m256i m3 = _mm256_load_si256((const __m256i *)(sums + (12 + j) * step));
        s[0][j] = _mm256_add_epi32(_mm256_add_epi32(m0, m1), m2);
        s[1][j] = _mm256_sub_epi32(_mm256_sub_epi32(m1, m2), m3);
    }
    QRT_UNROLL
    for (int i = 0; i < 2; i++) {
        y[i][0] = _mm256_srai_epi32(_mm256_add_epi32(_mm256_add_epi32(s[i][0], s[i][1]), s[i][2]), 2);
        y[i][1] = _mm256_srai_epi32(_mm256_sub_epi32(_mm256_sub_epi32(s[i][1], s[i][2]), s[i][3]), 2);
    }
}

/* Tile rows [0, rows) of the sums to acc [2 * rows][width][16]. Outputs of a tile beyond `width` are
 * dropped. */
QRT_AVX2 static void gather_positions(const layout *l, const int32_t *sums, int32_t rows, int32_t width, int32_t *acc) {
    ptrdiff_t step = (ptrdiff_t)l->tiles * QRT_LANES, line = (ptrdiff_t)width * QRT_LANES;
    for (int32_t row = 0; row < rows; row++, acc += 2 * line) {
        for (int32_t column = 0; column < l->columns; column++, sums += QRT_LANES) {
            int32_t *to = acc + 2 * column * QRT_LANES;
            int whole = 2 * column + 1 < width;
            for (int half = 0; half < QRT_LANES; half += 8) {
                __m256i y[2][2];
                transform_sums(sums + half, step, y);
                _mm256_store_si256((__m256i *)(to + half), y[0][0]);
                _mm256_store_si256((__m256i *)(to + line + half), y[1][0]);
                if (!whole) continue;
                _mm256_store_si256((__m256i *)(to + QRT_LANES + half), y[0][1]);
                _mm256_store_si256((__m256i *)(to + line + QRT_LANES + half), y[1][1]);
            }
        }
    }
}

/* `rows` rows of tiles with inputs in the band; `positions` of them are outputs. */
QRT_AVX2 static void winograd_rows(const layout *l, const qrt_emitter *e, uint8_t *scratch, int32_t rows, int32_t width,
                                   int32_t positions, int8_t *output) {
    const int16_t *copy = (const int16_t *)scratch;
    int16_t *inputs = (int16_t *)(scratch + l->inputs);
    int32_t *sums = (int32_t *)(scratch + l->sums), *acc = (int32_t *)(scratch + l->acc);
    int32_t tiles = rows * l->columns, in_channels = l->p.in_channels;
    ptrdiff_t step = (ptrdiff_t)l->tiles * l->channels;
    for (int32_t tile = 0; tile < tiles; tile++) {
        const int16_t *x =
            copy + tile / l->columns * 2 * l->band.pitch + (ptrdiff_t)(tile % l->columns) * 2 * in_channels;
        int16_t *to = inputs + (ptrdiff_t)tile * l->channels;
        for (int32_t i = 0; i < l->channels; i += 16) transform_inputs(x + i, l->band.pitch, in_channels, to + i, step);
    }
    const qrt_lanes *lanes = (const qrt_lanes *)((const winograd *)l->p.packed + 1);
    const int16_t *weights = (const int16_t *)(lanes + l->blocks);
    for (int32_t first = 0; first < l->p.out_channels; first += QRT_LANES, lanes++) {
        for (int point = 0; point < POINTS; point++, weights += l->pairs * 2 * QRT_LANES) {
            int32_t *sum = sums + (ptrdiff_t)point * l->tiles * QRT_LANES;
            multiply_point(inputs + point * step, l->channels, l->pairs, weights, sum, tiles);
        }
        gather_positions(l, sums, rows, width, acc);
        int32_t left = l->p.out_channels - first;
        qrt_emit_place place = {lanes, first, left < QRT_LANES ? left : QRT_LANES, output};
        emit(e, acc, positions, place, 2);
    }
}

QRT_AVX2 static void winograd_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_conv2d_params *p = params;
    const layout l = layout_of(p);
    const qrt_emitter e = {&p->requant, p->out_channels, ((const winograd *)p->packed)->form, QRT_ORDER_PLAIN};
    ptrdiff_t position_size = (ptrdiff_t)p->out_channels * (p->requant.wide ? 4 : 1);
    const int8_t *image = inputs[0];
    for (int32_t n = 0; n < p->batch; n++, image += (ptrdiff_t)p->in_height * p->in_width * p->in_channels) {
        for (int32_t row = 0; row < l.rows; row += l.rows_at_once) {
            int32_t rows = l.rows - row < l.rows_at_once ? l.rows - row : l.rows_at_once;
            int32_t height = p->out_height - 2 * row < 2 * rows ? p->out_height - 2 * row : 2 * rows;
            qrt_band_copy(&l.band, &l.p, image, 2 * row, 2 * rows, scratch);
            winograd_rows(&l, &e, scratch, rows, p->out_width, height * p->out_width, output);
            output += height * p->out_width * position_size;
        }
    }
}

const qrt_kernel qrt_winograd_avx2 = {
    .run = winograd_run, .packed_size = winograd_packed_size, .pack = winograd_pack, .scratch_size = winograd_scratch};

#endif
