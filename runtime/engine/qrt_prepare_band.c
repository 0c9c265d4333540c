/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_prepare_band.c: the tables of a band, from what the file says of it. */
#include "engine/qrt_prepare_band.h"

#include <string.h>

/* An input that a kernel reads. */
typedef struct band_input {
    uint32_t tensor;  /* of the model */
    int32_t producer; /* the operator of the band that makes it, band->count where it is fed, or -1 */
} band_input;

/* Weights are among an operator's parameters. */
static uint32_t input_count(const qrt_operator *op) {
    return qrt_operator_facts[op->kind].has_weights ? 1 : op->input_count;
}

static int is_fed(const qrt_model *model, const qrt_band *band, uint32_t tensor) {
    qrt_edge edge;
    if (!band->is_fed) return 0;
    qrt_model_input(model, 0, &edge);
    return edge.tensor == tensor;
}

static band_input read_input(const qrt_model *model, const qrt_band *band, const qrt_operator *op, uint32_t i) {
    qrt_tensor x;
    band_input input = {op->inputs[i], -1};
    qrt_model_tensor(model, input.tensor, &x);
    if (x.data != NULL) return input;
    if (is_fed(model, band, input.tensor)) {
        input.producer = (int32_t)band->count;
    } else if (x.first > band->first && x.first <= band->first + band->count) {
        input.producer = (int32_t)(x.first - 1 - band->first);
    }
    return input;
}

/* What the tables hold. */
typedef struct counts {
    uint32_t inputs; /* of all operators */
    uint32_t rows;   /* outputs, what is fed, and each input that neither is */
    uint32_t most;   /* inputs of one operator */
} counts;

static counts count_inputs(const qrt_model *model, const qrt_band *band) {
    counts c = {0, band->count + (uint32_t)band->is_fed, 1};
    for (uint32_t i = 0; i < band->count; i++) {
        qrt_operator op;
        qrt_model_operator(model, band->first + i, &op);
        uint32_t count = input_count(&op);
        c.inputs += count;
        if (count > c.most) c.most = count;
        for (uint32_t k = 0; k < count; k++) c.rows += read_input(model, band, &op, k).producer < 0;
    }
    return c;
}

/* At most one reader and one slide for each input. */
size_t qrt_band_size(const qrt_model *model, const qrt_band *band) {
    counts c = count_inputs(model, band);
    return sizeof(qrt_band_run) + sizeof(qrt_band_table) + band->count * sizeof(qrt_band_operator) +
           c.rows * (sizeof(qrt_band_rows) + sizeof(qrt_band_progress)) + c.inputs * sizeof(qrt_band_reader) +
           c.most * sizeof(const int8_t *) + 2 * c.inputs * sizeof(uint16_t);
}

/* -- paces -- */

/* The pace of number `number` of qrt_band_table.rows when `together` turns are one. */
static qrt_pace read_pace(const qrt_model *model, const qrt_band *band, uint32_t together, uint32_t number) {
    qrt_pace pace = band->feed;
    if (number < band->count) qrt_band_pace(model, band, number, &pace);
    int64_t lead = (int64_t)(together - 1) * pace.rows + pace.lead;
    pace.lead = lead < INT32_MAX ? (int32_t)lead : INT32_MAX;
    pace.rows *= (int32_t)together;
    return pace;
}

static uint32_t count_turns(const qrt_band *band, uint32_t together) {
    return band->turns / together + (band->turns % together != 0);
}

/* The rows that an operator makes. */
static int32_t height_of(const qrt_model *model, const qrt_operator *op) {
    qrt_tensor tensor;
    qrt_model_tensor(model, qrt_is_global_average(model, op) ? op->inputs[0] : op->output, &tensor);
    return tensor.shape[1];
}

static void set_pace(qrt_band_rows *rows, const qrt_pace *pace) {
    rows->per = pace->per;
    rows->first = pace->lead / pace->per;
    rows->first_rest = pace->lead % pace->per;
    if (rows->first_rest < 0) {
        rows->first_rest += pace->per;
        rows->first--;
    }
    rows->step = pace->rows / pace->per;
    rows->step_rest = pace->rows % pace->per;
}

int32_t qrt_band_capacity(const qrt_model *model, const qrt_band *band, uint32_t together, uint32_t op) {
    qrt_operator producer, reader;
    qrt_reading reading;
    qrt_pace pace, made;
    int32_t capacity = 0;
    qrt_model_operator(model, band->first + op, &producer);
    qrt_band_pace(model, band, op, &pace);
    int32_t height = height_of(model, &producer);
    if (together == 1 || pace.capacity == height || qrt_is_global_average(model, &producer)) return pace.capacity;
    pace = read_pace(model, band, together, op);
    for (uint32_t i = op + 1; i < band->count; i++) {
        qrt_model_operator(model, band->first + i, &reader);
        for (uint32_t k = 0; k < input_count(&reader); k++) {
            if (reader.inputs[k] != producer.output) continue;
            qrt_read_rows(model, &reader, k, &reading);
            made = read_pace(model, band, together, i);
            for (int64_t turn = 0; turn < count_turns(band, together); turn++) {
                int32_t low = qrt_rows_low(&reading, qrt_rows_made(&made, turn - 1, reading.height));
                int32_t before = qrt_rows_made(&pace, turn - 1, height);
                int32_t rows = qrt_rows_made(&pace, turn, height) - (low < before ? low : before);
                if (rows > capacity) capacity = rows;
            }
        }
    }
    return capacity;
}

size_t qrt_band_scratch(const qrt_model *model, const qrt_band *band, uint32_t together, uint32_t index,
                        const qrt_kernel *kernel, const void *params, size_t size) {
    qrt_operator op;
    qrt_params part;
    int32_t first[2], made = 0;
    size_t most = 0;
    qrt_model_operator(model, band->first + index, &op);
    if (kernel->scratch_size == NULL || qrt_is_global_average(model, &op)) return 0;
    qrt_pace pace = read_pace(model, band, together, index);
    int32_t height = height_of(model, &op);
    for (int64_t turn = 0; made < height; turn++) {
        int32_t before = made;
        made = qrt_rows_made(&pace, turn, height);
        if (made == before) continue;
        memcpy(&part, params, size);
        qrt_take_rows(op.kind, &part, height, before, made, first);
        size_t scratch = kernel->scratch_size(&part);
        if (scratch > most) most = scratch;
    }
    return most;
}

/* -- tables -- */

typedef struct tables {
    const qrt_model *model;
    const qrt_band *band;
    uint32_t together;
    int8_t *arena;
    int8_t *const *places;
    qrt_band_operator *operators;
    qrt_band_rows *rows;
    qrt_band_reader *readers;
    uint16_t *inputs, *slides;
} tables;

/* What holds of a tensor, whoever makes it. */
static void fill_rows(const tables *t, uint32_t tensor, qrt_band_rows *rows) {
    qrt_tensor x;
    qrt_model_tensor(t->model, tensor, &x);
    memset(rows, 0, sizeof *rows);
    rows->row_bytes = qrt_row_bytes(&x);
    rows->height = rows->capacity = x.shape[1];
    if (t->places != NULL) {
        rows->memory = t->places[tensor];
    } else {
        rows->memory = x.data != NULL ? (int8_t *)x.data : t->arena + x.arena_offset;
    }
}

/* Those of tensor `number`, which the band makes or is fed, of which rows may move. */
static void fill_made(const tables *t, uint32_t number, uint32_t tensor) {
    qrt_band_rows *rows = &t->rows[number];
    int fed = number == t->band->count;
    qrt_pace pace = read_pace(t->model, t->band, t->together, number);
    fill_rows(t, tensor, rows);
    if (!fed) {
        qrt_operator op;
        qrt_model_operator(t->model, t->band->first + number, &op);
        rows->height = height_of(t->model, &op);
        t->operators[number].is_average = qrt_is_global_average(t->model, &op) != 0;
    }
    set_pace(rows, &pace);
    if (t->together > 1) {
        if (fed || t->operators[number].is_average) return;
        rows->capacity = qrt_band_capacity(t->model, t->band, t->together, number);
        if (rows->capacity < rows->height) rows->slide = QRT_ROWS_LEFT;
        return;
    }
    if (fed) {
        qrt_tensor x;
        qrt_model_tensor(t->model, tensor, &x);
        rows->memory = t->arena + x.arena_offset;
    }
    if (pace.capacity == rows->height || (!fed && t->operators[number].is_average)) return;
    rows->capacity = pace.capacity;
    rows->slide = pace.slide == QRT_RIGHT      ? QRT_ROWS_RIGHT
                  : pace.kept == pace.capacity ? QRT_ROWS_LEFT_FULL
                                               : QRT_ROWS_LEFT;
}

/* The operators, and the rows of what they read. Counts the readers of each tensor whose rows move. */
static void fill_operators(const tables *t) {
    const qrt_band *band = t->band;
    uint32_t next = band->count + (uint32_t)band->is_fed;
    uint16_t *input = t->inputs;
    for (uint32_t i = 0; i < band->count; i++) {
        qrt_operator op;
        qrt_band_operator *y = &t->operators[i];
        qrt_model_operator(t->model, band->first + i, &op);
        fill_made(t, i, op.output);
        y->kind = (uint8_t)op.kind;
        y->input_count = (uint16_t)input_count(&op);
        y->inputs = input;
        for (uint32_t k = 0; k < y->input_count; k++) {
            band_input x = read_input(t->model, band, &op, k);
            uint32_t number = x.producer >= 0 ? (uint32_t)x.producer : next++;
            if (x.producer < 0) fill_rows(t, x.tensor, &t->rows[number]);
            if (t->rows[number].slide != QRT_ROWS_STAY) t->rows[number].reader_count++;
            *input++ = (uint16_t)number;
        }
    }
}

/* The readers of each tensor whose rows move. */
static void fill_readers(const tables *t) {
    const qrt_band *band = t->band;
    qrt_band_reader *next = t->readers;
    for (uint32_t i = 0; i < band->count + (uint32_t)band->is_fed; i++) {
        t->rows[i].readers = next;
        next += t->rows[i].reader_count;
        t->rows[i].reader_count = 0;
    }
    for (uint32_t i = 0; i < band->count; i++) {
        qrt_operator op;
        qrt_model_operator(t->model, band->first + i, &op);
        for (uint32_t k = 0; k < t->operators[i].input_count; k++) {
            qrt_band_rows *x = &t->rows[t->operators[i].inputs[k]];
            qrt_reading reading;
            if (x->slide == QRT_ROWS_STAY) continue;
            qrt_read_rows(t->model, &op, k, &reading);
            qrt_band_reader reader = {reading.table, reading.stride, reading.pad, reading.height, i};
            ((qrt_band_reader *)x->readers)[x->reader_count++] = reader;
        }
    }
}

/* Behind which operator rows move to the start. */
static void fill_slides(const tables *t) {
    uint16_t *slide = t->slides;
    for (uint32_t i = 0; i < t->band->count; i++) {
        qrt_band_operator *op = &t->operators[i];
        op->slides = slide;
        for (uint32_t k = 0; k < op->input_count; k++) {
            const qrt_band_rows *x = &t->rows[op->inputs[k]];
            if (x->slide != QRT_ROWS_LEFT || x->readers[x->reader_count - 1].op != i) continue;
            slide[op->slide_count++] = op->inputs[k];
        }
        slide += op->slide_count;
    }
}

qrt_band_run *qrt_band_init(const qrt_model *model, const qrt_band *band, uint32_t together, int8_t *arena,
                            int8_t *const *places, void *memory) {
    counts c = count_inputs(model, band);
    qrt_band_run *run = memory;
    qrt_band_table *table = (qrt_band_table *)(run + 1);
    tables t = {model, band, together, arena, places, (qrt_band_operator *)(table + 1), NULL, NULL, NULL, NULL};
    t.rows = (qrt_band_rows *)(t.operators + band->count);
    t.readers = (qrt_band_reader *)(t.rows + c.rows);
    run->inputs = (const int8_t **)(t.readers + c.inputs);
    run->progress = (qrt_band_progress *)(run->inputs + c.most);
    t.inputs = (uint16_t *)(run->progress + c.rows);
    t.slides = t.inputs + c.inputs;
    memset(t.operators, 0, band->count * sizeof *t.operators);
    memset(run->progress, 0, c.rows * sizeof *run->progress);
    if (band->is_fed) {
        qrt_edge edge;
        qrt_model_input(model, 0, &edge);
        fill_made(&t, band->count, edge.tensor);
    }
    fill_operators(&t);
    fill_readers(&t);
    fill_slides(&t);
    table->operators = t.operators;
    table->rows = t.rows;
    table->count = band->count;
    table->row_count = c.rows;
    table->turns = count_turns(band, together);
    table->is_fed = band->is_fed;
    run->table = table;
    run->turn = table->turns;
    run->wanted = 0;
    return run;
}

void qrt_band_kernel(qrt_band_run *run, uint32_t op, const qrt_kernel *kernel, const void *params, size_t size) {
    qrt_band_operator *operators = (qrt_band_operator *)run->table->operators;
    operators[op].run = kernel->run;
    operators[op].params = params;
    operators[op].params_size = (uint16_t)size;
}
