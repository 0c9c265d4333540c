/* winograd.h: conv2d in Winograd's form with AVX2, for sets that multiply pairs by other instructions. */
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

/* A set's first two rows of conv2d: weights transformed when they are packed, if they are small, and when they are
 * used. `next` is the row behind. */
#define QRT_WINOGRAD_AVX2(run_, covers_, next)                                                                         \
    {.run = run_,                                                                                                      \
     .packed_size = qrt_winograd_packed_size_avx2,                                                                     \
     .pack = qrt_winograd_pack_avx2,                                                                                   \
     .scratch_size = qrt_winograd_scratch_avx2,                                                                        \
     .channel_unit = QRT_PRODUCT_UNIT,                                                                                 \
     .covers = covers_,                                                                                                \
     .otherwise = &next}
#define QRT_WINOGRAD_TAPS_AVX2(run_, covers_, next)                                                                    \
    {.run = run_,                                                                                                      \
     .packed_size = qrt_winograd_taps_size_avx2,                                                                       \
     .pack = qrt_winograd_pack_taps_avx2,                                                                              \
     .scratch_size = qrt_winograd_scratch_avx2,                                                                        \
     .channel_unit = QRT_PRODUCT_UNIT,                                                                                 \
     .covers = covers_,                                                                                                \
     .otherwise = &next}

void qrt_winograd_run_avx2(const qrt_conv2d_params *p, const int8_t *image, int8_t *output, void *scratch,
                           qrt_winograd_multiply *multiply);
int qrt_winograd_covers_avx2(const qrt_conv2d_params *p, const qrt_winograd_costs *costs);
int qrt_winograd_covers_taps_avx2(const qrt_conv2d_params *p, const qrt_winograd_costs *costs);
size_t qrt_winograd_packed_size_avx2(const void *params);
size_t qrt_winograd_taps_size_avx2(const void *params);
void qrt_winograd_pack_avx2(const void *params, void *packed);
void qrt_winograd_pack_taps_avx2(const void *params, void *packed);
size_t qrt_winograd_scratch_avx2(const void *params);

#endif
