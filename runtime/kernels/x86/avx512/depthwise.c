/* SPDX-License-Identifier: Apache-2.0 */
/* depthwise.c: dwconv2d with AVX-512 VNNI.
 *
 * A register holds 64 contiguous codes of an output row: 64 channels, or several positions of fewer channels. The
 * input of one filter position is then 64 contiguous codes, too. Four filter positions, a *quad*,
 * are interleaved byte by byte and multiplied with vpdpbusd, which sums four products per channel:
 *
 *   unpack: 4 registers of 64 codes -> 4 registers of 16 channels. Channel 16 * l + 4 * k + e goes to lane l,
 *   element e of register k, and narrowing by packs puts it back without a permutation.
 *
 * A quad is four rows at one filter column, so with stride 1 one quad is used for two output rows of a filter three
 * rows high, and with 64 channels or more also for the neighbouring positions. Filters of a single row use
 * four columns as a quad instead, for up to four neighbouring outputs. Missing entries of a quad have
 * weight 0.
 *
 * Rows of the input are copied as they are needed, with padding (the code x_zero_point) on both sides, as uint8 (code +
 * 128). So nothing is read outside of the input, no loop tests for padding, and the output may overwrite
 * rows that are no longer needed.
 */
#include "x86/avx512/depthwise.h"
#include "portable/portable.h"
#include "x86/avx512/avx512.h"
#include "x86/avx512/rows.h"

#ifdef QRT_X86

#include <string.h>

/* Fills columns [first, last) of a padded row with padding. */
static void pad_columns(const qrt_conv2d_params *p, const qrt_depthwise *of, int32_t first, int32_t last,
                        uint8_t *row) {
    int value = p->x_zero_point + 128;
    if (of->phases == 1 && last > first) {
        memset(row + column_offset(p, of, first), value, (size_t)(last - first) * (size_t)p->out_channels);
        return;
    }
    for (; first < last; first++) memset(row + column_offset(p, of, first), value, (size_t)p->out_channels);
}

/* to[i] = from[i] + 128 */
QRT_AVX512 QRT_INLINE void copy_codes(const int8_t *from, ptrdiff_t size, uint8_t *to) {
    const __m512i flip = _mm512_set1_epi8(-128);
    for (; size >= 64; size -= 64, from += 64, to += 64) {
        _mm512_storeu_si512(to, _mm512_xor_si512(_mm512_loadu_si512(from), flip));
    }
    if (size > 0) {
        __mmask64 rest = first_bytes(size);
        _mm512_mask_storeu_epi8(to, rest, _mm512_xor_si512(_mm512_maskz_loadu_epi8(rest, from), flip));
    }
}

/* Copies one position, each code for depth_multiplier channels. */
static void copy_repeated(const int8_t *from, int32_t in_channels, int32_t depth_multiplier, uint8_t *to) {
    for (int32_t i = 0; i < in_channels; i++) {
        for (int32_t k = 0; k < depth_multiplier; k++) *to++ = (uint8_t)(from[i] + 128);
    }
}

/* Copies positions alternately to `even` and `odd`, as many as fill registers; `channels` is 4, 8, 16 or 32. Returns
 * their count. */
QRT_AVX512 static int32_t copy_by_turns(const int8_t *from, int32_t count, int32_t channels, uint8_t *even,
                                        uint8_t *odd) {
    const __m512i flip = _mm512_set1_epi8(-128);
    int32_t words = channels / 4, at_once = 128 / channels, done = 0;
    /* Word i comes from i / words * 2 * words + i % words. */
    const __m512i places = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512i wholes = _mm512_and_si512(places, _mm512_set1_epi32(-words));
    __m512i first = _mm512_add_epi32(places, wholes), second = _mm512_add_epi32(first, _mm512_set1_epi32(words));
    for (; done + at_once <= count; done += at_once, from += 128, even += 64, odd += 64) {
        __m512i a = _mm512_xor_si512(_mm512_loadu_si512(from), flip);
        __m512i b = _mm512_xor_si512(_mm512_loadu_si512(from + 64), flip);
        _mm512_storeu_si512(even, _mm512_permutex2var_epi32(a, first, b));
        _mm512_storeu_si512(odd, _mm512_permutex2var_epi32(a, second, b));
    }
    return done;
}

/* Copies every `step`-th position of `channels` codes, as whole registers while later positions overwrite the excess.
 */
QRT_AVX512 static void copy_positions(const int8_t *from, ptrdiff_t step, int32_t count, int32_t channels,
                                      uint8_t *to) {
    const __m512i flip = _mm512_set1_epi8(-128);
    ptrdiff_t whole = (channels + 63) / 64 * 64, left = (ptrdiff_t)count * channels;
    for (; left >= whole; left -= channels, from += step, to += channels) {
        for (ptrdiff_t i = 0; i < whole; i += 64) {
            _mm512_storeu_si512(to + i, _mm512_xor_si512(_mm512_loadu_si512(from + i), flip));
        }
    }
    for (; left > 0; left -= channels, from += step, to += channels) copy_codes(from, channels, to);
}

/* Copies a row of the input after its left padding, in the layout of `of`. */
QRT_AVX512 static void copy_row(const qrt_conv2d_params *p, const qrt_depthwise *of, const int8_t *from, uint8_t *row) {
    int32_t left = p->pad_left, columns = of->reach - left < p->in_width ? of->reach - left : p->in_width;
    int32_t channels = p->in_channels, depth_multiplier = p->out_channels / channels;
    if (depth_multiplier > 1) {
        for (int32_t i = 0; i < columns; i++, from += channels) {
            copy_repeated(from, channels, depth_multiplier, row + column_offset(p, of, left + i));
        }
    } else if (of->phases == 1) {
        copy_codes(from, (ptrdiff_t)columns * channels, row + (ptrdiff_t)left * channels);
    } else {
        int32_t done = 0;
        if (of->phases == 2 && 32 % channels == 0 && channels >= 4) {
            done = copy_by_turns(from, columns, channels, row + column_offset(p, of, left),
                                 row + column_offset(p, of, left + 1));
        }
        for (int32_t i = done; i < done + of->phases && i < columns; i++) {
            copy_positions(from + i * channels, (ptrdiff_t)of->phases * channels, (columns - i - 1) / of->phases + 1,
                           channels, row + column_offset(p, of, left + i));
        }
    }
}

/* One block of `rows` output rows; positions are `step` bytes apart. */
QRT_AVX512 static void run_block(const qrt_conv2d_params *p, const qrt_depthwise *of, int32_t block, int32_t rows,
                                 ptrdiff_t step, qrt_depthwise_block *b, int8_t *output) {
    int32_t channels = p->out_channels, unit = of->group * channels, at = block * 64;
    int32_t whole = of->whole, rest = of->rest * channels - at;
    ptrdiff_t element = of->form == QRT_LANES_WIDE ? 4 : 1;
    b->lanes = lanes_of(p->packed, block);
    b->to = output + at * element;
    b->size = unit - at < 64 ? unit - at : 64;
    b->start = (const int32_t *)weights_of(of, p->packed, block);
    b->weights = (const int8_t *)(b->start + 64);
    b->at = at;
    b->first = at;
    b->beside = of->beside > 1;
    if (b->beside) {
        b->rows = BESIDE;
        b->step = BESIDE * step;
        b->to_step = BESIDE * channels * element;
        b->down = channels * element;
        qrt_depthwise_positions(b, whole / BESIDE);
        whole %= BESIDE;
        b->beside = 0;
    }
    b->rows = rows;
    b->step = step;
    b->to_step = unit * element;
    b->down = (ptrdiff_t)p->out_width * channels * element;
    qrt_depthwise_positions(b, whole);
    if (rest > 0) { /* the remaining positions, fewer than a group */
        b->size = rest < b->size ? rest : b->size;
        qrt_depthwise_positions(b, 1);
    }
}

/* Copies the rows of the input that output rows [out_y, out_y + rows) need and that are not in the ring yet; rows
 * before `next` are. Returns the new `next`. */
static int32_t fill_ring(const qrt_conv2d_params *p, const qrt_depthwise *of, const int8_t *image, int32_t out_y,
                         int32_t rows, int32_t next, uint8_t *ring) {
    int32_t first = out_y * p->stride_y - p->pad_top;
    int32_t end = first + (rows - 1) * p->stride_y + (p->filter_height - 1) * p->dilation_y + 1;
    if (end > p->in_height) end = p->in_height;
    if (next < first) next = first;
    for (int32_t slot = next % of->ring; next < end; next++, slot = slot + 1 < of->ring ? slot + 1 : 0) {
        copy_row(p, of, image + (ptrdiff_t)next * p->in_width * p->in_channels, ring + slot * of->pitch);
    }
    return next;
}

/* Sets the pointers to the quads of output row out_y. A row without weights may be any row: it points to padding. */
static void point(const qrt_conv2d_params *p, const qrt_depthwise *of, int32_t out_y, int32_t rows, const uint8_t *ring,
                  const uint8_t **base) {
    const uint8_t *padding = ring + of->ring * of->pitch;
    int32_t in_y = out_y * p->stride_y - p->pad_top, wanted = of->across ? 1 : p->filter_height + rows - 1;
    int32_t slot = in_y % of->ring;
    if (slot < 0) slot += of->ring;
    for (int32_t i = 0; i < 4 * of->quads; i++, in_y += p->dilation_y, slot += p->dilation_y) {
        while (slot >= of->ring) slot -= of->ring;
        base[i] = i < wanted && in_y >= 0 && in_y < p->in_height ? ring + slot * of->pitch : padding;
    }
    for (int32_t i = of->across ? 3 : -1; i >= 0; i--) base[i] = base[0] + column_offset(p, of, i * p->dilation_x);
}

/* Fills columns [0, left) and those after the input with padding in every row, and one extra row completely. */
static void pad_rows(const qrt_conv2d_params *p, const qrt_depthwise *of, uint8_t *ring) {
    int32_t left = p->pad_left < of->reach ? p->pad_left : of->reach;
    for (int32_t i = 0; i < of->ring; i++, ring += of->pitch) {
        pad_columns(p, of, 0, left, ring);
        pad_columns(p, of, left + p->in_width, of->reach, ring);
    }
    pad_columns(p, of, 0, of->reach, ring);
}

QRT_AVX512 static void dwconv2d_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_conv2d_params own = qrt_depthwise_params(params), *p = &own;
    if (p->packed == NULL) {
        qrt_dwconv2d_s8(params, inputs, output, scratch);
        return;
    }
    const qrt_depthwise of = qrt_depthwise_plan(p);
    uint8_t *table = scratch;
    const uint8_t **base = (const uint8_t **)(table + RUN * MAX_ROWS * 256);
    ptrdiff_t *shift = (ptrdiff_t *)((uint8_t *)base + round_to_64((size_t)of.quads * 4 * sizeof *base));
    uint8_t *ring = (uint8_t *)shift + round_to_64((size_t)of.columns * sizeof *shift);
    ptrdiff_t row_size = (ptrdiff_t)p->out_width * p->out_channels * (of.form == QRT_LANES_WIDE ? 4 : 1);
    const int8_t *image = inputs[0];
    qrt_depthwise_block b = {.base = base, .shift = shift, .columns = of.columns, .quads = of.quads};
    b.row_size = (ptrdiff_t)of.columns * of.quads * 256;
    b.requant = &p->requant;
    b.form = of.form;
    b.out_channels = p->out_channels;
    b.table = table;
    ptrdiff_t step = (ptrdiff_t)(of.phases == p->stride_x ? 1 : p->stride_x) * of.group * p->out_channels;
    for (int32_t i = 0; i < of.columns; i++) shift[i] = column_offset(p, &of, i * (of.across ? 4 : 1) * p->dilation_x);
    pad_rows(p, &of, ring);
    for (int32_t n = 0; n < p->batch; n++, image += (ptrdiff_t)p->in_height * p->in_width * p->in_channels) {
        for (int32_t out_y = 0, next = 0, rows; out_y < p->out_height; out_y += rows, output += rows * row_size) {
            rows = p->out_height - out_y >= of.rows ? of.rows : 1;
            next = fill_ring(p, &of, image, out_y, rows, next, ring);
            point(p, &of, out_y, rows, ring, base);
            for (int32_t block = 0; block < of.blocks; block++) run_block(p, &of, block, rows, step, &b, output);
        }
    }
}

const qrt_kernel qrt_dwconv2d_avx512vnni = {.run = dwconv2d_run,
                                            .packed_size = qrt_depthwise_packed_size,
                                            .pack = qrt_depthwise_pack,
                                            .scratch_size = qrt_depthwise_scratch};

#endif
