/* SPDX-License-Identifier: Apache-2.0 */
/* emit.h: from a table of accumulators to the output of a convolution, with AVX-512.
 *
 * A kernel computes `rows` positions of `blocks` (1 to 4) times 16 channels into int32 [rows][16 * blocks]; they
 * are requantized and stored here, 64 at a time: positions between the rows of an image are no output, and the last
 * block of a group may have fewer channels.
 */
#ifndef QRT_AVX512_EMIT_H
#define QRT_AVX512_EMIT_H

#include "x86/avx512/requant.h"
#include "x86/image.h"
#include "x86/product.h"

#ifdef QRT_X86

/* A table may be read to a multiple of this many rows. */
#define QRT_EMIT_ROWS 4

typedef struct qrt_emitter {
    const qrt_conv2d_params *p;
    const qrt_product *product;
    int32_t width, out_width; /* positions in a row of the image; the first out_width are outputs */
    int8_t *output;           /* of this image of the batch */
} qrt_emitter;

static inline qrt_emitter qrt_emitter_of(const qrt_conv2d_params *p, const qrt_image *image, int8_t *output) {
    qrt_emitter e = {p, p->packed, image->width, p->out_width, output};
    if (e.width == e.out_width) e.width = e.out_width = image->count; /* no gaps: one row */
    return e;
}

/* Destination of a table. */
typedef struct qrt_emit_place {
    const qrt_lanes *lanes; /* of the first block */
    int32_t channel;        /* first output channel */
    int32_t channels;       /* number of channels, at most 16 * blocks */
} qrt_emit_place;

/* The first `channels` of 16 * blocks channels of one position: a mask of codes. */
QRT_INLINE uint64_t channel_mask(int32_t channels) { return ~(uint64_t)0 >> (64 - channels); }

/* Whether the limits of the output are narrower than int8's, to which numbers saturate when they are narrowed. */
static inline int clamps(const qrt_requant *requant) {
    return requant->output_min > INT8_MIN || requant->output_max < INT8_MAX;
}

/* `rows` positions that are contiguous in the output, beginning at y. `form` and `blocks` are constants. */
QRT_AVX512 QRT_INLINE void emit_run(const qrt_conv2d_params *p, const int32_t *acc, int32_t rows, qrt_emit_place place,
                                    int8_t *y, const int form, const int blocks) {
    requant16 r[4];
    for (int i = 0; i < blocks; i++) r[i] = requant16_load(place.lanes + i);
    ptrdiff_t stride = p->out_channels;
    const int at_once = 4 / blocks, wide = 16 * blocks, sums = at_once * blocks;
    uint64_t mask = channel_mask(place.channels);
    int dense_row = place.channels == wide, dense = dense_row && stride == wide;
    const int clamped = clamps(&p->requant);
    __m512i lowest = _mm512_set1_epi8((char)p->requant.output_min);
    __m512i highest = _mm512_set1_epi8((char)p->requant.output_max);
    for (int32_t row = 0; row < rows; row += at_once, acc += 16 * sums, y += at_once * stride) {
        __m512i v[4];
        QRT_UNROLL
        for (int i = 0; i < sums; i++) {
            __m512i odd, all = _mm512_loadu_si512(acc + 16 * i);
            __asm__("vmovshdup %1, %0" : "=v"(odd) : "m"(*(const __m512i *)(const void *)(acc + 16 * i)));
            v[i] = requant16_apply_pair(all, odd, &r[i % blocks], form);
        }
        if (sums == 3) v[3] = v[2];
        __m512i codes = narrow64(v[0], v[1], v[2], v[3]);
        if (clamped) codes = _mm512_min_epi8(_mm512_max_epi8(codes, lowest), highest);
        int32_t left = rows - row;
        if (blocks == 4 && dense_row) {
            _mm512_storeu_si512(y, codes);
        } else if (blocks >= 3) {
            _mm512_mask_storeu_epi8(y, mask, codes);
        } else if (dense && left >= at_once) {
            _mm512_storeu_si512(y, codes);
        } else if (blocks == 2) {
            _mm256_mask_storeu_epi8(y, (__mmask32)mask, _mm512_castsi512_si256(codes));
            if (left > 1) _mm256_mask_storeu_epi8(y + stride, (__mmask32)mask, _mm512_extracti64x4_epi64(codes, 1));
        } else {
            __mmask16 channels = (__mmask16)mask;
            _mm_mask_storeu_epi8(y, channels, _mm512_castsi512_si128(codes));
            if (left > 1) _mm_mask_storeu_epi8(y + stride, channels, _mm512_extracti32x4_epi32(codes, 1));
            if (left > 2) _mm_mask_storeu_epi8(y + 2 * stride, channels, _mm512_extracti32x4_epi32(codes, 2));
            if (left > 3) _mm_mask_storeu_epi8(y + 3 * stride, channels, _mm512_extracti32x4_epi32(codes, 3));
        }
    }
}

/* Accumulators without requantization, and those that no vector form supports. */
static inline void emit_scalar(const qrt_conv2d_params *p, const int32_t *acc, int32_t rows, qrt_emit_place place,
                               int8_t *output, ptrdiff_t position, int32_t wide) {
    for (int32_t row = 0; row < rows; row++, acc += wide) {
        for (int32_t i = 0; i < place.channels; i++) {
            int32_t correction = place.lanes[i / QRT_LANES].correction[i % QRT_LANES], channel = place.channel + i;
            int32_t sum = (int32_t)((uint32_t)acc[i] + (uint32_t)correction);
            ptrdiff_t index = (position + row) * p->out_channels + channel;
            if (p->requant.wide) {
                memcpy(output + 4 * index, &sum, sizeof sum); /* the correction includes the bias */
            } else {
                output[index] = qrt_requantize(&p->requant, qrt_requant_channel(&p->requant, channel), sum);
            }
        }
    }
}

QRT_AVX512 QRT_INLINE void emit_form(const qrt_emitter *e, const int32_t *acc, int32_t rows, qrt_emit_place place,
                                     ptrdiff_t position, const int blocks) {
    int8_t *y = e->output + position * e->p->out_channels + place.channel;
    switch (e->product->form) {
    case QRT_LANES_SINGLE:
        emit_run(e->p, acc, rows, place, y, QRT_LANES_SINGLE, blocks);
        break;
    case QRT_LANES_SINGLE_LEFT:
        emit_run(e->p, acc, rows, place, y, QRT_LANES_SINGLE_LEFT, blocks);
        break;
    case QRT_LANES_DOUBLE:
        emit_run(e->p, acc, rows, place, y, QRT_LANES_DOUBLE, blocks);
        break;
    default:
        emit_scalar(e->p, acc, rows, place, e->output, position, 16 * blocks);
    }
}

/* A table being stored. `position` is the position of its first row in the image. */
typedef struct qrt_emission {
    const int32_t *acc;
    int32_t position, rows;
} qrt_emission;

/* The next `count` rows of a table, which may reach beyond the last output. */
QRT_AVX512 QRT_INLINE void emit(const qrt_emitter *e, qrt_emission *table, int32_t count, qrt_emit_place place,
                                const int blocks) {
    if (count > table->rows) count = table->rows;
    if (count == 0) return;
    table->rows -= count;
    int32_t out_width = e->out_width;
    if (table->position + count <= out_width) { /* all in the first row, often the only one */
        emit_form(e, table->acc, count, place, table->position, blocks);
        table->acc += (ptrdiff_t)count * 16 * blocks;
        table->position += count;
        return;
    }
    while (count > 0) {
        int32_t out_y = table->position / e->width, x = table->position % e->width;
        int32_t here = e->width - x < count ? e->width - x : count;
        int32_t outputs = out_width - x < here ? out_width - x : here;
        if (outputs > 0) emit_form(e, table->acc, outputs, place, (ptrdiff_t)out_y * out_width + x, blocks);
        table->acc += (ptrdiff_t)here * 16 * blocks;
        table->position += here;
        count -= here;
    }
}

#endif
#endif
