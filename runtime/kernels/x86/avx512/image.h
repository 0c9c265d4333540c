/* SPDX-License-Identifier: Apache-2.0 */
/* image.h: copies an image into the layout of x86/image.h, with AVX-512. */
#ifndef QRT_AVX512_IMAGE_H
#define QRT_AVX512_IMAGE_H

#include "x86/image.h"
#include "x86/x86.h"

#ifdef QRT_X86

/* to[i] = from[i] ^ flip */
QRT_AVX512 QRT_INLINE void copy_flipped(uint8_t *to, const int8_t *from, ptrdiff_t size, __m512i flip) {
    ptrdiff_t i = 0;
    for (; i + 64 <= size; i += 64) {
        _mm512_storeu_si512(to + i, _mm512_xor_si512(_mm512_loadu_si512(from + i), flip));
    }
    if (i < size) {
        __mmask64 rest = ~(__mmask64)0 >> (64 - (size - i));
        _mm512_mask_storeu_epi8(to + i, rest, _mm512_xor_si512(_mm512_maskz_loadu_epi8(rest, from + i), flip));
    }
}

QRT_AVX512 QRT_INLINE void fill(uint8_t *to, ptrdiff_t size, __m512i value) {
    ptrdiff_t i = 0;
    for (; i + 64 <= size; i += 64) _mm512_storeu_si512(to + i, value);
    if (i < size) _mm512_mask_storeu_epi8(to + i, ~(__mmask64)0 >> (64 - (size - i)), value);
}

/* Copies one image of the input; every byte is xored with `flips`. */
QRT_AVX512 static inline void image_copy_padded(const qrt_image *image, const qrt_conv2d_params *p, const int8_t *x,
                                                __m512i flips, __m512i padding, uint8_t *to) {
    ptrdiff_t channels = p->in_channels, left = p->pad_left * channels, row_size = image->columns * channels;
    for (int32_t plane = 0; plane < p->stride_y; plane++) {
        if (!qrt_image_has_plane(p, plane)) continue;
        uint8_t *row = to + plane * image->plane;
        for (int32_t r = plane; r < image->rows; r += p->stride_y, row += image->pitch) {
            int32_t in_y = r - p->pad_top;
            if (in_y < 0 || in_y >= p->in_height) {
                fill(row, image->pitch + left, padding);
                continue;
            }
            const int8_t *from = x + (ptrdiff_t)in_y * p->in_width * channels;
            fill(row, left, padding);
            if (image->take == 1) {
                copy_flipped(row + left, from, row_size, flips);
            } else {
                for (int32_t i = 0; i < image->columns; i++) {
                    copy_flipped(row + i * channels, from + (ptrdiff_t)i * image->take * channels, channels, flips);
                }
            }
            fill(row + left + row_size, image->pitch - row_size, padding);
        }
    }
}

/* The same with the padding of int8; `flip` is 0 or 128. */
QRT_AVX512 static inline void image_copy(const qrt_image *image, const qrt_conv2d_params *p, const int8_t *x,
                                         uint8_t flip, uint8_t *to) {
    __m512i padding = _mm512_set1_epi8((char)((uint8_t)p->x_zero_point ^ flip));
    image_copy_padded(image, p, x, _mm512_set1_epi8((char)flip), padding, to);
}

#endif
#endif
