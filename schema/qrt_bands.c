/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_bands.c: reads bands out of a .qfb file, and says what is made, read and kept in which turn.
 *
 * The validator calls it for what its earlier parts have proved (V81 for all but qrt_model_band() and
 * qrt_band_pace()); once the file is open anyone may.
 */
#include "qrt_bands.h"

#include <string.h>

#include "qrt_read.h"

static int32_t clamp(int64_t value, int32_t low, int32_t high) {
    return value < low ? low : value > high ? high : (int32_t)value;
}

static void read_pace(const uint8_t *bytes, uint32_t position, qrt_pace *pace) {
    pace->lead = (int32_t)qrt_read_u32(bytes, position);
    pace->capacity = (int32_t)qrt_read_u32(bytes, position + 4);
    pace->kept = (int32_t)qrt_read_u32(bytes, position + 8);
    pace->rows = qrt_read_u16(bytes, position + 12);
    pace->per = qrt_read_u16(bytes, position + 14);
    pace->slide = bytes[position + 16];
}

void qrt_model_band(const qrt_model *model, uint32_t index, qrt_band *band) {
    const uint8_t *bytes = model->bytes;
    uint32_t table = qrt_follow(bytes, model->bands + 4 * index);
    uint32_t first = qrt_field(bytes, table, BAND_FIRST), turns = qrt_field(bytes, table, BAND_TURNS);
    uint32_t feed = qrt_field(bytes, table, BAND_FEED);
    qrt_vector paces = qrt_vector_field(bytes, table, BAND_PACES);
    memset(band, 0, sizeof *band);
    band->first = first == 0 ? 0 : qrt_read_u32(bytes, first);
    band->turns = turns == 0 ? 0 : qrt_read_u32(bytes, turns);
    band->count = paces.count;
    band->paces = paces.first;
    band->is_fed = feed != 0;
    if (feed != 0) read_pace(bytes, feed, &band->feed);
}

void qrt_band_pace(const qrt_model *model, const qrt_band *band, uint32_t i, qrt_pace *pace) {
    read_pace(model->bytes, band->paces + 20 * i, pace);
}

int qrt_find_band(const qrt_model *model, uint32_t op, qrt_band *band) {
    uint32_t low = 0, high = model->band_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        qrt_model_band(model, middle, band);
        if (op < band->first) {
            high = middle;
        } else if (op >= band->first + band->count) {
            low = middle + 1;
        } else {
            return 1;
        }
    }
    return 0;
}

int qrt_find_feed(const qrt_model *model, uint32_t index, qrt_band *band) {
    qrt_edge edge;
    if (model->band_count == 0) return 0;
    qrt_model_input(model, 0, &edge);
    if (edge.tensor != index) return 0;
    for (uint32_t i = 0; i < model->band_count; i++) {
        qrt_model_band(model, i, band);
        if (band->is_fed) return 1;
    }
    return 0;
}

/* Divisions are of 32 bits, since small processors have no others. */
int32_t qrt_rows_made(const qrt_pace *pace, int64_t turn, int32_t height) {
    int64_t all = turn * pace->rows + pace->lead;
    if (turn < 0 || all < 0) return 0;
    return all >= (int64_t)height * pace->per ? height : (int32_t)all / pace->per;
}

int64_t qrt_turn_of(const qrt_pace *pace, int32_t rows) {
    int64_t missing = (int64_t)rows * pace->per - pace->lead;
    return missing <= 0 ? 0 : (int64_t)((uint32_t)(missing - 1) / (uint32_t)pace->rows) + 1;
}

uint32_t qrt_row_bytes(const qrt_tensor *tensor) {
    uint32_t codes = tensor->size / (uint32_t)tensor->shape[1];
    return tensor->dtype == QRT_INT32 ? 4 * codes : tensor->dtype == QRT_INT16 ? 2 * codes : codes;
}

int qrt_is_global_average(const qrt_model *model, const qrt_operator *op) {
    qrt_tensor x, y;
    if (op->kind != QRT_MEAN && op->kind != QRT_AVERAGE_POOL2D) return 0;
    qrt_model_tensor(model, op->inputs[0], &x);
    qrt_model_tensor(model, op->output, &y);
    if (x.dtype != QRT_INT8 || y.dtype != QRT_INT8) return 0;
    if (op->kind == QRT_MEAN) return 1;
    const qrt_window *w = &op->window;
    int padded = w->pad_top != 0 || w->pad_bottom != 0 || w->pad_left != 0 || w->pad_right != 0;
    return !padded && w->filter_height == x.shape[1] && w->filter_width == x.shape[2];
}

static int is_square(const qrt_tensor *x) { return x->rank == 4 && x->shape[0] == 1; }

/* Whether each row of the output is made of one row of each input. */
static int keeps_rows(const qrt_operator *op) {
    switch (op->kind) {
    case QRT_CONCAT:
        return op->axis >= 2;
    case QRT_PAD:
        return op->pad_before[1] == 0 && op->pad_after[1] == 0;
    case QRT_REQUANTIZE_SUM:
        return 1;
    default:
        return qrt_operator_facts[op->kind].elementwise;
    }
}

int qrt_read_rows(const qrt_model *model, const qrt_operator *op, uint32_t i, qrt_reading *reading) {
    qrt_tensor x, y;
    qrt_model_tensor(model, op->inputs[i], &x);
    qrt_model_tensor(model, op->output, &y);
    if (!is_square(&x) || !is_square(&y)) return 0;
    qrt_reading r = {y.shape[1], x.shape[1], 1, 0, 1, NULL};
    if (qrt_is_global_average(model, op)) {
        r.height = x.shape[1];
    } else if (qrt_operator_facts[op->kind].window != 0 && op->kind != QRT_TRANSPOSE_CONV2D) {
        r.stride = op->window.stride_y;
        r.pad = op->window.pad_top;
        r.reach = (op->window.filter_height - 1) * op->window.dilation_y + 1;
    } else if (op->kind == QRT_RESIZE2D) {
        r.table = op->rows;
        r.reach = op->row_weight != NULL ? 2 : 1;
    } else if (!keeps_rows(op)) {
        return 0;
    } else if (x.shape[1] == 1) {
        r.stride = 0;
    }
    *reading = r;
    return 1;
}

int32_t qrt_rows_needed(const qrt_reading *r, int32_t made) {
    if (made == 0) return 0;
    int64_t first = r->table != NULL ? r->table[made - 1] : (int64_t)(made - 1) * r->stride - r->pad;
    return clamp(first + r->reach, 0, r->in_height);
}

int32_t qrt_rows_low(const qrt_reading *r, int32_t made) {
    if (made == r->height) return r->in_height;
    return clamp(r->table != NULL ? r->table[made] : (int64_t)made * r->stride - r->pad, 0, r->in_height);
}

int32_t qrt_rows_until(const qrt_reading *r, int32_t row) {
    if (r->table != NULL) {
        int32_t low = 0, high = r->height;
        while (low < high) {
            int32_t middle = low + (high - low) / 2;
            if (r->table[middle] > row) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        return low;
    }
    return r->stride == 0 ? r->height : clamp((row + r->pad) / r->stride + 1, 0, r->height);
}

uint64_t qrt_model_room(const qrt_model *model, uint32_t index) {
    qrt_tensor tensor;
    qrt_operator op;
    qrt_band band;
    qrt_pace pace;
    qrt_model_tensor(model, index, &tensor);
    uint64_t size = qrt_tensor_bytes(&tensor);
    if (model->band_count == 0 || tensor.initial != NULL) return size;
    if (tensor.first == 0) {
        if (!qrt_find_feed(model, index, &band)) return size;
        pace = band.feed;
    } else {
        if (!qrt_find_band(model, tensor.first - 1, &band)) return size;
        qrt_band_pace(model, &band, tensor.first - 1 - band.first, &pace);
        qrt_model_operator(model, tensor.first - 1, &op);
        if (qrt_is_global_average(model, &op)) return 4 * size;
    }
    if (!is_square(&tensor) || pace.capacity < 1 || pace.capacity >= tensor.shape[1]) return size;
    return (uint64_t)qrt_row_bytes(&tensor) * (uint64_t)pace.capacity;
}
