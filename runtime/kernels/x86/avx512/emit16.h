/* SPDX-License-Identifier: Apache-2.0 */
/* emit16.h: from a table of accumulators to int16 codes in the output of a convolution, with AVX-512. */
#ifndef QRT_AVX512_EMIT16_H
#define QRT_AVX512_EMIT16_H

#include "x86/avx512/emit.h"
#include "x86/product16.h"

#ifdef QRT_X86

QRT_INLINE __mmask16 channels_of_block(int32_t channels, int block) {
    int32_t left = channels - block * QRT_LANES;
    return left >= QRT_LANES ? (__mmask16)0xffff : (__mmask16)((1 << left) - 1);
}

/* Stores 16 codes that saturate. */
QRT_AVX512 QRT_INLINE void emit16_codes(const qrt_requant *requant, __m256i codes, __mmask16 mask, int16_t *y) {
    codes = _mm256_max_epi16(codes, _mm256_set1_epi16((int16_t)requant->output_min));
    codes = _mm256_min_epi16(codes, _mm256_set1_epi16((int16_t)requant->output_max));
    _mm256_mask_storeu_epi16(y, mask, codes);
}

/* `rows` positions that are contiguous in the output, beginning at y. `form` and `blocks` are constants. */
QRT_AVX512 QRT_INLINE void emit16_run(const qrt_conv2d_params *p, const int32_t *acc, int32_t rows,
                                      qrt_emit_place place, int16_t *y, const int form, const int blocks) {
    requant16 r[4];
    for (int i = 0; i < blocks; i++) r[i] = requant16_load(place.lanes + i);
    for (int32_t row = 0; row < rows; row++, acc += QRT_LANES * blocks, y += p->out_channels) {
        QRT_UNROLL
        for (int i = 0; i < blocks; i++) {
            __m512i v = requant16_apply(_mm512_load_si512(acc + QRT_LANES * i), &r[i], form);
            __m256i codes = _mm512_cvtsepi32_epi16(v);
            emit16_codes(&p->requant, codes, channels_of_block(place.channels, i), y + QRT_LANES * i);
        }
    }
}

/* Sums of 64 bits: those of the channels 2 * i + odd, in the order of `even` and `odd` of the lanes. */
QRT_AVX512 QRT_INLINE __m512i requant64(__m512i acc, __m512i multiplier, const int64_t *addend, __m512i shift) {
    __m512i sum = _mm512_add_epi64(_mm512_mullo_epi64(acc, multiplier), _mm512_loadu_si512(addend));
    return _mm512_srav_epi64(sum, shift);
}

/* The same of int64 accumulators. */
QRT_AVX512 static inline void emit16_run_int64(const qrt_conv2d_params *p, const int64_t *acc, int32_t rows,
                                               qrt_emit_place place, int16_t *y, int blocks) {
    const __m512i even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
    const __m512i odd = _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15);
    const __m256i order = _mm256_setr_epi16(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
    for (int32_t row = 0; row < rows; row++, y += p->out_channels) {
        for (int i = 0; i < blocks; i++, acc += QRT_LANES) {
            const qrt_lanes *lanes = place.lanes + i;
            __m512i low = _mm512_loadu_si512(acc), high = _mm512_loadu_si512(acc + 8);
            __m512i multiplier = _mm512_loadu_si512(lanes->multiplier), shift = _mm512_loadu_si512(lanes->shift);
            __m512i first = requant64(_mm512_permutex2var_epi64(low, even, high),
                                      _mm512_srai_epi64(_mm512_slli_epi64(multiplier, 32), 32), lanes->even,
                                      _mm512_srli_epi64(_mm512_slli_epi64(shift, 32), 32));
            __m512i second = requant64(_mm512_permutex2var_epi64(low, odd, high), _mm512_srai_epi64(multiplier, 32),
                                       lanes->odd, _mm512_srli_epi64(shift, 32));
            __m256i codes = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm512_cvtsepi64_epi16(first)),
                                                    _mm512_cvtsepi64_epi16(second), 1);
            codes = _mm256_permutexvar_epi16(order, codes);
            emit16_codes(&p->requant, codes, channels_of_block(place.channels, i), y + QRT_LANES * i);
        }
    }
}

static inline void emit16_scalar(const qrt_conv2d_params *p, const int32_t *acc, int32_t rows, qrt_emit_place place,
                                 int16_t *y, int32_t wide) {
    for (int32_t row = 0; row < rows; row++, acc += wide, y += p->out_channels) {
        for (int32_t i = 0; i < place.channels; i++) {
            qrt_channel own = qrt_requant_channel(&p->requant, place.channel + i);
            y[i] = (int16_t)qrt_requantize16(&p->requant, own, acc[i]);
        }
    }
}

/* A table: its accumulators are int64 where the form is that. */
QRT_AVX512 QRT_INLINE void emit16_form(const qrt_emitter *e, const void *acc, int32_t rows, qrt_emit_place place,
                                       ptrdiff_t position, const int blocks) {
    int16_t *y = qrt_output16(e->output) + position * e->p->out_channels + place.channel;
    switch (e->product->form) {
    case QRT_LANES_SINGLE:
        emit16_run(e->p, acc, rows, place, y, QRT_LANES_SINGLE, blocks);
        break;
    case QRT_LANES_SINGLE_LEFT:
        emit16_run(e->p, acc, rows, place, y, QRT_LANES_SINGLE_LEFT, blocks);
        break;
    case QRT_LANES_DOUBLE:
        emit16_run(e->p, acc, rows, place, y, QRT_LANES_DOUBLE, blocks);
        break;
    case QRT_LANES_INT64:
        emit16_run_int64(e->p, acc, rows, place, y, blocks);
        break;
    default:
        emit16_scalar(e->p, acc, rows, place, y, QRT_LANES * blocks);
    }
}

/* The `rows` positions of a table from `position` of the image on; those between its rows are no output. */
QRT_AVX512 QRT_INLINE void emit16(const qrt_emitter *e, const void *acc, int32_t position, int32_t rows,
                                  qrt_emit_place place, const int blocks) {
    ptrdiff_t size = QRT_LANES * blocks * (e->product->form == QRT_LANES_INT64 ? 8 : 4);
    const uint8_t *at = acc;
    while (rows > 0) {
        int32_t out_y = position / e->width, x = position % e->width;
        int32_t here = e->width - x < rows ? e->width - x : rows;
        int32_t outputs = e->out_width - x < here ? e->out_width - x : here;
        if (outputs > 0) emit16_form(e, at, outputs, place, (ptrdiff_t)out_y * e->out_width + x, blocks);
        at += here * size;
        position += here;
        rows -= here;
    }
}

#endif
#endif
