/* product.c: packing of conv2d's and linear's weights for the sets that compute a product of positions and channels. */
#include "product.h"

#include <string.h>

/* So many weights' magnitudes have a sum below 2^15; of int16, a compiler's vectors hold the most. */
#define RUN 128

/* Sum of the weights and of their magnitudes. */
static void sum_weights(const int8_t *weights, ptrdiff_t size, int64_t *sum, int64_t *magnitude) {
    *sum = *magnitude = 0;
    for (; size > 0; size -= RUN, weights += RUN) {
        ptrdiff_t run = size < RUN ? size : RUN;
        int16_t s = 0, m = 0;
        for (ptrdiff_t i = 0; i < run; i++) {
            int16_t w = weights[i];
            s = (int16_t)(s + w);
            m = (int16_t)(m + (w < 0 ? -w : w));
        }
        *sum += s;
        *magnitude += m;
    }
}

/* `depth` weights of each of `count` channels, `stride` apart, of which `size` are there; the rest is zero. */
static void pack_step(const int8_t *weights, ptrdiff_t stride, int32_t count, int32_t size, int32_t depth, int8_t *to) {
    if (size >= 4 && depth == 4) {
        for (int32_t i = 0; i < count; i++) memcpy(to + 4 * i, weights + i * stride, 4);
        return;
    }
    for (int32_t i = 0; i < count; i++) {
        for (int32_t k = 0; k < size && k < depth; k++) to[depth * i + k] = weights[i * stride + k];
    }
}

static void pack_block(const qrt_product *product, const int8_t *weights, int32_t count, int8_t *to) {
    ptrdiff_t filter_size = (ptrdiff_t)product->runs * product->run_size;
    int32_t padded = product->chunks * product->unit, depth = qrt_product_depth(product->unit);
    int has_gaps = count < QRT_LANES || padded > product->run_size;
    if (has_gaps) memset(to, 0, (size_t)qrt_product_block(product));
    for (int32_t run = 0; run < product->runs; run++) {
        for (int32_t i = 0; i < padded; i += depth, to += depth * QRT_LANES) {
            int32_t left = product->run_size - i;
            const int8_t *from = weights + (ptrdiff_t)run * product->run_size + i;
            if (left > 0) pack_step(from, filter_size, count, left, depth, to);
        }
    }
}

/* Fills the lanes of one block; returns the form that they need. */
static int32_t pack_lanes(const qrt_conv2d_params *p, const qrt_product *product, int32_t first, int32_t count,
                          qrt_lanes *lanes) {
    ptrdiff_t filter_size = (ptrdiff_t)product->runs * product->run_size;
    int32_t zero_point = p->x_zero_point + (product->signed_input ? 0 : 128), form = 0;
    memset(lanes, 0, sizeof *lanes);
    for (int32_t i = 0; i < count; i++) {
        int64_t sum, magnitude;
        sum_weights(p->weights + (first + i) * filter_size, filter_size, &sum, &magnitude);
        int64_t bias = p->requant.bias != NULL ? p->requant.bias[first + i] : 0;
        int64_t largest = magnitude * 255 + (bias < 0 ? -bias : bias);
        int32_t needed = qrt_lane_fill(lanes, i, &p->requant, first + i, -sum * zero_point, largest);
        form = needed > form ? needed : form;
    }
    return form;
}

void qrt_product_pack(const qrt_conv2d_params *p, const qrt_product *described, void *packed) {
    qrt_product *product = packed;
    *product = *described;
    ptrdiff_t filter_size = (ptrdiff_t)product->runs * product->run_size;
    int32_t channels = p->out_channels / p->groups;
    qrt_lanes *lanes = (qrt_lanes *)(product + 1);
    int8_t *weights = (int8_t *)(lanes + (ptrdiff_t)product->groups * product->blocks);
    for (int32_t group = 0; group < p->groups; group++) {
        for (int32_t i = 0; i < channels; i += QRT_LANES, lanes++, weights += qrt_product_block(product)) {
            int32_t first = group * channels + i, count = channels - i < QRT_LANES ? channels - i : QRT_LANES;
            int32_t form = pack_lanes(p, product, first, count, lanes);
            product->form = form > product->form ? form : product->form;
            pack_block(product, p->weights + first * filter_size, count, weights);
        }
    }
}
