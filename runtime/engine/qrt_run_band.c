/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_run_band.c: the turns of a band. */
#include "engine/qrt_run_band.h"

#include <string.h>

#include "portable/average_rows.h"
#include "qrt_kinds.h"

static int8_t *row_at(const qrt_band_rows *x, const qrt_band_progress *p, int32_t row) {
    return x->memory + (ptrdiff_t)(row - p->base) * (ptrdiff_t)x->row_bytes;
}

/* The first row that is still read; where all that are there have been, the next one. */
static int32_t low_of(const qrt_band_run *run, const qrt_band_rows *x, const qrt_band_progress *p) {
    int32_t low = p->made;
    for (uint32_t i = 0; i < x->reader_count; i++) {
        const qrt_band_reader *reader = &x->readers[i];
        int32_t made = run->progress[reader->op].made;
        if (made == reader->height) continue;
        int32_t row = reader->table != NULL ? reader->table[made] : made * reader->stride - reader->pad;
        if (row < low) low = row;
    }
    return low < 0 ? 0 : low;
}

/* Moves the rows from `low` on so that row `base` is, or would be, the first in memory. */
static void move_rows(const qrt_band_rows *x, qrt_band_progress *p, int32_t low, int32_t base) {
    if (base == p->base) return;
    const int8_t *from = row_at(x, p, low);
    p->base = base;
    if (low < p->made) memmove(row_at(x, p, low), from, (size_t)(p->made - low) * x->row_bytes);
}

static void make_room(const qrt_band_run *run, const qrt_band_rows *x, qrt_band_progress *p, int32_t count) {
    int32_t base = p->made + count - x->capacity, low;
    if (x->slide == QRT_ROWS_RIGHT) {
        move_rows(x, p, low_of(run, x, p), base);
    } else if (x->slide == QRT_ROWS_LEFT_FULL && base > p->base) {
        low = low_of(run, x, p);
        move_rows(x, p, low, low);
    }
}

/* How many rows are to be made in this turn; next time, in the next. */
static int32_t take_due(const qrt_band_rows *x, qrt_band_progress *p) {
    int32_t due = p->due < x->height ? p->due : x->height;
    if (p->due < x->height - x->step) {
        p->due += x->step;
        p->due_rest += x->step_rest;
        if (p->due_rest >= x->per) {
            p->due_rest -= x->per;
            p->due++;
        }
    } else {
        p->due = x->height;
    }
    return due > p->made ? due - p->made : 0;
}

/* Adds up `count` rows of what is averaged; in place of the sums of all rows come the codes. */
static void add_rows(const qrt_band_run *run, const qrt_band_operator *op, const qrt_band_rows *y, int32_t made,
                     int32_t count) {
    const qrt_band_rows *x = &run->table->rows[op->inputs[0]];
    const int8_t *first = row_at(x, &run->progress[op->inputs[0]], made);
    const qrt_mean_params *mean = op->params;
    const qrt_pool2d_params *pool = op->params;
    int32_t channels = op->kind == QRT_MEAN ? mean->channels : pool->channels;
    if (made == 0) memset(y->memory, 0, (size_t)channels * sizeof(int32_t));
    qrt_add_positions(first, (int32_t)(x->row_bytes / (uint32_t)channels) * count, channels, y->memory);
    if (made + count < y->height) return;
    if (op->kind == QRT_MEAN) {
        qrt_mean_of_sums(mean, y->memory);
    } else {
        qrt_average_of_sums(pool, y->memory);
    }
}

static void make_rows(const qrt_band_run *run, const qrt_band_operator *op, const qrt_band_rows *y,
                      const qrt_band_progress *p, int32_t count, void *scratch) {
    qrt_params params;
    int32_t first[2];
    memcpy(&params, op->params, op->params_size);
    qrt_take_rows(op->kind, &params, y->height, p->made, p->made + count, first);
    for (uint32_t i = 0; i < op->input_count; i++) {
        run->inputs[i] = row_at(&run->table->rows[op->inputs[i]], &run->progress[op->inputs[i]], first[i > 0]);
    }
    op->run(&params, run->inputs, row_at(y, p, p->made), scratch);
}

/* Makes room for what is fed in this turn. */
static void begin_turn(qrt_band_run *run) {
    const qrt_band_table *table = run->table;
    if (!table->is_fed) return;
    const qrt_band_rows *x = &table->rows[table->count];
    qrt_band_progress *p = &run->progress[table->count];
    run->wanted = take_due(x, p);
    if (run->wanted > 0) make_room(run, x, p, run->wanted);
}

static void add_fed_row(qrt_band_run *run) {
    run->progress[run->table->count].made++;
    run->wanted--;
}

void qrt_start_band(qrt_band_run *run) {
    const qrt_band_table *table = run->table;
    for (uint32_t i = 0; i < table->count + (uint32_t)table->is_fed; i++) {
        qrt_band_progress start = {0, 0, table->rows[i].first, table->rows[i].first_rest};
        run->progress[i] = start;
    }
    run->turn = 0;
    run->wanted = 0;
}

void qrt_begin_turn(qrt_band_run *run, const int8_t *fed) {
    begin_turn(run);
    while (run->wanted > 0) {
        size_t size = run->table->rows[run->table->count].row_bytes;
        const int8_t *x = fed + (ptrdiff_t)size * run->progress[run->table->count].made;
        int8_t *row = qrt_next_row(run);
        if (row != x) memcpy(row, x, size);
        add_fed_row(run);
    }
}

void qrt_run_in_turn(qrt_band_run *run, uint32_t index, void *scratch) {
    const qrt_band_table *table = run->table;
    const qrt_band_operator *op = &table->operators[index];
    const qrt_band_rows *y = &table->rows[index];
    qrt_band_progress *p = &run->progress[index];
    int32_t count = take_due(y, p);
    if (count > 0) {
        make_room(run, y, p, count);
        if (op->is_average) {
            add_rows(run, op, y, p->made, count);
        } else {
            make_rows(run, op, y, p, count, scratch);
        }
        p->made += count;
    }
    for (uint32_t i = 0; i < op->slide_count; i++) {
        const qrt_band_rows *x = &table->rows[op->slides[i]];
        qrt_band_progress *progress = &run->progress[op->slides[i]];
        int32_t low = low_of(run, x, progress);
        move_rows(x, progress, low, low);
    }
}

void qrt_end_turn(qrt_band_run *run) { run->turn++; }

static void run_turn(qrt_band_run *run, void *scratch) {
    for (uint32_t i = 0; i < run->table->count; i++) qrt_run_in_turn(run, i, scratch);
    qrt_end_turn(run);
}

/* Runs turns until one needs rows that are not there. */
static void run_turns(qrt_band_run *run, void *scratch) {
    while (run->turn < run->table->turns) {
        begin_turn(run);
        if (run->wanted > 0) return;
        run_turn(run, scratch);
    }
}

void qrt_begin_band(qrt_band_run *run, void *scratch) {
    qrt_start_band(run);
    run_turns(run, scratch);
}

int8_t *qrt_next_row(const qrt_band_run *run) {
    uint32_t fed = run->table->count;
    return run->wanted > 0 ? row_at(&run->table->rows[fed], &run->progress[fed], run->progress[fed].made) : NULL;
}

void qrt_take_row(qrt_band_run *run, void *scratch) {
    add_fed_row(run);
    if (run->wanted > 0) return;
    run_turn(run, scratch);
    run_turns(run, scratch);
}

void qrt_run_band(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    qrt_band_run *run = (qrt_band_run *)params;
    (void)output;
    qrt_start_band(run);
    while (run->turn < run->table->turns) {
        qrt_begin_turn(run, run->table->is_fed ? inputs[0] : NULL);
        run_turn(run, scratch);
    }
}
