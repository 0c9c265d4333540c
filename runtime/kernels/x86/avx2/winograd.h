/* SPDX-License-Identifier: Apache-2.0 */
/* winograd.h: conv2d in Winograd's form with AVX2, but for the products: see winograd_rows.h. */
#ifndef QRT_AVX2_WINOGRAD_H
#define QRT_AVX2_WINOGRAD_H

#include "qrt_kernels.h"

/* Products of `tiles` tiles, `step` int16 apart, at one point: sums [tiles][16], which `add` adds to. */
typedef void qrt_winograd_multiply(const int16_t *x, ptrdiff_t step, int32_t pairs, const int16_t *weights,
                                   int32_t *sums, int32_t tiles, int add);

/* What takes how long, in a unit of the set's choice. Measured, warm; what is small is rounded up. */
typedef struct qrt_winograd_costs {
    int32_t direct;      /* a register of products of pairs in a direct convolution */
    int32_t product;     /* the same here */
    int32_t inputs;      /* the inputs of 16 channels, for each point of a tile */
    int32_t sums;        /* from the sums of 16 channels to codes, for each point of a tile */
    int32_t transformed; /* weights of a pair and 16 channels, transformed before */
    int32_t taps;        /* the same, transformed first */
    int32_t run;         /* what is left */
} qrt_winograd_costs;

void qrt_winograd_run_avx2(const qrt_conv2d_params *p, const int8_t *image, int8_t *output, void *scratch,
                           qrt_winograd_multiply *multiply);
size_t qrt_winograd_scratch_avx2(const void *params);

/* Of the row with weights that are transformed when they are packed. */
int qrt_winograd_covers_avx2(const qrt_conv2d_params *p, const qrt_winograd_costs *costs);
size_t qrt_winograd_packed_size_avx2(const void *params);
void qrt_winograd_pack_avx2(const void *params, void *packed);

/* Of the row with weights that are transformed when they are used. */
int qrt_winograd_taps_covers_avx2(const qrt_conv2d_params *p, const qrt_winograd_costs *costs);
size_t qrt_winograd_taps_packed_size_avx2(const void *params);
void qrt_winograd_taps_pack_avx2(const void *params, void *packed);

#endif
