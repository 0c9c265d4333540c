/* SPDX-License-Identifier: Apache-2.0 */
/* dwconv2d.h: how weights and constants of a dwconv2d are packed for MVE, and which memory its rows need.
 *
 * Output lanes are computed 16 at a time, a block: 16 channels of one position or, where the output row is one long
 * vector, 16 bytes of it. Behind the header, `packed` has for each group of 16 channels, the last one filled up with
 * zeros, what a block reads, in the order in which it does:
 *
 *   int8 weights[taps][16]
 *   the constants of requantize.h of channels 0, 4, 8, 12; of 2, 6, 10, 14; of 1, 5, 9, 13; of 3, 7, 11, 15: as
 * widening and narrowing take lanes apart, even and odd ones, twice
 *
 * x is multiplied as it is: x_zero_point times the sum of the weights is in the bias.
 */
#ifndef QRT_MVE_DWCONV2D_H
#define QRT_MVE_DWCONV2D_H

#include "arm/mve/requantize.h"
#include "qrt_kernels.h"

enum { DWCONV2D_BLOCK = 16 };

/* In front of the groups. */
typedef struct dwconv2d_header {
    int32_t mode;  /* of requantize.h */
    int32_t pairs; /* how often two taps can be summed in 16 bits; the other taps follow */
} dwconv2d_header;

static inline int32_t dwconv2d_taps(const qrt_conv2d_params *p) { return p->filter_height * p->filter_width; }

/* Whether an output row is one long vector: neighbours in the output have neighbours in the input. */
static inline int dwconv2d_is_flat(const qrt_conv2d_params *p) {
    return p->out_channels < DWCONV2D_BLOCK && DWCONV2D_BLOCK % p->out_channels == 0 && p->stride_x == 1;
}

/* Lanes that one set of weights serves: those of a position, or a block of a flat row. */
static inline int32_t dwconv2d_lanes(const qrt_conv2d_params *p) {
    return dwconv2d_is_flat(p) ? DWCONV2D_BLOCK : p->out_channels;
}

static inline int32_t dwconv2d_groups(const qrt_conv2d_params *p) {
    return (dwconv2d_lanes(p) + DWCONV2D_BLOCK - 1) / DWCONV2D_BLOCK;
}

/* Image rows that a window spans, and columns that the windows of a row span. */
static inline int32_t dwconv2d_rows(const qrt_conv2d_params *p) { return (p->filter_height - 1) * p->dilation_y + 1; }
static inline int32_t dwconv2d_columns(const qrt_conv2d_params *p) {
    return (p->out_width - 1) * p->stride_x + (p->filter_width - 1) * p->dilation_x + 1;
}

/* Whether windows are read from the image where it lies: it has all their columns, and blocks end where positions do.
 */
static inline int dwconv2d_in_place(const qrt_conv2d_params *p) {
    return p->pad_left == 0 && dwconv2d_columns(p) <= p->in_width && p->out_channels == p->in_channels &&
           p->out_channels % DWCONV2D_BLOCK == 0;
}

/* Scratch: where each tap lies, then the ring of rows, or a blank one. Blocks read behind the end of their rows. */
static inline size_t dwconv2d_taps_size(const qrt_conv2d_params *p) {
    return (size_t)dwconv2d_taps(p) * QRT_ADDRESS_SIZE;
}
static inline size_t dwconv2d_ring_size(const qrt_conv2d_params *p) {
    size_t row = (size_t)dwconv2d_columns(p) * (size_t)p->out_channels;
    return dwconv2d_in_place(p) ? row : row * (size_t)dwconv2d_rows(p) + DWCONV2D_BLOCK;
}

#endif
