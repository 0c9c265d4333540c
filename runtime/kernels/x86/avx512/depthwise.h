/* SPDX-License-Identifier: Apache-2.0 */
/* depthwise.h: the data layout of dwconv2d for AVX-512: its packed weights, and the padded rows that it reads.
 *
 * Packed weights are a qrt_depthwise; for each block of 64 codes four qrt_lanes; for each block the initial values of
 * the sums and the weights.
 */
#ifndef QRT_AVX512_DEPTHWISE_H
#define QRT_AVX512_DEPTHWISE_H

#include "x86/lanes.h"

/* Output positions times output rows with accumulators in the scratch buffer. */
#define RUN 16
#define MAX_ROWS 4
/* Weights for more registers than this do not fit the L1 cache; some lanes stay empty instead. */
#define MAX_BLOCKS 16
/* Outputs of a row that share quads across columns, and the maximum of quads side by side for that. */
#define BESIDE 4
#define MAX_BESIDE_COLUMNS 4

/* How a layer is computed; at the beginning of its packed weights. */
typedef struct qrt_depthwise {
    int32_t form;  /* of lanes.h, or one of those below */
    int32_t group; /* output positions that share `blocks` registers */
    int32_t whole; /* groups of a row */
    int32_t rest;  /* positions behind them */
    int32_t blocks;
    int32_t rows;    /* output rows that share a quad */
    int32_t across;  /* 1: quads of columns of a filter of one row */
    int32_t beside;  /* if across: neighbouring outputs that share quads, BESIDE or 1; rows is 1 */
    int32_t columns; /* quads side by side */
    int32_t quads;   /* quads one above the other */
    int32_t phases;  /* column c of a padded row is in part c % phases */
    int32_t reach;   /* columns of a padded row */
    int32_t ring;    /* rows of the input needed at once */
    ptrdiff_t phase; /* bytes of a part */
    ptrdiff_t pitch; /* bytes of a padded row */
} qrt_depthwise;

/* Beside the forms of lanes.h: SINGLE and DOUBLE where sums begin with the bias and shifts are large.
 *
 * SINGLE_BIASED: the rest of the addend, round + y_zero_point * 2^shift, is a multiple of 2^32. It is added to the
 * upper half of acc * multiplier, as the lanes' `round`.
 *
 * DOUBLE_BIASED, with P = acc * multiplier and right >= 1:
 *
 *   high = (2 * P + 2^31) >> 32
 *   y    = (high + round - (1 when high < 0) + y_zero_point * 2^right) >> right
 *
 * If high is 0 the 1 makes no difference; otherwise high has the sign of acc. So
 *
 *   y    = ((2 * P + addend) >> 32) - (1 when acc < 0)) >> right
 *   addend = 2^31 + (round + y_zero_point * 2^right) * 2^32
 *
 * The lanes' multiplier is 2 * multiplier - 2^32, an int32, so acc is missing in the upper half. A
 * multiplier is at least 2^30, or 0 and its channel's sums are 0. */
#define SINGLE_BIASED (QRT_LANES_SLOW + 1)
#define DOUBLE_BIASED (QRT_LANES_SLOW + 2)

#define LANES_OF_BLOCK 4

static inline size_t round_to_64(size_t size) { return (size + 63) / 64 * 64; }

/* Four registers of int32 initial sums, then the weights of each quad for each output that shares it. */
static inline size_t weights_size(const qrt_depthwise *of) {
    return 256 * (1 + (size_t)of->columns * (size_t)of->quads * (size_t)(of->rows * of->beside));
}

static inline qrt_lanes *lanes_of(const void *packed, int32_t block) {
    return (qrt_lanes *)((uintptr_t)packed + round_to_64(sizeof(qrt_depthwise))) + (ptrdiff_t)block * LANES_OF_BLOCK;
}

static inline int8_t *weights_of(const qrt_depthwise *of, const void *packed, int32_t block) {
    return (int8_t *)lanes_of(packed, of->blocks) + (size_t)block * weights_size(of);
}

/* Position of byte `byte` of a block after unpacking: register, and element of it. */
static inline int32_t register_of(int32_t byte) { return byte % 16 / 4; }
static inline int32_t element_of(int32_t byte) { return byte / 16 * 4 + byte % 4; }

/* Bytes from the start of a padded row to its column `column`. */
static inline ptrdiff_t column_offset(const qrt_conv2d_params *p, const qrt_depthwise *of, int32_t column) {
    if (of->phases == 1) return (ptrdiff_t)column * p->out_channels; /* divisions take time */
    return column % of->phases * of->phase + (ptrdiff_t)(column / of->phases) * p->out_channels;
}

/* A loop over the positions of one block: its inputs, and the destination of the codes. */
typedef struct qrt_depthwise_block {
    const uint8_t *const *base; /* [4 * quads]: addresses of a quad's four registers */
    const ptrdiff_t *shift;     /* [columns]: offset from there to each column */
    const int32_t *start;       /* initial values of the sums */
    const int8_t *weights;
    ptrdiff_t row_size; /* bytes of one output row's weights */
    int32_t columns, quads;
    int32_t rows; /* outputs that share quads, in consecutive rows or, if `beside`, BESIDE in a row */
    int32_t beside;
    ptrdiff_t at, step; /* the first position, and the distance between two */
    int32_t count;      /* positions */
    const qrt_lanes *lanes;
    const qrt_requant *requant;
    int32_t form;
    int32_t first;           /* code of the group */
    int32_t out_channels;    /* of a position */
    int32_t size;            /* codes of the block, 1 to 64 */
    int8_t *to;              /* of the first position */
    ptrdiff_t to_step, down; /* bytes to the next position's codes, and to the next output row's */
    void *table;             /* [RUN][rows][4]: sums of a form that is not requantized in the loop */
} qrt_depthwise_block;

/* Computes the next `count` positions of a block and advances past them. */
void qrt_depthwise_positions(qrt_depthwise_block *b, int32_t count);

/* The layer to compute: an image of a single column is transposed into one of a single row. */
qrt_conv2d_params qrt_depthwise_params(const qrt_conv2d_params *p);

/* How such a layer is computed, as its packed weights have it, with as many positions in a row as it has: rows of a
 * column are fewer than all. */
qrt_depthwise qrt_depthwise_plan(const qrt_conv2d_params *p);

size_t qrt_depthwise_packed_size(const void *params);
void qrt_depthwise_pack(const void *params, void *packed);
size_t qrt_depthwise_scratch(const void *params);

#endif
