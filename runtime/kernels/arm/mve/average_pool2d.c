/* SPDX-License-Identifier: Apache-2.0 */
/* average_pool2d.c: average_pool2d with MVE, 16 channels at a time. */
#include "arm/mve/mve.h"
#include "arm/mve/sums.h"
#include "qrt_math.h"

/* Division by `count` to nearest, of sums of at most 255 * count. */
typedef struct average {
    int32_t count, reciprocal;
    int32_t half_away;
    int32_t start, zero_point; /* added to the sum and to the result: HALF_EVEN alone counts from x_zero_point */
} average;

/* The quotient is exact, or 1 too small for a count of 1: the reciprocal is at most 2^-31 too large, and 128 * count^2
 * is below 2^31. What is left of the sum then decides: half away from zero, or half to even. */
static inline int32x4_t divide(int32x4_t sum, average a) {
    int32x4_t sign = vshrq_n_s32(sum, 31), magnitude = vsubq_s32(veorq_s32(sum, sign), sign);
    int32x4_t quotient = vqdmulhq_n_s32(magnitude, a.reciprocal);
    int32x4_t twice = vshlq_n_s32(vmlaq_n_s32(magnitude, quotient, -a.count), 1);
    int32x4_t tie = a.half_away ? vdupq_n_s32(1) : vandq_s32(quotient, vdupq_n_s32(1));
    int32x4_t up = vshrq_n_s32(vsubq_s32(vdupq_n_s32(a.count), vaddq_s32(twice, tie)), 31); /* -1 or 0 */
    quotient = vsubq_s32(quotient, up);
    return vsubq_s32(veorq_s32(quotient, sign), sign);
}

static average average_of(const qrt_pool2d_params *p, int32_t count) {
    int32_t zero_point = p->rounding == 1 ? p->x_zero_point : 0;
    uint32_t reciprocal = (((uint32_t)1 << 31) - 1) / (uint32_t)count + 1;
    average result = {count, (int32_t)(count == 1 ? INT32_MAX : reciprocal), p->rounding == 0, -count * zero_point,
                      zero_point};
    return result;
}

static void average_position(const qrt_pool2d_params *p, qrt_pool_window window, average a, int8_t *y) {
    int32x4_t least = vdupq_n_s32(p->output_min), most = vdupq_n_s32(p->output_max);
    int32_t channels = p->channels;
    ptrdiff_t row_size = (ptrdiff_t)p->in_width * channels;
    for (int32_t channel = 0; channel < channels; channel += 16) {
        int32_t left = channels - channel, lanes = left < 16 ? left : 16, sum[16];
        mve_sum(window.x + channel, window.rows, window.columns, row_size, channels, lanes, sum);
        for (int32_t i = 0; i < lanes; i += 4) {
            int32x4_t mean = divide(vaddq_n_s32(vldrwq_s32(sum + i), a.start), a);
            mean = vminq_s32(vmaxq_s32(vaddq_n_s32(mean, a.zero_point), least), most);
            vstrbq_p_s32(y + channel + i, mean, vctp32q((uint32_t)(lanes - i)));
        }
    }
}

void qrt_average_pool2d_s8_mve(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_pool2d_params *p = params;
    const int8_t *image = inputs[0];
    average a = {0};
    (void)scratch;
    for (int32_t n = 0; n < p->batch; n++, image += (ptrdiff_t)p->in_height * p->in_width * p->channels) {
        for (int32_t out_y = 0; out_y < p->out_height; out_y++) {
            for (int32_t out_x = 0; out_x < p->out_width; out_x++, output += p->channels) {
                qrt_pool_window window = qrt_pool_window_at(p, image, out_y, out_x);
                if (a.count != window.rows * window.columns) a = average_of(p, window.rows * window.columns);
                average_position(p, window, a, output);
            }
        }
    }
}
