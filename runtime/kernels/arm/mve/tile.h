/* tile.h: dot products of several output channels at several positions, with their codes as the result: the work of
 * conv2d and linear.
 *
 * Products are taken 16 at a time; a VMLADAVA adds them to one register. So that few loads serve many products, a step
 * takes two channels at three positions, or four channels at one.
 *
 * Packed, after a word with the mode of requantize.h, for each four channels: for channels 0 and 2, then for 1 and 3,
 * blocks of 16 weights of the one and 16 of the other; then the constants of requantize.h. Weights beyond a channel's
 * last, and those of channels beyond the last, are 0. The two sums of a pair go into the lanes with its numbers by one
 * instruction, which writes lanes 0 and 2, or 1 and 3.
 */
#ifndef QRT_MVE_TILE_H
#define QRT_MVE_TILE_H

#include "arm/mve/requantize.h"

/* Assembly knows these places. */
typedef struct qrt_mve_tile {
    const int8_t *x[3]; /* the codes of the next positions */
    int8_t *y[3];       /* where their results go */
    int32_t mode, zero_point;
    int32_t output_min, output_max;
    int32_t x_step;   /* from the codes of a position to the next one's */
    int32_t channels; /* of output */
    const int32_t *packed;
    int32_t size;   /* products in a sum */
    int32_t blocks; /* the same in blocks of 16 */
    int32_t count;  /* how often to do it, for the next positions each time */
} qrt_mve_tile;

/* The words of one pair's weights, and of all that is packed for four channels. */
static inline int32_t qrt_mve_pair_words(int32_t blocks) { return 8 * blocks; }
static inline int32_t qrt_mve_quad_words(int32_t blocks, int32_t mode) {
    return 2 * qrt_mve_pair_words(blocks) + qrt_mve_constants(mode);
}

/* A tile for an operator that is packed so; x_step, size: of its positions. */
qrt_mve_tile qrt_mve_tile_of(const qrt_requant *requant, int32_t channels, int32_t x_step, int32_t size,
                             const int32_t *packed);

/* All channels of three positions, tile->count times; x[i] is read in whole blocks. */
void qrt_mve_three_positions(qrt_mve_tile *tile);

/* The same where one block is all. */
void qrt_mve_three_short_positions(qrt_mve_tile *tile);

/* All channels of position 0, tile->count times; x[0] is read up to its size. */
void qrt_mve_position(qrt_mve_tile *tile);

#endif
