/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_row_turns.h: operators of a generated network that take turns, each making a few rows of its output in each turn.
 *
 * All that is constant is in tables, which lie in flash; a table's member that is left out is 0.
 */
#ifndef QRT_ROW_TURNS_H
#define QRT_ROW_TURNS_H

#include "qrt_kernels.h"

/* How an operator reads one of its inputs: row r of what it makes reads `reach` rows from r * stride - pad on, or from
 * table[r] on. */
typedef struct qrt_row_input {
    const int8_t *data;    /* of a constant; NULL: the tensor is in the network's memory */
    const uint16_t *table; /* of resize2d */
    uint32_t offset;       /* there, of a tensor that no step makes */
    uint32_t row_size;
    int32_t height;
    int32_t stride, pad, reach;
    int32_t maker; /* 1 more than the step that makes it; 0: none does */
} qrt_row_input;

/* A reader of what a step makes, which decides what rows are kept. */
typedef struct qrt_row_reader {
    uint16_t step, input;
} qrt_row_reader;

/* How the rows that are kept move. */
enum qrt_row_slide {
    QRT_ROWS_STAY = 0,
    QRT_ROWS_LEFT = 1,  /* to the start once they are read, see qrt_row_step.moved */
    QRT_ROWS_FULL = 2,  /* to the start when the next ones do not fit behind them */
    QRT_ROWS_RIGHT = 3, /* down, so that the next ones end where the memory does */
};

/* Adds the codes of positions to an average's sums: qrt_add_positions of portable/average_rows.h, or a faster one. */
typedef void qrt_row_adder(const int8_t *x, int32_t positions, int32_t channels, int8_t *sums);

typedef void qrt_row_kernel(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch);

/* An operator, or, as the first step and without a kernel, an input that comes by rows. After turn t it has made (t *
 * rows + lead) / per rows, at least 0; from turn `last` on all. */
typedef struct qrt_row_step {
    qrt_row_kernel *run;
    qrt_row_adder *add; /* of an average, which reads a qrt_row_average in place of its parameters */
    const void *params; /* of all rows */
    const qrt_row_input *inputs;
    const qrt_row_reader *readers;
    const uint16_t *moved; /* steps whose rows move to the left behind this one */
    uint32_t offset;       /* of the output in the network's memory */
    uint32_t row_size;
    uint32_t scratch; /* its offset */
    int32_t height;
    int32_t capacity; /* rows in memory */
    int32_t rows, per, lead, last;
    int32_t count; /* what the parameters count for one row */
    uint16_t params_size;
    uint16_t count_at;  /* where in the parameters that number is; */
    uint16_t height_at; /* of the input, and */
    uint16_t pad_at;    /* of the padding above; 0: there is none */
    uint16_t input_count, reader_count, moved_count;
    uint16_t slide; /* enum qrt_row_slide */
} qrt_row_step;

typedef struct qrt_row_band {
    const qrt_row_step *steps;
    int32_t step_count, turns;
    int32_t first; /* the number of its first operator in the network */
} qrt_row_band;

/* How far a step is: the rows that it has made, and which one lies, or would lie, at the start of its memory. */
typedef struct qrt_row_state {
    int32_t made, base;
} qrt_row_state;

/* A band in a network's memory, with room for a state of each step and for the inputs of any one. */
typedef struct qrt_row_run {
    const qrt_row_band *band;
    int8_t *memory;
    qrt_row_state *states;
    const int8_t **inputs;
} qrt_row_run;

/* All turns. */
void qrt_run_row_band(const qrt_row_run *run);

/* Of a band whose input comes by rows: takes the next row, and runs all turns that wait for no other. 1 when they were
 * the last. `turn`, the one that runs next, and all states are 0 at the beginning, and again behind the last turn. */
int qrt_feed_row(const qrt_row_run *run, int32_t *turn, const int8_t *row);

/* What an average over the whole image is to do with its rows begin to end - 1. */
typedef struct qrt_row_average {
    const void *params;
    qrt_row_adder *add;
    int32_t begin, end, height;
} qrt_row_average;

/* Averages of int8 by rows. */
qrt_row_kernel qrt_mean_rows, qrt_average_pool2d_rows;

#endif
