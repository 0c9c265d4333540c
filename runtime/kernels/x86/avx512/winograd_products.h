/* SPDX-License-Identifier: Apache-2.0 */
/* winograd_products.h: the products of x86/winograd.h with vpdpwssd, point by point: tiles by pairs of input channels
 * by blocks of output channels. Sums wrap, and may. */
#ifndef QRT_AVX512_WINOGRAD_PRODUCTS_H
#define QRT_AVX512_WINOGRAD_PRODUCTS_H

#include "x86/winograd.h"
#include "x86/x86.h"

#ifdef QRT_X86

#include <string.h>

/* Maximum tiles at once, by blocks: accumulators, weights and one input fit the 32 registers; of 4 blocks of weights
 * the last is read from memory each time. */
#define MOST_BLOCKS 4
#define MOST_AT_ONCE 16
static const int32_t most_at_once[MOST_BLOCKS + 1] = {0, 16, 14, 9, 7};

/* Of one point. */
typedef struct product {
    const int16_t *inputs; /* [tile][depth] */
    ptrdiff_t depth;
    int32_t pairs;
    const int16_t *weights; /* [pair][blocks][16][2] */
    int32_t *sums;          /* [tile]: blocks are QRT_WINOGRAD_POINTS * 16 apart */
    ptrdiff_t tile;         /* int32 from tile to tile of sums */
    const char *ahead;      /* weights to fetch with each pair, of the next point */
    ptrdiff_t ahead_step;
} product;

/* Both counts are constants. */
QRT_AVX512 QRT_INLINE void multiply(const product *p, const int tiles, const int blocks) {
    __m512i sum[MOST_AT_ONCE][MOST_BLOCKS];
    const int16_t *x = p->inputs, *weights = p->weights;
    const char *ahead = p->ahead;
    QRT_UNROLL
    for (int t = 0; t < tiles; t++) {
        QRT_UNROLL
        for (int n = 0; n < blocks; n++) sum[t][n] = _mm512_setzero_si512();
    }
    for (int32_t pair = 0; pair < p->pairs; pair++, x += 2, weights += 2 * QRT_LANES * blocks, ahead += p->ahead_step) {
        const int kept = tiles * blocks + blocks + 1 > 32 ? blocks - 1 : blocks;
        __m512i w[MOST_BLOCKS];
        QRT_UNROLL
        for (int n = 0; n < kept; n++) w[n] = _mm512_load_si512(weights + 2 * QRT_LANES * n);
        _mm_prefetch(ahead, _MM_HINT_T1);
        if (blocks > 1) _mm_prefetch(ahead + 64, _MM_HINT_T1);
        QRT_UNROLL
        for (int t = 0; t < tiles; t++) {
            int32_t two;
            memcpy(&two, x + t * p->depth, sizeof two);
            __m512i all = _mm512_set1_epi32(two);
            QRT_UNROLL
            for (int n = 0; n < kept; n++) sum[t][n] = _mm512_dpwssd_epi32(sum[t][n], all, w[n]);
            if (kept == blocks) continue;
            /* In a register of its own this operand would drive sums out of theirs, as compilers see it. */
            __asm__("vpdpwssd %2, %1, %0"
                    : "+v"(sum[t][3])
                    : "v"(all), "m"(*(const __m512i *)(weights + 2 * QRT_LANES * 3)));
        }
    }
    QRT_UNROLL
    for (int t = 0; t < tiles; t++) {
        QRT_UNROLL
        for (int n = 0; n < blocks; n++) {
            _mm512_store_si512(p->sums + t * p->tile + QRT_WINOGRAD_POINTS * QRT_LANES * n, sum[t][n]);
        }
    }
}

typedef void multiply_function(const product *p);
#define X(blocks, tiles)                                                                                               \
    QRT_AVX512 static void multiply_##blocks##_##tiles(const product *p) { multiply(p, tiles, blocks); }
#define OF_1 X(1, 2) X(1, 4) X(1, 6) X(1, 8) X(1, 10) X(1, 12) X(1, 14) X(1, 16)
#define OF_2 X(2, 2) X(2, 4) X(2, 6) X(2, 8) X(2, 10) X(2, 12) X(2, 14)
#define OF_3 X(3, 1) X(3, 2) X(3, 3) X(3, 4) X(3, 5) X(3, 6) X(3, 7) X(3, 8) X(3, 9)
#define OF_4 X(4, 1) X(4, 2) X(4, 3) X(4, 4) X(4, 5) X(4, 6) X(4, 7)
OF_1 OF_2 OF_3 OF_4
#undef X
#define X(blocks, tiles) multiply_##blocks##_##tiles,

    static multiply_function *const multiply_of[MOST_BLOCKS + 1][9] = {{0}, {OF_1}, {OF_2}, {OF_3}, {OF_4}};
#undef X

/* `p` for any number of tiles. With 1 or 2 blocks an even number at once: one that the point has not, or that is none,
 * is multiplied too, and nobody reads its sums. The weights ahead are fetched by the first calls, a part by each. */
QRT_AVX512 static void multiply_tiles(product p, int32_t tiles, int32_t blocks, const int16_t *ahead) {
    const int32_t most = most_at_once[blocks], lines = blocks > 1 ? 2 : 1;
    int32_t fetched = ahead == NULL ? p.pairs * blocks : 0;
    for (int32_t calls = (tiles + most - 1) / most, now; calls > 0; calls--, tiles -= now) {
        now = (tiles + calls - 1) / calls;
        p.ahead = (const char *)p.weights;
        p.ahead_step = 0;
        if (fetched < p.pairs * blocks) {
            p.ahead = (const char *)(ahead + (ptrdiff_t)fetched * 2 * QRT_LANES);
            p.ahead_step = (ptrdiff_t)lines * 2 * QRT_LANES * (ptrdiff_t)sizeof(int16_t);
            fetched += lines * p.pairs;
        }
        multiply_of[blocks][blocks > 2 ? now - 1 : (now - 1) / 2](&p);
        p.inputs += now * p.depth;
        p.sums += now * p.tile;
    }
}

#endif
#endif
