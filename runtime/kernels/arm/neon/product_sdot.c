/* SPDX-License-Identifier: Apache-2.0 */
/* product_sdot.c: conv2d and linear with the dot products of Armv8.2: SDOT multiplies four codes of a position, a lane
 * of a register, by the same four weights of each of four channels. */
#include "arm/neon/product.h"
#include "arm/neon/rows.h"

#ifdef QRT_NEONDOT_COMPILED

/* Tiles of 16 sums at once: of as many positions and one block, or of one position and as many blocks. */
#define TILES 4

/* The next four codes of each position, by 8 channels: sums `n` and on of the tiles from `i` on. */
#define MULTIPLY_8(i, n, from, lane)                                                                                   \
    {                                                                                                                  \
        int8x16_t w = vld1q_s8(from), v = vld1q_s8((from) + 16);                                                       \
        QRT_NEON_TOGETHER(w, v);                                                                                       \
        QRT_NEON_UNROLL                                                                                                \
        for (int k = 0; k < positions; k++) {                                                                          \
            sum[i + k][n] = vdotq_laneq_s32(sum[i + k][n], w, codes[k], lane);                                         \
            sum[i + k][n + 1] = vdotq_laneq_s32(sum[i + k][n + 1], v, codes[k], lane);                                 \
        }                                                                                                              \
    }

/* By the channels of each block. `lane` is a literal. */
#define MULTIPLY_LANE(lane)                                                                                            \
    QRT_NEON_UNROLL                                                                                                    \
    for (int i = 0; i < block_count; i++) {                                                                            \
        MULTIPLY_8(i, 0, weights + i * block_size, lane)                                                               \
        MULTIPLY_8(i, 2, weights + i * block_size + 32, lane)                                                          \
        QRT_NEON_STEP;                                                                                                 \
    }                                                                                                                  \
    weights += 64

#define LOAD_CODES                                                                                                     \
    QRT_NEON_UNROLL                                                                                                    \
    for (int i = 0; i < positions; i++) codes[i] = vld1q_s8(from[i] + at);                                             \
    QRT_NEON_STEP

/* acc [tiles][16] of the positions at x, or of the first, and of the blocks; both counts are constants. */
QRT_NEONDOT QRT_NEON_INLINE void multiply_tiles(const qrt_multiplication *m, const int8_t *const *x, qrt_blocks blocks,
                                                int32_t *acc, const int positions, const int block_count) {
    const int tiles = positions * block_count;
    const int8_t *weights = blocks.weights;
    const ptrdiff_t *run = m->runs, *end = run + m->product->runs;
    const ptrdiff_t block_size = qrt_product_block(m->product);
    const int32_t steps = m->product->chunks / 4, rest = m->product->chunks % 4;
    int32x4_t sum[TILES][4];
    int8x16_t codes[TILES];
    const int8_t *from[TILES];
    QRT_NEON_UNROLL
    for (int i = 0; i < positions; i++) from[i] = x[i];
    QRT_NEON_UNROLL
    for (int i = 0; i < tiles; i++) {
        QRT_NEON_UNROLL
        for (int n = 0; n < 4; n++) sum[i][n] = vld1q_s32(blocks.start + 4 * n + (positions == 1 ? 16 * i : 0));
    }
    for (; run < end; run++) {
        ptrdiff_t at = *run;
        for (int32_t step = steps; step > 0; step--, at += 16) {
            LOAD_CODES;
            MULTIPLY_LANE(0);
            MULTIPLY_LANE(1);
            MULTIPLY_LANE(2);
            MULTIPLY_LANE(3);
        }
        if (rest == 0) continue;
        LOAD_CODES;
        MULTIPLY_LANE(0);
        if (rest == 1) continue;
        MULTIPLY_LANE(1);
        if (rest == 2) continue;
        MULTIPLY_LANE(2);
    }
    QRT_NEON_UNROLL
    for (int i = 0; i < tiles; i++) {
        QRT_NEON_UNROLL
        for (int n = 0; n < 4; n++) vst1q_s32(acc + 16 * i + 4 * n, sum[i][n]);
    }
}

QRT_NEONDOT static void multiply(const qrt_multiplication *m, qrt_blocks blocks, int32_t *acc) {
    const int8_t *const *x = m->x;
    int32_t left = m->positions;
    for (; left >= TILES; left -= TILES, x += TILES, acc += TILES * QRT_LANES) {
        multiply_tiles(m, x, blocks, acc, TILES, 1);
    }
    if (left == 3) multiply_tiles(m, x, blocks, acc, 3, 1);
    if (left == 2) multiply_tiles(m, x, blocks, acc, 2, 1);
    if (left == 1) multiply_tiles(m, x, blocks, acc, 1, 1);
}

QRT_NEONDOT static void multiply_row(const qrt_multiplication *m, qrt_blocks blocks, int32_t *acc) {
    multiply_tiles(m, m->x, blocks, acc, 1, TILES);
}

static const qrt_product_way way = {.unit = 4, .multiply = multiply, .row_blocks = TILES, .multiply_row = multiply_row};

#define LEAST_POSITIONS 1

QRT_PRODUCT_ROWS(neondot, qrt_conv2d_portable, qrt_linear_portable);

#endif
