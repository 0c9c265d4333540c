/* SPDX-License-Identifier: Apache-2.0 */
/* depthwise_pairs.c: dwconv2d with NEON: two products of codes and weights are summed in int16, and added to sums in
 * int32.
 *
 *   weights of a block: int8 [taps][16]
 */
#include "arm/neon/depthwise.h"
#include "arm/neon/rows.h"

#ifdef QRT_NEON

#define BLOCK 16
#define MAX_AT_ONCE 4

/* Adds the products of one tap. */
QRT_NEON_INLINE void add_one(sums *s, int8x16_t x, int8x16_t w) {
    sums_add(s, vmull_s8(vget_low_s8(x), vget_low_s8(w)), vmull_high_s8(x, w));
}

QRT_NEON_INLINE void add_two(sums *s, int8x16_t x0, int8x16_t w0, int8x16_t x1, int8x16_t w1) {
    int16x8_t low = vmull_s8(vget_low_s8(x0), vget_low_s8(w0)), high = vmull_high_s8(x0, w0);
    sums_add(s, vmlal_s8(low, vget_low_s8(x1), vget_low_s8(w1)), vmlal_high_s8(high, x1, w1));
}

QRT_NEON_INLINE sums sums_from(const int32_t *start) {
    sums s = {{vld1q_s32(start), vld1q_s32(start + 4), vld1q_s32(start + 8), vld1q_s32(start + 12)}};
    return s;
}

/* Sums of neighbouring positions. `at_once` and `paired` are constants. */
QRT_NEON_INLINE void add_taps(const qrt_depthwise_tile *t, const int8_t *x, int32_t taps, sums *s, const int at_once,
                              const int paired) {
    const int32_t *offset = t->offset;
    const int8_t *weights = t->weights, *at[MAX_AT_ONCE];
    int32_t tap = 0;
    QRT_NEON_UNROLL
    for (int m = 0; m < at_once; m++) {
        s[m] = sums_from(t->start);
        at[m] = x + m * t->x_step;
    }
    for (; paired && tap + 2 <= taps; tap += 2, weights += 2 * BLOCK) {
        ptrdiff_t first = offset[tap], second = offset[tap + 1];
        int8x16_t w0 = vld1q_s8(weights), w1 = vld1q_s8(weights + BLOCK);
        QRT_NEON_UNROLL
        for (int m = 0; m < at_once; m++) add_two(&s[m], vld1q_s8(at[m] + first), w0, vld1q_s8(at[m] + second), w1);
    }
    for (; tap < taps; tap++, weights += BLOCK) {
        ptrdiff_t only = offset[tap];
        int8x16_t w = vld1q_s8(weights);
        QRT_NEON_UNROLL
        for (int m = 0; m < at_once; m++) add_one(&s[m], vld1q_s8(at[m] + only), w);
    }
}

/* What is the same for all positions of a block. */
typedef struct outlet {
    requant4 r[4];
    codes_range range;
    ptrdiff_t step; /* to the next position's codes */
    int32_t whole;  /* positions of 16 codes, the first of a row */
} outlet;

QRT_NEON_INLINE outlet outlet_of(const qrt_depthwise_tile *t) {
    const qrt_requant *requant = &t->p->requant;
    outlet out;
    QRT_NEON_UNROLL
    for (int i = 0; i < 4; i++) out.r[i] = requant4_load(t->lanes, i);
    out.range = codes_range_of(requant->y_zero_point, requant->output_min, requant->output_max);
    out.step = (ptrdiff_t)t->of->group * t->p->out_channels;
    out.whole = t->size < BLOCK ? 0 : t->last_size < BLOCK ? t->positions - 1 : t->positions;
    return out;
}

/* Positions [position, end) of a row, `at_once` together. Returns the first that is left. All but `position` and `end`
 * are constants; `whole` is 1 for positions of 16 codes. */
QRT_NEON_INLINE int32_t some_positions(const qrt_depthwise_tile *t, const outlet *out, int32_t row, int32_t position,
                                       int32_t end, const int at_once, const int form, const int whole) {
    const int8_t *x = t->x + row * t->x_row + position * t->x_step;
    int8_t *y = qrt_depthwise_row(t, row) + position * out->step;
    int32_t taps = t->p->filter_height * t->p->filter_width;
    for (; position + at_once <= end; position += at_once, x += at_once * t->x_step) {
        sums s[MAX_AT_ONCE];
        add_taps(t, x, taps, s, at_once, form != QRT_REQUANT_SLOW);
        QRT_NEON_UNROLL
        for (int m = 0; m < at_once; m++, y += out->step) {
            if (form == QRT_REQUANT_SLOW) {
                int32_t sum[BLOCK];
                for (int i = 0; i < 4; i++) vst1q_s32(sum + 4 * i, s[m].of[i]);
                qrt_depthwise_put(t, row, position + m, sum);
            } else if (whole) {
                vst1q_s8(y, sums_requantize(&s[m], out->r, &out->range, form));
            } else {
                int32_t size = position + m + 1 == t->positions ? t->last_size : t->size;
                store_codes(y, sums_requantize(&s[m], out->r, &out->range, form), size);
            }
        }
    }
    return position;
}

/* `form` is a constant. */
QRT_NEON_INLINE void any_filter(const qrt_depthwise_tile *tile, const int form) {
    const qrt_depthwise_tile t = *tile; /* a copy, which no store of codes can reach */
    const outlet out = outlet_of(&t);
    for (int32_t row = 0; row < t.rows; row++) {
        int32_t position = some_positions(&t, &out, row, 0, out.whole, 4, form, 1);
        position = some_positions(&t, &out, row, position, out.whole, 2, form, 1);
        position = some_positions(&t, &out, row, position, out.whole, 1, form, 1);
        some_positions(&t, &out, row, position, t.positions, 1, form, 0);
    }
}

#define NINE 9

/* The weights of a filter of nine taps and its offsets, which stay in registers. */
typedef struct nine {
    int8x16_t w[NINE];
    sums start;
    ptrdiff_t at[NINE];
} nine;

QRT_NEON_INLINE nine nine_load(const qrt_depthwise_tile *t) {
    nine n;
    n.start = sums_from(t->start);
    QRT_NEON_UNROLL
    for (int i = 0; i < NINE; i++) {
        n.w[i] = vld1q_s8(t->weights + i * BLOCK);
        n.at[i] = t->offset[i];
    }
    return n;
}

/* The codes of one position. `form` is a constant. */
QRT_NEON_INLINE int8x16_t nine_codes(nine *n, const outlet *out, const int8_t *x, const int form) {
    sums s = n->start;
    QRT_NEON_UNROLL
    for (int i = 0; i < NINE; i++) QRT_NEON_KEEP(n->w[i]);
    QRT_NEON_UNROLL
    for (int i = 0; i < NINE - 1; i += 2) {
        add_two(&s, vld1q_s8(x + n->at[i]), n->w[i], vld1q_s8(x + n->at[i + 1]), n->w[i + 1]);
    }
    add_one(&s, vld1q_s8(x + n->at[NINE - 1]), n->w[NINE - 1]);
    return sums_requantize(&s, out->r, &out->range, form);
}

/* `form` is a constant. */
QRT_NEON_INLINE void nine_taps(const qrt_depthwise_tile *tile, const int form) {
    const qrt_depthwise_tile t = *tile; /* as above */
    const outlet out = outlet_of(&t);
    nine n = nine_load(&t);
    for (int32_t row = 0; row < t.rows; row++) {
        const int8_t *x = t.x + row * t.x_row;
        int8_t *y = qrt_depthwise_row(&t, row);
        int32_t position = 0;
        for (; position < out.whole; position++, x += t.x_step, y += out.step) {
            vst1q_s8(y, nine_codes(&n, &out, x, form));
        }
        for (; position < t.positions; position++, x += t.x_step, y += out.step) {
            store_codes(y, nine_codes(&n, &out, x, form), position + 1 < t.positions ? t.size : t.last_size);
        }
    }
}

#define OF_FORM(form)                                                                                                  \
    static void any_##form(const qrt_depthwise_tile *t) { any_filter(t, QRT_REQUANT_##form); }                         \
    static void nine_##form(const qrt_depthwise_tile *t) { nine_taps(t, QRT_REQUANT_##form); }
QRT_REQUANT_FORMS(OF_FORM)
#undef OF_FORM

static void any_slow(const qrt_depthwise_tile *t) { any_filter(t, QRT_REQUANT_SLOW); }

static void pairs_run(const qrt_depthwise_tile *t) {
    typedef void (*form_run)(const qrt_depthwise_tile *t);
#define ANY(form) any_##form,
    static const form_run any[] = {QRT_REQUANT_FORMS(ANY) any_slow};
#undef ANY
#define NINE_TAPS(form) nine_##form,
    static const form_run nine[] = {QRT_REQUANT_FORMS(NINE_TAPS) any_slow};
#undef NINE_TAPS
    int32_t form = t->of->paired ? t->of->form : QRT_REQUANT_SLOW;
    (t->p->filter_height * t->p->filter_width == NINE ? nine : any)[form](t);
}

static size_t weights_size(const qrt_conv2d_params *p) {
    return (size_t)p->filter_height * (size_t)p->filter_width * BLOCK;
}

static void place(const qrt_conv2d_params *p, int32_t tap, int32_t lane, int8_t weight, int8_t *weights) {
    (void)p;
    weights[tap * BLOCK + lane] = weight;
}

static const qrt_depthwise_way pairs = {BLOCK, pairs_run, weights_size, place};

static size_t packed_size(const void *params) { return qrt_depthwise_packed_size(&pairs, params); }

static size_t scratch_size(const void *params) { return qrt_depthwise_scratch(&pairs, params); }

static void pack(const void *params, void *packed) { qrt_depthwise_pack(&pairs, params, packed); }

static void run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    qrt_depthwise_run(&pairs, params, inputs, output, scratch);
}

const qrt_kernel qrt_dwconv2d_neon = {
    .run = run, .packed_size = packed_size, .pack = pack, .scratch_size = scratch_size};

#endif
