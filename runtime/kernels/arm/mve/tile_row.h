/* SPDX-License-Identifier: Apache-2.0 */
/* tile_row.h: packing for tile.h. */
#ifndef QRT_MVE_TILE_ROW_H
#define QRT_MVE_TILE_ROW_H

#include <stddef.h>

#include "qrt_kernels.h"

/* What one output channel sums: weights as they lie in a file, taken column by column. */
typedef struct qrt_mve_filter {
    int32_t height, width, channels;
} qrt_mve_filter;

/* int4: two of them in a byte. */
typedef struct qrt_mve_weights {
    const int8_t *weights;
    int32_t int4;
} qrt_mve_weights;

static inline int32_t qrt_mve_filter_size(qrt_mve_filter filter) {
    return filter.height * filter.width * filter.channels;
}

size_t qrt_mve_packed_size(const qrt_requant *requant, int32_t channels, qrt_mve_filter filter);
void qrt_mve_pack(const qrt_requant *requant, int32_t channels, qrt_mve_filter filter, qrt_mve_weights weights,
                  int32_t x_zero_point, int32_t *packed);

#endif
