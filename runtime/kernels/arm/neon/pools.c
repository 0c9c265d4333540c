/* SPDX-License-Identifier: Apache-2.0 */
/* pools.c: average_pool2d, max_pool2d and mean with NEON, 16 channels at a time. */
#include "arm/neon/requant.h"
#include "arm/neon/rows.h"
#include "portable/portable.h"
#include "portable/rectangle.h"

#ifdef QRT_NEON

#define CHANNELS 16

/* Number of codes with a sum that fits int16. */
#define SUM16 255

/* From `start`, `count` channels, beginning with `channel`. A constant `count` of 16 needs no test in the loop. */
QRT_NEON_INLINE sums sum_channels(const rectangle *r, int32_t channel, int32_t count, int32x4_t start) {
    sums s = {{start, start, start, start}};
    int16x8_t low = vdupq_n_s16(0), high = low;
    int32_t room = SUM16;
    for (int32_t row = 0; row < r->rows; row++) {
        const int8_t *x = r->x + row * r->row_size + channel;
        for (int32_t column = 0; column < r->columns; column++, x += r->channels) {
            int8x16_t codes = load_codes(x, count);
            low = vaddw_s8(low, vget_low_s8(codes));
            high = vaddw_high_s8(high, codes);
            if (--room == 0) {
                sums_add(&s, low, high);
                low = high = vdupq_n_s16(0);
                room = SUM16;
            }
        }
    }
    sums_add(&s, low, high);
    return s;
}

QRT_NEON_INLINE sums sum_codes(const rectangle *r, int32_t channel, int32_t count, int32x4_t start) {
    return count == CHANNELS ? sum_channels(r, channel, CHANNELS, start) : sum_channels(r, channel, count, start);
}

/* Division by `count` in [1, 2^22], to nearest, of sums of at most 255 * count:
 *
 *   floor(n / count) = (n * reciprocal) >> bits    with n = |sum| + floor(count / 2) < 2^31
 *
 * where reciprocal = floor(2^bits / count) + 1 and 2^bits >= 2^31 * count: its error, at most 1, becomes less than 1 /
 * count.
 */
typedef struct division {
    uint32x2_t reciprocal;
    uint32x4_t count, half;
    int64x2_t bits;  /* negative, to shift right */
    uint32x4_t even; /* 1 if ties round to even and can occur */
} division;

static division division_by(int32_t count, int32_t to_even) {
    int32_t bits = 31;
    while ((int64_t)count << 31 > (int64_t)1 << bits) bits++;
    division d;
    d.reciprocal = vdup_n_u32((uint32_t)(((uint64_t)1 << bits) / (uint64_t)count + 1));
    d.count = vdupq_n_u32((uint32_t)count);
    d.half = vdupq_n_u32((uint32_t)count / 2);
    d.bits = vdupq_n_s64(-bits);
    d.even = vdupq_n_u32(to_even && count % 2 == 0);
    return d;
}

QRT_NEON_INLINE int32x4_t divide_4(const division *d, int32x4_t sum) {
    uint32x4_t n = vaddq_u32(vreinterpretq_u32_s32(vabsq_s32(sum)), d->half);
    uint64x2_t low = vshlq_u64(vmull_u32(vget_low_u32(n), d->reciprocal), d->bits);
    uint64x2_t high = vshlq_u64(vmull_u32(vget_high_u32(n), d->reciprocal), d->bits);
    uint32x4_t quotient = vuzp1q_u32(vreinterpretq_u32_u64(low), vreinterpretq_u32_u64(high));
    /* A tie was rounded up. */
    uint32x4_t tie = vceqq_u32(vmulq_u32(quotient, d->count), n);
    quotient = vsubq_u32(quotient, vandq_u32(vandq_u32(tie, d->even), quotient));
    int32x4_t sign = vshrq_n_s32(sum, 31), y = vreinterpretq_s32_u32(quotient);
    return vsubq_s32(veorq_s32(y, sign), sign);
}

static void average_position(const qrt_pool2d_params *p, const rectangle *window, const division *d,
                             const codes_range *range, int8_t *y) {
    /* Only HALF_EVEN rounds relative to the zero point. */
    int32_t zero_point = p->rounding == 1 ? p->x_zero_point : 0;
    int32x4_t start = vdupq_n_s32(-zero_point * window->rows * window->columns);
    for (int32_t channel = 0; channel < p->channels; channel += CHANNELS) {
        int32_t left = p->channels - channel, count = left < CHANNELS ? left : CHANNELS;
        sums s = sum_codes(window, channel, count, start);
        int16x8_t low = narrow_8(divide_4(d, s.of[0]), divide_4(d, s.of[1]), range, QRT_REQUANT_SINGLE);
        int16x8_t high = narrow_8(divide_4(d, s.of[2]), divide_4(d, s.of[3]), range, QRT_REQUANT_SINGLE);
        store_codes(y + channel, narrow_16(low, high, range), count);
    }
}

static void average_pool2d_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_pool2d_params *p = params;
    const int8_t *image = inputs[0];
    int32_t count = 0;
    division d = division_by(1, 0);
    const codes_range range = codes_range_of(p->rounding == 1 ? p->x_zero_point : 0, p->output_min, p->output_max);
    (void)scratch;
    for (int32_t n = 0; n < p->batch; n++, image += (ptrdiff_t)p->in_height * p->in_width * p->channels) {
        for (int32_t out_y = 0; out_y < p->out_height; out_y++) {
            for (int32_t out_x = 0; out_x < p->out_width; out_x++, output += p->channels) {
                rectangle window = window_at(p, image, out_y, out_x);
                if (window.rows * window.columns != count) {
                    count = window.rows * window.columns;
                    d = division_by(count, p->rounding != 0);
                }
                average_position(p, &window, &d, &range, output);
            }
        }
    }
}

QRT_NEON_INLINE int8x16_t max_channels(const rectangle *window, int32_t channel, int32_t count, int8x16_t codes) {
    for (int32_t row = 0; row < window->rows; row++) {
        const int8_t *x = window->x + row * window->row_size + channel;
        for (int32_t column = 0; column < window->columns; column++, x += window->channels) {
            codes = vmaxq_s8(codes, load_codes(x, count));
        }
    }
    return codes;
}

static void max_position(const qrt_pool2d_params *p, const rectangle *window, int8_t *y) {
    const int8x16_t lowest = vdupq_n_s8((int8_t)p->output_min), highest = vdupq_n_s8((int8_t)p->output_max);
    int32_t channel = 0, rest = p->channels % CHANNELS;
    for (; channel + CHANNELS <= p->channels; channel += CHANNELS) {
        vst1q_s8(y + channel, vminq_s8(max_channels(window, channel, CHANNELS, lowest), highest));
    }
    if (rest > 0) store_codes(y + channel, vminq_s8(max_channels(window, channel, rest, lowest), highest), rest);
}

static void max_pool2d_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_pool2d_params *p = params;
    const int8_t *image = inputs[0];
    (void)scratch;
    for (int32_t n = 0; n < p->batch; n++, image += (ptrdiff_t)p->in_height * p->in_width * p->channels) {
        for (int32_t out_y = 0; out_y < p->out_height; out_y++) {
            for (int32_t out_x = 0; out_x < p->out_width; out_x++, output += p->channels) {
                rectangle window = window_at(p, image, out_y, out_x);
                max_position(p, &window, output);
            }
        }
    }
}

/* One image. `form` is a constant. */
QRT_NEON_INLINE void mean_image(const qrt_mean_params *p, const requant4 *r, const codes_range *range, const int8_t *x,
                                int8_t *y, const int form) {
    rectangle all = {x, 1, p->positions, 0, p->channels};
    int32x4_t start = vdupq_n_s32(-p->positions * p->x_zero_point);
    for (int32_t channel = 0; channel < p->channels; channel += CHANNELS) {
        int32_t left = p->channels - channel, count = left < CHANNELS ? left : CHANNELS;
        sums s = sum_codes(&all, channel, count, start);
        const requant4 all_lanes[4] = {*r, *r, *r, *r};
        store_codes(y + channel, sums_requantize(&s, all_lanes, range, form), count);
    }
}

static void mean_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_mean_params *p = params;
    const int8_t *x = inputs[0];
    requant4 r;
    int32_t form = requant4_uniform(&p->requant, (int64_t)p->positions * 255, &r);
    const codes_range range = codes_range_of(p->requant.y_zero_point, p->requant.output_min, p->requant.output_max);
    if (form == QRT_REQUANT_SLOW) {
        qrt_mean_s8(params, inputs, output, scratch);
        return;
    }
    for (int32_t n = 0; n < p->batch; n++, x += (ptrdiff_t)p->positions * p->channels, output += p->channels) {
        if (p->requant.rounding == 1) {
            mean_image(p, &r, &range, x, output, QRT_REQUANT_DOUBLE_LEFT);
        } else if (p->requant.addend == NULL) {
            mean_image(p, &r, &range, x, output, QRT_REQUANT_SINGLE_LEFT);
        } else {
            mean_image(p, &r, &range, x, output, QRT_REQUANT_ADDEND_LEFT);
        }
    }
}

void qrt_pools_neon(qrt_kernels *kernels) {
    kernels->average_pool2d.run = average_pool2d_run;
    kernels->max_pool2d.run = max_pool2d_run;
    kernels->mean.run = mean_run;
}

#endif
