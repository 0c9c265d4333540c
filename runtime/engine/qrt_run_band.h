/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_run_band.h: runs a band, operators that take turns and make a few rows each (SPEC.md, "Bands").
 *
 * What is constant is in tables, which a program may have in flash: qrt_prepare_band.h makes them from a file. What
 * changes from turn to turn is in qrt_band_run. Freestanding C99, without a function of the schema.
 *
 * qrt_run_band() runs a whole band, like a kernel. Or rows of a fed band's input come one by one:
 *
 *     qrt_begin_band(run, scratch);
 *     while ((row = qrt_next_row(run)) != NULL) {
 *         ...                        write the next row of the input to `row`
 *         qrt_take_row(run, scratch);
 *     }
 */
#ifndef QRT_RUN_BAND_H
#define QRT_RUN_BAND_H

#include "engine/qrt_rows.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How rows in a buffer move. */
enum qrt_band_slide {
    QRT_ROWS_STAY = 0,
    QRT_ROWS_LEFT = 1,      /* to its start once they were read in a turn */
    QRT_ROWS_LEFT_FULL = 2, /* to its start when the next ones would not fit behind them */
    QRT_ROWS_RIGHT = 3      /* down as others come, which always end where it ends */
};

/* An operator that reads a tensor: rows from table[made], or made * stride - pad, on once it has made `made` rows, and
 * none once these are `height`. */
typedef struct qrt_band_reader {
    const uint16_t *table; /* or NULL */
    int32_t stride, pad;
    int32_t height;
    uint32_t op; /* counted in the band */
} qrt_band_reader;

/* A tensor of rows [1, H, W, C] that the band makes, is fed or reads. Before turn t has run, first + t * (step,
 * step_rest) rows are due, where a second component of `per` is 1 of the first. */
typedef struct qrt_band_rows {
    int8_t *memory;
    const qrt_band_reader *readers; /* in this band, where rows move */
    uint32_t row_bytes;
    int32_t height;
    int32_t first, first_rest;
    int32_t step, step_rest, per;
    int32_t capacity; /* rows in memory */
    uint16_t reader_count;
    uint16_t slide; /* enum qrt_band_slide */
} qrt_band_rows;

/* Numbers of tensors are those of qrt_band_table.rows. Number i is the output of operator i. */
typedef struct qrt_band_operator {
    void (*run)(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch);
    const void *params;     /* those of all rows */
    const uint16_t *inputs; /* numbers of the tensors that the kernel reads */
    const uint16_t *slides; /* numbers of the tensors QRT_ROWS_LEFT that no operator behind it reads */
    uint16_t params_size;   /* bytes */
    uint16_t input_count, slide_count;
    uint8_t kind;       /* enum qrt_operator_kind */
    uint8_t is_average; /* 1: a global average, whose number of rows is that of its input */
} qrt_band_operator;

typedef struct qrt_band_table {
    const qrt_band_operator *operators; /* [count] */
    const qrt_band_rows *rows;          /* [row_count]: the outputs, what is fed, what the band only reads */
    uint32_t count, row_count;
    uint32_t turns;
    int32_t is_fed; /* 1: number `count` is fed */
} qrt_band_table;

/* How far a tensor is. */
typedef struct qrt_band_progress {
    int32_t made;
    int32_t base; /* the row that lies, or would lie, at the start of its memory */
    int32_t due, due_rest;
} qrt_band_progress;

typedef struct qrt_band_run {
    const qrt_band_table *table;
    qrt_band_progress *progress; /* [table->row_count] */
    const int8_t **inputs;       /* room for those of any one operator */
    uint32_t turn;               /* that runs next */
    int32_t wanted;              /* rows of what is fed that it still waits for */
} qrt_band_run;

/* Runs all turns of a band; `run` is a qrt_band_run. Where the band is fed, inputs[0] is that input as a whole. */
void qrt_run_band(const void *run, const int8_t *const *inputs, int8_t *output, void *scratch);

/* Begins anew. Turns that need no row of what is fed run at once. */
void qrt_begin_band(qrt_band_run *run, void *scratch);

/* Where the next row of what is fed belongs; NULL when all rows were taken, and the band is done. */
int8_t *qrt_next_row(const qrt_band_run *run);

/* Takes the row that was written there, and runs all turns that need no other. */
void qrt_take_row(qrt_band_run *run, void *scratch);

/* qrt_run_band() in pieces, for who measures time: while run->turn is below run->table->turns, begin a turn with what
 * is fed in it, of the whole input `fed`, run each operator in it, and end it. */
void qrt_start_band(qrt_band_run *run);
void qrt_begin_turn(qrt_band_run *run, const int8_t *fed);
void qrt_run_in_turn(qrt_band_run *run, uint32_t op, void *scratch);
void qrt_end_turn(qrt_band_run *run);

#ifdef __cplusplus
}
#endif
#endif
