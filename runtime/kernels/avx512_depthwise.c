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
#include "avx512.h"
#include "avx512_requant.h"

#ifdef QRT_X86

#include <string.h>

/* Output positions times output rows whose accumulators wait in scratch. */
#define RUN 16
#define MAX_ROWS 4
/* Weights for more registers than this leave the first cache; then some lanes stay empty instead. */
#define MAX_BLOCKS 16

/* How a layer is computed; at the head of its packed weights. */
typedef struct plan {
    int32_t form;    /* of lanes.h */
    int32_t group;   /* output positions that lie together in `blocks` registers */
    int32_t blocks;
    int32_t rows;    /* output rows that share a quad */
    int32_t across;  /* 1: quads of columns of a filter of one row */
    int32_t columns; /* quads side by side */
    int32_t quads;   /* quads one above the other */
    int32_t phases;  /* column c of a padded row stands in part c % phases */
    int32_t reach;   /* columns of a padded row */
    int32_t ring;    /* rows of the input that are needed at once */
    ptrdiff_t phase; /* bytes of a part */
    ptrdiff_t pitch; /* bytes of a padded row */
} plan;

#define PLAN_SIZE 64
#define LANES_OF_BLOCK 4

static size_t round_to_64(size_t size) { return (size + 63) / 64 * 64; }

/* Registers that a row of `width` positions takes, `group` at once. */
static int32_t registers_of_row(int32_t width, int32_t group, int32_t channels) {
    return width / group * ((group * channels + 63) / 64) + (width % group * channels + 63) / 64;
}

static int32_t choose_group(int32_t width, int32_t channels) {
    int32_t best = 1;
    for (int32_t group = 2; group <= 64 && group <= width && group * channels <= 64 * MAX_BLOCKS; group++) {
        if (registers_of_row(width, group, channels) < registers_of_row(width, best, channels)) best = group;
    }
    return best;
}

static int32_t choose_rows(const qrt_conv2d_params *p) {
    if (p->stride_y > 1 || p->dilation_y > 1 || p->filter_height == 1) return 1;
    int32_t spare = (4 - p->filter_height % 4) % 4;
    int32_t rows = spare == 3 ? 4 : spare > 0 ? 2 : 1;
    return rows <= p->out_height ? rows : 1;
}

static plan make_plan(const qrt_conv2d_params *p) {
    plan of;
    memset(&of, 0, sizeof of);
    of.group = choose_group(p->out_width, p->out_channels);
    of.blocks = (of.group * p->out_channels + 63) / 64;
    of.rows = choose_rows(p);
    of.phases = of.group > 1 ? p->stride_x : 1;
    of.across = p->filter_height == 1 && 4 * p->dilation_x % of.phases == 0;
    of.columns = of.across ? (p->filter_width + 3) / 4 : p->filter_width;
    of.quads = of.across ? 1 : (p->filter_height + of.rows + 2) / 4;
    of.reach = (p->out_width - 1) * p->stride_x + (p->filter_width - 1) * p->dilation_x + 1;
    of.ring = (of.rows - 1) * p->stride_y + (p->filter_height - 1) * p->dilation_y + 1;
    of.phase = (ptrdiff_t)((of.reach + of.phases - 1) / of.phases) * p->out_channels;
    /* A quad across may end behind the filter, and a register behind the row. */
    ptrdiff_t behind = of.across ? 3 * (ptrdiff_t)p->dilation_x * p->out_channels : 0;
    of.pitch = (ptrdiff_t)round_to_64((size_t)(of.phase * of.phases + behind + 64));
    return of;
}

static size_t quads_of_block(const plan *of) { return (size_t)of->columns * (size_t)of->quads * (size_t)of->rows; }

static size_t dwconv2d_packed_size(const void *params) {
    plan of = make_plan(params);
    return PLAN_SIZE + (size_t)of.blocks * (LANES_OF_BLOCK * sizeof(qrt_lanes) + quads_of_block(&of) * 256);
}

static size_t dwconv2d_scratch(const void *params) {
    plan of = make_plan(params);
    size_t pointers = round_to_64((size_t)of.quads * 4 * sizeof(uint8_t *));
    size_t shifts = round_to_64((size_t)of.columns * sizeof(ptrdiff_t));
    return (size_t)of.pitch * (size_t)(of.ring + 1) + RUN * MAX_ROWS * 256 + pointers + shifts;
}

static qrt_lanes *lanes_of(const plan *of, const void *packed, int32_t block) {
    (void)of;
    return (qrt_lanes *)((uintptr_t)packed + PLAN_SIZE) + (ptrdiff_t)block * LANES_OF_BLOCK;
}

static int8_t *weights_of(const plan *of, const void *packed, int32_t block) {
    return (int8_t *)lanes_of(of, packed, of->blocks) + (size_t)block * quads_of_block(of) * 256;
}

/* The weight that entry `i` of a quad has for output row `row`, or 0. */
static int8_t weight_of(const qrt_conv2d_params *p, const plan *of, int32_t column, int32_t quad, int32_t row,
                        int32_t i, int32_t channel) {
    int32_t filter_y = of->across ? 0 : 4 * quad + i - row;
    int32_t filter_x = of->across ? 4 * column + i : column;
    if (filter_y < 0 || filter_y >= p->filter_height || filter_x >= p->filter_width) return 0;
    return p->weights[((ptrdiff_t)filter_y * p->filter_width + filter_x) * p->out_channels + channel];
}

/* Byte `byte` of the block belongs to `channel`; its weights go to where unpacking puts the byte. */
static void pack_weights(const qrt_conv2d_params *p, const plan *of, int32_t byte, int32_t channel, int8_t *to) {
    to += byte % 16 / 4 * 64 + (byte / 16 * 4 + byte % 4) * 4;
    for (int32_t column = 0; column < of->columns; column++) {
        for (int32_t quad = 0; quad < of->quads; quad++) {
            for (int32_t row = 0; row < of->rows; row++, to += 256) {
                for (int32_t i = 0; i < 4; i++) to[i] = weight_of(p, of, column, quad, row, i, channel);
            }
        }
    }
}

static int32_t pack_lane(const qrt_conv2d_params *p, int32_t byte, int32_t channel, qrt_lanes *lanes) {
    int64_t sum = 0, size = 0;
    for (ptrdiff_t i = 0; i < (ptrdiff_t)p->filter_height * p->filter_width; i++) {
        int32_t w = p->weights[i * p->out_channels + channel];
        sum += w;
        size += w < 0 ? -w : w;
    }
    int64_t bias = p->requant.bias != NULL ? p->requant.bias[channel] : 0;
    int64_t largest = 255 * size + (bias < 0 ? -bias : bias);
    return qrt_lane_fill(&lanes[byte % 16 / 4], byte / 16 * 4 + byte % 4, &p->requant, channel,
                         -(p->x_zero_point + 128) * sum, largest);
}

static void dwconv2d_pack(const void *params, void *packed) {
    const qrt_conv2d_params *p = params;
    plan of = make_plan(p);
    memset(packed, 0, dwconv2d_packed_size(p));
    for (int32_t i = 0; i < of.group * p->out_channels; i++) {
        int32_t block = i / 64, channel = i % p->out_channels;
        int32_t form = pack_lane(p, i % 64, channel, lanes_of(&of, packed, block));
        if (form > of.form) of.form = form;
        pack_weights(p, &of, i % 64, channel, weights_of(&of, packed, block));
    }
    memcpy(packed, &of, sizeof of);
}

/* Bytes from the start of a padded row to its column `column`. */
static ptrdiff_t column_offset(const qrt_conv2d_params *p, const plan *of, int32_t column) {
    return column % of->phases * of->phase + (ptrdiff_t)(column / of->phases) * p->out_channels;
}

/* Columns [first, last) of a padded row become padding. */
static void pad_columns(const qrt_conv2d_params *p, const plan *of, int32_t first, int32_t last, uint8_t *row) {
    int value = p->x_zero_point + 128;
    if (of->phases == 1 && last > first) {
        memset(row + column_offset(p, of, first), value, (size_t)(last - first) * (size_t)p->out_channels);
        return;
    }
    for (; first < last; first++) memset(row + column_offset(p, of, first), value, (size_t)p->out_channels);
}

QRT_AVX512 QRT_INLINE __mmask64 first_bytes(ptrdiff_t size) {
    return size >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << size) - 1;
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

/* Copies a row of the input behind its padding, as `of` lays it out. */
QRT_AVX512 static void copy_row(const qrt_conv2d_params *p, const plan *of, const int8_t *from, uint8_t *row) {
    int32_t left = p->pad_left, columns = of->reach - left < p->in_width ? of->reach - left : p->in_width;
    int32_t depth_multiplier = p->out_channels / p->in_channels;
    if (of->phases == 1 && depth_multiplier == 1 && columns > 0) {
        copy_codes(from, (ptrdiff_t)columns * p->in_channels, row + (ptrdiff_t)left * p->in_channels);
        return;
    }
    for (int32_t i = 0; i < columns; i++, from += p->in_channels) {
        uint8_t *to = row + column_offset(p, of, left + i);
        if (depth_multiplier == 1) {
            copy_codes(from, p->in_channels, to);
        } else {
            copy_repeated(from, p->in_channels, depth_multiplier, to);
        }
    }
}

/* Four registers of codes to four of quads. */
QRT_AVX512 QRT_INLINE void interleave(const uint8_t *const *base, ptrdiff_t at, __m512i quad[4]) {
    __m512i a = _mm512_loadu_si512(base[0] + at), b = _mm512_loadu_si512(base[1] + at);
    __m512i c = _mm512_loadu_si512(base[2] + at), d = _mm512_loadu_si512(base[3] + at);
    __m512i ab = _mm512_unpacklo_epi8(a, b), cd = _mm512_unpacklo_epi8(c, d);
    quad[0] = _mm512_unpacklo_epi16(ab, cd);
    quad[1] = _mm512_unpackhi_epi16(ab, cd);
    ab = _mm512_unpackhi_epi8(a, b);
    cd = _mm512_unpackhi_epi8(c, d);
    quad[2] = _mm512_unpacklo_epi16(ab, cd);
    quad[3] = _mm512_unpackhi_epi16(ab, cd);
}

/* Adds one quad for each of `rows` output rows; `weights` has 256 bytes for each. */
QRT_AVX512 QRT_INLINE void multiply(const __m512i quad[4], const int8_t *weights, int32_t rows, __m512i *acc) {
    for (int32_t i = 0; i < rows * 4; i++) {
        acc[i] = _mm512_dpbusd_epi32(acc[i], quad[i % 4], _mm512_load_si512(weights + i * 64));
    }
}

/* What a loop over the positions of one block reads. */
typedef struct block_run {
    const uint8_t *const *base; /* [4 * quads]: where a quad's four registers lie */
    const ptrdiff_t *shift;     /* [columns]: from there to a column's */
    const int8_t *weights;
    int32_t columns, quads, packed_rows;
    ptrdiff_t at, step; /* the first position, and from one to the next */
    int32_t count;      /* positions, at most RUN */
} block_run;

/* Accumulators of `count` positions, `rows` registers times four each. */
QRT_AVX512 QRT_INLINE void accumulate_any(const block_run *b, int32_t rows, __m512i *to) {
    ptrdiff_t at = b->at;
    for (int32_t n = 0; n < b->count; n++, at += b->step, to += rows * 4) {
        const int8_t *weights = b->weights;
        __m512i acc[MAX_ROWS * 4];
        for (int32_t i = 0; i < rows * 4; i++) acc[i] = _mm512_setzero_si512();
        for (int32_t column = 0; column < b->columns; column++) {
            for (int32_t quad = 0; quad < b->quads; quad++, weights += b->packed_rows * 256) {
                __m512i x[4];
                interleave(b->base + quad * 4, at + b->shift[column], x);
                multiply(x, weights, rows, acc);
            }
        }
        for (int32_t i = 0; i < rows * 4; i++) _mm512_store_si512(to + i, acc[i]);
    }
}

/* The same where quads are three side by side and `carry` of them are the next position's, too. */
QRT_AVX512 QRT_INLINE void accumulate_three(const block_run *b, int32_t rows, int32_t carry, __m512i *to) {
    ptrdiff_t at = b->at, size = b->packed_rows * 256;
    const uint8_t *const base[4] = {b->base[0], b->base[1], b->base[2], b->base[3]};
    const ptrdiff_t shift[3] = {b->shift[0], b->shift[1], b->shift[2]};
    const int8_t *weights = b->weights;
    __m512i x[3][4];
    if (carry > 0) interleave(base, at + shift[0], x[0]);
    if (carry > 1) interleave(base, at + shift[1], x[1]);
    for (int32_t n = b->count; n > 0; n--, at += b->step, to += rows * 4) {
        __m512i acc[2 * 4];
        for (int32_t i = 0; i < rows * 4; i++) acc[i] = _mm512_setzero_si512();
        if (carry == 0) interleave(base, at + shift[0], x[0]);
        multiply(x[0], weights, rows, acc);
        if (carry < 2) interleave(base, at + shift[1], x[1]);
        multiply(x[1], weights + size, rows, acc);
        interleave(base, at + shift[2], x[2]);
        multiply(x[2], weights + 2 * size, rows, acc);
        for (int32_t i = 0; i < rows * 4; i++) _mm512_store_si512(to + i, acc[i]);
        for (int32_t k = 0; k < 4; k++) {
            x[0][k] = carry == 2 ? x[1][k] : x[2][k];
            x[1][k] = x[2][k];
        }
    }
}

QRT_AVX512 static void accumulate_any1(const block_run *b, __m512i *to) { accumulate_any(b, 1, to); }
QRT_AVX512 static void accumulate_any2(const block_run *b, __m512i *to) { accumulate_any(b, 2, to); }
QRT_AVX512 static void accumulate_any4(const block_run *b, __m512i *to) { accumulate_any(b, 4, to); }
QRT_AVX512 static void accumulate_three10(const block_run *b, __m512i *to) { accumulate_three(b, 1, 0, to); }
QRT_AVX512 static void accumulate_three11(const block_run *b, __m512i *to) { accumulate_three(b, 1, 1, to); }
QRT_AVX512 static void accumulate_three12(const block_run *b, __m512i *to) { accumulate_three(b, 1, 2, to); }
QRT_AVX512 static void accumulate_three20(const block_run *b, __m512i *to) { accumulate_three(b, 2, 0, to); }
QRT_AVX512 static void accumulate_three21(const block_run *b, __m512i *to) { accumulate_three(b, 2, 1, to); }
QRT_AVX512 static void accumulate_three22(const block_run *b, __m512i *to) { accumulate_three(b, 2, 2, to); }

typedef void (*accumulate)(const block_run *b, __m512i *to);

static accumulate choose_accumulate(const block_run *b, int32_t rows) {
    static const accumulate three[2][3] = {{accumulate_three10, accumulate_three11, accumulate_three12},
                                           {accumulate_three20, accumulate_three21, accumulate_three22}};
    if (b->columns == 3 && b->quads == 1 && rows <= 2) {
        int32_t carry = b->shift[2] - b->shift[0] == b->step;
        if (b->shift[1] - b->shift[0] == b->step && b->shift[2] - b->shift[1] == b->step) carry = 2;
        return three[rows - 1][carry];
    }
    return rows == 1 ? accumulate_any1 : rows == 2 ? accumulate_any2 : accumulate_any4;
}

/* Where the codes of one block go. */
typedef struct codes_run {
    int8_t *to; /* of the first position */
    ptrdiff_t step;
    int32_t count;
    int32_t size;    /* codes of a position's block, 1 to 64 */
    int32_t channel; /* of the first */
} codes_run;

QRT_AVX512 QRT_INLINE void requantize_run(const __m512i *acc, int32_t acc_step, const qrt_lanes *lanes,
                                          const codes_run *codes, const qrt_requant *requant, int32_t form) {
    const __m512i output_min = _mm512_set1_epi8((char)requant->output_min);
    const __m512i output_max = _mm512_set1_epi8((char)requant->output_max);
    const __mmask64 mask = first_bytes(codes->size);
    int8_t *to = codes->to;
    requant16 r[LANES_OF_BLOCK];
    for (int32_t k = 0; k < LANES_OF_BLOCK; k++) r[k] = requant16_load(&lanes[k]);
    for (int32_t n = codes->count; n > 0; n--, acc += acc_step, to += codes->step) {
        __m512i y[LANES_OF_BLOCK];
        for (int32_t k = 0; k < LANES_OF_BLOCK; k++) {
            y[k] = requant16_apply(_mm512_load_si512(acc + k), &r[k], form);
        }
        __m512i code = _mm512_packs_epi16(_mm512_packs_epi32(y[0], y[1]), _mm512_packs_epi32(y[2], y[3]));
        code = _mm512_min_epi8(_mm512_max_epi8(code, output_min), output_max);
        _mm512_mask_storeu_epi8(to, mask, code);
    }
}

/* WIDE and SLOW, one channel at a time. */
static void requantize_slowly(const __m512i *acc, int32_t acc_step, const qrt_lanes *lanes, const codes_run *codes,
                              const qrt_conv2d_params *p, int32_t form) {
    int8_t *to = codes->to;
    for (int32_t n = codes->count; n > 0; n--, acc += acc_step, to += codes->step) {
        for (int32_t byte = 0; byte < codes->size; byte++) {
            int32_t k = byte % 16 / 4, lane = byte / 16 * 4 + byte % 4, value;
            memcpy(&value, (const uint8_t *)(acc + k) + 4 * lane, sizeof value);
            value = (int32_t)((uint32_t)value + (uint32_t)lanes[k].correction[lane]);
            if (form == QRT_LANES_WIDE) {
                memcpy(to + 4 * byte, &value, sizeof value);
            } else {
                qrt_channel own = qrt_requant_channel(&p->requant, (codes->channel + byte) % p->out_channels);
                to[byte] = qrt_requantize(&p->requant, own, value);
            }
        }
    }
}

QRT_AVX512 static void requantize(const __m512i *acc, int32_t acc_step, const qrt_lanes *lanes, const codes_run *codes,
                                  const qrt_conv2d_params *p, int32_t form) {
    switch (form) {
    case QRT_LANES_SINGLE:
        requantize_run(acc, acc_step, lanes, codes, &p->requant, QRT_LANES_SINGLE);
        break;
    case QRT_LANES_SINGLE_LEFT:
        requantize_run(acc, acc_step, lanes, codes, &p->requant, QRT_LANES_SINGLE_LEFT);
        break;
    case QRT_LANES_DOUBLE:
        requantize_run(acc, acc_step, lanes, codes, &p->requant, QRT_LANES_DOUBLE);
        break;
    default:
        requantize_slowly(acc, acc_step, lanes, codes, p, form);
    }
}

/* One block of `rows` output rows: accumulators of RUN positions, then their codes, and so on. */
QRT_AVX512 static void run_block(const qrt_conv2d_params *p, const plan *of, int32_t block, int32_t rows, block_run *b,
                                 __m512i *acc, int8_t *output) {
    const qrt_lanes *lanes = lanes_of(of, p->packed, block);
    accumulate sum = choose_accumulate(b, rows);
    int32_t channels = p->out_channels, unit = of->group * channels, at = block * 64;
    int32_t whole = p->out_width / of->group, rest = p->out_width % of->group * channels - at;
    ptrdiff_t element = of->form == QRT_LANES_WIDE ? 4 : 1, row_size = (ptrdiff_t)p->out_width * channels * element;
    codes_run codes = {output + at * element, unit * element, 0, unit - at < 64 ? unit - at : 64, at % channels};
    b->weights = weights_of(of, p->packed, block);
    b->at = at;
    for (int32_t first = 0; first < whole + (rest > 0); first += b->count) {
        int32_t left = whole - first;
        b->count = left < RUN ? left : RUN;
        if (left == 0) { /* the positions that are fewer than a group */
            b->count = 1;
            codes.size = rest < codes.size ? rest : codes.size;
        }
        sum(b, acc);
        codes.count = b->count;
        for (int32_t row = 0; row < rows; row++) {
            codes.to = output + at * element + row * row_size + first * codes.step;
            requantize(acc + row * 4, rows * 4, lanes, &codes, p, of->form);
        }
        b->at += b->count * b->step;
    }
}

/* Copies the rows of the input that output rows [out_y, out_y + rows) see and that are not in the ring yet; those before
 * `next` are. Returns the new `next`. */
static int32_t fill_ring(const qrt_conv2d_params *p, const plan *of, const int8_t *image, int32_t out_y, int32_t rows,
                         int32_t next, uint8_t *ring) {
    int32_t first = out_y * p->stride_y - p->pad_top;
    int32_t end = first + (rows - 1) * p->stride_y + (p->filter_height - 1) * p->dilation_y + 1;
    if (end > p->in_height) end = p->in_height;
    if (next < first) next = first;
    for (; next < end; next++) {
        copy_row(p, of, image + (ptrdiff_t)next * p->in_width * p->in_channels, ring + next % of->ring * of->pitch);
    }
    return next;
}

/* Where the quads of output row out_y begin. A row that no weight wants is any row: one of padding. */
static void point(const qrt_conv2d_params *p, const plan *of, int32_t out_y, int32_t rows, const uint8_t *ring,
                  const uint8_t **base) {
    const uint8_t *padding = ring + of->ring * of->pitch;
    int32_t first = out_y * p->stride_y - p->pad_top, wanted = of->across ? 4 : p->filter_height + rows - 1;
    for (int32_t i = 0; i < 4 * of->quads; i++) {
        int32_t in_y = first + (of->across ? 0 : i * p->dilation_y);
        int outside = i >= wanted || in_y < 0 || in_y >= p->in_height;
        base[i] = outside ? padding : ring + in_y % of->ring * of->pitch;
        if (of->across) base[i] += column_offset(p, of, i * p->dilation_x);
    }
}

QRT_AVX512 static void dwconv2d_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_conv2d_params *p = params;
    const plan of = *(const plan *)p->packed;
    __m512i *acc = scratch;
    const uint8_t **base = (const uint8_t **)(acc + RUN * MAX_ROWS * 4);
    ptrdiff_t *shift = (ptrdiff_t *)((uint8_t *)base + round_to_64((size_t)of.quads * 4 * sizeof *base));
    uint8_t *ring = (uint8_t *)shift + round_to_64((size_t)of.columns * sizeof *shift);
    ptrdiff_t row_size = (ptrdiff_t)p->out_width * p->out_channels * (of.form == QRT_LANES_WIDE ? 4 : 1);
    const int8_t *image = inputs[0];
    block_run b = {base, shift, NULL, of.columns, of.quads, of.rows, 0, 0, 0};
    b.step = (ptrdiff_t)(of.phases == p->stride_x ? 1 : p->stride_x) * of.group * p->out_channels;
    for (int32_t i = 0; i < of.columns; i++) shift[i] = column_offset(p, &of, i * (of.across ? 4 : 1) * p->dilation_x);
    for (int32_t i = 0; i < of.ring; i++) {
        int32_t left = p->pad_left < of.reach ? p->pad_left : of.reach;
        pad_columns(p, &of, 0, left, ring + i * of.pitch);
        pad_columns(p, &of, left + p->in_width, of.reach, ring + i * of.pitch);
    }
    pad_columns(p, &of, 0, of.reach, ring + of.ring * of.pitch);
    for (int32_t n = 0; n < p->batch; n++, image += (ptrdiff_t)p->in_height * p->in_width * p->in_channels) {
        for (int32_t out_y = 0, next = 0, rows; out_y < p->out_height; out_y += rows, output += rows * row_size) {
            rows = p->out_height - out_y >= of.rows ? of.rows : 1;
            next = fill_ring(p, &of, image, out_y, rows, next, ring);
            point(p, &of, out_y, rows, ring, base);
            for (int32_t block = 0; block < of.blocks; block++) run_block(p, &of, block, rows, &b, acc, output);
        }
    }
}

const qrt_kernel qrt_dwconv2d_avx512vnni = {dwconv2d_run, dwconv2d_packed_size, dwconv2d_pack, dwconv2d_scratch};

#endif
