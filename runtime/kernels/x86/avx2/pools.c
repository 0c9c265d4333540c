/* SPDX-License-Identifier: Apache-2.0 */
/* pools.c: average_pool2d, max_pool2d and mean with AVX2, 16 channels at a time. */
#include "portable/rectangle.h"
#include "x86/avx2/avx2.h"
#include "x86/avx2/requant.h"

#ifdef QRT_X86

#define CHANNELS 16

/* Number of codes with a sum that fits int16. */
#define SUM16 255

/* Sums of the first 8 and of the last 8 channels. */
typedef struct sums {
    __m256i low, high;
} sums;

QRT_AVX2 QRT_INLINE void sums_add(sums *s, __m256i sum16) {
    s->low = _mm256_add_epi32(s->low, _mm256_cvtepi16_epi32(_mm256_castsi256_si128(sum16)));
    s->high = _mm256_add_epi32(s->high, _mm256_cvtepi16_epi32(_mm256_extracti128_si256(sum16, 1)));
}

/* Sums of `count` channels, beginning with `channel`. */
QRT_AVX2 QRT_INLINE sums sum_codes(const rectangle *r, int32_t channel, int32_t count) {
    sums s = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    __m256i sum16 = _mm256_setzero_si256();
    int32_t room = SUM16;
    for (int32_t row = 0; row < r->rows; row++) {
        const int8_t *x = r->x + row * r->row_size + channel;
        for (int32_t column = 0; column < r->columns; column++, x += r->channels) {
            sum16 = _mm256_add_epi16(sum16, _mm256_cvtepi8_epi16(load_codes(x, count)));
            if (--room == 0) {
                sums_add(&s, sum16);
                sum16 = _mm256_setzero_si256();
                room = SUM16;
            }
        }
    }
    sums_add(&s, sum16);
    return s;
}

/* 16 numbers to codes, clamped. */
QRT_AVX2 QRT_INLINE __m128i narrow16(__m256i low, __m256i high, int32_t minimum, int32_t maximum) {
    __m256i y = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xD8);
    __m128i codes = _mm_packs_epi16(_mm256_castsi256_si128(y), _mm256_extracti128_si256(y, 1));
    codes = _mm_max_epi8(codes, _mm_set1_epi8((char)minimum));
    return _mm_min_epi8(codes, _mm_set1_epi8((char)maximum));
}

/* Division by `count` in [1, 2^22], to nearest, of sums of at most 255 * count:
 *
 *   floor(n / count) = (n * reciprocal) >> bits    with n = |sum| + floor(count / 2) < 2^31
 *
 * where reciprocal = floor(2^bits / count) + 1 and 2^bits >= 2^31 * count: its error, at most 1, becomes less than 1 /
 * count.
 */
typedef struct division {
    __m256i reciprocal, count, half, bits;
    __m256i even; /* all ones if ties round to even and can occur */
} division;

QRT_AVX2 static division division_by(int32_t count, int32_t to_even) {
    int32_t bits = 31;
    while ((int64_t)count << 31 > (int64_t)1 << bits) bits++;
    division d;
    d.reciprocal = _mm256_set1_epi64x((int64_t)(((uint64_t)1 << bits) / (uint64_t)count + 1));
    d.count = _mm256_set1_epi32(count);
    d.half = _mm256_set1_epi32(count / 2);
    d.bits = _mm256_set1_epi64x(bits);
    d.even = _mm256_set1_epi32(to_even && count % 2 == 0 ? -1 : 0);
    return d;
}

QRT_AVX2 QRT_INLINE __m256i divide_8(const division *d, __m256i sum) {
    __m256i n = _mm256_add_epi32(_mm256_abs_epi32(sum), d->half);
    __m256i even = _mm256_srlv_epi64(_mm256_mul_epu32(n, d->reciprocal), d->bits);
    __m256i odd = _mm256_srlv_epi64(_mm256_mul_epu32(_mm256_srli_epi64(n, 32), d->reciprocal), d->bits);
    __m256i quotient = _mm256_or_si256(even, _mm256_slli_epi64(odd, 32));
    /* A tie was rounded up. */
    __m256i tie = _mm256_cmpeq_epi32(_mm256_mullo_epi32(quotient, d->count), n);
    __m256i down = _mm256_and_si256(_mm256_and_si256(tie, d->even), _mm256_and_si256(quotient, _mm256_set1_epi32(1)));
    return _mm256_sign_epi32(_mm256_sub_epi32(quotient, down), sum);
}

QRT_AVX2 static void average_position(const qrt_pool2d_params *p, const rectangle *window, const division *d,
                                      int8_t *y) {
    int32_t zero_point = p->rounding == 1 ? p->x_zero_point : 0; /* only HALF_EVEN rounds relative to it */
    __m256i zero = _mm256_set1_epi32(zero_point);
    __m256i zeros = _mm256_mullo_epi32(zero, d->count);
    for (int32_t channel = 0; channel < p->channels; channel += CHANNELS) {
        int32_t left = p->channels - channel, count = left < CHANNELS ? left : CHANNELS;
        sums s = sum_codes(window, channel, count);
        __m256i low = _mm256_add_epi32(divide_8(d, _mm256_sub_epi32(s.low, zeros)), zero);
        __m256i high = _mm256_add_epi32(divide_8(d, _mm256_sub_epi32(s.high, zeros)), zero);
        store_codes(y + channel, narrow16(low, high, p->output_min, p->output_max), count);
    }
}

QRT_AVX2 static void average_pool2d_run(const void *params, const int8_t *const *inputs, int8_t *output,
                                        void *scratch) {
    const qrt_pool2d_params *p = params;
    const int8_t *image = inputs[0];
    int32_t count = 0;
    division d = division_by(1, 0);
    (void)scratch;
    for (int32_t n = 0; n < p->batch; n++, image += (ptrdiff_t)p->in_height * p->in_width * p->channels) {
        for (int32_t out_y = 0; out_y < p->out_height; out_y++) {
            for (int32_t out_x = 0; out_x < p->out_width; out_x++, output += p->channels) {
                rectangle window = window_at(p, image, out_y, out_x);
                if (window.rows * window.columns != count) {
                    count = window.rows * window.columns;
                    d = division_by(count, p->rounding != 0);
                }
                average_position(p, &window, &d, output);
            }
        }
    }
}

QRT_AVX2 static void max_position(const qrt_pool2d_params *p, const rectangle *window, int8_t *y) {
    __m128i lowest = _mm_set1_epi8((char)p->output_min), highest = _mm_set1_epi8((char)p->output_max);
    for (int32_t channel = 0; channel < p->channels; channel += CHANNELS) {
        int32_t left = p->channels - channel, count = left < CHANNELS ? left : CHANNELS;
        __m128i codes = lowest;
        for (int32_t row = 0; row < window->rows; row++) {
            const int8_t *x = window->x + row * window->row_size + channel;
            for (int32_t column = 0; column < window->columns; column++, x += window->channels) {
                codes = _mm_max_epi8(codes, load_codes(x, count));
            }
        }
        store_codes(y + channel, _mm_min_epi8(codes, highest), count);
    }
}

QRT_AVX2 static void max_pool2d_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_pool2d_params *p = params;
    const int8_t *image = inputs[0];
    (void)scratch;
    for (int32_t n = 0; n < p->batch; n++, image += (ptrdiff_t)p->in_height * p->in_width * p->channels) {
        for (int32_t out_y = 0; out_y < p->out_height; out_y++) {
            for (int32_t out_x = 0; out_x < p->out_width; out_x++, output += p->channels) {
                rectangle window = window_at(p, image, out_y, out_x);
                max_position(p, &window, output);
            }
        }
    }
}

/* One image. `form` is a constant. */
QRT_AVX2 QRT_INLINE void mean_image(const qrt_mean_params *p, const requant8 *r, const int8_t *x, int8_t *y,
                                    const int form) {
    rectangle all = {x, 1, p->positions, 0, p->channels};
    __m256i zeros = _mm256_set1_epi32(p->positions * p->x_zero_point);
    for (int32_t channel = 0; channel < p->channels; channel += CHANNELS) {
        int32_t left = p->channels - channel, count = left < CHANNELS ? left : CHANNELS;
        sums s = sum_codes(&all, channel, count);
        __m256i low = requant8_apply(_mm256_sub_epi32(s.low, zeros), r, form);
        __m256i high = requant8_apply(_mm256_sub_epi32(s.high, zeros), r, form);
        __m128i codes = narrow16(low, high, p->requant.output_min, p->requant.output_max);
        store_codes(y + channel, codes, count);
    }
}

QRT_AVX2 static void mean_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_mean_params *p = params;
    const int8_t *x = inputs[0];
    requant8 r;
    int32_t form = requant8_uniform(&p->requant, (int64_t)p->positions * 255, &r);
    if (form == QRT_LANES_SLOW) {
        qrt_kernels portable;
        qrt_kernels_portable(&portable);
        portable.mean.run(params, inputs, output, scratch);
        return;
    }
    for (int32_t n = 0; n < p->batch; n++, x += (ptrdiff_t)p->positions * p->channels, output += p->channels) {
        if (form == QRT_LANES_DOUBLE) {
            mean_image(p, &r, x, output, QRT_LANES_DOUBLE);
        } else {
            mean_image(p, &r, x, output, QRT_LANES_SINGLE_LEFT);
        }
    }
}

void qrt_pools_avx2(qrt_kernels *kernels) {
    kernels->average_pool2d.run = average_pool2d_run;
    kernels->max_pool2d.run = max_pool2d_run;
    kernels->mean.run = mean_run;
}

#endif
