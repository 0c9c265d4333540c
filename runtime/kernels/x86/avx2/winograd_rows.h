/* SPDX-License-Identifier: Apache-2.0 */
/* winograd_rows.h: conv2d's rows in Winograd's form, and their products: the source of the sets that multiply pairs.
 *
 * What a set includes before: pairs.h, perhaps with other instructions; and what it defines: `conv2d`, the row behind
 * these, and `winograd_costs`.
 */
#include "x86/avx2/pairs.h"
#include "x86/avx2/winograd.h"

/* The count of tiles is a constant; sums, weights and an input fit the 16 registers. */
PAIRS QRT_INLINE void winograd_multiply_some(const int16_t *x, ptrdiff_t step, int32_t pairs, const int16_t *weights,
                                             int32_t *sums, int add, const int tiles) {
    __m256i sum[6][2];
    QRT_UNROLL
    for (int m = 0; m < tiles; m++) {
        QRT_UNROLL
        for (int half = 0; half < 2; half++) {
            sum[m][half] = _mm256_setzero_si256();
            if (add) sum[m][half] = _mm256_load_si256((const void *)(sums + QRT_LANES * m + 8 * half));
        }
    }
    for (int32_t i = 0; i < pairs; i++, weights += 2 * QRT_LANES) {
        __m256i w0 = _mm256_load_si256((const void *)weights);
        __m256i w1 = _mm256_load_si256((const void *)(weights + QRT_LANES));
        QRT_UNROLL
        for (int m = 0; m < tiles; m++) {
            int32_t pair;
            memcpy(&pair, x + m * step + 2 * i, sizeof pair);
            __m256i all = _mm256_set1_epi32(pair);
            sum[m][0] = ADD_PAIRS(sum[m][0], all, w0);
            sum[m][1] = ADD_PAIRS(sum[m][1], all, w1);
        }
    }
    QRT_UNROLL
    for (int m = 0; m < tiles; m++) {
        _mm256_store_si256((void *)(sums + QRT_LANES * m), sum[m][0]);
        _mm256_store_si256((void *)(sums + QRT_LANES * m + 8), sum[m][1]);
    }
}

/* A qrt_winograd_multiply. */
PAIRS static void winograd_multiply(const int16_t *x, ptrdiff_t step, int32_t pairs, const int16_t *weights,
                                    int32_t *sums, int32_t tiles, int add) {
    for (; tiles >= 6; tiles -= 6, x += 6 * step, sums += 6 * QRT_LANES) {
        winograd_multiply_some(x, step, pairs, weights, sums, add, 6);
    }
    if (tiles == 5) winograd_multiply_some(x, step, pairs, weights, sums, add, 5);
    if (tiles == 4) winograd_multiply_some(x, step, pairs, weights, sums, add, 4);
    if (tiles == 3) winograd_multiply_some(x, step, pairs, weights, sums, add, 3);
    if (tiles == 2) winograd_multiply_some(x, step, pairs, weights, sums, add, 2);
    if (tiles == 1) winograd_multiply_some(x, step, pairs, weights, sums, add, 1);
}

static void winograd_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    qrt_winograd_run_avx2(params, inputs[0], output, scratch, winograd_multiply);
}

static int winograd_taps_covers(const void *params) { return qrt_winograd_taps_covers_avx2(params, &winograd_costs); }

static int winograd_covers(const void *params) { return qrt_winograd_covers_avx2(params, &winograd_costs); }

/* Weights that are transformed when they are used. */
static const qrt_kernel winograd_taps = {.run = winograd_run,
                                         .packed_size = qrt_winograd_taps_packed_size_avx2,
                                         .pack = qrt_winograd_taps_pack_avx2,
                                         .scratch_size = qrt_winograd_scratch_avx2,
                                         .channel_unit = QRT_PRODUCT_UNIT,
                                         .covers = winograd_taps_covers,
                                         .otherwise = &conv2d};
/* Weights that stay near, transformed when they are packed. */
static const qrt_kernel winograd = {.run = winograd_run,
                                    .packed_size = qrt_winograd_packed_size_avx2,
                                    .pack = qrt_winograd_pack_avx2,
                                    .scratch_size = qrt_winograd_scratch_avx2,
                                    .channel_unit = QRT_PRODUCT_UNIT,
                                    .covers = winograd_covers,
                                    .otherwise = &winograd_taps};
