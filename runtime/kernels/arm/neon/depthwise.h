/* SPDX-License-Identifier: Apache-2.0 */
/* depthwise.h: dwconv2d for 64-bit Arm: the layout of its packed weights, and what a kernel gets of a layer.
 *
 *   packed: qrt_depthwise | qrt_requant_lanes [blocks] | int32 [blocks][16], what sums begin with | weights [blocks]
 *
 * A block is 16 or 8 neighbouring codes of the output: as many channels, or several positions of fewer channels. Its
 * input at a filter position is as many neighbouring codes of the padded rows, which have a channel for each of the
 * output. The last block overlaps the one before it, so that it is whole where there are enough channels.
 */
#ifndef QRT_NEON_DEPTHWISE_H
#define QRT_NEON_DEPTHWISE_H

#include "arm/neon/requant.h"

#ifdef QRT_NEON

/* 64 bytes. */
typedef struct qrt_depthwise {
    int32_t form;  /* of requant.h, for all lanes */
    int32_t group; /* positions in a block */
    int32_t blocks;
    int32_t paired; /* 1: the sum of two products fits int16 */
    int32_t reserved[12];
} qrt_depthwise;

/* One block of some rows of the output. */
typedef struct qrt_depthwise_tile {
    const qrt_conv2d_params *p;
    const qrt_depthwise *of;
    const qrt_requant_lanes *lanes;
    const int32_t *start;
    const int8_t *weights;
    const int32_t *offset; /* from a position to the input of each tap; an even number, of which the last may be any */
    const int8_t *x;       /* the block's first code of the first padded row */
    ptrdiff_t x_row, x_step, pitch; /* to the next row of positions, to the next position, to the next padded row */
    int32_t rows, positions;        /* in the output, positions in groups */
    int32_t channel;                /* the block's first */
    int32_t size, last_size;        /* codes of a block to write, and of the last in a row */
    int8_t *output;                 /* of the first position, channel 0 */
} qrt_depthwise_tile;

/* How a kernel computes a block, and how it wants its weights. */
typedef struct qrt_depthwise_way {
    int32_t block; /* codes, 16 or 8 */
    void (*run)(const qrt_depthwise_tile *tile);
    size_t (*weights_size)(const qrt_conv2d_params *p);
    /* Puts one weight of the channel `lane` of a block at its place. */
    void (*place)(const qrt_conv2d_params *p, int32_t tap, int32_t lane, int8_t weight, int8_t *weights);
} qrt_depthwise_way;

size_t qrt_depthwise_packed_size(const qrt_depthwise_way *way, const qrt_conv2d_params *p);
void qrt_depthwise_pack(const qrt_depthwise_way *way, const qrt_conv2d_params *p, void *packed);
size_t qrt_depthwise_scratch(const qrt_depthwise_way *way, const qrt_conv2d_params *p);
void qrt_depthwise_run(const qrt_depthwise_way *way, const qrt_conv2d_params *params, const int8_t *const *inputs,
                       int8_t *output, void *scratch);

/* Puts the sums of a position that no form supports, and int32. */
void qrt_depthwise_put(const qrt_depthwise_tile *tile, int32_t row, int32_t position, const int32_t *sum);

/* Where the codes of a row of the tile begin. */
static inline int8_t *qrt_depthwise_row(const qrt_depthwise_tile *tile, int32_t row) {
    return tile->output + (ptrdiff_t)row * tile->p->out_width * tile->p->out_channels + tile->channel;
}

#endif
#endif
