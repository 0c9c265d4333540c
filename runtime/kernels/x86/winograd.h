/* SPDX-License-Identifier: Apache-2.0 */
/* winograd.h: Winograd's F(4x4, 3x3) for conv2d with a 3x3 window and stride 1, exactly: what the sets share.
 *
 * A tile of 4x4 outputs sees 6x6 inputs d. With the 3x3 weights g of a channel and ' for transposed,
 *
 *   576 * acc = A' [sum over in_channel of (G g G') * (B' d B)] A             * point by point, of 36
 *
 *        | 4  0 -5  0  1  0 |        | 6  0  0 |
 *        | 0  4  4 -1 -1  0 |        | 1  1  1 |         | 1  4  4  1  1  0 |
 *   B' = | 0 -4  4  1 -1  0 |    G = | 1 -1  1 |    A' = | 0  4 -4  2 -2  0 |
 *        | 0 -2 -1  2  1  0 |        | 1  2  4 |         | 0  4  4  4  4  0 |
 *        | 0  2 -1 -2  1  0 |        | 1 -2  4 |         | 0  4 -4  8 -8  4 |
 *        | 0  4  0 -5  0  1 |        | 0  0  6 |
 *
 * (points 0, 1, -1, 2, -2 and infinity) which takes 36 products instead of 144. A row of B' has an absolute sum of at
 * most 10, one of G of 7: B' d B of codes is at most 12,800 and G g G' at most 6,272, so both are int16. Sums may wrap:
 * arithmetic modulo 2^32 gives 64 * 9 * acc, and 9 has an inverse, so that a multiplication and a shift
 * give acc if -2^25 <= acc < 2^25, which is proved from the weights. This acc is the sum of codes times weights:
 * padding is the code x_zero_point, and what x_zero_point contributes is in the lanes' correction.
 *
 * Other windows are left alone. Counted in products of int16, of which a register holds half as many as of int8,
 * stride 2, in four phases, runs at 0.89 of a direct convolution before any transform. 5x5: the rows of G have sums of
 * 31 already for F(2x2), and 31 * 31 * 128 is no int16; as four windows of 3x3, summed before the last transform, it
 * would take 144 products for 400, so at most 1.39 times the speed, less four transforms of the input.
 *
 *   packed: qrt_winograd | qrt_lanes [blocks] | int16 [sets of blocks][36][pairs][blocks of the set][16][2]
 *
 * with two input channels to a pair, 16 output channels to a block, and, to a set, as many blocks as a kernel
 * multiplies at once. Or, eight times smaller, with weights that are transformed each time they are used:
 *
 *   packed: qrt_winograd | qrt_lanes [blocks] | int8 [blocks][16 input channels][9 taps][8 pairs][16][2]
 */
#ifndef QRT_WINOGRAD_H
#define QRT_WINOGRAD_H

#include "x86/lanes.h"

#define QRT_WINOGRAD_POINTS 36

/* Input channels whose weights are transformed together, and the bytes of their taps for a block. */
#define QRT_WINOGRAD_CHANNELS 16
#define QRT_WINOGRAD_TAPS (9 * QRT_WINOGRAD_CHANNELS * QRT_LANES)

/* The inverse of 9 modulo 2^32. */
#define QRT_WINOGRAD_NINTH 954437177

/* 64 bytes. */
typedef struct qrt_winograd {
    int32_t form; /* of lanes.h, for all lanes */
    int32_t blocks;
    int32_t pairs;
    int32_t at_once; /* blocks of a set, at most; 0: the weights are taps */
    int32_t reserved[12];
} qrt_winograd;

static inline int32_t qrt_winograd_blocks(const qrt_conv2d_params *p) {
    return (p->out_channels + QRT_LANES - 1) / QRT_LANES;
}

static inline int32_t qrt_winograd_pairs(const qrt_conv2d_params *p) { return (p->in_channels + 1) / 2; }

/* How often input channels are taken together. */
static inline int32_t qrt_winograd_steps(const qrt_conv2d_params *p) {
    return (p->in_channels + QRT_WINOGRAD_CHANNELS - 1) / QRT_WINOGRAD_CHANNELS;
}

/* Blocks of the set that begins at block `first`: a part of the channels must begin with a set. */
static inline int32_t qrt_winograd_set(int32_t at_once, int32_t blocks, int32_t first) {
    return blocks - first < at_once ? blocks - first : at_once;
}

static inline const qrt_lanes *qrt_winograd_lanes(const qrt_winograd *head) { return (const qrt_lanes *)(head + 1); }

/* int16 of one block; those of block `first` begin this many times `first` behind the weights, if a set begins there.
 */
static inline ptrdiff_t qrt_winograd_block(int32_t pairs) {
    return (ptrdiff_t)QRT_WINOGRAD_POINTS * pairs * 2 * QRT_LANES;
}

static inline const int16_t *qrt_winograd_weights(const qrt_winograd *head) {
    return (const int16_t *)(qrt_winograd_lanes(head) + head->blocks);
}

static inline const int8_t *qrt_winograd_taps(const qrt_winograd *head) {
    return (const int8_t *)(qrt_winograd_lanes(head) + head->blocks);
}

/* Whether the window is one that this file is about. */
static inline int qrt_winograd_has_shape(const qrt_conv2d_params *p) {
    return p->filter_height == 3 && p->filter_width == 3 && p->stride_y == 1 && p->stride_x == 1 &&
           p->dilation_y == 1 && p->dilation_x == 1 && p->groups == 1;
}

/* Part of the L2 cache, in bytes. */
#define QRT_WINOGRAD_NEAR (1 << 20)

/* Whether weights stay in the L2 cache from run to run: those of all layers, transformed, are 8 times the file. */
static inline int qrt_winograd_stays_near(const qrt_conv2d_params *p) {
    return p->file_size > 0 && p->file_size <= QRT_WINOGRAD_NEAR / 8;
}

/* Whether no sum of codes times weights leaves [-2^25, 2^25). Weights of int4 are not read. */
int qrt_winograd_is_exact(const qrt_conv2d_params *p);

size_t qrt_winograd_size(const qrt_conv2d_params *p);

/* Writes qrt_winograd_size() bytes, aligned to 64. */
void qrt_winograd_pack(const qrt_conv2d_params *p, int32_t at_once, void *packed);

/* The same with weights that are not transformed. */
size_t qrt_winograd_taps_size(const qrt_conv2d_params *p);
void qrt_winograd_pack_taps(const qrt_conv2d_params *p, void *packed);

#endif
