/* avx512_depthwise.c: dwconv2d with AVX-512 VNNI.
 *
 * A register holds 64 neighbouring codes of an output row: 64 channels, or several positions of fewer channels. What
 * one filter position sees of the input is then 64 neighbouring codes, too. Four filter positions, a *quad*,
 * are interleaved byte by byte and multiplied with vpdpbusd, which sums four products a channel:
 *
 *   unpack: 4 registers of 64 codes -> 4 registers of 16 channels. Channel 16 * l + 4 * k + e goes to lane l,
 *   element e of register k, and narrowing by packs puts it back without a permutation.
 *
 * A quad is four rows at one filter column, so with stride 1 one quad serves two output rows of a filter three rows
 * high, and with 64 channels or more also the neighbouring positions. Filters of a single row take
 * four columns as a quad instead. What is missing of a quad has weight 0.
 *
 * Rows of the input are copied as they are needed, with padding (the code x_zero_point) on both sides, as uint8 (code +
 * 128). So nothing is ever read outside of the input, no loop asks about padding, and the output may lie
 * over rows that are done with.
 */
#include "avx512_depthwise.h"
#include "avx512.h"
#include "avx512_rows.h"
#include "portable.h"

#ifdef QRT_X86

#include <string.h>

/* Columns [first, last) of a padded row become padding. */
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

/* One position whose codes serve depth_multiplier channels each. */
static void copy_repeated(const int8_t *from, int32_t in_channels, int32_t depth_multiplier, uint8_t *to) {
    for (int32_t i = 0; i < in_channels; i++) {
        for (int32_t k = 0; k < depth_multiplier; k++) *to++ = (uint8_t)(from[i] + 128);
    }
}

/* Positions by turns to `even` and `odd`, as many as fill registers; `channels` is 4, 8, 16 or 32. Returns their count.
 */
QRT_AVX512 static int32_t copy_by_turns(const int8_t *from, int32_t count, int32_t channels, uint8_t *even,
                                        uint8_t *odd) {
    const __m512i flip = _mm512_set1_epi8(-128);
    int32_t words = channels / 4, at_once = 128 / channels, done = 0;
    int32_t order[16];
    for (int32_t i = 0; i < 16; i++) order[i] = i / words * 2 * words + i % words;
    __m512i first = _mm512_loadu_si512(order), second = _mm512_add_epi32(first, _mm512_set1_epi32(words));
    for (; done + at_once <= count; done += at_once, from += 128, even += 64, odd += 64) {
        __m512i a = _mm512_xor_si512(_mm512_loadu_si512(from), flip);
        __m512i b = _mm512_xor_si512(_mm512_loadu_si512(from + 64), flip);
        _mm512_storeu_si512(even, _mm512_permutex2var_epi32(a, first, b));
        _mm512_storeu_si512(odd, _mm512_permutex2var_epi32(a, second, b));
    }
    return done;
}

/* Every `step`-th position of `channels` codes. While others follow, whole registers are copied, which they overwrite.
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

/* Copies a row of the input behind its padding, as `of` lays it out. */
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

/* Four registers of codes to four of quads. */
QRT_AVX512 QRT_INLINE void interleave(const uint8_t *const *base, ptrdiff_t at, __m512i quad[4]) {
    __m512i a = _mm512_loadu_si512(base[0] + at), b = _mm512_loadu_si512(base[1] + at);
    __m512i c = _mm512_loadu_si512(base[2] + at), d = _mm512_loadu_si512(base[3] + at);
    /* Each is needed twice, and gcc would load it twice, often across cache lines. */
    __asm__("" : "+v"(a), "+v"(b), "+v"(c), "+v"(d));
    __m512i ab = _mm512_unpacklo_epi8(a, b), cd = _mm512_unpacklo_epi8(c, d);
    quad[0] = _mm512_unpacklo_epi16(ab, cd);
    quad[1] = _mm512_unpackhi_epi16(ab, cd);
    ab = _mm512_unpackhi_epi8(a, b);
    cd = _mm512_unpackhi_epi8(c, d);
    quad[2] = _mm512_unpacklo_epi16(ab, cd);
    quad[3] = _mm512_unpackhi_epi16(ab, cd);
}

/* Adds one quad for each of `rows` output rows, whose weights lie `row_size` bytes apart. */
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

/* A loop over the positions of one block: what it reads, and where the codes go. */
typedef struct block_run {
    const uint8_t *const *base; /* [4 * quads]: where a quad's four registers lie */
    const ptrdiff_t *shift;     /* [columns]: from there to a column's */
    const int32_t *start;       /* of the sums */
    const int8_t *weights;
    ptrdiff_t row_size; /* bytes of one output row's weights */
    int32_t columns, quads;
    ptrdiff_t at, step; /* the first position, and from one to the next */
    int32_t count;      /* positions */
    const qrt_lanes *lanes;
    const qrt_requant *requant;
    int32_t form;
    int32_t size;            /* codes of a position's block, 1 to 64 */
    int8_t *to;              /* of the first position */
    ptrdiff_t to_step, down; /* bytes to the next position's codes, and to the next output row's */
    __m512i *table;          /* [RUN][rows][4]: sums of a form that is not computed in the loop */
} block_run;

/* 16 sums that hold their bias. */
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

/* Where sums go, in registers. */
typedef struct outlet {
    requant16 r[LANES_OF_BLOCK];
    __m512i output_min, output_max;
    int clamped;
    __mmask64 mask;
    int8_t *to;
    ptrdiff_t step, down;
    __m512i *table;
} outlet;

QRT_AVX512 QRT_INLINE outlet outlet_of(const block_run *b) {
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

/* The sums of one position, four registers for each of `rows` output rows. `form` is a constant. */
QRT_AVX512 QRT_INLINE void put(outlet *out, const __m512i *acc, const int rows, const int form) {
    QRT_UNROLL
    for (int row = 0; row < rows; row++, acc += LANES_OF_BLOCK) {
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
        if (form == TABLE) continue;
        __m512i code = _mm512_packs_epi16(_mm512_packs_epi32(y[0], y[1]), _mm512_packs_epi32(y[2], y[3]));
        if (out->clamped) code = _mm512_min_epi8(_mm512_max_epi8(code, out->output_min), out->output_max);
        _mm512_mask_storeu_epi8(out->to + row * out->down, out->mask, code);
    }
    out->table += rows * LANES_OF_BLOCK;
    out->to += out->step;
}

/* `count` positions of `rows` output rows. */
QRT_AVX512 QRT_INLINE void sum_any(const block_run *b, const int rows, const int form) {
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

/* The same where quads are three side by side and `carry` of them are the next position's, too. */
QRT_AVX512 QRT_INLINE void sum_three(const block_run *b, const int rows, const int carry, const int form) {
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

/* The forms that nearly all layers have are computed while the sums are in registers. */
static int in_registers(int32_t form) { return form == SINGLE_BIASED || form == DOUBLE_BIASED; }

#define BY_FORM(name, sum, ...)                           \
    QRT_AVX512 static void name(const block_run *b) {     \
        if (b->form == SINGLE_BIASED) {                   \
            sum(b, __VA_ARGS__, SINGLE_BIASED);           \
        } else if (b->form == DOUBLE_BIASED) {            \
            sum(b, __VA_ARGS__, DOUBLE_BIASED);           \
        } else {                                          \
            sum(b, __VA_ARGS__, TABLE);                   \
        }                                                 \
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

typedef void (*sum_block)(const block_run *b);

static sum_block choose_sum(const block_run *b, int32_t rows) {
    static const sum_block three[2][3] = {{three10, three11, three12}, {three20, three21, three22}};
    if (b->columns == 3 && b->quads == 1 && rows <= 2) {
        int32_t carry = b->shift[2] - b->shift[0] == b->step;
        if (b->shift[1] - b->shift[0] == b->step && b->shift[2] - b->shift[1] == b->step) carry = 2;
        return three[rows - 1][carry];
    }
    return rows == 1 ? any1 : rows == 2 ? any2 : any4;
}

/* Codes of the sums in the table. */
QRT_AVX512 QRT_INLINE void requantize_table(const block_run *b, int32_t rows, const int form) {
    outlet out = outlet_of(b);
    for (int32_t row = 0; row < rows; row++) {
        const __m512i *sums = b->table + row * LANES_OF_BLOCK;
        out.to = b->to + row * b->down;
        for (int32_t n = b->count; n > 0; n--, sums += rows * LANES_OF_BLOCK) put(&out, sums, 1, form);
    }
}

/* WIDE and SLOW, one channel at a time. `channel` is the first. */
static void requantize_slowly(const block_run *b, int32_t rows, int32_t channel, int32_t out_channels) {
    const int32_t *acc = (const int32_t *)b->table;
    for (int32_t i = 0; i < rows * b->count; i++, acc += LANES_OF_BLOCK * QRT_LANES) {
        int8_t *to = b->to + i % rows * b->down + i / rows * b->to_step;
        for (int32_t byte = 0; byte < b->size; byte++) {
            int32_t k = register_of(byte), lane = element_of(byte);
            int32_t value = acc[k * QRT_LANES + lane] + b->lanes[k].correction[lane];
            if (b->form == QRT_LANES_WIDE) {
                memcpy(to + 4 * byte, &value, sizeof value);
            } else {
                qrt_channel own = qrt_requant_channel(b->requant, (channel + byte) % out_channels);
                to[byte] = qrt_requantize(b->requant, own, value);
            }
        }
    }
}

QRT_AVX512 static void requantize(const block_run *b, int32_t rows, int32_t channel, int32_t out_channels) {
    switch (b->form) {
    case QRT_LANES_SINGLE:
        requantize_table(b, rows, QRT_LANES_SINGLE);
        break;
    case QRT_LANES_SINGLE_LEFT:
        requantize_table(b, rows, QRT_LANES_SINGLE_LEFT);
        break;
    case QRT_LANES_DOUBLE:
        requantize_table(b, rows, QRT_LANES_DOUBLE);
        break;
    default:
        requantize_slowly(b, rows, channel, out_channels);
    }
}

/* One block of `rows` output rows, all positions or, where the table is needed, as many at once as it holds. */
QRT_AVX512 static void run_block(const qrt_conv2d_params *p, const qrt_depthwise *of, int32_t block, int32_t rows,
                                 block_run *b, int8_t *output) {
    sum_block sum = choose_sum(b, rows);
    int32_t channels = p->out_channels, unit = of->group * channels, at = block * 64;
    int32_t whole = p->out_width / of->group, rest = p->out_width % of->group * channels - at;
    int32_t most = in_registers(of->form) ? whole : RUN;
    ptrdiff_t element = of->form == QRT_LANES_WIDE ? 4 : 1;
    b->lanes = lanes_of(p->packed, block);
    b->to = output + at * element;
    b->to_step = unit * element;
    b->down = (ptrdiff_t)p->out_width * channels * element;
    b->size = unit - at < 64 ? unit - at : 64;
    b->start = (const int32_t *)weights_of(of, p->packed, block);
    b->weights = (const int8_t *)(b->start + 64);
    b->at = at;
    for (int32_t first = 0; first < whole + (rest > 0); first += b->count) {
        int32_t left = whole - first;
        b->count = left < most ? left : most;
        if (left == 0) { /* the positions that are fewer than a group */
            b->count = 1;
            b->size = rest < b->size ? rest : b->size;
        }
        sum(b);
        if (!in_registers(of->form)) requantize(b, rows, at % channels, channels);
        b->to += b->count * b->to_step;
        b->at += b->count * b->step;
    }
}

/* Copies the rows of the input that output rows [out_y, out_y + rows) see and that are not in the ring yet; those
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

/* Where the quads of output row out_y begin. A row that no weight wants is any row: one of padding. */
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

/* Columns [0, left) and those behind the input become padding in every row, and a row of its own. */
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
    const qrt_depthwise of = *(const qrt_depthwise *)p->packed;
    __m512i *table = scratch;
    const uint8_t **base = (const uint8_t **)(table + RUN * MAX_ROWS * 4);
    ptrdiff_t *shift = (ptrdiff_t *)((uint8_t *)base + round_to_64((size_t)of.quads * 4 * sizeof *base));
    uint8_t *ring = (uint8_t *)shift + round_to_64((size_t)of.columns * sizeof *shift);
    ptrdiff_t row_size = (ptrdiff_t)p->out_width * p->out_channels * (of.form == QRT_LANES_WIDE ? 4 : 1);
    const int8_t *image = inputs[0];
    block_run b = {.base = base, .shift = shift, .columns = of.columns, .quads = of.quads};
    b.row_size = (ptrdiff_t)of.columns * of.quads * 256;
    b.requant = &p->requant;
    b.form = of.form;
    b.table = table;
    b.step = (ptrdiff_t)(of.phases == p->stride_x ? 1 : p->stride_x) * of.group * p->out_channels;
    for (int32_t i = 0; i < of.columns; i++) shift[i] = column_offset(p, &of, i * (of.across ? 4 : 1) * p->dilation_x);
    pad_rows(p, &of, ring);
    for (int32_t n = 0; n < p->batch; n++, image += (ptrdiff_t)p->in_height * p->in_width * p->in_channels) {
        for (int32_t out_y = 0, next = 0, rows; out_y < p->out_height; out_y += rows, output += rows * row_size) {
            rows = p->out_height - out_y >= of.rows ? of.rows : 1;
            next = fill_ring(p, &of, image, out_y, rows, next, ring);
            point(p, &of, out_y, rows, ring, base);
            for (int32_t block = 0; block < of.blocks; block++) run_block(p, &of, block, rows, &b, output);
        }
    }
}

const qrt_kernel qrt_dwconv2d_avx512vnni = {dwconv2d_run, qrt_depthwise_packed_size, qrt_depthwise_pack,
                                            qrt_depthwise_scratch};

#endif
