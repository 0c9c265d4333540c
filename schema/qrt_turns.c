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
    uint32_t rows = 0;
    for (uint32_t i = 0; i < op.input_count; i++) {
        qrt_model_tensor(model, op.inputs[i], &tensor);
        RULE(82, tensor.initial == NULL);
        if (tensor.data != NULL) continue;
        RULE(82, qrt_read_rows(model, &op, i, &reading));
        rows++;
    }
    RULE(82, rows > 0);
    return QRT_OK;
}

/* V83 for a pace at which `height` rows are made. */
static int32_t check_pace(qrt_check *check, const qrt_band *band, const qrt_pace *pace, int32_t height) {
    RULE(83, pace->rows >= 1 && pace->per >= 1 && pace->slide <= QRT_RIGHT);
    RULE(83, (int64_t)height * pace->per <= INT32_MAX);
    RULE(83, pace->capacity >= 1 && pace->capacity <= height && pace->kept >= 0 && pace->kept <= pace->capacity);
    RULE(83, pace->kept < pace->capacity || pace->slide == QRT_LEFT);
    RULE(83, pace->capacity < height || pace->kept == height);
    RULE(83, qrt_rows_made(pace, (int64_t)band->turns - 1, height) == height);
    return QRT_OK;
}

/* Rows that operator `index` makes in turns. */
static int32_t height_of(const qrt_model *model, uint32_t index) {
    qrt_operator op;
    qrt_tensor tensor;
    qrt_model_operator(model, index, &op);
    qrt_model_tensor(model, qrt_is_global_average(model, &op) ? op.inputs[0] : op.output, &tensor);
    return tensor.shape[1];
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

/* V85 and V86 in one turn. */
static int32_t check_turn(qrt_check *check, const qrt_pace *pace, int32_t height, const qrt_readers *readers,
                          int64_t turn) {
    int32_t made = qrt_rows_made(pace, turn, height), before = height, after = height;
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
    if (pace->capacity == height) return QRT_OK;
    RULE(86, made - before <= pace->capacity && made - after <= pace->kept);
    return QRT_OK;
}

/* V83 to V87 for a tensor that is made in the band at `pace`. */
static int32_t check_made(qrt_check *check, const qrt_band *band, const qrt_pace *pace, uint32_t index, int sums,
                          int32_t height) {
    qrt_tensor tensor;
    qrt_readers readers;
    qrt_model_tensor(check->model, index, &tensor);
    TRY(check_pace(check, band, pace, height));
    TRY(qrt_find_readers(check, band, index, &readers));
    int read_behind = tensor.last > band->first + band->count;
    RULE(87, pace->capacity == height || (readers.count > 0 && !read_behind));
    if (sums) {
        RULE(87, readers.count == 0);
        return QRT_OK;
    }
    TRY(qrt_walk(check, (uint64_t)band->turns * (readers.count + 1)));
    for (int64_t turn = 0; turn < band->turns; turn++) TRY(check_turn(check, pace, height, &readers, turn));
    return QRT_OK;
}

/* V82 to V87 for the input that comes row by row. */
static int32_t check_feed(qrt_check *check, const qrt_band *band) {
    const qrt_model *model = check->model;
    qrt_edge edge;
    qrt_tensor tensor;
    qrt_model_input(model, 0, &edge);
    qrt_model_tensor(model, edge.tensor, &tensor);
    RULE(82, tensor.rank == 4 && tensor.shape[0] == 1);
    RULE(87, tensor.last > band->first && tensor.last <= band->first + band->count);
    for (uint32_t i = 0; i < band->first; i++) {
        qrt_operands operands;
        qrt_read_operands(model, i, &operands);
        for (uint32_t k = 0; k < operands.input_count; k++) RULE(87, operands.inputs[k] != edge.tensor);
    }
    return check_made(check, band, &band->feed, edge.tensor, 0, tensor.shape[1]);
}

static int32_t check_band(qrt_check *check, const qrt_band *band) {
    const qrt_model *model = check->model;
    for (uint32_t i = 0; i < band->count; i++) TRY(check_operator(check, band->first + i));
    if (band->is_fed) TRY(check_feed(check, band));
    for (uint32_t i = 0; i < band->count; i++) {
        qrt_operator op;
        qrt_pace pace;
        qrt_model_operator(model, band->first + i, &op);
        qrt_band_pace(model, band, i, &pace);
        TRY(check_made(check, band, &pace, op.output, qrt_is_global_average(model, &op),
                       height_of(model, band->first + i)));
    }
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
