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
#define TILES_4 7
#define TILES_2 14
#define TILES_1 16

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
    __m512i sum[TILES_1][4];
    const int16_t *x = p->inputs, *weights = p->weights;
    const char *ahead = p->ahead;
    QRT_UNROLL
    for (int t = 0; t < tiles; t++) {
        QRT_UNROLL
        for (int n = 0; n < blocks; n++) sum[t][n] = _mm512_setzero_si512();
    }
    for (int32_t pair = 0; pair < p->pairs; pair++, x += 2, weights += 2 * QRT_LANES * blocks, ahead += p->ahead_step) {
        const int kept = blocks == 4 && tiles == TILES_4 ? 3 : blocks;
        __m512i w[4];
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

QRT_AVX512 static void multiply_4(const product *p, int32_t tiles) {
    switch (tiles) {
    case 1:
        multiply(p, 1, 4);
        break;
    case 2:
        multiply(p, 2, 4);
        break;
    case 3:
        multiply(p, 3, 4);
        break;
    case 4:
        multiply(p, 4, 4);
        break;
    case 5:
        multiply(p, 5, 4);
        break;
    case 6:
        multiply(p, 6, 4);
        break;
    default:
        multiply(p, 7, 4);
    }
}

/* A multiple of 2 tiles: one that the point has not, or that is none, is multiplied too, and nobody reads its sums. */
QRT_AVX512 static void multiply_2(const product *p, int32_t tiles) {
    switch ((tiles + 1) / 2) {
    case 1:
        multiply(p, 2, 2);
        break;
    case 2:
        multiply(p, 4, 2);
        break;
    case 3:
        multiply(p, 6, 2);
        break;
    case 4:
        multiply(p, 8, 2);
        break;
    case 5:
        multiply(p, 10, 2);
        break;
    case 6:
        multiply(p, 12, 2);
        break;
    default:
        multiply(p, 14, 2);
    }
}

/* Likewise. */
QRT_AVX512 static void multiply_1(const product *p, int32_t tiles) {
    switch ((tiles + 1) / 2) {
    case 1:
        multiply(p, 2, 1);
        break;
    case 2:
        multiply(p, 4, 1);
        break;
    case 3:
        multiply(p, 6, 1);
        break;
    case 4:
        multiply(p, 8, 1);
        break;
    case 5:
        multiply(p, 10, 1);
        break;
    case 6:
        multiply(p, 12, 1);
        break;
    case 7:
        multiply(p, 14, 1);
        break;
    default:
        multiply(p, 16, 1);
    }
}

/* `p` for any number of tiles. The weights ahead are fetched by the first calls, a part by each. */
QRT_AVX512 static void multiply_tiles(product p, int32_t tiles, int32_t blocks, const int16_t *ahead) {
    const int32_t most = blocks == 4 ? TILES_4 : blocks == 2 ? TILES_2 : TILES_1, lines = blocks > 1 ? 2 : 1;
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
        if (blocks == 4) multiply_4(&p, now);
        if (blocks == 2) multiply_2(&p, now);
        if (blocks == 1) multiply_1(&p, now);
        p.inputs += now * p.depth;
        p.sums += now * p.tile;
    }
}

#endif
#endif
