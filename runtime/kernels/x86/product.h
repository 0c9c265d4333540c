/* SPDX-License-Identifier: Apache-2.0 */
/* product.h: the product of qrt_product.h with the lanes of lanes.h: packed weights, shared by the sets.
 *
 *   packed: qrt_product | qrt_lanes [groups][blocks] | the weights
 */
#ifndef QRT_X86_PRODUCT_H
#define QRT_X86_PRODUCT_H

#include "qrt_product.h"
#include "x86/lanes.h"

static inline size_t qrt_product_size(const qrt_product *product) {
    size_t blocks = (size_t)product->groups * (size_t)product->blocks;
    return sizeof *product + blocks * (sizeof(qrt_lanes) + (size_t)qrt_product_block(product));
}

static inline const qrt_lanes *qrt_product_lanes(const qrt_product *product) {
    return (const qrt_lanes *)(product + 1);
}

static inline const int8_t *qrt_product_weights(const qrt_product *product) {
    return (const int8_t *)(qrt_product_lanes(product) + (ptrdiff_t)product->groups * product->blocks);
}

/* Sum of weights, and of their magnitudes. */
void qrt_product_sum_weights(const int8_t *weights, ptrdiff_t size, int64_t *sum, int64_t *magnitude);

/* Fills the lanes of one block, whose channels are `count` from `first` on; returns the form that they need. */
int32_t qrt_product_pack_lanes(const qrt_conv2d_params *p, const qrt_product *product, int32_t first, int32_t count,
                               qrt_lanes *lanes);

/* Writes everything that `product` describes. */
void qrt_product_pack(const qrt_conv2d_params *p, const qrt_product *product, void *packed);

#endif
