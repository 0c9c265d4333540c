/* SPDX-License-Identifier: Apache-2.0 */
/* image.h: the input image of a window operator, with padding and widened to int16, for AVX2.
 *
 * The code of padding is x_zero_point, which contributes nothing. A band of rows is copied at a time, enough for a
 * number of rows of the output. If the output overlaps the input, a band's outputs only overwrite inputs that no
 * later band needs.
 */
#ifndef QRT_AVX2_IMAGE_H
#define QRT_AVX2_IMAGE_H

#include "qrt_math.h"
#include "x86/x86.h"

#ifdef QRT_X86

/* Positions computed together: a table of accumulators. */
#define QRT_TABLE 48

/* Preferred maximum size of a band in bytes: part of the L2 cache. */
#define QRT_BAND_SIZE (96 * 1024)

/* Bytes that may be read beyond the band, by a pair with one entry, or by a block of fewer than 16 channels. */
#define QRT_BAND_SLACK 64

typedef struct qrt_band {
    int32_t channels; /* of a position */
    int32_t columns;  /* of the padded image, read by windows */
    ptrdiff_t pitch;  /* entries of a row */
    int32_t height;   /* rows of the output, at most */
    size_t size;      /* bytes */
} qrt_band;

/* Rows of the padded image for `height` rows of the output. */
static inline ptrdiff_t qrt_band_rows(const qrt_conv2d_params *p, ptrdiff_t height) {
    return (height - 1) * p->stride_y + (ptrdiff_t)(p->filter_height - 1) * p->dilation_y + 1;
}

/* `height` rows of the output at a time. */
static inline void qrt_band_set_height(qrt_band *band, const qrt_conv2d_params *p, int32_t height) {
    band->height = height;
    band->size = (size_t)(qrt_band_rows(p, height) * band->pitch) * sizeof(int16_t) + QRT_BAND_SLACK;
}

/* `channels` is in_channels, or out_channels to repeat each channel for a depth multiplier. */
static inline qrt_band qrt_band_of(const qrt_conv2d_params *p, int32_t channels) {
    qrt_band band;
    band.channels = channels;
    band.columns = (p->out_width - 1) * p->stride_x + (p->filter_width - 1) * p->dilation_x + 1;
    band.pitch = (ptrdiff_t)band.columns * channels;
    ptrdiff_t rows = QRT_BAND_SIZE / (band.pitch * (ptrdiff_t)sizeof(int16_t));
    ptrdiff_t height = (rows - qrt_band_rows(p, 1)) / p->stride_y + 1;
    qrt_band_set_height(&band, p, height < 1 ? 1 : height < p->out_height ? (int32_t)height : p->out_height);
    return band;
}

/* Whether the band has a reasonable size with padding and dilation; a file's window may be nearly 2^31 wide. */
static inline int qrt_band_fits(const qrt_conv2d_params *p, int32_t channels) {
    return qrt_band_of(p, channels).size <= (size_t)1 << 25;
}

/* Entries from a position to the input of filter position (filter_y, filter_x). */
static inline ptrdiff_t qrt_band_tap(const qrt_band *band, const qrt_conv2d_params *p, int32_t filter_y,
                                     int32_t filter_x) {
    return (ptrdiff_t)filter_y * p->dilation_y * band->pitch + (ptrdiff_t)filter_x * p->dilation_x * band->channels;
}

/* Pointers to the inputs of `count` positions, beginning with position `first` of a band. */
static inline void qrt_band_positions(const qrt_band *band, const qrt_conv2d_params *p, const int16_t *copy,
                                      int32_t first, int32_t count, const int16_t **x) {
    int32_t out_y = first / p->out_width, out_x = first % p->out_width;
    ptrdiff_t step = (ptrdiff_t)p->stride_x * band->channels;
    for (int32_t i = 0; i < count; out_y++, out_x = 0) {
        const int16_t *at = copy + out_y * p->stride_y * band->pitch + out_x * step;
        for (; i < count && out_x < p->out_width; i++, out_x++, at += step) x[i] = at;
    }
}

QRT_AVX2 QRT_INLINE void fill16(int16_t *to, ptrdiff_t size, int16_t value) {
    __m256i all = _mm256_set1_epi16(value);
    ptrdiff_t i = 0;
    for (; i + 16 <= size; i += 16) _mm256_storeu_si256((__m256i *)(to + i), all);
    for (; i < size; i++) to[i] = value;
}

QRT_AVX2 QRT_INLINE void widen(const int8_t *x, ptrdiff_t size, int16_t *to) {
    ptrdiff_t i = 0;
    for (; i + 16 <= size; i += 16) {
        __m256i codes = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(x + i)));
        _mm256_storeu_si256((__m256i *)(to + i), codes);
    }
    for (; i < size; i++) to[i] = x[i];
}

/* Repeats each code `times` times. */
static inline void widen_repeated(const int8_t *x, ptrdiff_t size, int32_t times, int16_t *to) {
    for (ptrdiff_t i = 0; i < size; i++) {
        for (int32_t k = 0; k < times; k++) *to++ = x[i];
    }
}

/* Copies the input of `height` rows of the output, beginning with out_y, from one image. */
QRT_AVX2 static inline void qrt_band_copy(const qrt_band *band, const qrt_conv2d_params *p, const int8_t *image,
                                          int32_t out_y, int32_t height, int16_t *to) {
    int32_t times = band->channels / p->in_channels, left = p->pad_left, columns = band->columns - p->pad_left;
    if (left > band->columns) left = band->columns;
    columns = columns < 0 ? 0 : columns < p->in_width ? columns : p->in_width;
    ptrdiff_t before = (ptrdiff_t)left * band->channels, inside = (ptrdiff_t)columns * band->channels;
    int16_t padding = (int16_t)p->x_zero_point;
    ptrdiff_t in_y = (ptrdiff_t)out_y * p->stride_y - p->pad_top;
    for (ptrdiff_t rows = qrt_band_rows(p, height); rows > 0; rows--, in_y++, to += band->pitch) {
        if (in_y < 0 || in_y >= p->in_height) {
            fill16(to, band->pitch, padding);
            continue;
        }
        const int8_t *x = image + in_y * p->in_width * p->in_channels;
        fill16(to, before, padding);
        if (times == 1) {
            widen(x, inside, to + before);
        } else {
            widen_repeated(x, (ptrdiff_t)columns * p->in_channels, times, to + before);
        }
        fill16(to + before + inside, band->pitch - before - inside, padding);
    }
}

#endif
#endif
