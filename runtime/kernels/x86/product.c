/* SPDX-License-Identifier: Apache-2.0 */
/* product.c: packs the weights of conv2d and linear for the sets that compute a product of positions and channels. */
#include "x86/product.h"

#include "x86/x86.h"

#ifdef QRT_X86

#include <string.h>

/* 32 at a time: sums of absolute differences from 0, of w + 128 and |w|. */
QRT_AVX2 void qrt_product_sum_weights(const int8_t *weights, ptrdiff_t size, int64_t *sum, int64_t *magnitude) {
    const __m256i zero = _mm256_setzero_si256(), flip = _mm256_set1_epi8(-128);
    __m256i sums = zero, magnitudes = zero;
    int64_t s[4], m[4];
    ptrdiff_t i = 0;
    for (; i + 32 <= size; i += 32) {
        __m256i w = _mm256_loadu_si256((const void *)(weights + i));
        sums = _mm256_add_epi64(sums, _mm256_sad_epu8(_mm256_xor_si256(w, flip), zero));
        magnitudes = _mm256_add_epi64(magnitudes, _mm256_sad_epu8(_mm256_abs_epi8(w), zero));
    }
    _mm256_storeu_si256((void *)s, sums);
    _mm256_storeu_si256((void *)m, magnitudes);
    *sum = s[0] + s[1] + s[2] + s[3] - 128 * (int64_t)i;
    *magnitude = m[0] + m[1] + m[2] + m[3];
    for (; i < size; i++) {
        *sum += weights[i];
        *magnitude += weights[i] < 0 ? -weights[i] : weights[i];
    }
}

/* 32 weights of each of 8 channels, `stride` apart, as 8 quads of a half of 16 channels: 8 times 8 quads transposed. */
QRT_AVX2 static void pack_quads(const int8_t *weights, ptrdiff_t stride, int8_t *to) {
    __m256i a[8], b[8];
    for (int32_t i = 0; i < 8; i++) a[i] = _mm256_loadu_si256((const void *)(weights + i * stride));
    for (int32_t i = 0; i < 8; i += 2) {
        b[i] = _mm256_unpacklo_epi32(a[i], a[i + 1]);
        b[i + 1] = _mm256_unpackhi_epi32(a[i], a[i + 1]);
    }
    for (int32_t i = 0; i < 8; i += 4) {
        a[i] = _mm256_unpacklo_epi64(b[i], b[i + 2]);
        a[i + 1] = _mm256_unpackhi_epi64(b[i], b[i + 2]);
        a[i + 2] = _mm256_unpacklo_epi64(b[i + 1], b[i + 3]);
        a[i + 3] = _mm256_unpackhi_epi64(b[i + 1], b[i + 3]);
    }
    for (int32_t i = 0; i < 4; i++) {
        _mm256_storeu_si256((void *)(to + 4 * QRT_LANES * i), _mm256_permute2x128_si256(a[i], a[i + 4], 0x20));
        _mm256_storeu_si256((void *)(to + 4 * QRT_LANES * (i + 4)), _mm256_permute2x128_si256(a[i], a[i + 4], 0x31));
    }
}

static void pack_block(const qrt_product *product, const int8_t *weights, int32_t count, int8_t *to) {
    ptrdiff_t filter_size = (ptrdiff_t)product->runs * product->run_size;
    int32_t padded = product->chunks * product->unit, depth = qrt_product_depth(product->unit);
    int has_gaps = count < QRT_LANES || padded > product->run_size;
    if (has_gaps) memset(to, 0, (size_t)qrt_product_block(product));
    for (int32_t run = 0; run < product->runs; run++) {
        const int8_t *from = weights + (ptrdiff_t)run * product->run_size;
        int32_t i = 0;
        for (; depth == 4 && count == QRT_LANES && i + 32 <= product->run_size; i += 32, to += 32 * QRT_LANES) {
            pack_quads(from + i, filter_size, to);
            pack_quads(from + i + 8 * filter_size, filter_size, to + 32);
        }
        for (; i < padded; i += depth, to += depth * QRT_LANES) {
            int32_t left = product->run_size - i;
            if (left > 0) qrt_product_pack_step(from + i, filter_size, count, left, depth, to);
        }
    }
}

int32_t qrt_product_pack_lanes(const qrt_conv2d_params *p, const qrt_product *product, int32_t first, int32_t count,
                               qrt_lanes *lanes) {
    ptrdiff_t filter_size = (ptrdiff_t)product->runs * product->run_size;
    int32_t zero_point = p->x_zero_point + (product->signed_input ? 0 : 128), form = 0;
    memset(lanes, 0, sizeof *lanes);
    for (int32_t i = 0; i < count; i++) {
        int64_t sum, magnitude;
        qrt_product_sum_weights(p->weights + (first + i) * filter_size, filter_size, &sum, &magnitude);
        int64_t bias = p->requant.bias != NULL ? p->requant.bias[first + i] : 0;
        int64_t largest = magnitude * 255 + (bias < 0 ? -bias : bias);
        int32_t needed = qrt_lane_fill(lanes, i, &p->requant, first + i, -sum * zero_point, largest);
        form = needed > form ? needed : form;
    }
    return form;
}

void qrt_product_pack(const qrt_conv2d_params *p, const qrt_product *described, void *packed) {
    qrt_product *product = packed;
    *product = *described;
    ptrdiff_t filter_size = (ptrdiff_t)product->runs * product->run_size;
    int32_t channels = p->out_channels / p->groups;
    qrt_lanes *lanes = (qrt_lanes *)(product + 1);
    int8_t *weights = (int8_t *)(lanes + (ptrdiff_t)product->groups * product->blocks);
    for (int32_t group = 0; group < p->groups; group++) {
        for (int32_t i = 0; i < channels; i += QRT_LANES, lanes++, weights += qrt_product_block(product)) {
            int32_t first = group * channels + i, count = channels - i < QRT_LANES ? channels - i : QRT_LANES;
            int32_t form = qrt_product_pack_lanes(p, product, first, count, lanes);
            product->form = form > product->form ? form : product->form;
            pack_block(product, p->weights + first * filter_size, count, weights);
        }
    }
}

#endif
