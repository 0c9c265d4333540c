/* SPDX-License-Identifier: Apache-2.0 */
/* pools.c: average_pool2d, max_pool2d and mean with AVX-512, 64 channels at once. */
#include "qrt_math.h"
#include "x86/avx512/avx512.h"
#include "x86/avx512/rows.h"

#ifdef QRT_X86

/* Adds `count` positions, `step` bytes apart, to four registers of sums: channel 16 * l + 4 * k + e is element e of
 * lane l of register k. vpdpbusd multiplies each by 1 and adds four at once. */
QRT_AVX512 QRT_INLINE void add_positions(const int8_t *x, ptrdiff_t step, int32_t count, __mmask64 mask,
                                         __m512i acc[4]) {
    const __m512i ones = _mm512_set1_epi8(1);
    for (; count > 0; count -= 4, x += 4 * step) {
        __m512i a = _mm512_maskz_loadu_epi8(mask, x), b = _mm512_setzero_si512(), c = b, d = b;
        if (count > 1) b = _mm512_maskz_loadu_epi8(mask, x + step);
        if (count > 2) c = _mm512_maskz_loadu_epi8(mask, x + 2 * step);
        if (count > 3) d = _mm512_maskz_loadu_epi8(mask, x + 3 * step);
        __m512i ab = _mm512_unpacklo_epi8(a, b), cd = _mm512_unpacklo_epi8(c, d);
        acc[0] = _mm512_dpbusd_epi32(acc[0], ones, _mm512_unpacklo_epi16(ab, cd));
        acc[1] = _mm512_dpbusd_epi32(acc[1], ones, _mm512_unpackhi_epi16(ab, cd));
        ab = _mm512_unpackhi_epi8(a, b);
        cd = _mm512_unpackhi_epi8(c, d);
        acc[2] = _mm512_dpbusd_epi32(acc[2], ones, _mm512_unpacklo_epi16(ab, cd));
        acc[3] = _mm512_dpbusd_epi32(acc[3], ones, _mm512_unpackhi_epi16(ab, cd));
    }
}

/* Division by the count of a window's positions. */
typedef struct divisor {
    __m512i count, reciprocal, zero_points; /* reciprocal: 2^32 / count, rounded down */
} divisor;

/* sum / count to nearest; ties as SPEC.md says for average_pool2d. Sums are below 2^30, so the reciprocal gives a
 * quotient that is at most 1 too small. */
QRT_AVX512 QRT_INLINE __m512i average(__m512i sum, const divisor *by, const int rounding) {
    const __m512i one = _mm512_set1_epi32(1);
    sum = _mm512_sub_epi32(sum, by->zero_points);
    __m512i magnitude = _mm512_abs_epi32(sum);
    __m512i even = _mm512_mul_epu32(magnitude, by->reciprocal);
    __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(magnitude, 32), by->reciprocal);
    __m512i quotient = _mm512_mask_shuffle_epi32(odd, 0x5555, even, _MM_PERM_DDBB);
    __m512i rest = _mm512_sub_epi32(magnitude, _mm512_mullo_epi32(quotient, by->count));
    __mmask16 more = _mm512_cmpge_epi32_mask(rest, by->count);
    quotient = _mm512_mask_add_epi32(quotient, more, quotient, one);
    rest = _mm512_mask_sub_epi32(rest, more, rest, by->count);
    __m512i other = _mm512_sub_epi32(by->count, rest);
    __mmask16 up = _mm512_cmpgt_epi32_mask(rest, other), tie = _mm512_cmpeq_epi32_mask(rest, other);
    if (rounding != 0) tie = _mm512_mask_test_epi32_mask(tie, quotient, one);
    quotient = _mm512_mask_add_epi32(quotient, (__mmask16)(up | tie), quotient, one);
    return _mm512_mask_sub_epi32(quotient, _mm512_movepi32_mask(sum), _mm512_setzero_si512(), quotient);
}

/* One output position. */
QRT_AVX512 QRT_INLINE void average_position(const qrt_pool2d_params *p, qrt_pool_window window, const divisor *by,
                                            int8_t *y, const int rounding) {
    const __m512i zero_point = _mm512_set1_epi32(rounding == 1 ? p->x_zero_point : 0);
    const __m512i output_min = _mm512_set1_epi8((char)p->output_min);
    const __m512i output_max = _mm512_set1_epi8((char)p->output_max);
    ptrdiff_t row_size = (ptrdiff_t)p->in_width * p->channels;
    /* Whole rows are contiguous. */
    int together = window.columns == p->in_width;
    int32_t rows = together ? 1 : window.rows, columns = together ? window.rows * window.columns : window.columns;
    for (int32_t channel = 0; channel < p->channels; channel += 64) {
        __mmask64 mask = first_bytes(p->channels - channel);
        __m512i acc[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(),
                          _mm512_setzero_si512()};
        for (int32_t row = 0; row < rows; row++) {
            add_positions(window.x + row * row_size + channel, p->channels, columns, mask, acc);
        }
        QRT_UNROLL
        for (int k = 0; k < 4; k++) acc[k] = _mm512_add_epi32(average(acc[k], by, rounding), zero_point);
        __m512i codes =
            _mm512_min_epi8(_mm512_max_epi8(narrow_in_lanes(acc[0], acc[1], acc[2], acc[3]), output_min), output_max);
        _mm512_mask_storeu_epi8(y + channel, mask, codes);
    }
}

QRT_AVX512 QRT_INLINE void average_pool2d(const qrt_pool2d_params *p, const int8_t *image, int8_t *output,
                                          const int rounding) {
    int32_t count = 0;
    divisor by = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
    for (int32_t n = 0; n < p->batch; n++) {
        for (int32_t out_y = 0; out_y < p->out_height; out_y++) {
            for (int32_t out_x = 0; out_x < p->out_width; out_x++, output += p->channels) {
                qrt_pool_window window = qrt_pool_window_at(p, image, out_y, out_x);
                if (count != window.rows * window.columns) {
                    count = window.rows * window.columns;
                    by.count = _mm512_set1_epi32(count);
                    by.reciprocal = _mm512_set1_epi64(UINT32_MAX / (uint32_t)count);
                    by.zero_points = _mm512_set1_epi32(rounding == 1 ? count * p->x_zero_point : 0);
                }
                average_position(p, window, &by, output, rounding);
            }
        }
        image += (ptrdiff_t)p->in_height * p->in_width * p->channels;
    }
}

QRT_AVX512 static void average_pool2d_run(const void *params, const int8_t *const *inputs, int8_t *output,
                                          void *scratch) {
    const qrt_pool2d_params *p = params;
    (void)scratch;
    if (p->rounding == 0) average_pool2d(p, inputs[0], output, 0);
    if (p->rounding == 1) average_pool2d(p, inputs[0], output, 1);
    if (p->rounding == 2) average_pool2d(p, inputs[0], output, 2);
}

/* One output position. Starting from output_min and stopping at output_max is the clamp. */
QRT_AVX512 QRT_INLINE void max_position(const qrt_pool2d_params *p, qrt_pool_window window, int8_t *y) {
    const __m512i output_min = _mm512_set1_epi8((char)p->output_min);
    const __m512i output_max = _mm512_set1_epi8((char)p->output_max);
    ptrdiff_t channels = p->channels, row_size = p->in_width * channels;
    for (ptrdiff_t channel = 0; channel < channels; channel += 64) {
        __mmask64 mask = first_bytes(channels - channel);
        const int8_t *row = window.x + channel;
        __m512i codes = output_min;
        for (int32_t i = window.rows; i > 0; i--, row += row_size) {
            const int8_t *x = row;
            for (int32_t k = window.columns; k > 0; k--, x += channels) {
                codes = _mm512_max_epi8(codes, _mm512_maskz_loadu_epi8(mask, x));
            }
        }
        _mm512_mask_storeu_epi8(y + channel, mask, _mm512_min_epi8(codes, output_max));
    }
}

QRT_AVX512 static void max_pool2d_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_pool2d_params *p = params;
    const int8_t *image = inputs[0];
    (void)scratch;
    for (int32_t n = 0; n < p->batch; n++) {
        for (int32_t out_y = 0; out_y < p->out_height; out_y++) {
            for (int32_t out_x = 0; out_x < p->out_width; out_x++, output += p->channels) {
                max_position(p, qrt_pool_window_at(p, image, out_y, out_x), output);
            }
        }
        image += (ptrdiff_t)p->in_height * p->in_width * p->channels;
    }
}

QRT_AVX512 QRT_INLINE void mean_images(const qrt_mean_params *p, const int8_t *x, int8_t *output,
                                       const requant_all *requant, const int form) {
    const __m512i start = _mm512_set1_epi32(-p->positions * p->x_zero_point);
    for (int32_t n = 0; n < p->batch; n++) {
        for (int32_t channel = 0; channel < p->channels; channel += 64) {
            __mmask64 mask = first_bytes(p->channels - channel);
            __m512i acc[4] = {start, start, start, start};
            add_positions(x + channel, p->channels, p->positions, mask, acc);
            QRT_UNROLL
            for (int k = 0; k < 4; k++) acc[k] = requant16_apply(acc[k], &requant->r, form);
            __m512i codes = _mm512_max_epi8(narrow_in_lanes(acc[0], acc[1], acc[2], acc[3]), requant->output_min);
            _mm512_mask_storeu_epi8(output + channel, mask, _mm512_min_epi8(codes, requant->output_max));
        }
        x += (ptrdiff_t)p->positions * p->channels;
        output += p->channels;
    }
}

QRT_AVX512 static void mean_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_mean_params *p = params;
    requant_all requant = requant_all_load(&p->requant, (int64_t)255 * p->positions);
    if (requant.form == QRT_LANES_SINGLE) {
        mean_images(p, inputs[0], output, &requant, QRT_LANES_SINGLE);
    } else if (requant.form == QRT_LANES_SINGLE_LEFT) {
        mean_images(p, inputs[0], output, &requant, QRT_LANES_SINGLE_LEFT);
    } else if (requant.form == QRT_LANES_DOUBLE) {
        mean_images(p, inputs[0], output, &requant, QRT_LANES_DOUBLE);
    } else {
        qrt_kernels kernels;
        qrt_kernels_portable(&kernels);
        kernels.mean.run(params, inputs, output, scratch);
    }
}

const qrt_kernel qrt_average_pool2d_avx512 = {.run = average_pool2d_run};
const qrt_kernel qrt_max_pool2d_avx512 = {.run = max_pool2d_run};
const qrt_kernel qrt_mean_avx512 = {.run = mean_run};

#endif
