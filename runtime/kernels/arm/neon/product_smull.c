/* SPDX-License-Identifier: Apache-2.0 */
/* product_smull.c: conv2d and linear with the instructions that all 64-bit Arm processors have: SMULL multiplies four
 * codes of a position, repeated, by the same four weights of two channels, SMLAL adds the next four products, and
 * SADALP adds pairs of these sums of two, which fit an int16 unless both products are of -128 and -128. */
#include "arm/neon/product.h"
#include "arm/neon/rows.h"

#ifdef QRT_NEON

/* Tiles of 16 sums at once: of as many positions and one block, or of one position and as many blocks. */
#define TILES 2

/* Bytes of the weights that four codes are multiplied by. */
#define QUAD (4 * QRT_LANES)

/* Sums of a tile: for each channel, of even and of odd pairs of weights. */
typedef struct tile {
    int32x4_t of[8];
} tile;

/* Four codes of each position, repeated, by the channels of each block. Both counts are constants. */
QRT_NEON_INLINE void multiply_quad(tile *sum, const int8x16_t *x, const int8_t *weights, ptrdiff_t block_size,
                                   const int positions, const int blocks) {
    QRT_NEON_UNROLL
    for (int i = 0; i < blocks; i++, weights += block_size) {
        QRT_NEON_UNROLL
        for (int n = 0; n < 8; n += 2) {
            int8x16_t w = vld1q_s8(weights + 8 * n);
            QRT_NEON_UNROLL
            for (int k = 0; k < positions; k++) {
                int32x4_t *to = sum[i + k].of + n;
                to[0] = vpadalq_s16(to[0], vmull_s8(vget_low_s8(x[k]), vget_low_s8(w)));
                to[1] = vpadalq_s16(to[1], vmull_high_s8(x[k], w));
            }
        }
    }
}

/* Adds the products of four codes of a position, and of the next four, with four channels. */
QRT_NEON_INLINE void add_pair(int32x4_t *to, int8x16_t x, int8x16_t y, int8x16_t w, int8x16_t v) {
    int16x8_t low = vmull_s8(vget_low_s8(x), vget_low_s8(w)), high = vmull_high_s8(x, w);
    low = vmlal_s8(low, vget_low_s8(y), vget_low_s8(v));
    high = vmlal_high_s8(high, y, v);
    to[0] = vpadalq_s16(to[0], low);
    to[1] = vpadalq_s16(to[1], high);
}

/* As multiply_quad(), with eight codes. */
QRT_NEON_INLINE void multiply_pair(tile *sum, const int8x16_t *x, const int8x16_t *next, const int8_t *weights,
                                   ptrdiff_t block_size, const int positions, const int blocks) {
    QRT_NEON_UNROLL
    for (int i = 0; i < blocks; i++, weights += block_size) {
        QRT_NEON_UNROLL
        for (int n = 0; n < 8; n += 4) {
            const int8_t *from = weights + 8 * n;
            int8x16_t w0 = vld1q_s8(from), w1 = vld1q_s8(from + 16);
            int8x16_t v0 = vld1q_s8(from + QUAD), v1 = vld1q_s8(from + QUAD + 16);
            QRT_NEON_UNROLL
            for (int k = 0; k < positions; k++) {
                add_pair(sum[i + k].of + n, x[k], next[k], w0, v0);
                add_pair(sum[i + k].of + n + 2, x[k], next[k], w1, v1);
            }
            QRT_NEON_STEP;
        }
    }
}

/* The next eight codes of each position. */
#define LOAD_CODES                                                                                                     \
    QRT_NEON_UNROLL                                                                                                    \
    for (int i = 0; i < positions; i++) {                                                                              \
        codes[i] = vreinterpret_s32_s8(vld1_s8(from[i] + at));                                                         \
        QRT_NEON_KEEP(codes[i]);                                                                                       \
    }

/* Four of them, a lane, in all lanes of a register. `lane` is a literal. */
#define REPEAT(lane, all)                                                                                              \
    QRT_NEON_UNROLL                                                                                                    \
    for (int i = 0; i < positions; i++) all[i] = vreinterpretq_s8_s32(vdupq_lane_s32(codes[i], lane))

#define MULTIPLY_PAIR                                                                                                  \
    LOAD_CODES                                                                                                         \
    REPEAT(0, all);                                                                                                    \
    REPEAT(1, next);                                                                                                   \
    multiply_pair(sum, all, next, weights, block_size, positions, block_count);                                        \
    at += 8;                                                                                                           \
    weights += 2 * QUAD

/* acc [tiles][16] of the positions at x, or of the first, and of the blocks. Both counts and `paired` are constants. */
QRT_NEON_INLINE void multiply_tiles(const qrt_multiplication *m, const int8_t *const *x, qrt_blocks blocks,
                                    int32_t *acc, const int positions, const int block_count, const int paired) {
    const int tiles = positions * block_count;
    const int8_t *weights = blocks.weights;
    const ptrdiff_t *run = m->runs, *end = run + m->product->runs;
    const ptrdiff_t block_size = qrt_product_block(m->product);
    const int32_t chunks = m->product->chunks;
    tile sum[TILES];
    const int8_t *from[TILES];
    int32x2_t codes[TILES];
    int8x16_t all[TILES], next[TILES];
    QRT_NEON_UNROLL
    for (int i = 0; i < positions; i++) from[i] = x[i];
    QRT_NEON_UNROLL
    for (int i = 0; i < tiles; i++) {
        QRT_NEON_UNROLL
        for (int n = 0; n < 8; n++) sum[i].of[n] = vdupq_n_s32(0);
    }
    for (; run < end; run++) {
        ptrdiff_t at = *run;
        int32_t chunk = chunks;
        for (; paired && chunk >= 4; chunk -= 4) {
            MULTIPLY_PAIR;
            MULTIPLY_PAIR;
        }
        if (paired && chunk >= 2) {
            MULTIPLY_PAIR;
            chunk -= 2;
        }
        for (; chunk >= 1; chunk--, at += 4, weights += QUAD) {
            LOAD_CODES
            REPEAT(0, all);
            multiply_quad(sum, all, weights, block_size, positions, block_count);
        }
    }
    QRT_NEON_UNROLL
    for (int i = 0; i < tiles; i++) {
        QRT_NEON_UNROLL
        for (int n = 0; n < 4; n++) {
            int32x4_t start = vld1q_s32(blocks.start + 4 * n + (positions == 1 ? 16 * i : 0));
            int32x4_t pairs = vpaddq_s32(sum[i].of[2 * n], sum[i].of[2 * n + 1]);
            vst1q_s32(acc + 16 * i + 4 * n, vaddq_s32(pairs, start));
        }
    }
}

QRT_NEON_INLINE void multiply_positions(const qrt_multiplication *m, qrt_blocks blocks, int32_t *acc,
                                        const int paired) {
    const int8_t *const *x = m->x;
    int32_t left = m->positions;
    for (; left >= TILES; left -= TILES, x += TILES, acc += TILES * QRT_LANES) {
        multiply_tiles(m, x, blocks, acc, TILES, 1, paired);
    }
    if (left == 1) multiply_tiles(m, x, blocks, acc, 1, 1, paired);
}

static void multiply(const qrt_multiplication *m, qrt_blocks blocks, int32_t *acc) {
    if (m->product->paired) {
        multiply_positions(m, blocks, acc, 1);
    } else {
        multiply_positions(m, blocks, acc, 0);
    }
}

static void multiply_row(const qrt_multiplication *m, qrt_blocks blocks, int32_t *acc) {
    if (m->product->paired) {
        multiply_tiles(m, m->x, blocks, acc, 1, TILES, 1);
    } else {
        multiply_tiles(m, m->x, blocks, acc, 1, TILES, 0);
    }
}

static const qrt_product_way way = {.unit = 4, .multiply = multiply, .row_blocks = TILES, .multiply_row = multiply_row};

#define LEAST_POSITIONS 1

QRT_PRODUCT_ROWS(neon, qrt_conv2d_portable, qrt_linear_portable);

#endif
