/* SPDX-License-Identifier: Apache-2.0 */
/* image.h: copies bands of an image into the layout of x86/image.h, with AVX2. */
#ifndef QRT_AVXVNNI_IMAGE_H
#define QRT_AVXVNNI_IMAGE_H

#include "x86/image.h"
#include "x86/x86.h"

#ifdef QRT_X86

#include <string.h>

/* Preferred maximum size of a band in bytes: part of the L2 cache. */
#define IMAGE_BAND_SIZE (96 * 1024)

/* A number of rows of the output and the image of their inputs. If the output overlaps the input, a band's outputs only
 * overwrite inputs that no later band needs. */
typedef struct image_band {
    qrt_image image; /* of `height` rows */
    int32_t height;
} image_band;

static inline image_band image_band_of(const qrt_conv2d_params *p) {
    qrt_conv2d_params rows = *p;
    rows.out_height = 1;
    image_band band = {qrt_image_of(&rows), 1};
    ptrdiff_t more = IMAGE_BAND_SIZE - (ptrdiff_t)band.image.size, each = p->stride_y * band.image.pitch;
    if (more < each || p->out_height == 1) return band;
    band.height = more / each + 1 < p->out_height ? (int32_t)(more / each) + 1 : p->out_height;
    rows.out_height = band.height;
    band.image = qrt_image_of(&rows);
    return band;
}

/* to[i] = from[i] ^ flip */
QRT_AVX2 QRT_INLINE void copy_flipped(uint8_t *to, const int8_t *from, ptrdiff_t size, uint8_t flip) {
    const __m256i flips = _mm256_set1_epi8((char)flip);
    ptrdiff_t i = 0;
    for (; i + 32 <= size; i += 32) {
        __m256i codes = _mm256_loadu_si256((const __m256i *)(from + i));
        _mm256_storeu_si256((__m256i *)(to + i), _mm256_xor_si256(codes, flips));
    }
    if (i < size && size >= 32) { /* once more, up to the end */
        __m256i codes = _mm256_loadu_si256((const __m256i *)(from + size - 32));
        _mm256_storeu_si256((__m256i *)(to + size - 32), _mm256_xor_si256(codes, flips));
        return;
    }
    for (; i + 8 <= size; i += 8) {
        __m128i codes = _mm_loadl_epi64((const __m128i *)(from + i));
        _mm_storel_epi64((__m128i *)(to + i), _mm_xor_si128(codes, _mm256_castsi256_si128(flips)));
    }
    for (; i < size; i++) to[i] = (uint8_t)from[i] ^ flip;
}

/* A row of the padded image; `from` is the row of the input. */
QRT_AVX2 static inline void image_copy_row(const qrt_image *image, const qrt_conv2d_params *p, const int8_t *from,
                                           uint8_t flip, uint8_t *to) {
    ptrdiff_t channels = p->in_channels, left = p->pad_left * channels, size = image->columns * channels;
    int padding = (uint8_t)p->x_zero_point ^ flip;
    memset(to, padding, (size_t)left);
    if (image->take == 1) {
        copy_flipped(to + left, from, size, flip);
    } else {
        for (int32_t i = 0; i < image->columns; i++) {
            copy_flipped(to + i * channels, from + (ptrdiff_t)i * image->take * channels, channels, flip);
        }
    }
    memset(to + left + size, padding, (size_t)(image->pitch - size));
}

/* Copies the input of `height` rows of the output, beginning with out_y; every byte is xored with `flip`. */
QRT_AVX2 static inline void image_copy(const image_band *band, const qrt_conv2d_params *p, const int8_t *x,
                                       uint8_t flip, int32_t out_y, int32_t height, uint8_t *to) {
    const qrt_image *image = &band->image;
    int32_t rows = image->rows - (band->height - height) * p->stride_y;
    ptrdiff_t first = (ptrdiff_t)out_y * p->stride_y - p->pad_top, in_size = (ptrdiff_t)p->in_width * p->in_channels;
    size_t padded = (size_t)(image->pitch + (ptrdiff_t)p->pad_left * p->in_channels);
    for (int32_t plane = 0; plane < p->stride_y; plane++) {
        if (!qrt_image_has_plane(p, plane)) continue;
        uint8_t *row = to + plane * image->plane;
        for (int32_t r = plane; r < rows; r += p->stride_y, row += image->pitch) {
            if (first + r < 0 || first + r >= p->in_height) {
                memset(row, (uint8_t)p->x_zero_point ^ flip, padded);
            } else {
                image_copy_row(image, p, x + (first + r) * in_size, flip, row);
            }
        }
    }
}

#endif
#endif
