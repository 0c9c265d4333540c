/* SPDX-License-Identifier: Apache-2.0 */
/* depthwise_sum.c: the sums of a dwconv2d with AVX-512 VNNI and their requantization, one block of 64 at a time.
 *
 * In the forms that nearly all layers have, sums are requantized in registers; the sums of other forms go through a
 * table.
 */
#include "x86/avx512/depthwise.h"
#include "x86/avx512/requant.h"
#include "x86/avx512/rows.h"
#include "x86/x86.h"

#ifdef QRT_X86

#include <string.h>

/* Four registers of codes to four registers of quads. */
QRT_AVX512 QRT_INLINE void interleave(const uint8_t *const *base, ptrdiff_t at, __m512i quad[4]) {
    __m512i a = _mm512_loadu_si512(base[0] + at), b = _mm512_loadu_si512(base[1] + at);
    __m512i c = _mm512_loadu_si512(base[2] + at), d = _mm512_loadu_si512(base[3] + at);
    /* Each is used twice, and gcc would load it twice, often across cache lines. */
    __asm__("" : "+v"(a), "+v"(b), "+v"(c), "+v"(d));
    __m512i ab = _mm512_unpacklo_epi8(a, b), cd = _mm512_unpacklo_epi8(c, d);
    quad[0] = _mm512_unpacklo_epi16(ab, cd);
    quad[1] = _mm512_unpackhi_epi16(ab, cd);
    ab = _mm512_unpackhi_epi8(a, b);
    cd = _mm512_unpackhi_epi8(c, d);
    quad[2] = _mm512_unpacklo_epi16(ab, cd);
    quad[3] = _mm512_unpackhi_epi16(ab, cd);
}

/* Adds one quad for each of `rows` output rows, with weights `row_size` bytes apart. */
QRT_AVX512 QRT_INLINE void multiply(const __m512i quad[4], const int8_t *weights, ptrdiff_t row_size, const int rows,
                                    __m512i *acc) {
    QRT_UNROLL
    for (int row = 0; row < rows; row++, weights += row_size, acc += 4) {
        QRT_UNROLL
        for (int k = 0; k < 4; k++) {
            acc[k] = _mm512_dpbusd_epi32(acc[k], quad[k], _mm512_load_si512(weights + k * 64));
        }
    }
}

/* 16 sums that include the bias. */
QRT_AVX512 QRT_INLINE __m512i requantize_biased(__m512i sum, const requant16 *r, const int form) {
    __m512i even = _mm512_mul_epi32(sum, r->multiplier);
    __m512i odd = _mm512_mul_epi32(_mm512_srli_epi64(sum, 32), r->multiplier_odd);
    if (form == DOUBLE_BIASED) {
        even = _mm512_add_epi64(even, r->even);
        odd = _mm512_add_epi64(odd, r->odd);
    }
    __m512i high = _mm512_mask_shuffle_epi32(odd, 0x5555, even, _MM_PERM_DDBB);
    if (form == DOUBLE_BIASED) {
        high = _mm512_add_epi32(_mm512_add_epi32(high, sum), _mm512_srai_epi32(sum, 31));
    } else {
        high = _mm512_add_epi32(high, r->round);
    }
    return _mm512_srav_epi32(high, r->shift);
}

/* Destination of sums, in registers. */
typedef struct outlet {
    requant16 r[LANES_OF_BLOCK];
    __m512i output_min, output_max;
    int clamped;
    __mmask64 mask;
    int8_t *to;
    ptrdiff_t step, down;
    __m512i *table;
} outlet;

QRT_AVX512 QRT_INLINE outlet outlet_of(const qrt_depthwise_block *b) {
    outlet out;
    QRT_UNROLL
    for (int k = 0; k < LANES_OF_BLOCK; k++) out.r[k] = requant16_load(b->lanes + k);
    out.output_min = _mm512_set1_epi8((char)b->requant->output_min);
    out.output_max = _mm512_set1_epi8((char)b->requant->output_max);
    out.clamped = b->requant->output_min > -128 || b->requant->output_max < 127;
    out.mask = first_bytes(b->size);
    out.to = b->to;
    out.step = b->to_step;
    out.down = b->down;
    out.table = b->table;
    return out;
}

/* A form of its own: sums go to the table. */
#define TABLE (-1)

/* Four registers of sums of the `row`-th output row. `form` is a constant. */
QRT_AVX512 QRT_INLINE void put_row(const outlet *out, const __m512i *acc, int row, const int form) {
    __m512i y[LANES_OF_BLOCK];
    QRT_UNROLL
    for (int k = 0; k < LANES_OF_BLOCK; k++) {
        if (form == TABLE) {
            _mm512_store_si512(out->table + row * LANES_OF_BLOCK + k, acc[k]);
        } else if (form == SINGLE_BIASED || form == DOUBLE_BIASED) {
            y[k] = requantize_biased(acc[k], &out->r[k], form);
        } else {
            y[k] = requant16_apply(acc[k], &out->r[k], form);
        }
    }
    if (form == TABLE) return;
    __m512i code = narrow_in_lanes(y[0], y[1], y[2], y[3]);
    if (out->clamped) code = _mm512_min_epi8(_mm512_max_epi8(code, out->output_min), out->output_max);
    _mm512_mask_storeu_epi8(out->to + row * out->down, out->mask, code);
}

/* Advances to the next position, after `rows` rows were stored. */
QRT_AVX512 QRT_INLINE void advance(outlet *out, int rows) {
    out->table += rows * LANES_OF_BLOCK;
    out->to += out->step;
}

/* The sums of one position, four registers for each of `rows` output rows. */
QRT_AVX512 QRT_INLINE void put(outlet *out, const __m512i *acc, const int rows, const int form) {
    QRT_UNROLL
    for (int row = 0; row < rows; row++) put_row(out, acc + row * LANES_OF_BLOCK, row, form);
    advance(out, rows);
}

/* `count` positions of `rows` output rows. */
QRT_AVX512 QRT_INLINE void sum_any(const qrt_depthwise_block *b, const int rows, const int form) {
    outlet out = outlet_of(b);
    ptrdiff_t at = b->at;
    for (int32_t n = b->count; n > 0; n--, at += b->step) {
        const int8_t *weights = b->weights;
        __m512i acc[MAX_ROWS * 4];
        QRT_UNROLL
        for (int i = 0; i < rows * 4; i++) acc[i] = _mm512_load_si512(b->start + i % 4 * QRT_LANES);
        for (int32_t column = 0; column < b->columns; column++) {
            for (int32_t quad = 0; quad < b->quads; quad++, weights += 256) {
                __m512i x[4];
                interleave(b->base + quad * 4, at + b->shift[column], x);
                multiply(x, weights, b->row_size, rows, acc);
            }
        }
        put(&out, acc, rows, form);
    }
}

/* The same with three quads side by side, `carry` of which are shared with the next position. */
QRT_AVX512 QRT_INLINE void sum_three(const qrt_depthwise_block *b, const int rows, const int carry, const int form) {
    outlet out = outlet_of(b);
    ptrdiff_t at = b->at, step = b->step;
    const uint8_t *const base[4] = {b->base[0], b->base[1], b->base[2], b->base[3]};
    const ptrdiff_t shift[3] = {b->shift[0], b->shift[1], b->shift[2]};
    const int32_t *start = b->start;
    const int8_t *weights = b->weights;
    __m512i x[3][4];
    if (carry > 0) interleave(base, at + shift[0], x[0]);
    if (carry > 1) interleave(base, at + shift[1], x[1]);
    for (int32_t n = b->count; n > 0; n--, at += step) {
        __m512i acc[2 * 4];
        QRT_UNROLL
        for (int i = 0; i < rows * 4; i++) acc[i] = _mm512_load_si512(start + i % 4 * QRT_LANES);
        if (carry == 0) interleave(base, at + shift[0], x[0]);
        multiply(x[0], weights, 3 * 256, rows, acc);
        if (carry < 2) interleave(base, at + shift[1], x[1]);
        multiply(x[1], weights + 256, 3 * 256, rows, acc);
        interleave(base, at + shift[2], x[2]);
        multiply(x[2], weights + 2 * 256, 3 * 256, rows, acc);
        put(&out, acc, rows, form);
        QRT_UNROLL
        for (int k = 0; k < 4; k++) {
            x[0][k] = carry == 2 ? x[1][k] : x[2][k];
            x[1][k] = x[2][k];
        }
    }
}

/* BESIDE neighbouring outputs at a time, with `columns` quads side by side; all but one are shared with the next. */
QRT_AVX512 QRT_INLINE void sum_beside(const qrt_depthwise_block *b, const int columns, const int form) {
    outlet out = outlet_of(b);
    ptrdiff_t at = b->at, step = b->step, last = b->shift[columns - 1];
    const uint8_t *const base[4] = {b->base[0], b->base[1], b->base[2], b->base[3]};
    const int32_t *start = b->start;
    const int8_t *weights = b->weights;
    __m512i x[MAX_BESIDE_COLUMNS][4];
    QRT_UNROLL
    for (int i = 0; i < columns - 1; i++) interleave(base, at + b->shift[i], x[i]);
    for (int32_t n = b->count; n > 0; n--, at += step) {
        interleave(base, at + last, x[columns - 1]);
        QRT_UNROLL
        for (int row = 0; row < BESIDE; row++) {
            __m512i acc[4];
            QRT_UNROLL
            for (int i = 0; i < 4; i++) acc[i] = _mm512_load_si512(start + i * QRT_LANES);
            QRT_UNROLL
            for (int i = 0; i < columns; i++) multiply(x[i], weights + (row * columns + i) * 256, 0, 1, acc);
            put_row(&out, acc, row, form);
        }
        advance(&out, BESIDE);
        QRT_UNROLL
        for (int i = 0; i < columns - 1; i++) {
            QRT_UNROLL
            for (int k = 0; k < 4; k++) x[i][k] = x[i + 1][k];
        }
    }
}

/* The forms that nearly all layers have are requantized in registers. */
static int in_registers(int32_t form) {
    return form == QRT_LANES_SINGLE || form == SINGLE_BIASED || form == DOUBLE_BIASED;
}

#define BY_FORM(name, sum, ...)                                                                                        \
    QRT_AVX512 static void name(const qrt_depthwise_block *b) {                                                        \
        if (b->form == SINGLE_BIASED) {                                                                                \
            sum(b, __VA_ARGS__, SINGLE_BIASED);                                                                        \
        } else if (b->form == DOUBLE_BIASED) {                                                                         \
            sum(b, __VA_ARGS__, DOUBLE_BIASED);                                                                        \
        } else if (b->form == QRT_LANES_SINGLE) {                                                                      \
            sum(b, __VA_ARGS__, QRT_LANES_SINGLE);                                                                     \
        } else {                                                                                                       \
            sum(b, __VA_ARGS__, TABLE);                                                                                \
        }                                                                                                              \
    }
BY_FORM(any1, sum_any, 1)
BY_FORM(any2, sum_any, 2)
BY_FORM(any4, sum_any, 4)
BY_FORM(three10, sum_three, 1, 0)
BY_FORM(three11, sum_three, 1, 1)
BY_FORM(three12, sum_three, 1, 2)
BY_FORM(three20, sum_three, 2, 0)
BY_FORM(three21, sum_three, 2, 1)
BY_FORM(three22, sum_three, 2, 2)
BY_FORM(beside2, sum_beside, 2)
BY_FORM(beside3, sum_beside, 3)
BY_FORM(beside4, sum_beside, 4)

typedef void (*sum_block)(const qrt_depthwise_block *b);

static sum_block choose_sum(const qrt_depthwise_block *b) {
    static const sum_block beside[] = {beside2, beside3, beside4};
    static const sum_block three[2][3] = {{three10, three11, three12}, {three20, three21, three22}};
    if (b->beside) return beside[b->columns - 2];
    if (b->columns == 3 && b->quads == 1 && b->rows <= 2) {
        int32_t carry = b->shift[2] - b->shift[0] == b->step;
        if (b->shift[1] - b->shift[0] == b->step && b->shift[2] - b->shift[1] == b->step) carry = 2;
        return three[b->rows - 1][carry];
    }
    return b->rows == 1 ? any1 : b->rows == 2 ? any2 : any4;
}

/* Requantizes the sums in the table. */
QRT_AVX512 QRT_INLINE void requantize_table(const qrt_depthwise_block *b, const int form) {
    outlet out = outlet_of(b);
    for (int32_t row = 0; row < b->rows; row++) {
        const __m512i *sums = (const __m512i *)b->table + row * LANES_OF_BLOCK;
        out.to = b->to + row * b->down;
        for (int32_t n = b->count; n > 0; n--, sums += b->rows * LANES_OF_BLOCK) put(&out, sums, 1, form);
    }
}

/* WIDE and SLOW, one channel at a time. */
static void requantize_slowly(const qrt_depthwise_block *b) {
    int32_t rows = b->rows;
    const int32_t *acc = b->table;
    for (int32_t i = 0; i < rows * b->count; i++, acc += LANES_OF_BLOCK * QRT_LANES) {
        int8_t *to = b->to + i % rows * b->down + i / rows * b->to_step;
        for (int32_t byte = 0; byte < b->size; byte++) {
            int32_t k = register_of(byte), lane = element_of(byte);
            int32_t value = acc[k * QRT_LANES + lane] + b->lanes[k].correction[lane];
            if (b->form == QRT_LANES_WIDE) {
                memcpy(to + 4 * byte, &value, sizeof value);
            } else {
                qrt_channel own = qrt_requant_channel(b->requant, (b->first + byte) % b->out_channels);
                to[byte] = qrt_requantize(b->requant, own, value);
            }
        }
    }
}

QRT_AVX512 static void requantize(const qrt_depthwise_block *b) {
    switch (b->form) {
    case QRT_LANES_SINGLE_LEFT:
        requantize_table(b, QRT_LANES_SINGLE_LEFT);
        break;
    case QRT_LANES_DOUBLE:
        requantize_table(b, QRT_LANES_DOUBLE);
        break;
    default:
        requantize_slowly(b);
    }
}

void qrt_depthwise_positions(qrt_depthwise_block *b, int32_t count) {
    sum_block sum = choose_sum(b);
    for (; count > 0; count -= b->count) {
        b->count = in_registers(b->form) || count < RUN ? count : RUN;
        sum(b);
        if (!in_registers(b->form)) requantize(b);
        b->to += b->count * b->to_step;
        b->at += b->count * b->step;
    }
}

#endif
