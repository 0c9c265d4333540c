/* SPDX-License-Identifier: Apache-2.0 */
/* emit.h: from a table of accumulators to the output of a convolution, with AVX2.
 *
 * A kernel computes some positions of 16 channels, or of the 8 channels of a last block, into int32
 * [positions][16 or 8]; they are requantized and stored here.
 */
#ifndef QRT_AVX2_EMIT_H
#define QRT_AVX2_EMIT_H

#include "x86/avx2/image.h"
#include "x86/avx2/requant.h"

#ifdef QRT_X86

/* A table may be read to a multiple of this many rows. */
#define QRT_EMIT_ROWS 4

#define QRT_TABLE_SIZE ((QRT_TABLE + QRT_EMIT_ROWS) * QRT_LANES)

/* Order of the channels in a table's rows, and so in the lanes. */
enum {
    QRT_ORDER_PLAIN,
    QRT_ORDER_UNPACKED /* 0-3 8-11 4-7 12-15: what _mm256_unpacklo and then unpackhi make of 16 */
};

static inline int32_t channel_of_lane(int32_t lane, int order) {
    return order == QRT_ORDER_PLAIN ? lane : (lane & 3) | (lane & 4) << 1 | (lane & 8) >> 1;
}

typedef struct qrt_emitter {
    const qrt_requant *requant;
    ptrdiff_t stride; /* channels of the output */
    int32_t channels; /* those that `requant` tells apart: channel i of the output is i % channels */
    int32_t form;     /* of lanes.h */
    int order;
} qrt_emitter;

/* Destination of a table. */
typedef struct qrt_emit_place {
    const qrt_lanes *lanes;
    int32_t channel;  /* the first */
    int32_t channels; /* number of channels, at most 16 */
    int8_t *output;   /* of the first position, channel 0 */
} qrt_emit_place;

/* `form` and `halves`, 1 or 2 registers in a row, are constants. */
QRT_AVX2 QRT_INLINE void emit_form(const qrt_emitter *e, const int32_t *acc, int32_t rows, qrt_emit_place place,
                                   const int form, const int halves) {
    const __m256i plain = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const __m256i unpacked = _mm256_setr_epi32(0, 1, 4, 5, 2, 3, 6, 7);
    __m256i order = e->order == QRT_ORDER_PLAIN ? plain : unpacked;
    requant8 r[2];
    for (int i = 0; i < halves; i++) r[i] = requant8_load(place.lanes, i);
    __m256i lowest = _mm256_set1_epi8((char)e->requant->output_min);
    __m256i highest = _mm256_set1_epi8((char)e->requant->output_max);
    int8_t *y = place.output + place.channel;
    const int at_once = 4 / halves;
    for (int32_t row = 0; row < rows; row += at_once, acc += 32, y += at_once * e->stride) {
        __m256i v[4];
        QRT_UNROLL
        for (int i = 0; i < 4; i++) {
            v[i] = requant8_apply(_mm256_load_si256((const __m256i *)(acc + 8 * i)), &r[i % halves], form);
        }
        __m256i codes = narrow32(v[0], v[1], v[2], v[3]);
        codes = _mm256_min_epi8(_mm256_max_epi8(codes, lowest), highest);
        codes = _mm256_permutevar8x32_epi32(codes, order);
        __m128i low = _mm256_castsi256_si128(codes), high = _mm256_extracti128_si256(codes, 1);
        int32_t left = rows - row;
        if (halves == 2) {
            store_codes(y, low, place.channels);
            if (left > 1) store_codes(y + e->stride, high, place.channels);
        } else {
            store_codes(y, low, place.channels);
            if (left > 1) store_codes(y + e->stride, _mm_srli_si128(low, 8), place.channels);
            if (left > 2) store_codes(y + 2 * e->stride, high, place.channels);
            if (left > 3) store_codes(y + 3 * e->stride, _mm_srli_si128(high, 8), place.channels);
        }
    }
}

/* Accumulators without requantization, and those that no vector form supports. */
static inline void emit_scalar(const qrt_emitter *e, const int32_t *acc, int32_t rows, qrt_emit_place place,
                               int halves) {
    for (int32_t row = 0; row < rows; row++, acc += 8 * halves) {
        for (int32_t lane = 0; lane < 8 * halves; lane++) {
            int32_t i = channel_of_lane(lane, e->order);
            if (i >= place.channels) continue;
            int32_t sum = (int32_t)((uint32_t)acc[lane] + (uint32_t)place.lanes->correction[lane]);
            ptrdiff_t index = row * e->stride + place.channel + i;
            if (e->requant->wide) {
                memcpy(place.output + 4 * index, &sum, sizeof sum); /* the correction includes the bias */
            } else {
                qrt_channel own = qrt_requant_channel(e->requant, (place.channel + i) % e->channels);
                place.output[index] = qrt_requantize(e->requant, own, sum);
            }
        }
    }
}

QRT_AVX2 static void emit(const qrt_emitter *e, const int32_t *acc, int32_t rows, qrt_emit_place place, int halves) {
    if (e->form >= QRT_LANES_WIDE) {
        emit_scalar(e, acc, rows, place, halves);
    } else if (halves == 2) {
        if (e->form == QRT_LANES_SINGLE) emit_form(e, acc, rows, place, QRT_LANES_SINGLE, 2);
        if (e->form == QRT_LANES_SINGLE_LEFT) emit_form(e, acc, rows, place, QRT_LANES_SINGLE_LEFT, 2);
        if (e->form == QRT_LANES_DOUBLE) emit_form(e, acc, rows, place, QRT_LANES_DOUBLE, 2);
    } else {
        if (e->form == QRT_LANES_SINGLE) emit_form(e, acc, rows, place, QRT_LANES_SINGLE, 1);
        if (e->form == QRT_LANES_SINGLE_LEFT) emit_form(e, acc, rows, place, QRT_LANES_SINGLE_LEFT, 1);
        if (e->form == QRT_LANES_DOUBLE) emit_form(e, acc, rows, place, QRT_LANES_DOUBLE, 1);
    }
}

#endif
#endif
