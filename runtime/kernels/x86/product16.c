/* SPDX-License-Identifier: Apache-2.0 */
/* product16.c: packs the weights of conv2d and linear of int16 codes. */
#include "x86/product16.h"

#include <string.h>

#include "x86/x86.h"

#ifdef QRT_X86

static qrt_weight_sums sums_of(const int8_t *weights, ptrdiff_t size) {
    qrt_weight_sums sums = {0, 0};
    for (ptrdiff_t i = 0; i < size; i++) {
        sums.sum += weights[i];
        sums.magnitude += weights[i] < 0 ? -weights[i] : weights[i];
    }
    return sums;
}

/* Lanes for sums of 64 bits in place of others. */
static void refill(const qrt_conv2d_params *p, const qrt_product *product, ptrdiff_t filter_size, qrt_lanes *lanes) {
    int32_t channels = p->out_channels / p->groups;
    memset(lanes, 0, (size_t)product->groups * (size_t)product->blocks * sizeof *lanes);
    for (int32_t channel = 0; channel < p->out_channels; channel++) {
        qrt_weight_sums sums = sums_of(p->weights + filter_size * channel, filter_size);
        int32_t inside = channel % channels, block = channel / channels * product->blocks + inside / QRT_LANES;
        qrt_lane_fill_int64(lanes + block, inside % QRT_LANES, &p->requant, channel,
                            qrt_lane_correction(sums, p->x_zero_point));
    }
}

int32_t qrt_product16_lanes(const qrt_conv2d_params *p, const qrt_product *product, qrt_lanes *lanes) {
    int32_t channels = p->out_channels / p->groups, form = 0;
    ptrdiff_t filter_size = (ptrdiff_t)p->filter_height * p->filter_width * (p->in_channels / p->groups);
    for (int32_t channel = 0; channel < p->out_channels; channel++) {
        qrt_weight_sums sums = sums_of(p->weights + filter_size * channel, filter_size);
        int32_t inside = channel % channels, block = channel / channels * product->blocks + inside / QRT_LANES;
        int32_t needed =
            qrt_lane_fill16(lanes + block, inside % QRT_LANES, &p->requant, channel, sums, p->x_zero_point);
        form = needed > form ? needed : form;
    }
    if (form == QRT_LANES_INT64) refill(p, product, filter_size, lanes);
    return form;
}

int qrt_product16_needs_int64(const qrt_conv2d_params *p) {
    ptrdiff_t filter_size = (ptrdiff_t)p->filter_height * p->filter_width * (p->in_channels / p->groups);
    for (int32_t channel = 0; channel < p->out_channels; channel++) {
        qrt_lanes lanes;
        qrt_weight_sums sums = sums_of(p->weights + filter_size * channel, filter_size);
        if (qrt_lane_fill16(&lanes, 0, &p->requant, channel, sums, p->x_zero_point) == QRT_LANES_INT64) return 1;
    }
    return 0;
}

void qrt_product16_pack(const qrt_conv2d_params *p, const qrt_product *described, void *packed) {
    qrt_product *product = packed;
    memset(packed, 0, qrt_product16_size(described));
    *product = *described;
    qrt_lanes *lanes = (qrt_lanes *)(product + 1);
    int16_t *to = (int16_t *)(lanes + (ptrdiff_t)product->groups * product->blocks);
    product->form = qrt_product16_lanes(p, product, lanes);
    int32_t channels = p->out_channels / p->groups, size = product->run_size / 2;
    ptrdiff_t filter_size = (ptrdiff_t)product->runs * size, run_size = (ptrdiff_t)product->chunks * 2 * QRT_LANES;
    for (int32_t channel = 0; channel < p->out_channels; channel++) {
        int32_t inside = channel % channels, block = channel / channels * product->blocks + inside / QRT_LANES;
        const int8_t *weights = p->weights + filter_size * channel;
        int16_t *lane = to + block * product->runs * run_size + 2 * (inside % QRT_LANES);
        for (int32_t run = 0; run < product->runs; run++, lane += run_size) {
            for (int32_t i = 0; i < size; i++) lane[i / 2 * 2 * QRT_LANES + i % 2] = *weights++;
        }
    }
}

#endif
