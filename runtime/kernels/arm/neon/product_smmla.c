/* SPDX-License-Identifier: Apache-2.0 */
/* product_smmla.c: conv2d and linear with the matrix products of Armv8.6: SMMLA multiplies eight codes of each of two
 * positions by eight weights of each of two channels.
 *
 *   weights of a block: int8 [run][chunk][8 pairs of channels][2][8]
 */
#include "arm/neon/product.h"
#include "arm/neon/rows.h"

#ifdef QRT_NEONDOT_COMPILED

#define UNIT 8
#define PAIRS 2 /* of positions, at once */

/* In place: each chunk has 16 channels of four weights, and again of the next four. */
static void arrange(const qrt_product *product, int8_t *weights) {
    ptrdiff_t size = qrt_product_block(product);
    for (int8_t *end = weights + size; weights < end; weights += UNIT * QRT_LANES) {
        int8_t chunk[UNIT * QRT_LANES];
        for (int i = 0; i < QRT_LANES; i++) {
            memcpy(chunk + UNIT * i, weights + 4 * i, 4);
            memcpy(chunk + UNIT * i + 4, weights + 4 * (QRT_LANES + i), 4);
        }
        memcpy(weights, chunk, sizeof chunk);
    }
}

/* Sums of two positions and 16 channels: of pairs of channels. */
typedef struct tile {
    int32x4_t of[8];
} tile;

/* Eight codes of each pair of positions, by 16 channels. `pairs` is a constant. */
QRT_NEONI8MM QRT_NEON_INLINE void multiply_chunk(tile *sum, const int8x16_t *codes, const int8_t *weights,
                                                 const int pairs) {
    QRT_NEON_UNROLL
    for (int n = 0; n < 8; n += 2) {
        int8x16_t w = vld1q_s8(weights + 16 * n), v = vld1q_s8(weights + 16 * n + 16);
        QRT_NEON_TOGETHER(w, v);
        QRT_NEON_UNROLL
        for (int i = 0; i < pairs; i++) {
            sum[i].of[n] = vmmlaq_s32(sum[i].of[n], codes[i], w);
            sum[i].of[n + 1] = vmmlaq_s32(sum[i].of[n + 1], codes[i], v);
        }
    }
    QRT_NEON_STEP;
}

/* The first and the second eight codes of two positions. */
QRT_NEON_INLINE void load_pair(const int8_t *even, const int8_t *odd, int8x16_t *first, int8x16_t *second) {
    int64x2_t a = vreinterpretq_s64_s8(vld1q_s8(even)), b = vreinterpretq_s64_s8(vld1q_s8(odd));
    *first = vreinterpretq_s8_s64(vzip1q_s64(a, b));
    *second = vreinterpretq_s8_s64(vzip2q_s64(a, b));
}

/* Sums begin with the same number for both positions. */
QRT_NEON_INLINE void begin(const int32_t *start, tile *sum) {
    QRT_NEON_UNROLL
    for (int n = 0; n < 8; n++) {
        int64_t two;
        memcpy(&two, start + 2 * n, sizeof two);
        sum->of[n] = vreinterpretq_s32_s64(vdupq_n_s64(two));
    }
}

/* acc [2][16] */
QRT_NEON_INLINE void put(const tile *sum, int32_t *acc) {
    QRT_NEON_UNROLL
    for (int n = 0; n < 4; n++) {
        int64x2_t a = vreinterpretq_s64_s32(sum->of[2 * n]), b = vreinterpretq_s64_s32(sum->of[2 * n + 1]);
        vst1q_s32(acc + 4 * n, vreinterpretq_s32_s64(vzip1q_s64(a, b)));
        vst1q_s32(acc + 16 + 4 * n, vreinterpretq_s32_s64(vzip2q_s64(a, b)));
    }
}

/* acc [2 * pairs][16] of the positions at x. `pairs` is a constant. */
QRT_NEONI8MM QRT_NEON_INLINE void multiply_pairs(const qrt_multiplication *m, const int8_t *const *x, qrt_blocks blocks,
                                                 int32_t *acc, const int pairs) {
    const int8_t *weights = blocks.weights;
    const ptrdiff_t *run = m->runs, *end = run + m->product->runs;
    const int32_t steps = m->product->chunks / 2, rest = m->product->chunks % 2;
    tile sum[PAIRS];
    const int8_t *from[2 * PAIRS];
    int8x16_t first[PAIRS], second[PAIRS];
    QRT_NEON_UNROLL
    for (int i = 0; i < 2 * pairs; i++) from[i] = x[i];
    QRT_NEON_UNROLL
    for (int i = 0; i < pairs; i++) begin(blocks.start, sum + i);
    for (; run < end; run++) {
        ptrdiff_t at = *run;
        for (int32_t step = steps; step > 0; step--, at += 2 * UNIT, weights += 2 * UNIT * QRT_LANES) {
            QRT_NEON_UNROLL
            for (int i = 0; i < pairs; i++) load_pair(from[2 * i] + at, from[2 * i + 1] + at, first + i, second + i);
            QRT_NEON_STEP;
            multiply_chunk(sum, first, weights, pairs);
            multiply_chunk(sum, second, weights + UNIT * QRT_LANES, pairs);
        }
        if (rest == 0) continue;
        QRT_NEON_UNROLL
        for (int i = 0; i < pairs; i++) load_pair(from[2 * i] + at, from[2 * i + 1] + at, first + i, second + i);
        QRT_NEON_STEP;
        multiply_chunk(sum, first, weights, pairs);
        weights += UNIT * QRT_LANES;
    }
    QRT_NEON_UNROLL
    for (int i = 0; i < pairs; i++) put(sum + i, acc + 32 * i);
}

QRT_NEONI8MM static void multiply(const qrt_multiplication *m, qrt_blocks blocks, int32_t *acc) {
    const int8_t *const *x = m->x;
    int32_t left = m->positions;
    for (; left >= 2 * PAIRS; left -= 2 * PAIRS, x += 2 * PAIRS, acc += 2 * PAIRS * QRT_LANES) {
        multiply_pairs(m, x, blocks, acc, PAIRS);
    }
    if (left == 0) return;
    /* A last position that has none beside it is its own, and so are its sums, which are not read. */
    const int8_t *rest[2 * PAIRS];
    for (int i = 0; i < 2 * PAIRS; i++) rest[i] = x[i < left ? i : left - 1];
    if (left > 2) {
        multiply_pairs(m, rest, blocks, acc, 2);
    } else {
        multiply_pairs(m, rest, blocks, acc, 1);
    }
}

static const qrt_product_way way = {.unit = UNIT, .arrange = arrange, .multiply = multiply, .row_blocks = 1};

/* Of a single position, half of the products would be of no use. */
#define LEAST_POSITIONS 2

QRT_PRODUCT_ROWS(neoni8mm, qrt_conv2d_neondot, qrt_linear_neondot);

#endif
