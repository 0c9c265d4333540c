/* SPDX-License-Identifier: Apache-2.0 */
/* winograd.c: conv2d by Winograd's F(4x4, 3x3), exactly, with NEON; x86/winograd.h derives it.
 *
 * A tile of 4x4 outputs takes 36 products of int16 instead of 144 of int8, and SMLAL makes half as many products as
 * SMULL. It serves processors without dot products. Rows of tiles are computed in groups: all inputs of a group are
 * transformed; then, for each block of 16 output channels, multiplied point by point, and transformed back.
 *
 *   packed: winograd | qrt_requant_lanes [blocks] | int32 [blocks][16], what is added to sums |
 *           int16 [blocks][36][in_channels][16]
 */
#include "arm/neon/requant.h"
#include "arm/neon/rows.h"
#include "portable/portable.h"

#ifdef QRT_NEON

#define POINTS 36
#define BLOCK 16
#define EDGE 4  /* of a tile of the output */
#define INPUT 6 /* of its input */

/* Tiles that are multiplied together, and how many of a group are enough to read weights for. */
#define AT_ONCE 4
#define ENOUGH_TILES 16

/* With 9 * 227 products of at most 2^14 no sum reaches 2^25. */
#define MOST_CHANNELS 224
/* Half of a small L2 cache. */
#define MOST_WEIGHTS (512 * 1024)
#define MOST_SCRATCH (1 << 20)
#define MOST_ENTRIES (1 << 19) /* of a row of the input */

/* The inverse of 9 modulo 2^32. */
#define NINTH 954437177

/* 64 bytes. */
typedef struct winograd {
    int32_t form; /* of requant.h, for all lanes */
    int32_t blocks;
    int32_t reserved[14];
} winograd;

typedef struct layout {
    int32_t columns, rows;  /* of tiles */
    int32_t group, tiles;   /* rows of tiles of a group; its tiles, a multiple of AT_ONCE */
    ptrdiff_t pitch, point; /* bytes of a padded row; int16 from point to point of inputs */
    size_t inputs, sums, size;
} layout;

static size_t round_to_64(size_t size) { return (size + 63) / 64 * 64; }

static layout layout_of(const qrt_conv2d_params *p) {
    layout l;
    l.columns = (p->out_width + EDGE - 1) / EDGE;
    l.rows = (p->out_height + EDGE - 1) / EDGE;
    l.group = ENOUGH_TILES / l.columns;
    if (l.group < 1) l.group = 1;
    if (l.group > l.rows) l.group = l.rows;
    l.tiles = (l.group * l.columns + AT_ONCE - 1) / AT_ONCE * AT_ONCE;
    l.pitch = (ptrdiff_t)(EDGE * l.columns + 2) * p->in_channels;
    l.point = (ptrdiff_t)l.tiles * p->in_channels;
    l.inputs = round_to_64((size_t)(EDGE * l.group + 2) * (size_t)l.pitch);
    l.sums = l.inputs + round_to_64(POINTS * (size_t)l.point * sizeof(int16_t));
    l.size = l.sums + (size_t)l.tiles * POINTS * BLOCK * sizeof(int32_t);
    return l;
}

static int32_t blocks_of(const qrt_conv2d_params *p) { return (p->out_channels + BLOCK - 1) / BLOCK; }

static size_t weights_size(const qrt_conv2d_params *p) {
    return (size_t)blocks_of(p) * POINTS * (size_t)p->in_channels * BLOCK * sizeof(int16_t);
}

/* Tenths of instructions, counted: of Winograd for the inputs of a tile, and for 16 output channels of it; of
 * qrt_conv2d_neon for 16 output channels of a position. Small images have tiles that are mostly empty. */
static int pays(const qrt_conv2d_params *p) {
    const layout l = layout_of(p);
    int64_t channels = p->in_channels, blocks = blocks_of(p), positions = (int64_t)p->out_height * p->out_width;
    int64_t tiles = (int64_t)l.rows * l.columns, multiplied = (int64_t)((l.rows + l.group - 1) / l.group) * l.tiles;
    int64_t winograd = tiles * (610 * channels + 23600 * blocks) + multiplied * blocks * 1980 * channels;
    return winograd * 10 < positions * blocks * (350 * channels + 1000) * 9;
}

static int covers(const void *params) {
    const qrt_conv2d_params *p = params;
    if (p->filter_height != 3 || p->filter_width != 3 || p->stride_y != 1 || p->stride_x != 1) return 0;
    if (p->dilation_y != 1 || p->dilation_x != 1 || p->groups != 1 || p->requant.wide) return 0;
    if (p->in_channels % 8 != 0 || p->in_channels > MOST_CHANNELS || weights_size(p) > MOST_WEIGHTS) return 0;
    if ((int64_t)p->out_width * p->in_channels > MOST_ENTRIES) return 0;
    return layout_of(p).size <= MOST_SCRATCH && pays(p);
}

static size_t packed_size(const void *params) {
    size_t lanes = sizeof(qrt_requant_lanes) + BLOCK * sizeof(int32_t);
    return sizeof(winograd) + (size_t)blocks_of(params) * lanes + weights_size(params);
}

/* G g of x86/winograd.h; both are `step` apart. */
static void weights_axis(const int32_t *g, int32_t step, int32_t *u, int32_t u_step) {
    int32_t a = g[0], b = g[step], c = g[2 * step];
    u[0] = 6 * a;
    u[u_step] = a + b + c;
    u[2 * u_step] = a - b + c;
    u[3 * u_step] = a + 2 * b + 4 * c;
    u[4 * u_step] = a - 2 * b + 4 * c;
    u[5 * u_step] = 6 * c;
}

/* G g G' of one input channel of one output channel. */
static void pack_weights(const int8_t *weights, ptrdiff_t tap, int16_t *to, ptrdiff_t point) {
    int32_t g[9], rows[INPUT * 3], u[POINTS];
    for (int32_t i = 0; i < 9; i++) g[i] = weights[i * tap];
    for (int32_t x = 0; x < 3; x++) weights_axis(g + x, 3, rows + x, 3);
    for (int32_t y = 0; y < INPUT; y++) weights_axis(rows + 3 * y, 1, u + INPUT * y, 1);
    for (int32_t i = 0; i < POINTS; i++) to[i * point] = (int16_t)u[i];
}

/* One output channel. Returns the form that it needs. */
static int32_t pack_channel(const qrt_conv2d_params *p, int32_t channel, qrt_requant_lanes *lanes, int32_t *start,
                            int16_t *weights) {
    const int32_t *bias = p->requant.bias;
    const ptrdiff_t channels = p->in_channels;
    const int8_t *own = p->weights + channel * 9 * channels;
    int32_t lane = channel % BLOCK;
    int64_t sum = 0, magnitude = 0;
    for (ptrdiff_t i = 0; i < 9 * channels; i++) {
        sum += own[i];
        magnitude += own[i] < 0 ? -own[i] : own[i];
    }
    for (ptrdiff_t k = 0; k < channels; k++) {
        pack_weights(own + k, channels, weights + k * BLOCK + lane, channels * BLOCK);
    }
    int64_t first = (bias != NULL ? bias[channel] : 0) - sum * p->x_zero_point;
    start[lane] = (int32_t)(uint32_t)(uint64_t)first; /* only the whole sum must fit */
    return qrt_requant_lane_fill(lanes, lane, &p->requant, channel, magnitude * 255);
}

static const qrt_requant_lanes *lanes_of(const winograd *w) { return (const qrt_requant_lanes *)(w + 1); }

static const int32_t *start_of(const winograd *w) { return (const int32_t *)(lanes_of(w) + w->blocks); }

static void pack(const void *params, void *packed) {
    const qrt_conv2d_params *p = params;
    winograd *w = packed;
    memset(packed, 0, packed_size(p));
    w->blocks = blocks_of(p);
    qrt_requant_lanes *lanes = (qrt_requant_lanes *)(w + 1);
    int32_t *start = (int32_t *)(lanes + w->blocks);
    int16_t *weights = (int16_t *)(start + w->blocks * BLOCK);
    for (int32_t channel = 0; channel < p->out_channels; channel++) {
        int32_t block = channel / BLOCK;
        int32_t form = pack_channel(p, channel, lanes + block, start + block * BLOCK,
                                    weights + (ptrdiff_t)block * POINTS * p->in_channels * BLOCK);
        w->form = form > w->form ? form : w->form;
    }
}

static size_t scratch_size(const void *params) { return layout_of(params).size; }

/* The padded rows of `height` rows of tiles, from row `row` of them on. */
static void copy_band(const qrt_conv2d_params *p, const layout *l, const int8_t *image, int32_t row, int32_t height,
                      int8_t *to) {
    ptrdiff_t channels = p->in_channels, left = p->pad_left * channels, line = p->in_width * channels;
    if (left > l->pitch) left = l->pitch;
    ptrdiff_t size = l->pitch - left < line ? l->pitch - left : line;
    for (int32_t i = 0; i < EDGE * height + 2; i++, to += l->pitch) {
        int64_t y = (int64_t)EDGE * row + i - p->pad_top;
        if (y < 0 || y >= p->in_height) {
            memset(to, p->x_zero_point, (size_t)l->pitch);
            continue;
        }
        memset(to, p->x_zero_point, (size_t)left);
        memcpy(to + left, image + y * line, (size_t)size);
        memset(to + left + size, p->x_zero_point, (size_t)(l->pitch - left - size));
    }
}

/* B' d, of 8 channels. */
QRT_NEON_INLINE void input_axis(const int16x8_t *d, const int step, int16x8_t *t, const int t_step) {
    const int16x8_t four = vdupq_n_s16(4);
    int16x8_t even = vsubq_s16(vshlq_n_s16(d[2 * step], 2), d[4 * step]);
    int16x8_t odd = vsubq_s16(vshlq_n_s16(d[step], 2), d[3 * step]);
    int16x8_t near = vsubq_s16(d[4 * step], d[2 * step]), far = vsubq_s16(d[3 * step], d[step]);
    t[0] = vmlaq_s16(near, vsubq_s16(d[0], d[2 * step]), four);
    t[t_step] = vaddq_s16(even, odd);
    t[2 * t_step] = vsubq_s16(even, odd);
    t[5 * t_step] = vmlsq_s16(vsubq_s16(d[5 * step], d[3 * step]), far, four);
    far = vaddq_s16(far, far);
    t[3 * t_step] = vaddq_s16(near, far);
    t[4 * t_step] = vsubq_s16(near, far);
}

/* B' d B of 8 channels of a tile. */
static void transform_input(const int8_t *x, ptrdiff_t pitch, ptrdiff_t channels, int16_t *to, ptrdiff_t point) {
    int16x8_t half[POINTS];
    QRT_NEON_UNROLL
    for (int column = 0; column < INPUT; column++) {
        int16x8_t d[INPUT];
        QRT_NEON_UNROLL
        for (int y = 0; y < INPUT; y++) d[y] = vmovl_s8(vld1_s8(x + y * pitch + column * channels));
        input_axis(d, 1, half + column, INPUT);
    }
    QRT_NEON_UNROLL
    for (int y = 0; y < INPUT; y++) {
        int16x8_t t[INPUT];
        input_axis(half + INPUT * y, 1, t, 1);
        QRT_NEON_UNROLL
        for (int i = 0; i < INPUT; i++) vst1q_s16(to + (INPUT * y + i) * point, t[i]);
    }
}

static void group_inputs(const qrt_conv2d_params *p, const layout *l, const int8_t *band, int32_t height,
                         int16_t *inputs) {
    const ptrdiff_t channels = p->in_channels;
    for (int32_t row = 0; row < height; row++, band += EDGE * l->pitch) {
        for (int32_t column = 0; column < l->columns; column++, inputs += channels) {
            const int8_t *x = band + EDGE * column * channels;
            for (ptrdiff_t k = 0; k < channels; k += 8)
                transform_input(x + k, l->pitch, channels, inputs + k, l->point);
        }
    }
}

/* One input channel, lane `k` of x, of four tiles by 16 output channels. */
#define MULTIPLY(k)                                                                                                    \
    do {                                                                                                               \
        int16x8_t w = vld1q_s16(weights + BLOCK * k), v = vld1q_s16(weights + BLOCK * k + 8);                          \
        QRT_NEON_KEEP(w);                                                                                              \
        QRT_NEON_KEEP(v);                                                                                              \
        QRT_NEON_UNROLL                                                                                                \
        for (int i = 0; i < AT_ONCE; i++) {                                                                            \
            sum[i].of[0] = vmlal_laneq_s16(sum[i].of[0], vget_low_s16(w), x[i], k);                                    \
            sum[i].of[1] = vmlal_high_laneq_s16(sum[i].of[1], w, x[i], k);                                             \
            sum[i].of[2] = vmlal_laneq_s16(sum[i].of[2], vget_low_s16(v), x[i], k);                                    \
            sum[i].of[3] = vmlal_high_laneq_s16(sum[i].of[3], v, x[i], k);                                             \
        }                                                                                                              \
    } while (0)

/* AT_ONCE tiles at one point: inputs are `channels` apart, sums POINTS * BLOCK. */
static void multiply_tiles(const int16_t *inputs, ptrdiff_t channels, const int16_t *weights, int32_t *to) {
    sums sum[AT_ONCE];
    QRT_NEON_UNROLL
    for (int i = 0; i < AT_ONCE; i++) sum[i].of[0] = sum[i].of[1] = sum[i].of[2] = sum[i].of[3] = vdupq_n_s32(0);
    for (ptrdiff_t k = 0; k < channels; k += 8, weights += 8 * BLOCK) {
        int16x8_t x[AT_ONCE];
        QRT_NEON_UNROLL
        for (int i = 0; i < AT_ONCE; i++) x[i] = vld1q_s16(inputs + i * channels + k);
        MULTIPLY(0);
        MULTIPLY(1);
        MULTIPLY(2);
        MULTIPLY(3);
        MULTIPLY(4);
        MULTIPLY(5);
        MULTIPLY(6);
        MULTIPLY(7);
    }
    QRT_NEON_UNROLL
    for (int i = 0; i < AT_ONCE; i++, to += POINTS * BLOCK) {
        QRT_NEON_UNROLL
        for (int n = 0; n < 4; n++) vst1q_s32(to + 4 * n, sum[i].of[n]);
    }
}

/* A' m, of 4 channels. */
QRT_NEON_INLINE void output_axis(const int32x4_t *m, const int step, int32x4_t *y, const int y_step) {
    int32x4_t sum = vaddq_s32(m[step], m[2 * step]), difference = vsubq_s32(m[step], m[2 * step]);
    int32x4_t far_sum = vaddq_s32(m[3 * step], m[4 * step]), far = vsubq_s32(m[3 * step], m[4 * step]);
    y[0] = vaddq_s32(vaddq_s32(m[0], far_sum), vshlq_n_s32(sum, 2));
    y[y_step] = vshlq_n_s32(vaddq_s32(vaddq_s32(difference, difference), far), 1);
    y[2 * y_step] = vshlq_n_s32(vaddq_s32(sum, far_sum), 2);
    y[3 * y_step] = vshlq_n_s32(vaddq_s32(vaddq_s32(difference, m[5 * step]), vaddq_s32(far, far)), 2);
}

/* A' m A of 4 channels of a tile, less the factor: sums of 16 outputs, BLOCK apart. */
static void transform_output(const int32_t *m, const int32_t *start, int32_t *to) {
    const int32x4_t ninth = vdupq_n_s32(NINTH), first = vld1q_s32(start);
    int32x4_t half[EDGE * INPUT];
    QRT_NEON_UNROLL
    for (int column = 0; column < INPUT; column++) {
        int32x4_t of[INPUT];
        QRT_NEON_UNROLL
        for (int y = 0; y < INPUT; y++) of[y] = vld1q_s32(m + (INPUT * y + column) * BLOCK);
        output_axis(of, 1, half + column, INPUT);
    }
    QRT_NEON_UNROLL
    for (int y = 0; y < EDGE; y++) {
        int32x4_t sum[EDGE];
        output_axis(half + INPUT * y, 1, sum, 1);
        QRT_NEON_UNROLL
        for (int x = 0; x < EDGE; x++) {
            vst1q_s32(to + (EDGE * y + x) * BLOCK, vsraq_n_s32(first, vmulq_s32(sum[x], ninth), 6));
        }
    }
}

/* Where the codes of a block of channels go. */
typedef struct outlet {
    const qrt_conv2d_params *p;
    const qrt_requant_lanes *lanes;
    int32_t form, channel, count;
    int8_t *output; /* of the image */
} outlet;

/* The outputs of one tile that exist. `form` is a constant. */
QRT_NEON_INLINE void put_codes(const outlet *out, const int32_t *sum, int32_t row, int32_t column, const int form) {
    const qrt_conv2d_params *p = out->p;
    const codes_range range = codes_range_of(p->requant.y_zero_point, p->requant.output_min, p->requant.output_max);
    const ptrdiff_t channels = p->out_channels;
    const int32_t count = out->count;
    int32_t high = p->out_height - EDGE * row, wide = p->out_width - EDGE * column;
    requant4 r[4];
    QRT_NEON_UNROLL
    for (int i = 0; i < 4; i++) r[i] = requant4_load(out->lanes, i);
    for (int32_t y = 0; y < EDGE && y < high; y++) {
        ptrdiff_t index = ((ptrdiff_t)(EDGE * row + y) * p->out_width + EDGE * column) * channels + out->channel;
        for (int32_t x = 0; x < EDGE && x < wide; x++, index += channels) {
            const int32_t *at = sum + (EDGE * y + x) * BLOCK;
            if (form == QRT_REQUANT_SLOW) {
                qrt_put_channels(&p->requant, out->channel, at, count, out->output, index);
            } else {
                sums s = {{vld1q_s32(at), vld1q_s32(at + 4), vld1q_s32(at + 8), vld1q_s32(at + 12)}};
                store_codes(out->output + index, sums_requantize(&s, r, &range, form), count);
            }
        }
    }
}

#define PUT(form)                                                                                                      \
    static void put_##form(const outlet *out, const int32_t *sum, int32_t row, int32_t column) {                       \
        put_codes(out, sum, row, column, QRT_REQUANT_##form);                                                          \
    }
QRT_REQUANT_FORMS(PUT)
PUT(SLOW)
#undef PUT

static void put_tile(const outlet *out, const int32_t *start, const int32_t *points, int32_t row, int32_t column) {
#define RUN(form) put_##form,
    static void (*const runs[])(const outlet *out, const int32_t *sum, int32_t row,
                                int32_t column) = {QRT_REQUANT_FORMS(RUN) put_SLOW};
#undef RUN
    int32_t sum[EDGE * EDGE * BLOCK];
    for (int32_t n = 0; n < BLOCK; n += 4) transform_output(points + n, start + n, sum + n);
    runs[out->form](out, sum, row, column);
}

/* One block of channels of `height` rows of tiles, from row `row` on. */
static void run_block(const qrt_conv2d_params *p, const layout *l, int32_t block, int32_t row, int32_t height,
                      int8_t *output, uint8_t *scratch) {
    const winograd *w = p->packed;
    const ptrdiff_t channels = p->in_channels;
    const int16_t *inputs = (const int16_t *)(scratch + l->inputs),
                  *weights = (const int16_t *)(start_of(w) + w->blocks * BLOCK);
    int32_t *points = (int32_t *)(scratch + l->sums), left = p->out_channels - block * BLOCK;
    outlet out = {p, lanes_of(w) + block, w->form, block * BLOCK, left < BLOCK ? left : BLOCK, output};
    weights += (ptrdiff_t)block * POINTS * channels * BLOCK;
    for (int32_t i = 0; i < POINTS; i++, weights += channels * BLOCK, inputs += l->point) {
        for (int32_t tile = 0; tile < height * l->columns; tile += AT_ONCE) {
            multiply_tiles(inputs + tile * channels, channels, weights, points + (tile * POINTS + i) * BLOCK);
        }
    }
    for (int32_t tile = 0; tile < height * l->columns; tile++) {
        put_tile(&out, start_of(w) + block * BLOCK, points + tile * POINTS * BLOCK, row + tile / l->columns,
                 tile % l->columns);
    }
}

static void run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_conv2d_params *p = params;
    const layout l = layout_of(p);
    const int8_t *image = inputs[0];
    for (int32_t n = 0; n < p->batch; n++) {
        for (int32_t row = 0; row < l.rows; row += l.group) {
            int32_t height = l.rows - row < l.group ? l.rows - row : l.group;
            copy_band(p, &l, image, row, height, scratch);
            group_inputs(p, &l, scratch, height, (int16_t *)((uint8_t *)scratch + l.inputs));
            for (int32_t block = 0; block < blocks_of(p); block++) {
                run_block(p, &l, block, row, height, output, scratch);
            }
        }
        image += (ptrdiff_t)p->in_height * p->in_width * p->in_channels;
        output += (ptrdiff_t)p->out_height * p->out_width * p->out_channels;
    }
}

const qrt_kernel qrt_winograd_neon = {.run = run,
                                      .packed_size = packed_size,
                                      .pack = pack,
                                      .scratch_size = scratch_size,
                                      .covers = covers,
                                      .otherwise = &qrt_conv2d_neon};

#endif
