/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_operators_recurrent.c: V71 to V75, of svdf and lstm. */
#include "qrt_checked.h"

#define GATES 4

static qrt_tensor input(const qrt_check *check, const qrt_checked *n, uint32_t index) {
    qrt_tensor tensor;
    qrt_model_tensor(check->model, n->op.inputs[index], &tensor);
    return tensor;
}

static int is_matrix(const qrt_tensor *x, uint64_t rows, uint64_t columns) {
    return x->rank == 2 && (uint64_t)x->shape[0] == rows && (uint64_t)x->shape[1] == columns;
}

static int is_weights(const qrt_tensor *x, int32_t dtype) {
    return x->data != NULL && x->dtype == dtype && x->zero_point == 0;
}

static uint32_t entries(const qrt_check *check, const qrt_checked *n, uint32_t requant, uint32_t number) {
    const uint8_t *bytes = check->model->bytes;
    return qrt_vector_field(bytes, qrt_follow(bytes, qrt_field(bytes, n->options, requant)), number).count;
}

/* What V72 and V74 say of the requantization in field `field`: as many shifts as multipliers, and their ranges. */
static int32_t check_factors(qrt_check *check, const qrt_checked *n, int32_t rule, uint32_t field,
                             const qrt_requant_data *requant) {
    RULE(rule, entries(check, n, field, REQUANT_SHIFT) == requant->count);
    for (uint32_t i = 0; i < requant->count; i++) {
        RULE(rule, requant->multiplier[i] >= 0 && requant->shift[i] <= MAX_SHIFT);
    }
    return QRT_OK;
}

/* V47 to V49 for sums of `x` times rows of weights, by a requantization with zero point 0. */
static int32_t check_sums(qrt_check *check, const qrt_tensor *x, const qrt_requant_data *requant, const int8_t *weights,
                          uint32_t rows, uint32_t size) {
    qrt_checked sums;
    memset(&sums, 0, sizeof sums);
    sums.op.requant = *requant;
    sums.x = *x;
    sums.b.data = weights;
    TRY(qrt_spend(check, (uint64_t)rows * size));
    return qrt_check_rows(check, &sums, rows, size);
}

static int32_t check_svdf_shapes(qrt_check *check, const qrt_checked *n, const qrt_tensor *time,
                                 const qrt_tensor *state) {
    uint32_t batch = (uint32_t)n->x.shape[0], filters = (uint32_t)n->b.shape[0], rank = n->op.filter_rank;
    RULE(71, n->x.dtype == QRT_INT8 && n->y.dtype == QRT_INT8 && n->op.inputs[0] != n->op.inputs[3]);
    RULE(71, is_weights(&n->b, QRT_INT8) && is_weights(time, state->dtype));
    RULE(71, state->dtype == QRT_INT8 || state->zero_point == 0);
    RULE(71, rank >= 1 && filters % rank == 0);
    RULE(71, is_matrix(&n->x, batch, (uint64_t)n->x.shape[1]) && is_matrix(&n->b, filters, (uint64_t)n->x.shape[1]));
    RULE(71, is_matrix(time, filters, (uint64_t)time->shape[1]));
    RULE(71, is_matrix(state, batch, (uint64_t)filters * (uint32_t)time->shape[1]));
    RULE(71, is_matrix(&n->y, batch, filters / rank));
    return QRT_OK;
}

int32_t qrt_check_svdf(qrt_check *check, const qrt_checked *n) {
    const qrt_requant_data *feature = &n->op.of_x, *requant = &n->op.requant;
    qrt_tensor time = input(check, n, 2), state = input(check, n, 3);
    TRY(check_svdf_shapes(check, n, &time, &state));
    TRY(check_factors(check, n, 72, SVDF_FEATURE, feature));
    TRY(check_factors(check, n, 72, SVDF_REQUANT, requant));
    RULE(72, feature->count == 1 && feature->bias == NULL && feature->addend == NULL);
    RULE(72, requant->count == 1 && requant->addend == NULL && requant->output_min <= requant->output_max);
    RULE(72, requant->bias == NULL || entries(check, n, SVDF_REQUANT, REQUANT_BIAS) == (uint32_t)n->y.shape[1]);
    TRY(check_sums(check, &n->x, feature, n->b.data, (uint32_t)n->b.shape[0], (uint32_t)n->b.shape[1]));
    if (requant->rounding == QRT_DOUBLE) {
        RULE(72, requant->shift[0] > 31);
    } else {
        RULE(72, qrt_single_fits((uint64_t)requant->multiplier[0] << 31, requant->shift[0], n->y.zero_point));
    }
    return QRT_OK;
}

/* V73; h and c are the states. */
static int32_t check_lstm_shapes(qrt_check *check, const qrt_checked *n, const qrt_tensor *recurrent,
                                 const qrt_tensor *h, const qrt_tensor *c) {
    const qrt_tensor *x = &n->x, *y = &n->y;
    RULE(73, x->dtype == QRT_INT8 || (x->dtype == QRT_INT16 && x->zero_point == 0 && h->zero_point == 0));
    RULE(73, h->dtype == x->dtype && y->dtype == x->dtype && c->dtype == QRT_INT16 && c->zero_point == 0);
    RULE(73, y->zero_point == h->zero_point);
    RULE(73, y->scale_bits == 0 || h->scale_bits == 0 || y->scale_bits == h->scale_bits);
    RULE(73, is_weights(&n->b, QRT_INT8) && is_weights(recurrent, QRT_INT8));
    RULE(73, x->rank == 3 && y->rank == 3 && x->shape[0] == y->shape[0] && x->shape[1] == y->shape[1]);
    uint64_t units = (uint64_t)y->shape[2], batch = (uint64_t)x->shape[n->op.time_major ? 1 : 0];
    RULE(73, is_matrix(&n->b, GATES * units, (uint64_t)x->shape[2]) && is_matrix(recurrent, GATES * units, units));
    RULE(73, is_matrix(h, batch, units) && is_matrix(c, batch, units));
    return QRT_OK;
}

/* V74 for one of the requantizations of the gates. */
static int32_t check_gates(qrt_check *check, const qrt_checked *n, uint32_t field, const qrt_requant_data *requant) {
    uint32_t rows = (uint32_t)n->b.shape[0];
    RULE(74, requant->count == GATES || requant->count == rows);
    TRY(check_factors(check, n, 74, field, requant));
    RULE(74, requant->bias == NULL || entries(check, n, field, REQUANT_BIAS) == rows);
    if (requant->addend != NULL) {
        RULE(74, requant->rounding == QRT_SINGLE && requant->bias == NULL);
        RULE(74, entries(check, n, field, REQUANT_ADDEND) == requant->count);
    }
    return QRT_OK;
}

/* V75 for one of them: each gate by itself, since it may have an entry of its own. */
static int32_t check_gate_sums(qrt_check *check, const qrt_checked *n, const qrt_requant_data *requant,
                               const qrt_tensor *x, const qrt_tensor *weights) {
    uint32_t units = (uint32_t)n->y.shape[2], size = (uint32_t)weights->shape[1];
    qrt_requant_data gate = *requant;
    gate.count = requant->count / GATES;
    RULE(75, x->dtype == QRT_INT8 || requant->rounding == QRT_SINGLE);
    for (uint32_t i = 0; i < GATES; i++) {
        gate.multiplier = requant->multiplier + i * gate.count;
        gate.shift = requant->shift + i * gate.count;
        gate.bias = requant->bias != NULL ? requant->bias + i * units : NULL;
        gate.addend = requant->addend != NULL ? requant->addend + i * gate.count : NULL;
        TRY(check_sums(check, x, &gate, weights->data + (size_t)i * units * size, units, size));
    }
    return QRT_OK;
}

int32_t qrt_check_lstm(qrt_check *check, const qrt_checked *n) {
    qrt_tensor recurrent = input(check, n, 2), h = input(check, n, 3), c = input(check, n, 4);
    TRY(check_lstm_shapes(check, n, &recurrent, &h, &c));
    TRY(check_gates(check, n, LSTM_INPUT, &n->op.of_x));
    TRY(check_gates(check, n, LSTM_RECURRENT, &n->op.of_h));
    RULE(74, n->op.of_h.bias == NULL && n->op.of_h.addend == NULL);
    RULE(74, n->op.cell_power >= -29 && n->op.cell_power <= 1 && n->op.cell_clip <= INT16_MAX);
    RULE(74, n->op.output_multiplier >= 0 && n->op.output_shift >= 31 && n->op.output_shift <= MAX_SHIFT);
    TRY(check_gate_sums(check, n, &n->op.of_x, &n->x, &n->b));
    return check_gate_sums(check, n, &n->op.of_h, &h, &recurrent);
}
