/* SPDX-License-Identifier: Apache-2.0 */
/* product.c: conv2d and linear for 64-bit Arm but for the multiplication: packing, the copy of the input, and codes. */
#include "arm/neon/product.h"

#ifdef QRT_NEON

#define LANES QRT_LANES

/* Preferred maximum size of a band in bytes: part of a small cache. */
#define BAND_SIZE (24 * 1024)

/* Rows of the padded image, as windows read them. */
typedef struct band {
    int32_t columns;
    ptrdiff_t pitch; /* bytes of a row */
    int32_t height;  /* rows of the output, at most */
    size_t size;     /* bytes */
} band;

/* Rows of the padded image for `height` rows of the output. */
static ptrdiff_t band_rows(const qrt_conv2d_params *p, ptrdiff_t height) {
    return (height - 1) * p->stride_y + (ptrdiff_t)(p->filter_height - 1) * p->dilation_y + 1;
}

static band band_of(const qrt_conv2d_params *p) {
    band b;
    b.columns = (p->out_width - 1) * p->stride_x + (p->filter_width - 1) * p->dilation_x + 1;
    b.pitch = (ptrdiff_t)b.columns * p->in_channels;
    ptrdiff_t height = (BAND_SIZE / b.pitch - band_rows(p, 1)) / p->stride_y + 1;
    b.height = height < 1 ? 1 : height < p->out_height ? (int32_t)height : p->out_height;
    b.size = (size_t)(band_rows(p, b.height) * b.pitch) + QRT_INPUT_SLACK;
    return b;
}

int qrt_neon_conv2d_covers(const qrt_conv2d_params *p, int32_t positions) {
    int64_t count = (int64_t)p->out_height * p->out_width;
    return count >= positions && band_of(p).size <= (size_t)1 << 24;
}

/* Copies the input of `height` rows of the output, beginning with out_y, from one image. */
static void copy_band(const band *b, const qrt_conv2d_params *p, const int8_t *image, int32_t out_y, int32_t height,
                      int8_t *to) {
    ptrdiff_t channels = p->in_channels, left = p->pad_left < b->columns ? p->pad_left : b->columns;
    ptrdiff_t inside = b->columns - left < p->in_width ? b->columns - left : p->in_width;
    ptrdiff_t in_y = (ptrdiff_t)out_y * p->stride_y - p->pad_top, right = b->columns - left - inside;
    for (ptrdiff_t rows = band_rows(p, height); rows > 0; rows--, in_y++, to += b->pitch) {
        if (in_y < 0 || in_y >= p->in_height) {
            memset(to, p->x_zero_point, (size_t)b->pitch);
            continue;
        }
        memset(to, p->x_zero_point, (size_t)(left * channels));
        memcpy(to + left * channels, image + in_y * p->in_width * channels, (size_t)(inside * channels));
        memset(to + (left + inside) * channels, p->x_zero_point, (size_t)(right * channels));
    }
}

/* Pointers to the inputs of `count` positions, beginning with position `first` of a band. */
static void set_positions(const band *b, const qrt_conv2d_params *p, const int8_t *copy, int32_t first, int32_t count,
                          const int8_t **x) {
    int32_t out_y = first / p->out_width, out_x = first % p->out_width;
    ptrdiff_t step = (ptrdiff_t)p->stride_x * p->in_channels;
    for (int32_t here; count > 0; out_y++, out_x = 0, count -= here) {
        const int8_t *at = copy + out_y * p->stride_y * b->pitch + out_x * step;
        here = p->out_width - out_x < count ? p->out_width - out_x : count;
        for (const int8_t **end = x + here; x < end; at += step) *x++ = at;
    }
}

static void set_runs(const band *b, const qrt_conv2d_params *p, const qrt_product *product, ptrdiff_t *runs) {
    int32_t taps = product->runs / p->filter_height; /* 1, or each filter position is a run of its own */
    for (int32_t run = 0; run < product->runs; run++) {
        ptrdiff_t y = run / taps, x = run % taps;
        runs[run] = y * p->dilation_y * b->pitch + x * p->dilation_x * p->in_channels;
    }
}

static qrt_requant_lanes *lanes_of(const qrt_product *product) { return (qrt_requant_lanes *)(size_t)(product + 1); }

static ptrdiff_t blocks_of(const qrt_product *product) { return (ptrdiff_t)product->groups * product->blocks; }

static int32_t *start_of(const qrt_product *product) { return (int32_t *)(lanes_of(product) + blocks_of(product)); }

static int8_t *weights_of(const qrt_product *product) {
    return (int8_t *)(start_of(product) + LANES * blocks_of(product));
}

size_t qrt_neon_conv2d_packed_size(const qrt_product_way *way, const qrt_conv2d_params *p) {
    qrt_product product = qrt_product_of(p, way->unit);
    size_t block = sizeof(qrt_requant_lanes) + LANES * sizeof(int32_t) + (size_t)qrt_product_block(&product);
    return sizeof product + (size_t)blocks_of(&product) * block;
}

/* Fills the lanes and beginnings of one block; returns the form that they need. */
static int32_t pack_lanes(const qrt_conv2d_params *p, ptrdiff_t filter_size, int32_t first, int32_t count,
                          qrt_requant_lanes *lanes, int32_t *start) {
    int32_t form = 0;
    memset(lanes, 0, sizeof *lanes);
    memset(start, 0, LANES * sizeof *start);
    for (int32_t i = 0; i < count; i++) {
        const int8_t *weights = p->weights + (first + i) * filter_size;
        int32_t sum = 0, magnitude = 0;
        for (ptrdiff_t k = 0; k < filter_size; k++) {
            sum += weights[k];
            magnitude += weights[k] < 0 ? -weights[k] : weights[k];
        }
        int64_t bias = p->requant.bias != NULL ? p->requant.bias[first + i] : 0;
        int64_t largest = (int64_t)magnitude * 255 + (bias < 0 ? -bias : bias);
        start[i] = (int32_t)(uint32_t)(uint64_t)(bias - (int64_t)sum * p->x_zero_point);
        int32_t needed = qrt_requant_lane_fill(lanes, i, &p->requant, first + i, largest);
        form = needed > form ? needed : form;
    }
    return form;
}

static void pack_block(const qrt_product *product, const int8_t *weights, int32_t count, int8_t *to) {
    ptrdiff_t filter_size = (ptrdiff_t)product->runs * product->run_size;
    int32_t padded = product->chunks * product->unit;
    memset(to, 0, (size_t)qrt_product_block(product));
    for (int32_t run = 0; run < product->runs; run++, weights += product->run_size) {
        for (int32_t i = 0; i < padded; i += 4, to += 4 * LANES) {
            int32_t left = product->run_size - i;
            if (left > 0) qrt_product_pack_step(weights + i, filter_size, count, left, 4, to);
        }
    }
}

void qrt_neon_conv2d_pack(const qrt_product_way *way, const qrt_conv2d_params *p, void *packed) {
    qrt_product *product = packed;
    *product = qrt_product_of(p, way->unit);
    ptrdiff_t filter_size = (ptrdiff_t)product->runs * product->run_size;
    int32_t channels = p->out_channels / p->groups;
    qrt_requant_lanes *lanes = lanes_of(product);
    int32_t *start = start_of(product);
    int8_t *weights = weights_of(product);
    product->signed_input = 1;
    product->paired = 1;
    for (ptrdiff_t i = 0; i < filter_size * p->out_channels; i++) product->paired &= p->weights[i] != INT8_MIN;
    for (int32_t group = 0; group < p->groups; group++) {
        for (int32_t i = 0; i < channels; i += LANES, lanes++, start += LANES) {
            int32_t first = group * channels + i, count = channels - i < LANES ? channels - i : LANES;
            int32_t form = pack_lanes(p, filter_size, first, count, lanes, start);
            product->form = form > product->form ? form : product->form;
            pack_block(product, p->weights + first * filter_size, count, weights);
            if (way->arrange != NULL) way->arrange(product, weights);
            weights += qrt_product_block(product);
        }
    }
}

/* Destination of a table: `count` channels from `channel` on. */
typedef struct place {
    const qrt_requant *requant;
    const qrt_requant_lanes *lanes;
    int32_t channel, count;
    ptrdiff_t stride; /* channels of the output */
    int8_t *output;   /* of the first position, channel 0 */
} place;

/* The next 16 sums. `form` and `whole` are constants. */
QRT_NEON_INLINE int8x16_t requantize_row(const int32_t *acc, const requant4 *r, const codes_range *range,
                                         const int form, const int whole) {
    int32x4_t of[4];
    QRT_NEON_UNROLL
    for (int i = 0; i < 4; i++) of[i] = requant4_apply(vld1q_s32(acc + 4 * i), r + i, form);
    int16x8_t low = narrow_8(of[0], of[1], range, form), high = narrow_8(of[2], of[3], range, form);
    return whole ? vqmovn_high_s16(vqmovn_s16(low), high) : narrow_16(low, high, range);
}

/* A block of 16 channels. `whole`: all codes are within the range. Both are constants. */
QRT_NEON_INLINE void emit_block(int8_t *y, ptrdiff_t stride, const int32_t *acc, int32_t positions, const requant4 *r,
                                const codes_range *range, const int form, const int whole) {
    for (; positions > 0; positions--, acc += LANES, y += stride) {
        vst1q_s8(y, requantize_row(acc, r, range, form, whole));
    }
}

/* `form` is a constant. */
QRT_NEON_INLINE void emit_form(const place *at, const int32_t *acc, int32_t positions, const int form) {
    const qrt_requant *requant = at->requant;
    const codes_range range = codes_range_of(requant->y_zero_point, requant->output_min, requant->output_max);
    const int whole = requant->output_min == INT8_MIN && requant->output_max == INT8_MAX;
    const ptrdiff_t stride = at->stride;
    int8_t *y = at->output + at->channel;
    const qrt_requant_lanes *lanes = at->lanes;
    for (int32_t left = at->count; left > 0; left -= LANES, acc += LANES * positions, y += LANES, lanes++) {
        requant4 r[4];
        QRT_NEON_UNROLL
        for (int i = 0; i < 4; i++) r[i] = requant4_load(lanes, i);
        if (left < LANES) {
            int8_t *to = y;
            for (const int32_t *row = acc; row < acc + LANES * positions; row += LANES, to += stride) {
                store_codes(to, requantize_row(row, r, &range, form, 0), left);
            }
        } else if (whole) {
            emit_block(y, stride, acc, positions, r, &range, form, 1);
        } else {
            emit_block(y, stride, acc, positions, r, &range, form, 0);
        }
    }
}

#define EMIT(form)                                                                                                     \
    static void emit_##form(const place *at, const int32_t *acc, int32_t positions) {                                  \
        emit_form(at, acc, positions, QRT_REQUANT_##form);                                                             \
    }
QRT_REQUANT_FORMS(EMIT)

/* Sums that no form supports, and int32. */
static void emit_scalar(const place *at, const int32_t *acc, int32_t positions) {
    for (int32_t i = 0; i < positions; i++, acc += LANES) {
        qrt_put_channels(at->requant, at->channel, acc, at->count, at->output, i * at->stride + at->channel);
    }
}

/* From acc [positions][16], or, of one position, any number of channels. */
static void emit(const place *at, const int32_t *acc, int32_t positions, int32_t form) {
#define CASE(form) emit_##form,
    static void (*const emitters[])(const place *, const int32_t *, int32_t) = {QRT_REQUANT_FORMS(CASE) emit_scalar};
    emitters[form](at, acc, positions);
}

/* All channels of some positions of one group. */
static void conv2d_group(const qrt_product_way *way, const qrt_conv2d_params *p, const qrt_multiplication *m,
                         int32_t group, int8_t *output) {
    int32_t acc[QRT_TABLE * LANES];
    const qrt_product *product = m->product;
    const ptrdiff_t block = (ptrdiff_t)group * product->blocks + p->part.begin / LANES;
    const ptrdiff_t block_size = qrt_product_block(product);
    qrt_blocks blocks = {weights_of(product) + block * block_size, start_of(product) + LANES * block};
    place at = {&p->requant, lanes_of(product) + block, p->out_channels / p->groups * group + p->part.begin,
                0,           p->out_channels,           output};
    for (int32_t left = qrt_part_end(p) - p->part.begin, count = 1; left > 0; left -= count * LANES) {
        count = m->positions == 1 && left > LANES * (way->row_blocks - 1) ? way->row_blocks : 1;
        at.count = left < count * LANES ? left : count * LANES;
        (count > 1 ? way->multiply_row : way->multiply)(m, blocks, acc);
        emit(&at, acc, m->positions, product->form);
        at.channel += count * LANES;
        at.lanes += count;
        blocks.weights += count * block_size;
        blocks.start += count * LANES;
    }
}

/* All channels of some positions. */
static void conv2d_table(const qrt_product_way *way, const qrt_conv2d_params *p, const qrt_multiplication *m,
                         int8_t *output) {
    conv2d_group(way, p, m, 0, output);
    for (int32_t group = 1; group < p->groups; group++) {
        const int8_t *x[QRT_TABLE];
        qrt_multiplication own = *m;
        own.x = x;
        for (int32_t i = 0; i < m->positions; i++) x[i] = m->x[i] + (ptrdiff_t)group * (p->in_channels / p->groups);
        conv2d_group(way, p, &own, group, output);
    }
}

static size_t runs_size(const qrt_product *product) {
    return ((size_t)product->runs * sizeof(ptrdiff_t) + 63) / 64 * 64;
}

size_t qrt_neon_conv2d_scratch(const qrt_product_way *way, const qrt_conv2d_params *p) {
    qrt_product product = qrt_product_of(p, way->unit);
    return runs_size(&product) + band_of(p).size;
}

void qrt_neon_conv2d_run(const qrt_product_way *way, const qrt_conv2d_params *p, const int8_t *const *inputs,
                         int8_t *output, void *scratch) {
    const qrt_product *product = p->packed;
    const band b = band_of(p);
    ptrdiff_t *runs = scratch, position_size = (ptrdiff_t)p->out_channels * (p->requant.wide ? 4 : 1);
    int8_t *copy = (int8_t *)scratch + runs_size(product);
    const int8_t *image = inputs[0];
    set_runs(&b, p, product, runs);
    for (int32_t n = 0; n < p->batch; n++, image += (ptrdiff_t)p->in_height * p->in_width * p->in_channels) {
        for (int32_t out_y = 0; out_y < p->out_height; out_y += b.height) {
            int32_t height = p->out_height - out_y < b.height ? p->out_height - out_y : b.height;
            int32_t count = height * p->out_width;
            copy_band(&b, p, image, out_y, height, copy);
            for (int32_t q = 0; q < count; q += QRT_TABLE) {
                const int8_t *x[QRT_TABLE];
                int32_t positions = count - q < QRT_TABLE ? count - q : QRT_TABLE;
                qrt_multiplication m = {product, runs, x, positions};
                set_positions(&b, p, copy, q, positions, x);
                conv2d_table(way, p, &m, output);
                output += positions * position_size;
            }
        }
    }
}

#endif
