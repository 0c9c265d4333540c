/* depthwise.h: how dwconv2d is laid out for AVX-512: its packed weights, and the padded rows that it reads.
 *
 * Packed weights are a qrt_depthwise; for each block of 64 codes four qrt_lanes; for each block the sums' beginnings
 * and the weights.
 */
#ifndef QRT_AVX512_DEPTHWISE_H
#define QRT_AVX512_DEPTHWISE_H

#include "x86/lanes.h"

/* Output positions times output rows whose accumulators wait in scratch. */
#define RUN 16
#define MAX_ROWS 4
/* Weights for more registers than this leave the first cache; then some lanes stay empty instead. */
#define MAX_BLOCKS 16
/* Outputs of a row that share quads across, and the most quads side by side that they do it with. */
#define BESIDE 4
#define MAX_BESIDE_COLUMNS 4

/* How a layer is computed; at the head of its packed weights. */
typedef struct qrt_depthwise {
    int32_t form;  /* of lanes.h, or one of those below */
    int32_t group; /* output positions that lie together in `blocks` registers */
    int32_t blocks;
    int32_t rows;    /* output rows that share a quad */
    int32_t across;  /* 1: quads of columns of a filter of one row */
    int32_t beside;  /* then: neighbouring outputs that share quads, BESIDE or 1; rows is 1 */
    int32_t columns; /* quads side by side */
    int32_t quads;   /* quads one above the other */
    int32_t phases;  /* column c of a padded row stands in part c % phases */
    int32_t reach;   /* columns of a padded row */
    int32_t ring;    /* rows of the input that are needed at once */
    ptrdiff_t phase; /* bytes of a part */
    ptrdiff_t pitch; /* bytes of a padded row */
} qrt_depthwise;

/* Beside the forms of lanes.h: SINGLE and DOUBLE where sums begin with the bias and shifts are large.
 *
 * SINGLE_BIASED: what is left of the addend, round + y_zero_point * 2^shift, is a multiple of 2^32. It is added to the
 * upper half of acc * multiplier, as the lanes' `round`.
 *
 * DOUBLE_BIASED, with P = acc * multiplier and right >= 1:
 *
 *   high = (2 * P + 2^31) >> 32
 *   y    = (high + round - (1 when high < 0) + y_zero_point * 2^right) >> right
 *
 * Where high is 0 that 1 makes no difference, and elsewhere high has the sign of acc. So
 *
 *   y    = ((2 * P + addend) >> 32) - (1 when acc < 0)) >> right
 *   addend = 2^31 + (round + y_zero_point * 2^right) * 2^32
 *
 * The lanes' multiplier is 2 * multiplier - 2^32, an int32, which leaves acc out of the upper half. A
 * multiplier is at least 2^30, or 0 and its channel's sums are 0. */
#define SINGLE_BIASED (QRT_LANES_SLOW + 1)
#define DOUBLE_BIASED (QRT_LANES_SLOW + 2)

#define LANES_OF_BLOCK 4

static inline size_t round_to_64(size_t size) { return (size + 63) / 64 * 64; }

/* Four registers of int32 with which sums begin, then the weights of each quad for each output that shares it. */
static inline size_t weights_size(const qrt_depthwise *of) {
    return 256 * (1 + (size_t)of->columns * (size_t)of->quads * (size_t)(of->rows * of->beside));
}

static inline qrt_lanes *lanes_of(const void *packed, int32_t block) {
    return (qrt_lanes *)((uintptr_t)packed + round_to_64(sizeof(qrt_depthwise))) + (ptrdiff_t)block * LANES_OF_BLOCK;
}

static inline int8_t *weights_of(const qrt_depthwise *of, const void *packed, int32_t block) {
    return (int8_t *)lanes_of(packed, of->blocks) + (size_t)block * weights_size(of);
}

/* Where unpacking puts byte `byte` of a block: register, and element of it. */
static inline int32_t register_of(int32_t byte) { return byte % 16 / 4; }
static inline int32_t element_of(int32_t byte) { return byte / 16 * 4 + byte % 4; }

/* Bytes from the start of a padded row to its column `column`. */
static inline ptrdiff_t column_offset(const qrt_conv2d_params *p, const qrt_depthwise *of, int32_t column) {
    return column % of->phases * of->phase + (ptrdiff_t)(column / of->phases) * p->out_channels;
}

/* A loop over the positions of one block: what it reads, and where the codes go. */
typedef struct qrt_depthwise_block {
    const uint8_t *const *base; /* [4 * quads]: where a quad's four registers lie */
    const ptrdiff_t *shift;     /* [columns]: from there to a column's */
    const int32_t *start;       /* of the sums */
    const int8_t *weights;
    ptrdiff_t row_size; /* bytes of one output row's weights */
    int32_t columns, quads;
    int32_t rows; /* outputs that share quads, one below the other or, if `beside`, BESIDE in a row */
    int32_t beside;
    ptrdiff_t at, step; /* the first position, and from one to the next */
    int32_t count;      /* positions */
    const qrt_lanes *lanes;
    const qrt_requant *requant;
    int32_t form;
    int32_t channel, out_channels; /* the block's first, and all that there are */
    int32_t size;                  /* codes of a position's block, 1 to 64 */
    int8_t *to;                    /* of the first position */
    ptrdiff_t to_step, down;       /* bytes to the next position's codes, and to the next output row's */
    void *table;                   /* [RUN][rows][4]: sums of a form that is not computed in the loop */
} qrt_depthwise_block;

/* Computes the next `count` positions of a block and moves on behind them. */
void qrt_depthwise_positions(qrt_depthwise_block *b, int32_t count);

/* The layer that is computed: an image of a single column is turned into one of a single row. */
qrt_conv2d_params qrt_depthwise_params(const qrt_conv2d_params *p);

size_t qrt_depthwise_packed_size(const void *params);
void qrt_depthwise_pack(const void *params, void *packed);
size_t qrt_depthwise_scratch(const void *params);

#endif
