/* depthwise_pairs.c: dwconv2d with NEON: two products of codes and weights are summed in int16, and added to sums in
 * int32.
 *
 *   weights of a block: int8 [taps][16]
 */
#include "arm/neon/depthwise.h"
#include "arm/neon/rows.h"

#ifdef QRT_NEON

#define BLOCK 16
#define MAX_AT_ONCE 2

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

/* The codes of `at_once` positions, or their sums where no form supports them. */
QRT_NEON_INLINE void put_sums(const qrt_depthwise_tile *t, int32_t row, int32_t position, const sums *s,
                              const requant4 *r, const codes_range *range, const int at_once, const int form) {
    int32_t step = t->of->group * t->p->out_channels;
    int8_t *y = qrt_depthwise_row(t, row) + (ptrdiff_t)position * step;
    QRT_NEON_UNROLL
    for (int m = 0; m < at_once; m++, position++, y += step) {
        if (form == QRT_REQUANT_SLOW) {
            int32_t sum[BLOCK];
            for (int i = 0; i < 4; i++) vst1q_s32(sum + 4 * i, s[m].of[i]);
            qrt_depthwise_put(t, row, position, sum);
        } else {
            int32_t size = position + 1 == t->positions ? t->last_size : t->size;
            store_codes(y, sums_requantize(&s[m], r, range, form), size);
        }
    }
}

/* `form` and `paired` are constants. */
QRT_NEON_INLINE void any_filter(const qrt_depthwise_tile *tile, const int form, const int paired) {
    const qrt_depthwise_tile own = *tile, *t = &own; /* a copy, which no store of codes can reach */
    const qrt_requant *requant = &t->p->requant;
    const codes_range range = codes_range_of(requant->y_zero_point, requant->output_min, requant->output_max);
    requant4 r[4];
    int32_t taps = t->p->filter_height * t->p->filter_width;
    QRT_NEON_UNROLL
    for (int i = 0; i < 4; i++) r[i] = requant4_load(t->lanes, i);
    for (int32_t row = 0; row < t->rows; row++) {
        const int8_t *x = t->x + row * t->x_row;
        sums s[MAX_AT_ONCE];
        int32_t position = 0;
        for (; position + 2 <= t->positions; position += 2, x += 2 * t->x_step) {
            add_taps(t, x, taps, s, 2, paired);
            put_sums(t, row, position, s, r, &range, 2, form);
        }
        if (position < t->positions) {
            add_taps(t, x, taps, s, 1, paired);
            put_sums(t, row, position, s, r, &range, 1, form);
        }
    }
}

#define NINE 9

/* What stays in registers for a block of a filter of 3x3. */
typedef struct nine {
    int8x16_t w[NINE];
    sums start;
    requant4 r[4];
    codes_range range;
    ptrdiff_t at[NINE]; /* offsets of the taps */
} nine;

QRT_NEON_INLINE nine nine_load(const qrt_depthwise_tile *t) {
    nine n;
    n.start = sums_from(t->start);
    n.range = codes_range_of(t->p->requant.y_zero_point, t->p->requant.output_min, t->p->requant.output_max);
    QRT_NEON_UNROLL
    for (int i = 0; i < 4; i++) n.r[i] = requant4_load(t->lanes, i);
    QRT_NEON_UNROLL
    for (int i = 0; i < NINE; i++) {
        n.w[i] = vld1q_s8(t->weights + i * BLOCK);
        n.at[i] = t->offset[i];
    }
    return n;
}

/* The codes of one position. `form` is a constant. */
QRT_NEON_INLINE int8x16_t nine_codes(nine *n, const int8_t *x, const int form) {
    sums s = n->start;
    QRT_NEON_UNROLL
    for (int i = 0; i < NINE; i++) QRT_NEON_KEEP(n->w[i]);
    QRT_NEON_UNROLL
    for (int i = 0; i < NINE - 1; i += 2) {
        add_two(&s, vld1q_s8(x + n->at[i]), n->w[i], vld1q_s8(x + n->at[i + 1]), n->w[i + 1]);
    }
    add_one(&s, vld1q_s8(x + n->at[NINE - 1]), n->w[NINE - 1]);
    return sums_requantize(&s, n->r, &n->range, form);
}

/* 3x3, with the weights in registers. `form` is a constant. */
QRT_NEON_INLINE void nine_taps(const qrt_depthwise_tile *tile, const int form) {
    const qrt_depthwise_tile t = *tile; /* a copy, which no store of codes can reach */
    const ptrdiff_t step = (ptrdiff_t)t.of->group * t.p->out_channels;
    int32_t whole = t.size < BLOCK ? 0 : t.last_size < BLOCK ? t.positions - 1 : t.positions;
    nine n = nine_load(&t);
    for (int32_t row = 0; row < t.rows; row++) {
        const int8_t *x = t.x + row * t.x_row;
        int8_t *y = qrt_depthwise_row(&t, row);
        int32_t position = 0;
        for (; position < whole; position++, x += t.x_step, y += step) vst1q_s8(y, nine_codes(&n, x, form));
        for (; position < t.positions; position++, x += t.x_step, y += step) {
            store_codes(y, nine_codes(&n, x, form), position + 1 < t.positions ? t.size : t.last_size);
        }
    }
}

#define OF_FORM(form)                                                                                                  \
    static void any_##form(const qrt_depthwise_tile *t) { any_filter(t, QRT_REQUANT_##form, 1); }                      \
    static void nine_##form(const qrt_depthwise_tile *t) { nine_taps(t, QRT_REQUANT_##form); }
QRT_REQUANT_FORMS(OF_FORM)
#undef OF_FORM

static void any_slow(const qrt_depthwise_tile *t) { any_filter(t, QRT_REQUANT_SLOW, 0); }

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
