/* SPDX-License-Identifier: Apache-2.0 */
/* channels.h: what packing must know of an operator's channels: weights, and what their sums can be. */
#ifndef QRT_DSP_CHANNELS_H
#define QRT_DSP_CHANNELS_H

#include "arm/dsp/requant.h"
#include "qrt_int4.h"
#include "qrt_kernels.h"

/* Channels whose weights have `size` places each, one channel after another or, by_place, one place after another. */
typedef struct qrt_dsp_channels {
    const int8_t *weights;
    const qrt_requant *requant;
    int32_t count, size, x_zero_point;
    int32_t by_place, int4;
} qrt_dsp_channels;

static inline int32_t qrt_dsp_weight(const qrt_dsp_channels *c, int32_t channel, int32_t place) {
    ptrdiff_t index = c->by_place ? (ptrdiff_t)place * c->count + channel : (ptrdiff_t)channel * c->size + place;
    return qrt_weight(c->weights, c->int4, index);
}

static inline int32_t qrt_dsp_bias(const qrt_dsp_channels *c, int32_t channel) {
    return c->requant->bias != NULL ? c->requant->bias[channel] : 0;
}

/* What the sums of a channel lie between, without its bias. */
typedef struct qrt_dsp_bounds {
    int64_t least, most;
} qrt_dsp_bounds;

static inline qrt_dsp_bounds qrt_dsp_bounds_of(const qrt_dsp_channels *c, int32_t channel) {
    int32_t low = -128 - c->x_zero_point, high = 127 - c->x_zero_point;
    qrt_dsp_bounds b = {0, 0};
    for (int32_t i = 0; i < c->size; i++) {
        int32_t w = qrt_dsp_weight(c, channel, i);
        b.least += w * (w > 0 ? low : high);
        b.most += w * (w > 0 ? high : low);
    }
    return b;
}

/* The power for DOUBLE of a channel with these bounds; 0 where none is exact. */
static inline int32_t qrt_dsp_power_of(const qrt_dsp_channels *c, int32_t channel, qrt_dsp_bounds b) {
    int32_t bias = qrt_dsp_bias(c, channel);
    return qrt_dsp_double_power_within(c->requant, channel, b.least + bias, b.most + bias);
}

/* What the zero point of x contributes to a channel's sums, when codes are multiplied as they are: it goes off. Sums
 * wrap around on the way to one that fits. */
static inline uint32_t qrt_dsp_zero_point_part(const qrt_dsp_channels *c, int32_t channel) {
    uint32_t sum = 0;
    for (int32_t i = 0; i < c->size; i++) sum -= (uint32_t)(qrt_dsp_weight(c, channel, i) * c->x_zero_point);
    return sum;
}

#endif
