/* SPDX-License-Identifier: Apache-2.0 */
/* winograd.c: whether a convolution is exact in Winograd's form, and its packed weights, G g G' of winograd.h. */
#include "x86/winograd.h"

#include "x86/product.h"
#include "x86/winograd_weights.h"

#ifdef QRT_X86

#include <string.h>

#define TAPS 9
#define CHANNELS QRT_WINOGRAD_CHANNELS
#define LIMIT ((int64_t)1 << 25)

/* Largest magnitudes of a code and of weights. */
#define MOST_CODE 128
#define MOST_WEIGHT 128
#define MOST_INT4 8

int qrt_winograd_is_exact(const qrt_conv2d_params *p) {
    ptrdiff_t size = (ptrdiff_t)TAPS * p->in_channels;
    if ((int64_t)size * MOST_CODE * (p->int4 ? MOST_INT4 : MOST_WEIGHT) < LIMIT) return 1;
    if (p->int4) return 0;
    for (int32_t channel = 0; channel < p->out_channels; channel++) {
        int64_t sum, magnitude;
        qrt_product_sum_weights(p->weights + channel * size, size, &sum, &magnitude);
        /* Codes go from -128 to 127. */
        int64_t positive = (magnitude + sum) / 2, negative = (magnitude - sum) / 2;
        if (127 * positive + 128 * negative >= LIMIT || 128 * positive + 127 * negative > LIMIT) return 0;
    }
    return 1;
}

size_t qrt_winograd_size(const qrt_conv2d_params *p) {
    size_t block = sizeof(qrt_lanes) + (size_t)qrt_winograd_block(qrt_winograd_pairs(p)) * sizeof(int16_t);
    return sizeof(qrt_winograd) + (size_t)qrt_winograd_blocks(p) * block;
}

/* The first `count` of 16 weights, the rest is zero. */
QRT_AVX2 QRT_INLINE __m128i load_weights(const int8_t *weights, int32_t count) {
    if (count >= CHANNELS) return _mm_loadu_si128((const void *)weights);
    int8_t some[CHANNELS] = {0};
    memcpy(some, weights, (size_t)count);
    return _mm_loadu_si128((const void *)some);
}

/* The weights of one tap for 16 input channels, `depth` of which exist, and 16 output channels, `count` of which exist
 * and are `stride` apart, as int8 [pair][16][2]: 8 times 8 pairs transposed, in both halves of registers. */
QRT_AVX2 static void transpose_tap(const int8_t *weights, ptrdiff_t stride, int32_t count, int32_t depth, int8_t *to) {
    __m256i a[8], b[8];
    for (int32_t i = 0; i < 8; i++) {
        const __m128i none = _mm_setzero_si128();
        __m128i low = i < count ? load_weights(weights + i * stride, depth) : none;
        __m128i high = i + 8 < count ? load_weights(weights + (i + 8) * stride, depth) : none;
        a[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
    }
    for (int32_t i = 0; i < 4; i++) {
        b[2 * i] = _mm256_unpacklo_epi16(a[2 * i], a[2 * i + 1]);
        b[2 * i + 1] = _mm256_unpackhi_epi16(a[2 * i], a[2 * i + 1]);
    }
    for (int32_t i = 0; i < 8; i += 4) {
        a[i] = _mm256_unpacklo_epi32(b[i], b[i + 2]);
        a[i + 1] = _mm256_unpackhi_epi32(b[i], b[i + 2]);
        a[i + 2] = _mm256_unpacklo_epi32(b[i + 1], b[i + 3]);
        a[i + 3] = _mm256_unpackhi_epi32(b[i + 1], b[i + 3]);
    }
    for (int32_t i = 0; i < 4; i++) {
        _mm256_storeu_si256((void *)(to + 64 * i), _mm256_unpacklo_epi64(a[i], a[i + 4]));
        _mm256_storeu_si256((void *)(to + 64 * i + 32), _mm256_unpackhi_epi64(a[i], a[i + 4]));
    }
}

/* The taps of one block, for input channels from `first` on: int8 [9][pairs of 16 channels][16][2]. */
static void pack_taps(const qrt_conv2d_params *p, int32_t block, int32_t first, int8_t *to) {
    ptrdiff_t channels = p->in_channels;
    int32_t depth = p->in_channels - first, count = p->out_channels - block * QRT_LANES;
    const int8_t *weights = p->weights + (ptrdiff_t)block * QRT_LANES * TAPS * channels + first;
    for (int32_t tap = 0; tap < TAPS; tap++, to += CHANNELS * QRT_LANES) {
        transpose_tap(weights + tap * channels, TAPS * channels, count, depth, to);
    }
}

/* One block of a set of `blocks`, for input channels from `first` on; `to` is where its first pair begins. */
QRT_AVX2 static void pack_channels(const qrt_conv2d_params *p, int32_t block, int32_t first, int32_t blocks,
                                   int16_t *to) {
    int8_t taps[QRT_WINOGRAD_TAPS];
    ptrdiff_t point = (ptrdiff_t)qrt_winograd_pairs(p) * blocks * 2 * QRT_LANES;
    int32_t depth = p->in_channels - first;
    pack_taps(p, block, first, taps);
    for (int32_t k = 0; k < CHANNELS && k < depth; k += 2, to += (ptrdiff_t)blocks * 2 * QRT_LANES) {
        const int8_t *from = taps + k * QRT_LANES;
        winograd_weights(from, CHANNELS * QRT_LANES, to, point);
        winograd_weights(from + QRT_LANES, CHANNELS * QRT_LANES, to + QRT_LANES, point);
    }
}

/* Writes the head and the lanes; returns where weights begin. */
static void *pack_lanes(const qrt_conv2d_params *p, int32_t at_once, qrt_winograd *head) {
    qrt_winograd described = {0, qrt_winograd_blocks(p), qrt_winograd_pairs(p), at_once, {0}};
    qrt_lanes *lanes = (qrt_lanes *)(head + 1);
    qrt_product sums = qrt_product_of(p, 2);
    sums.signed_input = 1;
    for (int32_t block = 0; block < described.blocks; block++, lanes++) {
        int32_t left = p->out_channels - block * QRT_LANES, count = left < QRT_LANES ? left : QRT_LANES;
        int32_t form = qrt_product_pack_lanes(p, &sums, block * QRT_LANES, count, lanes);
        described.form = form > described.form ? form : described.form;
    }
    *head = described;
    return lanes;
}

size_t qrt_winograd_taps_size(const qrt_conv2d_params *p) {
    size_t block = sizeof(qrt_lanes) + (size_t)qrt_winograd_steps(p) * QRT_WINOGRAD_TAPS;
    return sizeof(qrt_winograd) + (size_t)qrt_winograd_blocks(p) * block;
}

void qrt_winograd_pack_taps(const qrt_conv2d_params *p, void *packed) {
    int8_t *to = pack_lanes(p, 0, packed);
    for (int32_t block = 0; block < qrt_winograd_blocks(p); block++) {
        for (int32_t k = 0; k < p->in_channels; k += CHANNELS, to += QRT_WINOGRAD_TAPS) pack_taps(p, block, k, to);
    }
}

void qrt_winograd_pack(const qrt_conv2d_params *p, int32_t at_once, void *packed) {
    int16_t *weights = pack_lanes(p, at_once, packed);
    int32_t all = qrt_winograd_blocks(p);
    for (int32_t first = 0, blocks; first < all; first += blocks) {
        blocks = qrt_winograd_set(at_once, all, first);
        int16_t *to = weights + first * qrt_winograd_block(qrt_winograd_pairs(p));
        for (int32_t k = 0; k < p->in_channels; k += CHANNELS, to += (ptrdiff_t)blocks * CHANNELS * QRT_LANES) {
            for (int32_t i = 0; i < blocks; i++) pack_channels(p, first + i, k, blocks, to + i * 2 * QRT_LANES);
        }
    }
}

#endif
