/* product.h: conv2d and linear as a product of positions and channels: the packed weights, shared by the sets.
 *
 * A filter position of a group reads `runs` of contiguous bytes. A run is padded with zero weights to
 * `chunks` of `unit` bytes, 2 or a multiple of 4. Weights are packed in blocks of 16 output channels:
 *
 *   packed: qrt_product | qrt_lanes [groups][blocks] | int8 [groups][blocks][run][chunk][unit / depth][16][depth]
 *
 * with a depth of 4, or 2 for a unit of 2: a chunk is an AMX tile, and one register multiplies 4 bytes of input.
 */
#ifndef QRT_PRODUCT_H
#define QRT_PRODUCT_H

#include "x86/lanes.h"

/* 64 bytes. */
typedef struct qrt_product {
    int32_t form; /* of lanes.h, for all lanes */
    int32_t groups;
    int32_t blocks; /* of a group, the last one may be partial */
    int32_t runs;
    int32_t run_size; /* bytes of input */
    int32_t unit;
    int32_t chunks;       /* of a run */
    int32_t signed_input; /* whether the kernel multiplies x instead of x + 128 */
    int32_t reserved[8];
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

/* Parts begin at a cache line, if the output's channels do. */
#define QRT_PRODUCT_UNIT 64

/* Linear as a 1x1 convolution over one row. */
static inline qrt_conv2d_params qrt_linear_as_conv2d(const qrt_linear_params *p) {
    qrt_conv2d_params conv = {0};
    conv.batch = conv.in_height = conv.out_height = conv.groups = 1;
    conv.in_width = conv.out_width = p->rows;
    conv.in_channels = p->in_features;
    conv.out_channels = p->out_features;
    conv.filter_height = conv.filter_width = conv.stride_y = conv.stride_x = conv.dilation_y = conv.dilation_x = 1;
    conv.x_zero_point = p->x_zero_point;
    conv.x_int16 = p->x_int16;
    conv.weights = p->weights;
    conv.requant = p->requant;
    conv.packed = p->packed;
    conv.part = p->part;
    return conv;
}

/* End of the channels of a part, which begin at a multiple of QRT_PRODUCT_UNIT. */
static inline int32_t qrt_part_end(const qrt_conv2d_params *p) {
    return p->part.end > 0 ? p->part.end : p->out_channels / p->groups;
}

/* Sum of weights, and of their magnitudes. */
void qrt_product_sum_weights(const int8_t *weights, ptrdiff_t size, int64_t *sum, int64_t *magnitude);

/* Fills the lanes of one block, whose channels are `count` from `first` on; returns the form that they need. */
int32_t qrt_product_pack_lanes(const qrt_conv2d_params *p, const qrt_product *product, int32_t first, int32_t count,
                               qrt_lanes *lanes);

/* Writes everything that `product` describes. */
void qrt_product_pack(const qrt_conv2d_params *p, const qrt_product *product, void *packed);

#endif
