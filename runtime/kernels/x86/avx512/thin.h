/* SPDX-License-Identifier: Apache-2.0 */
/* thin.h: convolutions with few products for each code, as first layers and pointwise layers of few channels have, with
 * AVX-512.
 *
 * Their limit is the requantization, not the product: sums stay in registers until they are codes, and no lane is
 * empty. The filter's bytes of an input row, filter_width * in_channels, are read four at a time, *quads*; a quad of
 * one position is broadcast and multiplied by the weights of 16 channels.
 *
 * With 8 output channels a register has two positions: the row is cut in two halves, *streams*, whose quads alternate
 * in the copy, so that one broadcast of 8 bytes has both. Quads begin at any byte of a row but alternate by whole
 * words, so there is a copy for each place in a word where a position may begin:
 *
 *   copy k: word 2 * i is the first stream's bytes [4 * i + place, + 4), word 2 * i + 1 the second's
 *   place = k * step % 4; position q is in copy q % copies
 *
 * A dwconv2d with one input channel is such a convolution, whose weights have another order.
 */
#ifndef QRT_AVX512_THIN_H
#define QRT_AVX512_THIN_H

#include "qrt_kernels.h"

int qrt_thin_covers(const void *params);
int qrt_thin_depthwise_covers(const void *params);
size_t qrt_thin_packed_size(const void *params);
void qrt_thin_pack(const void *params, void *packed);
void qrt_thin_depthwise_pack(const void *params, void *packed);
size_t qrt_thin_scratch(const void *params);
void qrt_thin_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch);

/* The rows of a set whose next kernels are `next`. */
#define QRT_THIN_CONV2D(next)                                                                                          \
    {.run = qrt_thin_run,                                                                                              \
     .packed_size = qrt_thin_packed_size,                                                                              \
     .pack = qrt_thin_pack,                                                                                            \
     .scratch_size = qrt_thin_scratch,                                                                                 \
     .covers = qrt_thin_covers,                                                                                        \
     .otherwise = next}
#define QRT_THIN_DWCONV2D(next)                                                                                        \
    {.run = qrt_thin_run,                                                                                              \
     .packed_size = qrt_thin_packed_size,                                                                              \
     .pack = qrt_thin_depthwise_pack,                                                                                  \
     .scratch_size = qrt_thin_scratch,                                                                                 \
     .covers = qrt_thin_depthwise_covers,                                                                              \
     .otherwise = next}

#endif
