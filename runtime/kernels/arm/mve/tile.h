/* SPDX-License-Identifier: Apache-2.0 */
/* tile.h: dot products of all output channels at some positions, with their codes as the result: the work of conv2d and
 * linear.
 *
 * Products are taken 16 at a time; a VMLADAVA adds them to one register. Few loads serve many products when several
 * channels and positions are taken at once: four channels, and two positions, or three whose codes stay in registers.
 *
 * Packed, after a word with the mode of requantize.h, for each four channels: 16 weights of channel 0, 2, 1, 3, the
 * next 16 of each, and so on; then the constants of requantize.h. Weights beyond a channel's last, and those of
 * channels beyond the last, are 0. Two sums go into lanes of a vector by one instruction, which writes lanes 0 and 2,
 * or 1 and 3.
 */
#ifndef QRT_MVE_TILE_H
#define QRT_MVE_TILE_H

#include "arm/mve/requantize.h"

/* Assembly knows these places. */
typedef struct qrt_mve_tile {
    const int8_t *x[2];  /* the codes of the next positions */
    int32_t more_blocks; /* blocks of 16 products in a sum, but for the first */
    int8_t *y[2];        /* where their results go */
    int32_t mode, zero_point;
    int32_t output_min, output_max;
    int32_t x_step;   /* from the codes of a position to the next one's */
    int32_t channels; /* of output */
    const int32_t *packed;
    int32_t size;  /* products in a sum */
    int32_t count; /* how often to do it, for the next positions each time */
} qrt_mve_tile;

/* The words that are packed for four channels. */
static inline int32_t qrt_mve_four_channels(int32_t size, int32_t mode) {
    return (size + 15) / 16 * 16 + qrt_mve_constants(mode);
}

/* A tile at the first of an operator's positions, for what is packed for it. */
static inline void qrt_mve_begin(qrt_mve_tile *tile, const qrt_requant *requant, const int32_t *packed, int32_t size,
                                 int32_t channels) {
    tile->more_blocks = (size - 1) / 16;
    tile->mode = packed[0];
    tile->zero_point = requant->y_zero_point;
    tile->output_min = requant->output_min;
    tile->output_max = requant->output_max;
    tile->channels = channels;
    tile->packed = packed + 1;
    tile->size = size;
}

/* Two positions, tile->count times; their codes are read in whole blocks. */
void qrt_mve_two_positions(qrt_mve_tile *tile);

/* Three positions, from x[0] on, tile->count times, where one block is all; it is read as a whole. */
void qrt_mve_three_short_positions(qrt_mve_tile *tile);

/* One position, tile->count times; nothing beyond its last code is read. */
void qrt_mve_one_position(qrt_mve_tile *tile);

#endif
