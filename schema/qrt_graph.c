/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_graph.c: proves what holds between tensors, edges and operators (V13 to V26): sizes, who writes and who
 * reads what, and when.
 */
#include "qrt_check.h"
#include "qrt_read.h"
#include "qrt_turns.h"

/* Whatever the size of a file, what its edges refer to may have this many bytes (V12). */
#define EDGES_FLOOR ((uint64_t)1 << 20)
#define INFINITY_BITS 0x7f800000u /* of an IEEE 754 binary32; greater ones are NaN or negative */

static int32_t check_shape(qrt_check *check, const qrt_tensor *tensor) {
    uint64_t size = 1;
    RULE(13, tensor->rank >= 1 && tensor->rank <= QRT_MAX_RANK);
    for (uint32_t i = 0; i < tensor->rank; i++) {
        RULE(13, tensor->shape[i] >= 1);
        size *= (uint64_t)tensor->shape[i];
        RULE(13, size <= INT32_MAX);
    }
    return QRT_OK;
}

/* V68 for a tensor in the arena, which ends at `end`. */
static int32_t check_state(qrt_check *check, const qrt_tensor *tensor, uint64_t end) {
    if (tensor->initial == NULL) {
        RULE(68, tensor->arena_offset >= check->model->state_size);
        return QRT_OK;
    }
    RULE(68, end <= check->model->state_size);
    RULE(68, tensor->dtype == QRT_INT8 || tensor->dtype == QRT_INT16);
    RULE(68, tensor->initial_count == 1 || tensor->initial_count == qrt_tensor_bytes(tensor));
    return QRT_OK;
}

static int32_t check_tensor(qrt_check *check, uint32_t index) {
    const uint8_t *bytes = check->model->bytes;
    qrt_tensor tensor;
    qrt_check_at(check, QRT_IN_TENSOR, index);
    qrt_model_tensor(check->model, index, &tensor);
    TRY(check_shape(check, &tensor));
    RULE(14, tensor.scale_bits < INFINITY_BITS);
    RULE(62, tensor.dtype != QRT_INT32 || (tensor.data == NULL && tensor.zero_point == 0));
    uint32_t table = qrt_follow(bytes, check->model->tensors + 4 * index);
    int lives = qrt_field(bytes, table, TENSOR_LIFETIME) != 0;
    RULE(15, (tensor.data != NULL) + (tensor.initial != NULL) + lives == 1);
    if (tensor.data != NULL) {
        RULE(15, qrt_vector_field(bytes, table, TENSOR_DATA).count == qrt_tensor_bytes(&tensor));
        return QRT_OK;
    }
    uint64_t end = tensor.arena_offset + qrt_tensor_bytes(&tensor);
    RULE(16, tensor.arena_offset % QRT_ALIGNMENT == 0);
    RULE(70, tensor.dtype != QRT_INT4);
    return check_state(check, &tensor, end);
}

static int is_arena_tensor(const qrt_model *model, uint32_t index) {
    qrt_tensor tensor;
    if (index >= model->tensor_count) return 0;
    qrt_model_tensor(model, index, &tensor);
    return tensor.data == NULL;
}

/* V17 and V20; leaves the edge's tensor in `tensor`. */
static int32_t check_edge(qrt_check *check, const qrt_edge *edge, qrt_tensor *tensor) {
    RULE(17, is_arena_tensor(check->model, edge->tensor));
    qrt_model_tensor(check->model, edge->tensor, tensor);
    RULE(20, !edge->source_nchw || tensor->rank == 4);
    return QRT_OK;
}

/* V12 for what a host makes objects of: the name, the labels and the scales. */
static int32_t spend_edge(qrt_check *check, const qrt_edge *edge, const qrt_tensor *tensor, uint64_t labels) {
    uint64_t limit = check->model->size > EDGES_FLOOR ? check->model->size : EDGES_FLOOR;
    check->edges += tensor->name.length + labels + (uint64_t)edge->scale_count * 4;
    RULE(12, check->edges <= limit);
    return QRT_OK;
}

/* V61 for the source's dtype, of which an int8 input may be int16. */
static int32_t check_source_dtype(qrt_check *check, const qrt_edge *edge, const qrt_tensor *tensor, int is_input) {
    int source16 = edge->source_dtype == QRT_SOURCE_INT16 || edge->source_dtype == QRT_SOURCE_UINT16;
    if (is_input && tensor->dtype == QRT_INT8 && edge->source_dtype == QRT_SOURCE_INT16) return QRT_OK;
    RULE(61, source16 == (tensor->dtype == QRT_INT16));
    return QRT_OK;
}

/* V61 for the requant of an input of int16 that is int8 here. */
static int32_t check_edge_requant(qrt_check *check, const qrt_edge *edge, const qrt_tensor *tensor, uint32_t table) {
    const uint8_t *bytes = check->model->bytes;
    const qrt_requant_data *requant = &edge->requant;
    uint32_t field = qrt_field(bytes, table, EDGE_REQUANT);
    RULE(61, (field != 0) == (edge->source_dtype == QRT_SOURCE_INT16 && tensor->dtype == QRT_INT8));
    if (field == 0) return QRT_OK;
    RULE(61, requant->count == 1 && qrt_vector_field(bytes, qrt_follow(bytes, field), REQUANT_SHIFT).count == 1);
    RULE(61, requant->bias == NULL && requant->addend == NULL && requant->output_min <= requant->output_max);
    RULE(61, requant->multiplier[0] >= 0 && requant->shift[0] >= 16 && requant->shift[0] <= 55);
    return QRT_OK;
}

/* V62 for the scales of an output. */
static int32_t check_edge_scales(qrt_check *check, const qrt_edge *edge, const qrt_tensor *tensor) {
    int wide = tensor->dtype == QRT_INT32;
    RULE(62, (edge->scale_bits != NULL) == wide);
    if (!wide) return QRT_OK;
    RULE(62, edge->scale_count == (uint32_t)tensor->shape[tensor->rank - 1]);
    for (uint32_t i = 0; i < edge->scale_count; i++) {
        RULE(62, edge->scale_bits[i] > 0 && edge->scale_bits[i] < INFINITY_BITS);
    }
    return QRT_OK;
}

static int32_t check_edges(qrt_check *check) {
    const qrt_model *model = check->model;
    qrt_edge edge, other;
    qrt_tensor tensor;
    for (uint32_t i = 0; i < model->input_count; i++) {
        qrt_check_at(check, QRT_IN_INPUT, i);
        qrt_model_input(model, i, &edge);
        TRY(check_edge(check, &edge, &tensor));
        for (uint32_t k = 0; k < i; k++) {
            qrt_model_input(model, k, &other);
            RULE(18, edge.tensor != other.tensor);
        }
        RULE(19, edge.label_count == 0);
        RULE(62, edge.scale_bits == NULL && tensor.dtype != QRT_INT32);
        RULE(68, tensor.initial == NULL);
        TRY(check_source_dtype(check, &edge, &tensor, 1));
        TRY(check_edge_requant(check, &edge, &tensor, qrt_follow(model->bytes, model->inputs + 4 * i)));
        TRY(spend_edge(check, &edge, &tensor, 0));
    }
    for (uint32_t i = 0; i < model->output_count; i++) {
        qrt_check_at(check, QRT_IN_OUTPUT, i);
        qrt_model_output(model, i, &edge);
        TRY(check_edge(check, &edge, &tensor));
        RULE(19, edge.label_count == 0 || edge.label_count == (uint32_t)tensor.shape[tensor.rank - 1]);
        RULE(61, edge.requant.count == 0);
        TRY(check_source_dtype(check, &edge, &tensor, 0));
        TRY(check_edge_scales(check, &edge, &tensor));
        uint64_t labels = 0;
        for (uint32_t k = 0; k < edge.label_count; k++) labels += 8 + qrt_model_output_label(model, i, k).length;
        TRY(spend_edge(check, &edge, &tensor, labels));
    }
    return QRT_OK;
}

static int32_t check_test_vector(qrt_check *check, uint32_t index) {
    const qrt_model *model = check->model;
    const uint8_t *bytes = model->bytes;
    uint32_t table = qrt_follow(bytes, model->test_vectors + 4 * index);
    qrt_check_at(check, QRT_IN_TEST_VECTOR, index);
    for (uint32_t side = TEST_VECTOR_INPUTS; side <= TEST_VECTOR_OUTPUTS; side++) {
        qrt_vector codes = qrt_vector_field(bytes, table, side);
        RULE(21, codes.count == (side == TEST_VECTOR_INPUTS ? model->input_count : model->output_count));
        for (uint32_t i = 0; i < codes.count; i++) {
            qrt_edge edge;
            qrt_tensor tensor;
            if (side == TEST_VECTOR_INPUTS) {
                qrt_model_input(model, i, &edge);
            } else {
                qrt_model_output(model, i, &edge);
            }
            qrt_model_tensor(model, edge.tensor, &tensor);
            uint32_t data = qrt_follow(bytes, codes.first + 4 * i);
            RULE(21, qrt_vector_field(bytes, data, CODES_DATA).count == qrt_tensor_bytes(&tensor));
        }
    }
    return QRT_OK;
}

/* V62 and V70: the dtypes of input i and of the output y. Of operators with states their own rules say more. */
static int32_t check_dtypes(qrt_check *check, const qrt_operands *op, uint32_t i, const qrt_tensor *x,
                            const qrt_tensor *y) {
    const qrt_facts *facts = &qrt_operator_facts[op->kind];
    int is_weights = facts->has_weights && i == 1;
    RULE(62, (x->dtype == QRT_INT32) == (op->kind == QRT_REQUANTIZE_SUM && i == 0));
    RULE(70, x->dtype != QRT_INT4 || (is_weights && op->kind != QRT_TRANSPOSE_CONV2D));
    if (facts->moves) {
        RULE(70, x->dtype == y->dtype);
    } else if (facts->states == 0) {
        RULE(70, x->dtype != QRT_INT16 || (facts->row16 != 0 && !is_weights && y->dtype != QRT_INT32));
        RULE(70, y->dtype != QRT_INT16 || facts->row16 != 0);
    }
    return QRT_OK;
}

/* V22 to V25. */
static int32_t check_operands(qrt_check *check, uint32_t index) {
    const qrt_model *model = check->model;
    const qrt_facts *facts;
    qrt_operands op;
    qrt_tensor x, y;
    qrt_check_at(check, QRT_IN_OPERATOR, index);
    qrt_read_operands(model, index, &op);
    facts = &qrt_operator_facts[op.kind];
    RULE(23, op.input_count >= facts->least_inputs && op.input_count <= facts->most_inputs);
    RULE(22, is_arena_tensor(model, op.output));
    qrt_model_tensor(model, op.output, &y);
    RULE(68, (y.initial != NULL) == facts->writes_state);
    RULE(24, y.initial != NULL || y.first == index + 1);
    RULE(62, y.dtype != QRT_INT32 || facts->accumulates);
    for (uint32_t i = 0; i < op.input_count; i++) {
        RULE(22, op.inputs[i] < model->tensor_count);
        qrt_model_tensor(model, op.inputs[i], &x);
        RULE(68, i + facts->states < op.input_count || x.initial != NULL);
        TRY(check_dtypes(check, &op, i, &x, &y));
        if (x.data != NULL) continue;
        RULE(25, x.first <= index && op.inputs[i] != op.output);
        RULE(26, x.last >= index + 1);
    }
    return QRT_OK;
}

/* V68: whether exactly one operator updates a state. Of the states that an operator has, none is another one's too. */
static int has_one_writer(const qrt_model *model, uint32_t state) {
    uint32_t writers = 0;
    for (uint32_t i = 0; i < model->operator_count; i++) {
        qrt_operands op;
        qrt_read_operands(model, i, &op);
        writers += op.output == state;
        for (uint32_t k = op.input_count - qrt_operator_facts[op.kind].states; k < op.input_count; k++) {
            writers += op.inputs[k] == state;
        }
    }
    return writers == 1;
}

static int is_model_input(const qrt_model *model, uint32_t tensor) {
    qrt_edge edge;
    for (uint32_t i = 0; i < model->input_count; i++) {
        qrt_model_input(model, i, &edge);
        if (edge.tensor == tensor) return 1;
    }
    return 0;
}

static int is_model_output(const qrt_model *model, uint32_t tensor) {
    qrt_edge edge;
    for (uint32_t i = 0; i < model->output_count; i++) {
        qrt_model_output(model, i, &edge);
        if (edge.tensor == tensor) return 1;
    }
    return 0;
}

static int reads(const qrt_model *model, uint32_t index, uint32_t tensor) {
    qrt_operands op;
    qrt_read_operands(model, index, &op);
    for (uint32_t i = 0; i < op.input_count; i++) {
        if (op.inputs[i] == tensor) return 1;
    }
    return 0;
}

/* V24 and V26 seen from a tensor; check_operands() has looked from the operators. That no reader comes
 * after `last` is known, so `last` is exact when somebody is there. */
static int32_t check_lifetime(qrt_check *check, uint32_t index) {
    const qrt_model *model = check->model;
    qrt_tensor tensor;
    qrt_operands op;
    qrt_check_at(check, QRT_IN_TENSOR, index);
    qrt_model_tensor(model, index, &tensor);
    if (tensor.data != NULL) return QRT_OK;
    if (tensor.initial != NULL) {
        RULE(68, has_one_writer(model, index));
        return QRT_OK;
    }
    int is_input = is_model_input(model, index);
    RULE(24, (tensor.first == 0) == is_input);
    if (!is_input) {
        RULE(24, tensor.first <= model->operator_count);
        qrt_read_operands(model, tensor.first - 1, &op);
        RULE(24, op.output == index);
    }
    int is_output = is_model_output(model, index);
    RULE(26, (tensor.last == model->operator_count + 1) == is_output);
    if (!is_output && tensor.last != tensor.first) {
        RULE(26, tensor.last > tensor.first && tensor.last <= model->operator_count);
        RULE(26, reads(model, tensor.last - 1, index));
    }
    return QRT_OK;
}

int32_t qrt_check_graph(qrt_check *check) {
    const qrt_model *model = check->model;
    TRY(qrt_check_bands(check));
    for (uint32_t i = 0; i < model->tensor_count; i++) TRY(check_tensor(check, i));
    TRY(check_edges(check));
    for (uint32_t i = 0; i < model->test_vector_count; i++) TRY(check_test_vector(check, i));
    for (uint32_t i = 0; i < model->operator_count; i++) TRY(check_operands(check, i));
    for (uint32_t i = 0; i < model->tensor_count; i++) TRY(check_lifetime(check, i));
    return QRT_OK;
}
