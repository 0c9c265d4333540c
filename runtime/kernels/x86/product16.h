/* SPDX-License-Identifier: Apache-2.0 */
/* product16.h: conv2d and linear of int16 codes as a product of positions and channels.
 *
 * As product.h has it, with the bytes of int16 codes for bytes: in units of 4, two codes. The weights are int16:
 *
 *   packed: qrt_product | qrt_lanes [groups][blocks] | int16 [groups][blocks][run][chunk][16][2]
 */
#ifndef QRT_PRODUCT16_H
#define QRT_PRODUCT16_H

#include "x86/lanes16.h"
#include "x86/product.h"

/* An int32 holds the sum of so many chunks of two products: 510 * 2^15 * 2^7 is below 2^31. */
#define QRT_CHUNKS16 255

/* The same convolution with two channels for each: its bytes. */
static inline qrt_conv2d_params qrt_bytes_of(const qrt_conv2d_params *p) {
    qrt_conv2d_params bytes = *p;
    bytes.in_channels *= 2;
    return bytes;
}

/* Of the bytes. */
static inline size_t qrt_product16_size(const qrt_product *product) {
    size_t blocks = (size_t)product->groups * (size_t)product->blocks;
    return sizeof *product +
           blocks * (sizeof(qrt_lanes) + 2 * (size_t)product->runs * (size_t)product->chunks * 2 * QRT_LANES);
}

/* Fills the lanes of all blocks, which are 0, from the weights; returns their form. */
int32_t qrt_product16_lanes(const qrt_conv2d_params *p, const qrt_product *product, qrt_lanes *lanes);

/* Whether the sums of some channel need int64. */
int qrt_product16_needs_int64(const qrt_conv2d_params *p);

/* Writes everything that `product`, of the bytes, describes. */
void qrt_product16_pack(const qrt_conv2d_params *p, const qrt_product *product, void *packed);

#endif
