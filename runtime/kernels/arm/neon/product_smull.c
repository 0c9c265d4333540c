/* product_smull.c: conv2d and linear with the instructions that all 64-bit Arm processors have: SMULL multiplies four
 * codes of a position, repeated, by the same four weights of two channels, SMLAL adds the next four products, and
 * SADALP adds pairs of these sums of two, which fit an int16 unless both products are of -128 and -128. */
#include "arm/neon/product.h"
#include "arm/neon/rows.h"

#ifdef QRT_NEON

/* Tiles of 16 sums at once: of as many positions and one block, or of one position and as many blocks. */
#define TILES 2

/* Sums of a tile: for each channel, of even and of odd pairs of weights. */
typedef struct tile {
    int32x4_t of[8];
} tile;

/* Four codes of each position, repeated, by the channels of each block. Both counts are constants. */
QRT_NEON_INLINE void multiply_quad(tile *sum, const int8x16_t *x, const int8_t *weights, ptrdiff_t block_size,
                                   const int positions, const int tiles) {
    QRT_NEON_UNROLL
    for (int n = 0; n < 4; n++) {
        QRT_NEON_UNROLL
        for (int i = 0; i < tiles; i++) {
            int8x16_t codes = x[positions == 1 ? 0 : i];
            int8x16_t w = vld1q_s8(weights + 16 * n + (positions == 1 ? i * block_size : 0));
            sum[i].of[2 * n] = vpadalq_s16(sum[i].of[2 * n], vmull_s8(vget_low_s8(codes), vget_low_s8(w)));
            sum[i].of[2 * n + 1] = vpadalq_s16(sum[i].of[2 * n + 1], vmull_high_s8(codes, w));
        }
    }
}

/* The same of four codes and the next four. */
QRT_NEON_INLINE void multiply_pair(tile *sum, const int8x16_t *x, const int8x16_t *next, const int8_t *weights,
                                   ptrdiff_t block_size, const int positions, const int tiles) {
    QRT_NEON_UNROLL
    for (int n = 0; n < 4; n++) {
        QRT_NEON_UNROLL
        for (int i = 0; i < tiles; i++) {
            int8x16_t a = x[positions == 1 ? 0 : i], b = next[positions == 1 ? 0 : i];
            const int8_t *from = weights + 16 * n + (positions == 1 ? i * block_size : 0);
            int8x16_t w = vld1q_s8(from), v = vld1q_s8(from + 64);
            int16x8_t low = vmull_s8(vget_low_s8(a), vget_low_s8(w)), high = vmull_high_s8(a, w);
            low = vmlal_s8(low, vget_low_s8(b), vget_low_s8(v));
            high = vmlal_high_s8(high, b, v);
            sum[i].of[2 * n] = vpadalq_s16(sum[i].of[2 * n], low);
            sum[i].of[2 * n + 1] = vpadalq_s16(sum[i].of[2 * n + 1], high);
            if (positions == 1 && n % 2 == 1) QRT_NEON_STEP;
        }
        if (n % 2 == 1) QRT_NEON_STEP;
    }
}

#define LOAD_CODES                                                                                        \
    QRT_NEON_UNROLL                                                                                       \
    for (int i = 0; i < positions; i++) codes[i] = vreinterpretq_s32_s8(vld1q_s8(from[i] + at))

/* Four codes of each position, the lane of a register, in all its lanes. `lane` is a literal. */
#define REPEAT(lane, all)                                                                                 \
    QRT_NEON_UNROLL                                                                                       \
    for (int i = 0; i < positions; i++) all[i] = vreinterpretq_s8_s32(vdupq_laneq_s32(codes[i], lane))

#define MULTIPLY_PAIR(lane)                                                                               \
    REPEAT(lane, all);                                                                                    \
    REPEAT(lane + 1, next);                                                                               \
    multiply_pair(sum, all, next, weights, block_size, positions, tiles);                                 \
    weights += 128

#define MULTIPLY_QUAD(lane)                                                                               \
    REPEAT(lane, all);                                                                                    \
    multiply_quad(sum, all, weights, block_size, positions, tiles);                                       \
    weights += 64

/* acc [tiles][16] of the positions at x, or of the first, and of the blocks. Both counts and `paired` are constants. */
QRT_NEON_INLINE void multiply_tiles(const qrt_multiplication *m, const int8_t *const *x, qrt_blocks blocks,
                                    int32_t *acc, const int positions, const int block_count, const int paired) {
    const int tiles = positions * block_count;
    const int8_t *weights = blocks.weights;
    const ptrdiff_t *run = m->runs, *end = run + m->product->runs;
    const ptrdiff_t block_size = qrt_product_block(m->product);
    const int32_t steps = m->product->chunks / 4, rest = m->product->chunks % 4;
    tile sum[TILES];
    const int8_t *from[TILES];
    int32x4_t codes[TILES];
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
        for (int32_t step = steps; step > 0; step--, at += 16) {
            LOAD_CODES;
            if (paired) {
                MULTIPLY_PAIR(0);
                MULTIPLY_PAIR(2);
            } else {
                MULTIPLY_QUAD(0);
                MULTIPLY_QUAD(1);
                MULTIPLY_QUAD(2);
                MULTIPLY_QUAD(3);
            }
        }
        if (rest == 0) continue;
        LOAD_CODES;
        if (paired && rest > 1) {
            MULTIPLY_PAIR(0);
            if (rest == 2) continue;
            MULTIPLY_QUAD(2);
            continue;
        }
        MULTIPLY_QUAD(0);
        if (rest == 1) continue;
        MULTIPLY_QUAD(1);
        if (rest == 2) continue;
        MULTIPLY_QUAD(2);
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

QRT_PRODUCT_ROWS(neon);

#endif
