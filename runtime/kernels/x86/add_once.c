/* SPDX-License-Identifier: Apache-2.0 */
/* add_once.c: the search of add_once.h, with AVX2. */
#include "x86/add_once.h"

#include "x86/x86.h"

#ifdef QRT_X86

#include <string.h>

#define CODES 256

/* In each of 4 lanes, the largest and the smallest code * 2^shift - sum. */
typedef struct addend_search {
    __m256i low, up;
} addend_search;

/* The codes of one a and every b; `sums` are without the addend. */
QRT_AVX2 static void search_row(addend_search *s, const qrt_add_params *once, const int8_t *codes, int64_t a_sum,
                                const int64_t *b_sums) {
    const __m256i lowest = _mm256_set1_epi64x(once->output_min), highest = _mm256_set1_epi64x(once->output_max);
    const __m256i base = _mm256_set1_epi64x(a_sum);
    const __m128i shift = _mm_cvtsi32_si128(once->shift);
    for (int32_t i = 0; i < CODES; i += 4) {
        int32_t four;
        memcpy(&four, codes + i, sizeof four);
        __m256i code = _mm256_cvtepi8_epi64(_mm_cvtsi32_si128(four));
        __m256i sum = _mm256_add_epi64(base, _mm256_loadu_si256((const __m256i *)(b_sums + i)));
        __m256i bound = _mm256_sub_epi64(_mm256_sll_epi64(code, shift), sum);
        __m256i larger = _mm256_and_si256(_mm256_cmpgt_epi64(code, lowest), _mm256_cmpgt_epi64(bound, s->low));
        __m256i smaller = _mm256_and_si256(_mm256_cmpgt_epi64(highest, code), _mm256_cmpgt_epi64(s->up, bound));
        s->low = _mm256_blendv_epi8(s->low, bound, larger);
        s->up = _mm256_blendv_epi8(s->up, bound, smaller);
    }
}

static int64_t largest_of(const int64_t values[4], int64_t sign) {
    int64_t best = sign * values[0];
    for (int i = 1; i < 4; i++) best = sign * values[i] > best ? sign * values[i] : best;
    return sign * best;
}

/* Sets once->addend, if one exists. */
QRT_AVX2 static int find_addend(const qrt_add_params *p, qrt_add_run run, qrt_add_params *once) {
    addend_search s = {_mm256_set1_epi64x(-((int64_t)1 << 61)), _mm256_set1_epi64x((int64_t)1 << 61)};
    int8_t every[CODES], codes[CODES];
    int64_t b_sums[CODES], low[4], up[4];
    qrt_add_params row = *p;
    memset(&row.broadcast, 0, sizeof row.broadcast);
    row.broadcast.rank = 1;
    row.broadcast.shape[0] = CODES;
    row.broadcast.b_stride[0] = 1;
    for (int32_t i = 0; i < CODES; i++) {
        every[i] = (int8_t)(i - 128);
        b_sums[i] = (int64_t)every[i] * once->b_multiplier;
    }
    for (int32_t i = 0; i < CODES; i++) {
        const int8_t *const inputs[2] = {every + i, every};
        run(&row, inputs, codes);
        search_row(&s, once, codes, (int64_t)every[i] * once->a_multiplier, b_sums);
    }
    _mm256_storeu_si256((__m256i *)low, s.low);
    _mm256_storeu_si256((__m256i *)up, s.up);
    int64_t least = largest_of(low, 1), end = largest_of(up, -1) + ((int64_t)1 << once->shift);
    once->addend = least + (end - least) / 2;
    return least < end;
}

/* multiplier * y_multiplier * 2^-down, rounded; 0 if it is out of range. */
static int64_t factor(int32_t multiplier, int32_t y_multiplier, int32_t down) {
    if (down < 1 || down > 62) return 0;
    return (((int64_t)multiplier * y_multiplier >> (down - 1)) + 1) >> 1;
}

int qrt_add_once(const qrt_add_params *p, qrt_add_run run, qrt_add_params *once) {
    int32_t a_down = p->a_shift + p->y_shift - 20, b_down = p->b_shift + p->y_shift - 20;
    *once = *p;
    once->form = 0;
    /* The largest shift that leaves the multipliers 30 bits. */
    for (once->shift = 47; once->shift >= 16; once->shift--) {
        int64_t a = factor(p->a_multiplier, p->y_multiplier, a_down - once->shift);
        int64_t b = factor(p->b_multiplier, p->y_multiplier, b_down - once->shift);
        if (a <= 0 || b <= 0 || a >= 1 << 30 || b >= 1 << 30) continue;
        once->a_multiplier = (int32_t)a;
        once->b_multiplier = (int32_t)b * p->b_sign;
        return find_addend(p, run, once);
    }
    return 0;
}

#endif
