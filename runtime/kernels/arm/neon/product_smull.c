/* product_smull.c: conv2d and linear with the instructions that all 64-bit Arm processors have: SMULL multiplies four
 * codes of a position, repeated, by the same four weights of two channels, SMLAL adds the next four products, and
 * SADALP adds pairs of these sums of two, which fit an int16 unless both products are of -128 and -128. */
#include "arm/neon/product.h"
#include "arm/neon/rows.h"

#ifdef QRT_NEON

#define POSITIONS 2

/* Four codes, repeated. */
QRT_NEON_INLINE int8x16_t load_quad(const int8_t *x) {
    int32_t quad;
    memcpy(&quad, x, sizeof quad);
    return vreinterpretq_s8_s32(vdupq_n_s32(quad));
}

/* Four codes of each position by 16 channels. `positions` is a constant. */
QRT_NEON_INLINE void multiply_quad(int32x4_t (*sum)[8], const int8_t *const *from, const int8_t *weights,
                                   const int positions) {
    int8x16_t x[POSITIONS];
    QRT_NEON_UNROLL
    for (int i = 0; i < positions; i++) x[i] = load_quad(from[i]);
    QRT_NEON_UNROLL
    for (int n = 0; n < 4; n++) {
        int8x16_t w = vld1q_s8(weights + 16 * n);
        QRT_NEON_UNROLL
        for (int i = 0; i < positions; i++) {
            sum[i][2 * n] = vpadalq_s16(sum[i][2 * n], vmull_s8(vget_low_s8(x[i]), vget_low_s8(w)));
            sum[i][2 * n + 1] = vpadalq_s16(sum[i][2 * n + 1], vmull_high_s8(x[i], w));
        }
    }
}

/* The same with eight codes. */
QRT_NEON_INLINE void multiply_pair(int32x4_t (*sum)[8], const int8_t *const *from, const int8_t *weights,
                                   const int positions) {
    int8x16_t x[POSITIONS], y[POSITIONS];
    QRT_NEON_UNROLL
    for (int i = 0; i < positions; i++) {
        x[i] = load_quad(from[i]);
        y[i] = load_quad(from[i] + 4);
    }
    QRT_NEON_UNROLL
    for (int n = 0; n < 4; n++) {
        int8x16_t w = vld1q_s8(weights + 16 * n), v = vld1q_s8(weights + 64 + 16 * n);
        QRT_NEON_UNROLL
        for (int i = 0; i < positions; i++) {
            int16x8_t low = vmull_s8(vget_low_s8(x[i]), vget_low_s8(w)), high = vmull_high_s8(x[i], w);
            low = vmlal_s8(low, vget_low_s8(y[i]), vget_low_s8(v));
            high = vmlal_high_s8(high, y[i], v);
            sum[i][2 * n] = vpadalq_s16(sum[i][2 * n], low);
            sum[i][2 * n + 1] = vpadalq_s16(sum[i][2 * n + 1], high);
        }
    }
}

/* acc [positions][16] of the positions at x. `positions` and `paired` are constants. */
QRT_NEON_INLINE void tile(const qrt_multiplication *m, const int8_t *const *x, qrt_blocks blocks, int32_t *acc,
                          const int positions, const int paired) {
    const int8_t *weights = blocks.weights;
    const int32_t run_count = m->product->runs, chunks = m->product->chunks;
    int32x4_t sum[POSITIONS][8];
    QRT_NEON_UNROLL
    for (int i = 0; i < positions; i++) {
        QRT_NEON_UNROLL
        for (int n = 0; n < 8; n++) sum[i][n] = vdupq_n_s32(0);
    }
    for (int32_t run = 0; run < run_count; run++) {
        const int8_t *from[POSITIONS];
        int32_t chunk = chunks;
        QRT_NEON_UNROLL
        for (int i = 0; i < positions; i++) from[i] = x[i] + m->runs[run];
        for (; paired && chunk >= 2; chunk -= 2, weights += 128) {
            multiply_pair(sum, from, weights, positions);
            QRT_NEON_UNROLL
            for (int i = 0; i < positions; i++) from[i] += 8;
        }
        for (; chunk >= 1; chunk--, weights += 64) {
            multiply_quad(sum, from, weights, positions);
            QRT_NEON_UNROLL
            for (int i = 0; i < positions; i++) from[i] += 4;
        }
    }
    QRT_NEON_UNROLL
    for (int n = 0; n < 4; n++) {
        int32x4_t start = vld1q_s32(blocks.start + 4 * n);
        QRT_NEON_UNROLL
        for (int i = 0; i < positions; i++) {
            vst1q_s32(acc + 16 * i + 4 * n, vaddq_s32(vpaddq_s32(sum[i][2 * n], sum[i][2 * n + 1]), start));
        }
    }
}

QRT_NEON_INLINE void tiles(const qrt_multiplication *m, qrt_blocks blocks, int32_t *acc, const int paired) {
    const int8_t *const *x = m->x;
    int32_t left = m->positions;
    for (; left >= POSITIONS; left -= POSITIONS, x += POSITIONS, acc += POSITIONS * QRT_LANES) {
        tile(m, x, blocks, acc, POSITIONS, paired);
    }
    if (left == 1) tile(m, x, blocks, acc, 1, paired);
}

static void multiply(const qrt_multiplication *m, qrt_blocks blocks, int32_t *acc) {
    if (m->product->paired) {
        tiles(m, blocks, acc, 1);
    } else {
        tiles(m, blocks, acc, 0);
    }
}

static const qrt_product_way way = {.unit = 4, .multiply = multiply};

QRT_PRODUCT_ROWS(neon);

#endif
