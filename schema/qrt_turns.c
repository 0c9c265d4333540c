/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_turns.c: proves of every band that each row is made before it is read and kept until then (V81 to V87). */
#include "qrt_turns.h"

#include "qrt_read.h"

/* What a reader's work on bands may take whatever the file's size (V84). */
#define WALK_FLOOR ((uint64_t)1 << 20)

int32_t qrt_walk(qrt_check *check, uint64_t steps) {
    check->walked += steps;
    RULE(84, check->walked <= (uint64_t)check->model->size * 16 + WALK_FLOOR);
    return QRT_OK;
}

int32_t qrt_check_bands(qrt_check *check) {
    const qrt_model *model = check->model;
    uint64_t end = 0;
    int32_t feeds = 0;
    for (uint32_t i = 0; i < model->band_count; i++) {
        qrt_band band;
        qrt_check_at(check, QRT_IN_BAND, i);
        qrt_model_band(model, i, &band);
        RULE(81, band.count >= 1 && band.first >= end);
        end = (uint64_t)band.first + band.count;
        RULE(81, end <= model->operator_count);
        feeds += band.is_fed;
    }
    RULE(81, feeds <= 1);
    return QRT_OK;
}

/* V82 for an operator of a band. */
static int32_t check_operator(qrt_check *check, uint32_t index) {
    const qrt_model *model = check->model;
    qrt_operator op;
    qrt_tensor tensor;
    qrt_reading reading;
    qrt_model_operator(model, index, &op);
    qrt_model_tensor(model, op.output, &tensor);
    RULE(82, !op.overlap && tensor.initial == NULL);
    int32_t height = tensor.shape[1];
    uint32_t rows = 0;
    for (uint32_t i = 0; i < op.input_count; i++) {
        qrt_model_tensor(model, op.inputs[i], &tensor);
        RULE(82, tensor.initial == NULL);
        if (tensor.data != NULL) continue;
        RULE(82, qrt_read_rows(model, &op, i, &reading));
        rows++;
    }
    RULE(82, rows > 0);
    if (op.kind != QRT_RESIZE2D) return QRT_OK;
    TRY(qrt_walk(check, (uint64_t)height));
    for (int32_t row = 1; row < height; row++) RULE(82, op.rows[row] >= op.rows[row - 1]);
    return QRT_OK;
}

/* A tensor that a band makes row by row. */
typedef struct making {
    qrt_pace pace;
    qrt_tensor tensor;
    uint32_t index;
    int32_t height; /* rows that are made; of a global average, of what it adds up */
    int sums;
} making;

/* What is made at `position` in a turn: 0 is what is fed, then come the band's operators. */
static void find_making(const qrt_model *model, const qrt_band *band, uint32_t position, making *m) {
    qrt_operator op;
    qrt_edge edge;
    qrt_tensor x;
    m->sums = 0;
    if (position == 0) {
        qrt_model_input(model, 0, &edge);
        qrt_model_tensor(model, edge.tensor, &m->tensor);
        m->index = edge.tensor;
        m->height = m->tensor.shape[1];
        m->pace = band->feed;
        return;
    }
    qrt_model_operator(model, band->first + position - 1, &op);
    qrt_model_tensor(model, op.output, &m->tensor);
    qrt_model_tensor(model, op.inputs[0], &x);
    m->index = op.output;
    m->sums = qrt_is_global_average(model, &op);
    m->height = m->sums ? x.shape[1] : m->tensor.shape[1];
    qrt_band_pace(model, band, position - 1, &m->pace);
}

/* V83 */
static int32_t check_pace(qrt_check *check, const qrt_band *band, const making *m) {
    const qrt_pace *pace = &m->pace;
    RULE(83, pace->rows >= 1 && pace->per >= 1 && pace->slide <= QRT_RIGHT);
    RULE(83, (int64_t)m->height * pace->per <= INT32_MAX);
    RULE(83, pace->capacity >= 1 && pace->capacity <= m->height && pace->kept >= 0 && pace->kept <= pace->capacity);
    RULE(83, pace->kept < pace->capacity || pace->slide == QRT_LEFT);
    RULE(83, pace->capacity < m->height || pace->kept == m->height);
    RULE(83, qrt_rows_made(pace, (int64_t)band->turns - 1, m->height) == m->height);
    return QRT_OK;
}

int32_t qrt_find_readers(qrt_check *check, const qrt_band *band, uint32_t tensor, qrt_readers *readers) {
    const qrt_model *model = check->model;
    readers->count = 0;
    for (uint32_t i = 0; i < band->count; i++) {
        qrt_operands operands;
        qrt_read_operands(model, band->first + i, &operands);
        TRY(qrt_walk(check, operands.input_count));
        for (uint32_t k = 0; k < operands.input_count; k++) {
            if (operands.inputs[k] != tensor) continue;
            RULE(87, readers->count < QRT_MAX_READERS);
            qrt_operator op;
            qrt_reader *reader = &readers->reader[readers->count++];
            qrt_model_operator(model, band->first + i, &op);
            qrt_read_rows(model, &op, k, &reader->reading);
            qrt_band_pace(model, band, i, &reader->pace);
            reader->position = i;
        }
    }
    return QRT_OK;
}

/* V85 and V86 in one turn. Rows that are made but never read may lie below the readers' `low`. */
static int32_t check_turn(qrt_check *check, const making *m, const qrt_readers *readers, int64_t turn) {
    const qrt_pace *pace = &m->pace;
    int32_t made = qrt_rows_made(pace, turn, m->height), before = qrt_rows_made(pace, turn - 1, m->height);
    int32_t after = made;
    for (uint32_t i = 0; i < readers->count; i++) {
        const qrt_reader *reader = &readers->reader[i];
        int32_t all = reader->reading.height;
        int32_t last = qrt_rows_made(&reader->pace, turn - 1, all), now = qrt_rows_made(&reader->pace, turn, all);
        RULE(85, qrt_rows_needed(&reader->reading, now) <= made);
        int32_t low = qrt_rows_low(&reader->reading, last);
        if (low < before) before = low;
        low = qrt_rows_low(&reader->reading, now);
        if (low < after) after = low;
    }
    if (pace->capacity == m->height) return QRT_OK;
    RULE(86, made - before <= pace->capacity && made - after <= pace->kept);
    return QRT_OK;
}

/* V85 to V87 for a tensor that is made in the band; all its paces are as V83 says. */
static int32_t check_making(qrt_check *check, const qrt_band *band, const making *m) {
    qrt_readers readers;
    TRY(qrt_find_readers(check, band, m->index, &readers));
    int read_behind = m->tensor.last > band->first + band->count;
    RULE(87, m->pace.capacity == m->height || (readers.count > 0 && !read_behind));
    if (m->sums) {
        RULE(87, readers.count == 0);
        return QRT_OK;
    }
    TRY(qrt_walk(check, (uint64_t)band->turns * (readers.count + 1)));
    for (int64_t turn = 0; turn < band->turns; turn++) TRY(check_turn(check, m, &readers, turn));
    return QRT_OK;
}

/* V87 for what an operator of a band reads and the band does not make. */
static int32_t check_inputs(qrt_check *check, const qrt_band *band, uint32_t index) {
    qrt_operands operands;
    qrt_tensor tensor;
    qrt_readers readers;
    qrt_read_operands(check->model, index, &operands);
    for (uint32_t i = 0; i < operands.input_count; i++) {
        qrt_model_tensor(check->model, operands.inputs[i], &tensor);
        if (tensor.data != NULL || tensor.first > band->first) continue;
        TRY(qrt_find_readers(check, band, operands.inputs[i], &readers));
    }
    return QRT_OK;
}

/* V87 for the input that comes row by row; whoever reads it in the band has asked for its rank (V82). */
static int32_t check_feed(qrt_check *check, const qrt_band *band) {
    const qrt_model *model = check->model;
    qrt_edge edge;
    qrt_tensor tensor;
    qrt_model_input(model, 0, &edge);
    qrt_model_tensor(model, edge.tensor, &tensor);
    RULE(87, tensor.last > band->first && tensor.last <= band->first + band->count);
    for (uint32_t i = 0; i < band->first; i++) {
        qrt_operands operands;
        qrt_read_operands(model, i, &operands);
        for (uint32_t k = 0; k < operands.input_count; k++) RULE(87, operands.inputs[k] != edge.tensor);
    }
    return QRT_OK;
}

static int32_t check_band(qrt_check *check, const qrt_band *band) {
    making m;
    uint32_t start = band->is_fed ? 0 : 1;
    for (uint32_t i = 0; i < band->count; i++) TRY(check_operator(check, band->first + i));
    if (band->is_fed) TRY(check_feed(check, band));
    for (uint32_t position = start; position <= band->count; position++) {
        find_making(check->model, band, position, &m);
        TRY(check_pace(check, band, &m));
    }
    for (uint32_t position = start; position <= band->count; position++) {
        find_making(check->model, band, position, &m);
        TRY(check_making(check, band, &m));
    }
    for (uint32_t i = 0; i < band->count; i++) TRY(check_inputs(check, band, band->first + i));
    return QRT_OK;
}

int32_t qrt_check_turns(qrt_check *check) {
    for (uint32_t i = 0; i < check->model->band_count; i++) {
        qrt_band band;
        qrt_check_at(check, QRT_IN_BAND, i);
        qrt_model_band(check->model, i, &band);
        TRY(check_band(check, &band));
    }
    return QRT_OK;
}
