/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_product.h: conv2d and linear as a product of positions and channels: how weights are packed, on all hosts.
 *
 * A filter position of a group reads `runs` of contiguous bytes. A run is padded with zero weights to
 * `chunks` of `unit` bytes, 2 or a multiple of 4. Weights are packed in blocks of 16 output channels:
 *
 *   int8 [groups][blocks][run][chunk][unit / depth][16][depth]
 *
 * with a depth of 4, or 2 for a unit of 2: a chunk is an AMX tile, and one register multiplies 4 bytes of input.
 */
#ifndef QRT_PRODUCT_H
#define QRT_PRODUCT_H

#include <string.h>

#include "qrt_kernels.h"

/* Output channels of a block. */
#define QRT_LANES 16

/* 64 bytes. */
typedef struct qrt_product {
    int32_t form; /* of the set's lanes, for all of them */
    int32_t groups;
    int32_t blocks; /* of a group, the last one may be partial */
    int32_t runs;
    int32_t run_size; /* bytes of input */
    int32_t unit;
    int32_t chunks;       /* of a run */
    int32_t signed_input; /* whether the kernel multiplies x instead of x + 128 */
    int32_t paired;       /* of a set that sums two products in an int16: whether every such sum fits */
    int32_t reserved[7];
} qrt_product;

/* Number of contiguous weights of one channel. */
static inline int32_t qrt_product_depth(int32_t unit) { return unit < 4 ? unit : 4; }

static inline qrt_product qrt_product_of(const qrt_conv2d_params *p, int32_t unit) {
    qrt_product product = {0};
    int together = p->groups == 1 && (p->dilation_x == 1 || p->filter_width == 1);
    int32_t channels = p->in_channels / p->groups;
    product.groups = p->groups;
    product.blocks = (p->out_channels / p->groups + QRT_LANES - 1) / QRT_LANES;
    product.runs = together ? p->filter_height : p->filter_height * p->filter_width;
    product.run_size = together ? p->filter_width * channels : channels;
    product.unit = unit;
    product.chunks = (product.run_size + unit - 1) / unit;
    return product;
}

/* Bytes of one block's weights. */
static inline ptrdiff_t qrt_product_block(const qrt_product *product) {
    return (ptrdiff_t)product->runs * product->chunks * product->unit * QRT_LANES;
}

/* Parts begin at a cache line, if the output's channels do. */
#define QRT_PRODUCT_UNIT 64

/* End of the channels of a part, which begin at a multiple of QRT_PRODUCT_UNIT. */
static inline int32_t qrt_part_end(const qrt_conv2d_params *p) {
    return p->part.end > 0 ? p->part.end : p->out_channels / p->groups;
}

/* Linear as a 1x1 convolution over one row. */
static inline qrt_conv2d_params qrt_linear_as_conv2d(const qrt_linear_params *p) {
    return (qrt_conv2d_params){
        .batch = 1,
        .in_height = 1,
        .in_width = p->rows,
        .in_channels = p->in_features,
        .out_height = 1,
        .out_width = p->rows,
        .out_channels = p->out_features,
        .filter_height = 1,
        .filter_width = 1,
        .stride_y = 1,
        .stride_x = 1,
        .dilation_y = 1,
        .dilation_x = 1,
        .groups = 1,
        .x_zero_point = p->x_zero_point,
        .x_int16 = p->x_int16,
        .weights = p->weights,
        .requant = p->requant,
        .packed = p->packed,
        .part = p->part,
    };
}

/* Linear as a convolution with one image row for each row, so that bands can be copied. */
static inline qrt_conv2d_params qrt_linear_as_rows(const qrt_linear_params *p) {
    qrt_conv2d_params conv = qrt_linear_as_conv2d(p);
    conv.in_height = conv.out_height = p->rows;
    conv.in_width = conv.out_width = 1;
    return conv;
}

/* `depth` weights of each of `count` channels, `stride` apart; the first `size` exist, the rest is zero. */
static inline void qrt_product_pack_step(const int8_t *weights, ptrdiff_t stride, int32_t count, int32_t size,
                                         int32_t depth, int8_t *to) {
    if (size >= 4 && depth == 4) {
        for (int32_t i = 0; i < count; i++) memcpy(to + 4 * i, weights + i * stride, 4);
        return;
    }
    for (int32_t i = 0; i < count; i++) {
        for (int32_t k = 0; k < size && k < depth; k++) to[depth * i + k] = weights[i * stride + k];
    }
}

#endif
