/* SPDX-License-Identifier: Apache-2.0 */
/* product.h: conv2d and linear for 64-bit Arm: packed weights, and what a set brings to multiply them.
 *
 *   packed: qrt_product | qrt_requant_lanes [groups][blocks] | int32 [groups][blocks][16], what sums begin with |
 * weights
 *
 * Rows of the input are copied with their padding, a band at a time, so that the windows of all positions look alike.
 * The sums of up to QRT_TABLE positions and of a block of channels form a table, which is then requantized.
 */
#ifndef QRT_NEON_PRODUCT_H
#define QRT_NEON_PRODUCT_H

#include "arm/neon/requant.h"
#include "portable/portable.h"
#include "qrt_product.h"

#ifdef QRT_NEON

/* Positions of a table of sums. */
#define QRT_TABLE 48

/* Bytes that may be read beyond an input. */
#define QRT_INPUT_SLACK 16

/* What all tables of a layer have in common, and some positions. */
typedef struct qrt_multiplication {
    const qrt_product *product;
    const ptrdiff_t *runs;  /* from a position to the input of each run */
    const int8_t *const *x; /* the input of each position */
    int32_t positions;
} qrt_multiplication;

/* Weights and beginnings of sums of the blocks from one on. */
typedef struct qrt_blocks {
    const int8_t *weights;
    const int32_t *start;
} qrt_blocks;

typedef struct qrt_product_way {
    int32_t unit;
    /* Puts the weights of a block, as qrt_product.h has them, in another order; NULL: none. */
    void (*arrange)(const qrt_product *product, int8_t *weights);
    /* acc [positions][16] */
    void (*multiply)(const qrt_multiplication *m, qrt_blocks blocks, int32_t *acc);
    /* acc [row_blocks][16] of the only position, where that is more than one block */
    void (*multiply_row)(const qrt_multiplication *m, qrt_blocks blocks, int32_t *acc);
    int32_t row_blocks;
} qrt_product_way;

/* Whether a layer has so many positions, and bands of a reasonable size; a file's window may be nearly 2^31 wide. */
int qrt_neon_conv2d_covers(const qrt_conv2d_params *p, int32_t positions);

size_t qrt_neon_conv2d_packed_size(const qrt_product_way *way, const qrt_conv2d_params *p);
void qrt_neon_conv2d_pack(const qrt_product_way *way, const qrt_conv2d_params *p, void *packed);
size_t qrt_neon_conv2d_scratch(const qrt_product_way *way, const qrt_conv2d_params *p);
void qrt_neon_conv2d_run(const qrt_product_way *way, const qrt_conv2d_params *p, const int8_t *const *inputs,
                         int8_t *output, void *scratch);

/* qrt_conv2d_SET and qrt_linear_SET, the rows of a set whose way is the variable `way`, for layers of at least
 * LEAST_POSITIONS, and the rows for others. */
#define QRT_PRODUCT_ROWS(set, other_conv2d, other_linear)                                                              \
    static size_t conv2d_packed_size(const void *params) { return qrt_neon_conv2d_packed_size(&way, params); }         \
    static void conv2d_pack(const void *params, void *packed) { qrt_neon_conv2d_pack(&way, params, packed); }          \
    static size_t conv2d_scratch(const void *params) { return qrt_neon_conv2d_scratch(&way, params); }                 \
    static void conv2d_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {           \
        qrt_neon_conv2d_run(&way, params, inputs, output, scratch);                                                    \
    }                                                                                                                  \
    static int conv2d_covers(const void *params) { return qrt_neon_conv2d_covers(params, LEAST_POSITIONS); }           \
    static int linear_covers(const void *params) {                                                                     \
        qrt_conv2d_params conv = qrt_linear_as_rows(params);                                                           \
        return conv2d_covers(&conv);                                                                                   \
    }                                                                                                                  \
    static size_t linear_packed_size(const void *params) {                                                             \
        qrt_conv2d_params conv = qrt_linear_as_rows(params);                                                           \
        return conv2d_packed_size(&conv);                                                                              \
    }                                                                                                                  \
    static void linear_pack(const void *params, void *packed) {                                                        \
        qrt_conv2d_params conv = qrt_linear_as_rows(params);                                                           \
        conv2d_pack(&conv, packed);                                                                                    \
    }                                                                                                                  \
    static size_t linear_scratch(const void *params) {                                                                 \
        qrt_conv2d_params conv = qrt_linear_as_rows(params);                                                           \
        return conv2d_scratch(&conv);                                                                                  \
    }                                                                                                                  \
    static void linear_run(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {           \
        qrt_conv2d_params conv = qrt_linear_as_rows(params);                                                           \
        conv2d_run(&conv, inputs, output, scratch);                                                                    \
    }                                                                                                                  \
    const qrt_kernel qrt_conv2d_##set = {.run = conv2d_run,                                                            \
                                         .packed_size = conv2d_packed_size,                                            \
                                         .pack = conv2d_pack,                                                          \
                                         .scratch_size = conv2d_scratch,                                               \
                                         .channel_unit = QRT_PRODUCT_UNIT,                                             \
                                         .covers = conv2d_covers,                                                      \
                                         .otherwise = &other_conv2d};                                                  \
    const qrt_kernel qrt_linear_##set = {.run = linear_run,                                                            \
                                         .packed_size = linear_packed_size,                                            \
                                         .pack = linear_pack,                                                          \
                                         .scratch_size = linear_scratch,                                               \
                                         .channel_unit = QRT_PRODUCT_UNIT,                                             \
                                         .covers = linear_covers,                                                      \
                                         .otherwise = &other_linear}

#endif
#endif
