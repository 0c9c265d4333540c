/* SPDX-License-Identifier: Apache-2.0 */
/* tile_row.c: weights and constants as tile.h has them. */
#include "arm/mve/tile_row.h"

#include <string.h>

#include "arm/mve/requantize_row.h"
#include "arm/mve/tile.h"
#include "qrt_int4.h"

size_t qrt_mve_packed_size(const qrt_requant *requant, int32_t channels, qrt_mve_filter filter) {
    size_t quads = (size_t)(channels + 3) / 4;
    return 4 * (1 + quads * (size_t)qrt_mve_four_channels(qrt_mve_filter_size(filter), qrt_mve_mode(requant)));
}

/* Writes the weights of a channel, which begin with number `first`, column by column, 16 in every 64 bytes; returns
 * their sum. */
static int32_t pack_weights(qrt_mve_filter filter, qrt_mve_weights weights, ptrdiff_t first, int8_t *packed) {
    int32_t sum = 0, at = 0;
    for (int32_t column = 0; column < filter.width; column++) {
        for (int32_t row = 0; row < filter.height; row++) {
            ptrdiff_t from = first + (ptrdiff_t)(row * filter.width + column) * filter.channels;
            for (int32_t channel = 0; channel < filter.channels; channel++, at++) {
                int8_t weight = qrt_weight(weights.weights, weights.int4, from + channel);
                packed[at / 16 * 64 + at % 16] = weight;
                sum += weight;
            }
        }
    }
    return sum;
}

void qrt_mve_pack(const qrt_requant *requant, int32_t channels, qrt_mve_filter filter, qrt_mve_weights weights,
                  int32_t x_zero_point, int32_t *packed) {
    int32_t mode = qrt_mve_mode(requant), words = qrt_mve_four_channels(qrt_mve_filter_size(filter), mode);
    memset(packed, 0, qrt_mve_packed_size(requant, channels, filter));
    *packed++ = mode;
    for (int32_t channel = 0; channel < channels; channel += 4) {
        for (int32_t lane = 0; lane < 4; lane++) {
            static const int32_t places[4] = {0, 32, 16, 48};
            int32_t number = channel + lane, sum = 0;
            if (number >= channels) number = -1;
            if (number >= 0) {
                sum = pack_weights(filter, weights, (ptrdiff_t)number * qrt_mve_filter_size(filter),
                                   (int8_t *)packed + places[lane]);
            }
            qrt_mve_pack_channel(requant, number, -x_zero_point * sum, packed + words - qrt_mve_constants(mode) + lane);
        }
        packed += words;
    }
}
