/* product_smmla.c: conv2d and linear with the matrix products of Armv8.6: SMMLA multiplies eight codes of each of two
 * positions by eight weights of each of two channels.
 *
 *   weights of a block: int8 [run][chunk][8 pairs of channels][2][8]
 */
#include "arm/neon/product.h"
#include "arm/neon/rows.h"

#ifdef QRT_NEON

#define UNIT 8
#define PAIRS 2 /* of positions */

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

/* Eight codes of each position of a pair, twice. */
typedef struct pair {
    int8x16_t first, second;
} pair;

QRT_NEON_INLINE pair load_pair(const int8_t *even, const int8_t *odd) {
    int64x2_t a = vreinterpretq_s64_s8(vld1q_s8(even)), b = vreinterpretq_s64_s8(vld1q_s8(odd));
    pair p = {vreinterpretq_s8_s64(vzip1q_s64(a, b)), vreinterpretq_s8_s64(vzip2q_s64(a, b))};
    return p;
}

/* Eight codes of each position by 16 channels. `pairs` is a constant. */
QRT_NEONI8MM QRT_NEON_INLINE void multiply_chunk(int32x4_t (*sum)[8], const int8x16_t *codes, const int8_t *weights,
                                                 const int pairs) {
    QRT_NEON_UNROLL
    for (int n = 0; n < 8; n++) {
        int8x16_t w = vld1q_s8(weights + 16 * n);
        QRT_NEON_UNROLL
        for (int i = 0; i < pairs; i++) sum[i][n] = vmmlaq_s32(sum[i][n], codes[i], w);
    }
}

/* acc [2 * pairs][16] of the positions at x. `pairs` is a constant. */
QRT_NEONI8MM QRT_NEON_INLINE void tile(const qrt_multiplication *m, const int8_t *const *x, qrt_blocks blocks,
                                       int32_t *acc, const int pairs) {
    const int8_t *weights = blocks.weights;
    const int32_t run_count = m->product->runs, chunks = m->product->chunks;
    int32x4_t sum[PAIRS][8];
    QRT_NEON_UNROLL
    for (int n = 0; n < 8; n++) {
        int64_t two;
        memcpy(&two, blocks.start + 2 * n, sizeof two);
        QRT_NEON_UNROLL
        for (int i = 0; i < pairs; i++) sum[i][n] = vreinterpretq_s32_s64(vdupq_n_s64(two));
    }
    for (int32_t run = 0; run < run_count; run++) {
        ptrdiff_t at = m->runs[run];
        int32_t chunk = chunks;
        int8x16_t first[PAIRS], second[PAIRS];
        for (; chunk >= 1; chunk -= 2, at += 2 * UNIT, weights += 2 * UNIT * QRT_LANES) {
            QRT_NEON_UNROLL
            for (int i = 0; i < pairs; i++) {
                pair p = load_pair(x[2 * i] + at, x[2 * i + 1] + at);
                first[i] = p.first;
                second[i] = p.second;
            }
            multiply_chunk(sum, first, weights, pairs);
            if (chunk == 1) {
                weights += UNIT * QRT_LANES;
                break;
            }
            multiply_chunk(sum, second, weights + UNIT * QRT_LANES, pairs);
        }
    }
    QRT_NEON_UNROLL
    for (int i = 0; i < pairs; i++) {
        QRT_NEON_UNROLL
        for (int n = 0; n < 4; n++) {
            int64x2_t a = vreinterpretq_s64_s32(sum[i][2 * n]), b = vreinterpretq_s64_s32(sum[i][2 * n + 1]);
            vst1q_s32(acc + 32 * i + 4 * n, vreinterpretq_s32_s64(vzip1q_s64(a, b)));
            vst1q_s32(acc + 32 * i + 16 + 4 * n, vreinterpretq_s32_s64(vzip2q_s64(a, b)));
        }
    }
}

QRT_NEONI8MM static void multiply(const qrt_multiplication *m, qrt_blocks blocks, int32_t *acc) {
    const int8_t *const *x = m->x;
    int32_t left = m->positions;
    for (; left >= 2 * PAIRS; left -= 2 * PAIRS, x += 2 * PAIRS, acc += 2 * PAIRS * QRT_LANES) {
        tile(m, x, blocks, acc, PAIRS);
    }
    if (left == 0) return;
    /* A last position that has none beside it is its own, and so are its sums, which are not read. */
    const int8_t *rest[2 * PAIRS];
    for (int i = 0; i < 2 * PAIRS; i++) rest[i] = x[i < left ? i : left - 1];
    if (left > 2) {
        tile(m, rest, blocks, acc, 2);
    } else {
        tile(m, rest, blocks, acc, 1);
    }
}

static const qrt_product_way way = {.unit = UNIT, .arrange = arrange, .multiply = multiply};

QRT_PRODUCT_ROWS(neoni8mm);

#endif
