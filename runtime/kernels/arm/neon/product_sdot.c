/* product_sdot.c: conv2d and linear with the dot products of Armv8.2: SDOT multiplies four codes of a position, a lane
 * of a register, by the same four weights of each of four channels. */
#include "arm/neon/product.h"
#include "arm/neon/rows.h"

#ifdef QRT_NEON

#define POSITIONS 4

/* The next four codes of each position, by 16 channels. `lane` is a literal. */
#define MULTIPLY_LANE(lane)                                                                                            \
    QRT_NEON_UNROLL                                                                                                    \
    for (int n = 0; n < 4; n++) {                                                                                      \
        int8x16_t w = vld1q_s8(weights + 16 * n);                                                                      \
        QRT_NEON_UNROLL                                                                                                \
        for (int i = 0; i < positions; i++) sum[i][n] = vdotq_laneq_s32(sum[i][n], w, codes[i], lane);                 \
    }                                                                                                                  \
    weights += 64

/* acc [positions][16] of the positions at x. `positions` is a constant. */
QRT_NEONDOT QRT_NEON_INLINE void tile(const qrt_multiplication *m, const int8_t *const *x, qrt_blocks blocks,
                                      int32_t *acc, const int positions) {
    const int8_t *weights = blocks.weights;
    const int32_t run_count = m->product->runs, chunks = m->product->chunks;
    int32x4_t sum[POSITIONS][4];
    QRT_NEON_UNROLL
    for (int n = 0; n < 4; n++) {
        int32x4_t start = vld1q_s32(blocks.start + 4 * n);
        QRT_NEON_UNROLL
        for (int i = 0; i < positions; i++) sum[i][n] = start;
    }
    for (int32_t run = 0; run < run_count; run++) {
        const int8_t *from[POSITIONS];
        int8x16_t codes[POSITIONS];
        int32_t chunk = chunks;
        QRT_NEON_UNROLL
        for (int i = 0; i < positions; i++) from[i] = x[i] + m->runs[run];
        for (; chunk >= 4; chunk -= 4) {
            QRT_NEON_UNROLL
            for (int i = 0; i < positions; i++, from[i - 1] += 16) codes[i] = vld1q_s8(from[i]);
            MULTIPLY_LANE(0);
            MULTIPLY_LANE(1);
            MULTIPLY_LANE(2);
            MULTIPLY_LANE(3);
        }
        if (chunk == 0) continue;
        QRT_NEON_UNROLL
        for (int i = 0; i < positions; i++) codes[i] = vld1q_s8(from[i]);
        MULTIPLY_LANE(0);
        if (chunk == 1) continue;
        MULTIPLY_LANE(1);
        if (chunk == 2) continue;
        MULTIPLY_LANE(2);
    }
    QRT_NEON_UNROLL
    for (int i = 0; i < positions; i++) {
        QRT_NEON_UNROLL
        for (int n = 0; n < 4; n++) vst1q_s32(acc + 16 * i + 4 * n, sum[i][n]);
    }
}

QRT_NEONDOT static void multiply(const qrt_multiplication *m, qrt_blocks blocks, int32_t *acc) {
    const int8_t *const *x = m->x;
    int32_t left = m->positions;
    for (; left >= POSITIONS; left -= POSITIONS, x += POSITIONS, acc += POSITIONS * QRT_LANES) {
        tile(m, x, blocks, acc, POSITIONS);
    }
    if (left == 3) tile(m, x, blocks, acc, 3);
    if (left == 2) tile(m, x, blocks, acc, 2);
    if (left == 1) tile(m, x, blocks, acc, 1);
}

static const qrt_product_way way = {.unit = 4, .multiply = multiply};

QRT_PRODUCT_ROWS(neondot);

#endif
