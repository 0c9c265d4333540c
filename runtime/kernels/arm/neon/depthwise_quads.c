/* SPDX-License-Identifier: Apache-2.0 */
/* depthwise_quads.c: dwconv2d of 3x3 with the dot products of Armv8.2: four rows of a column, a *quad*, are interleaved
 * byte by byte, so that SDOT multiplies and adds four taps of a channel.
 *
 * A quad serves two rows of the output, the second with the weights one row lower, and three positions of each. So the
 * stride is 1; with stride 2 it would serve only one or two positions, which is not faster than depthwise_pairs.c.
 *
 *   weights of a block: int8 [2 rows][3 columns][8 channels][4]
 */
#include "arm/neon/depthwise.h"
#include "arm/neon/rows.h"

#ifdef QRT_NEONDOT_COMPILED

#define BLOCK 8
#define COLUMNS 3
#define ROW_WEIGHTS (COLUMNS * BLOCK * 4)

#define INLINE QRT_NEONDOT QRT_NEON_INLINE

/* Four rows of 8 codes. */
typedef struct quad {
    int8x16_t of[2];
} quad;

/* What stays in registers for a block, and where its next codes are. */
typedef struct block {
    quad w[2][COLUMNS];
    int32x4_t start[2];
    requant4 r[4]; /* of the first row's codes, and again of the second's */
    codes_range range;
    const int8_t *x; /* of the first row */
    ptrdiff_t pitch;
    int8_t *y;
    ptrdiff_t step, down; /* to the next position, to the next row */
    int32_t row, position, rows;
} block;

INLINE block block_load(const qrt_depthwise_tile *t) {
    const qrt_requant *requant = &t->p->requant;
    block b;
    QRT_NEON_UNROLL
    for (int i = 0; i < 4 * COLUMNS; i++) {
        b.w[i / (2 * COLUMNS)][i / 2 % COLUMNS].of[i % 2] = vld1q_s8(t->weights + 16 * i);
    }
    QRT_NEON_UNROLL
    for (int i = 0; i < 2; i++) {
        b.start[i] = vld1q_s32(t->start + 4 * i);
        b.r[i] = b.r[2 + i] = requant4_load(t->lanes, i);
    }
    b.range = codes_range_of(requant->y_zero_point, requant->output_min, requant->output_max);
    b.pitch = t->pitch;
    b.step = t->p->out_channels;
    return b;
}

/* The quads of the next column. 16 codes of a row are read, of which 8 count. */
INLINE quad next_column(block *b) {
    const int8_t *x = b->x, *x1 = x + b->pitch, *x2 = x1 + b->pitch, *x3 = x2 + b->pitch;
    int8x16_t low = vzip1q_s8(vld1q_s8(x), vld1q_s8(x1)), high = vzip1q_s8(vld1q_s8(x2), vld1q_s8(x3));
    int16x8_t first = vreinterpretq_s16_s8(low), second = vreinterpretq_s16_s8(high);
    quad q = {{vreinterpretq_s8_s16(vzip1q_s16(first, second)), vreinterpretq_s8_s16(vzip2q_s16(first, second))}};
    b->x += b->step;
    return q;
}

INLINE void add_column(int32x4_t *sum, const quad *x, const quad *w) {
    sum[0] = vdotq_s32(sum[0], x->of[0], w->of[0]);
    sum[1] = vdotq_s32(sum[1], x->of[1], w->of[1]);
}

/* The next position of two rows, from its three columns. `form` is a constant. */
INLINE void next_position(const qrt_depthwise_tile *t, block *b, const quad *first, const quad *second,
                          const quad *third, const int form) {
    sums s = {{b->start[0], b->start[1], b->start[0], b->start[1]}};
    QRT_NEON_UNROLL
    for (int row = 0; row < 2; row++) {
        add_column(s.of + 2 * row, first, &b->w[row][0]);
        add_column(s.of + 2 * row, second, &b->w[row][1]);
        add_column(s.of + 2 * row, third, &b->w[row][2]);
    }
    if (form == QRT_REQUANT_SLOW) {
        int32_t sum[2 * BLOCK];
        for (int i = 0; i < 4; i++) vst1q_s32(sum + 4 * i, s.of[i]);
        for (int i = 0; i < b->rows; i++) qrt_depthwise_put(t, b->row + i, b->position, sum + i * BLOCK);
    } else {
        int8x16_t codes = sums_requantize(&s, b->r, &b->range, form);
        vst1_s8(b->y + b->down, vget_high_s8(codes)); /* of a last row without another, overwritten at once */
        vst1_s8(b->y, vget_low_s8(codes));
    }
    b->y += b->step;
    b->position++;
}

/* `form` is a constant. */
INLINE void two_rows(const qrt_depthwise_tile *tile, const int form) {
    const qrt_depthwise_tile t = *tile; /* a copy, which no store of codes can reach */
    block b = block_load(&t);
    for (int32_t row = 0; row < t.rows; row += 2) {
        int32_t left = t.positions;
        b.x = t.x + row * t.x_row;
        b.y = qrt_depthwise_row(&t, row);
        b.row = row;
        b.rows = row + 1 < t.rows ? 2 : 1;
        b.down = b.rows > 1 ? qrt_depthwise_row(&t, row + 1) - b.y : 0;
        b.position = 0;
        quad first = next_column(&b), second = next_column(&b), third;
        for (; left >= 3; left -= 3) {
            third = next_column(&b);
            next_position(&t, &b, &first, &second, &third, form);
            first = next_column(&b);
            next_position(&t, &b, &second, &third, &first, form);
            second = next_column(&b);
            next_position(&t, &b, &third, &first, &second, form);
        }
        for (; left > 0; left--) {
            third = next_column(&b);
            next_position(&t, &b, &first, &second, &third, form);
            first = second;
            second = third;
        }
    }
}

#define OF_FORM(form)                                                                                                  \
    QRT_NEONDOT static void two_rows_##form(const qrt_depthwise_tile *t) { two_rows(t, QRT_REQUANT_##form); }
QRT_REQUANT_FORMS(OF_FORM)
OF_FORM(SLOW)
#undef OF_FORM

static void quads_run(const qrt_depthwise_tile *t) {
#define RUN(form) two_rows_##form,
    static void (*const runs[])(const qrt_depthwise_tile *t) = {QRT_REQUANT_FORMS(RUN) two_rows_SLOW};
    runs[t->of->form](t);
#undef RUN
}

static size_t weights_size(const qrt_conv2d_params *p) {
    (void)p;
    return 2 * ROW_WEIGHTS;
}

static void place(const qrt_conv2d_params *p, int32_t tap, int32_t lane, int8_t weight, int8_t *weights) {
    int8_t *quad_of_row = weights + tap % COLUMNS * BLOCK * 4 + lane * 4 + tap / COLUMNS;
    (void)p;
    quad_of_row[0] = weight;
    quad_of_row[ROW_WEIGHTS + 1] = weight;
}

static const qrt_depthwise_way quads = {BLOCK, quads_run, weights_size, place};

static int covers(const void *params) {
    const qrt_conv2d_params *p = params;
    return p->filter_height == 3 && p->filter_width == 3 && p->dilation_y == 1 && p->dilation_x == 1 &&
           p->stride_y == 1 && p->stride_x == 1 && p->out_channels >= BLOCK;
}

static size_t packed_size(const void *params) { return qrt_depthwise_packed_size(&quads, params); }

static size_t scratch_size(const void *params) { return qrt_depthwise_scratch(&quads, params); }

static void pack(const void *params, void *packed) { qrt_depthwise_pack(&quads, params, packed); }

static void run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    qrt_depthwise_run(&quads, params, inputs, output, scratch);
}

const qrt_kernel qrt_dwconv2d_neondot = {.run = run,
                                         .packed_size = packed_size,
                                         .pack = pack,
                                         .scratch_size = scratch_size,
                                         .covers = covers,
                                         .otherwise = &qrt_dwconv2d_neon};

#endif
