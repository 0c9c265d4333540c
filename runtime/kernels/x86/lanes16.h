/* SPDX-License-Identifier: Apache-2.0 */
/* lanes16.h: the lanes of lanes.h for layers of int16 codes: how wide their sums are, and their requantization.
 *
 * Kernels sum x * w of codes as they are. A 32-bit sum begins with the lane's correction, -x_zero_point times the sum
 * of the weights, modulo 2^32, and ends as acc, which fits. Multipliers of int16 layers have about 15 bits: they are
 * doubled, with the addend and 2^shift, until the result is in the upper half of the sum.
 */
#ifndef QRT_LANES16_H
#define QRT_LANES16_H

#include "qrt_math16.h"
#include "x86/lanes.h"

/* Sums of some channel need int64: y = (sum of x * w * multiplier + even or odd) >> shift. */
#define QRT_LANES_INT64 (QRT_LANES_SLOW + 1)

/* The weights of a channel. */
typedef struct qrt_weight_sums {
    int64_t sum, magnitude;
} qrt_weight_sums;

static inline int64_t qrt_lane_correction(qrt_weight_sums weights, int32_t x_zero_point) {
    return -weights.sum * x_zero_point;
}

static inline void qrt_lane_fill_int64(qrt_lanes *lanes, int32_t lane, const qrt_requant *requant, int32_t channel,
                                       int64_t correction) {
    qrt_channel own = qrt_requant_channel(requant, channel);
    uint64_t addend = (uint64_t)own.addend + (uint64_t)correction * (uint64_t)own.multiplier;
    lanes->multiplier[lane] = own.multiplier;
    lanes->shift[lane] = own.shift;
    (lane % 2 ? lanes->odd : lanes->even)[lane / 2] = (int64_t)addend;
}

/* Fills one channel and returns its form. */
static inline int32_t qrt_lane_fill16(qrt_lanes *lanes, int32_t lane, const qrt_requant *requant, int32_t channel,
                                      qrt_weight_sums weights, int32_t x_zero_point) {
    int64_t reach = x_zero_point < 0 ? 32767 - x_zero_point : 32768 + x_zero_point;
    int64_t bias = requant->bias != NULL ? requant->bias[channel] : 0;
    int64_t largest = weights.magnitude * reach + (bias < 0 ? -bias : bias);
    int64_t correction = qrt_lane_correction(weights, x_zero_point);
    int32_t form;
    if (requant->rounding == 0) {
        if (largest > INT32_MAX) return QRT_LANES_INT64;
        qrt_channel own = qrt_requant_channel(requant, channel);
        uint8_t shift = (uint8_t)own.shift;
        while (own.multiplier < 1 << 30 && shift < 62 && own.addend < (int64_t)1 << 60 &&
               own.addend > -((int64_t)1 << 60)) {
            own.multiplier *= 2;
            own.addend *= 2;
            shift++;
        }
        const qrt_requant doubled = {.multiplier = &own.multiplier, .shift = &shift, .addend = &own.addend};
        form = qrt_lane_fill(lanes, lane, &doubled, 0, 0, largest);
    } else if (requant->y_zero_point != 0) {
        form = QRT_LANES_SLOW; /* in 32 bits there is no room for it */
    } else {
        form = qrt_lane_fill(lanes, lane, requant, channel, 0, largest < INT32_MAX ? largest : INT32_MAX);
    }
    lanes->correction[lane] = (int32_t)(uint32_t)(uint64_t)correction;
    return form;
}

#endif
