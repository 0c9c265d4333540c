/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_decode.c: reads tensors, operators, edges and test vectors out of a .qfb file, without checks.
 *
 * The validator calls it for what its earlier parts have proved; once the file is open anyone may.
 */
#include <string.h>

#include "qrt_check.h"
#include "qrt_model.h"
#include "qrt_read.h"

/* -- values of fields; the default where a table leaves the field out -- */

static int32_t byte_field(const uint8_t *bytes, uint32_t table, uint32_t number, int32_t absent) {
    uint32_t field = qrt_field(bytes, table, number);
    return field == 0 ? absent : (int8_t)bytes[field];
}

static int32_t short_field(const uint8_t *bytes, uint32_t table, uint32_t number, int32_t absent) {
    uint32_t field = qrt_field(bytes, table, number);
    return field == 0 ? absent : (int16_t)qrt_read_u16(bytes, field);
}

static int32_t ubyte_field(const uint8_t *bytes, uint32_t table, uint32_t number) {
    uint32_t field = qrt_field(bytes, table, number);
    return field == 0 ? 0 : bytes[field];
}

static uint32_t uint_field(const uint8_t *bytes, uint32_t table, uint32_t number, uint32_t absent) {
    uint32_t field = qrt_field(bytes, table, number);
    return field == 0 ? absent : qrt_read_u32(bytes, field);
}

static uint64_t ulong_at(const uint8_t *bytes, uint32_t field) {
    uint64_t value = 0;
    if (field != 0) memcpy(&value, bytes + field, sizeof value);
    return value;
}

static int32_t int_field(const uint8_t *bytes, uint32_t table, uint32_t number) {
    return (int32_t)uint_field(bytes, table, number, 0);
}

static uint32_t table_field(const uint8_t *bytes, uint32_t table, uint32_t number) {
    return qrt_follow(bytes, qrt_field(bytes, table, number));
}

/* The elements of a vector, where they lie; NULL where the field is left out. */
static const void *elements(const uint8_t *bytes, qrt_vector vector) {
    return vector.first == 0 ? NULL : bytes + vector.first;
}

static const void *vector_field(const uint8_t *bytes, uint32_t table, uint32_t number) {
    return elements(bytes, qrt_vector_field(bytes, table, number));
}

static qrt_text text_at(const uint8_t *bytes, qrt_vector vector) {
    qrt_text text;
    text.text = elements(bytes, vector);
    text.length = vector.count;
    return text;
}

static qrt_text text_field(const uint8_t *bytes, uint32_t table, uint32_t number) {
    return text_at(bytes, qrt_vector_field(bytes, table, number));
}

/* -- reading -- */

void qrt_read_model(qrt_model *model) {
    const uint8_t *bytes = model->bytes;
    uint32_t root = qrt_follow(bytes, 0);
    qrt_vector vector;
    model->arena_size = uint_field(bytes, root, MODEL_ARENA_SIZE, 0);
    model->state_size = uint_field(bytes, root, MODEL_STATE_SIZE, 0);
    model->producer = text_field(bytes, root, MODEL_PRODUCER);
    model->name = text_field(bytes, root, MODEL_NAME);
    vector = qrt_vector_field(bytes, root, MODEL_TENSORS);
    model->tensors = vector.first;
    model->tensor_count = vector.count;
    vector = qrt_vector_field(bytes, root, MODEL_OPERATORS);
    model->operators = vector.first;
    model->operator_count = vector.count;
    vector = qrt_vector_field(bytes, root, MODEL_INPUTS);
    model->inputs = vector.first;
    model->input_count = vector.count;
    vector = qrt_vector_field(bytes, root, MODEL_OUTPUTS);
    model->outputs = vector.first;
    model->output_count = vector.count;
    vector = qrt_vector_field(bytes, root, MODEL_TEST_VECTORS);
    model->test_vectors = vector.first;
    model->test_vector_count = vector.count;
    vector = qrt_vector_field(bytes, root, MODEL_BANDS);
    model->bands = vector.first;
    model->band_count = vector.count;
}

void qrt_model_tensor(const qrt_model *model, uint32_t index, qrt_tensor *tensor) {
    const uint8_t *bytes = model->bytes;
    uint32_t table = qrt_follow(bytes, model->tensors + 4 * index);
    qrt_vector shape = qrt_vector_field(bytes, table, TENSOR_SHAPE);
    uint32_t lifetime = qrt_field(bytes, table, TENSOR_LIFETIME);
    memset(tensor, 0, sizeof *tensor);
    tensor->name = text_field(bytes, table, TENSOR_NAME);
    tensor->rank = shape.count;
    tensor->size = 1;
    for (uint32_t i = 0; i < shape.count && i < QRT_MAX_RANK; i++) {
        uint32_t length = qrt_read_u32(bytes, shape.first + 4 * i);
        tensor->shape[i] = (int32_t)length;
        tensor->size *= length;
    }
    tensor->dtype = ubyte_field(bytes, table, TENSOR_DTYPE);
    tensor->zero_point = tensor->dtype == QRT_INT16 ? short_field(bytes, table, TENSOR_ZERO_POINT16, 0)
                                                    : byte_field(bytes, table, TENSOR_ZERO_POINT, 0);
    tensor->scale_bits = uint_field(bytes, table, TENSOR_SCALE, 0);
    tensor->data = vector_field(bytes, table, TENSOR_DATA);
    tensor->arena_offset = uint_field(bytes, table, TENSOR_ARENA_OFFSET, 0);
    if (lifetime != 0) {
        tensor->first = qrt_read_u16(bytes, lifetime);
        tensor->last = qrt_read_u16(bytes, lifetime + 2);
    }
    qrt_vector initial = qrt_vector_field(bytes, table, TENSOR_INITIAL);
    tensor->initial = elements(bytes, initial);
    tensor->initial_count = initial.count;
    if (tensor->initial != NULL) tensor->last = model->operator_count + 1;
}

/* `int16`: whether the output is of that. */
static void read_requant(const uint8_t *bytes, uint32_t table, int int16, qrt_requant_data *requant) {
    qrt_vector multiplier = qrt_vector_field(bytes, table, REQUANT_MULTIPLIER);
    requant->multiplier = elements(bytes, multiplier);
    requant->count = multiplier.count;
    requant->shift = vector_field(bytes, table, REQUANT_SHIFT);
    requant->bias = vector_field(bytes, table, REQUANT_BIAS);
    requant->addend = vector_field(bytes, table, REQUANT_ADDEND);
    requant->rounding = ubyte_field(bytes, table, REQUANT_ROUNDING);
    requant->output_min = int16 ? short_field(bytes, table, REQUANT_OUTPUT_MIN16, INT16_MIN)
                                : byte_field(bytes, table, REQUANT_OUTPUT_MIN, INT8_MIN);
    requant->output_max = int16 ? short_field(bytes, table, REQUANT_OUTPUT_MAX16, INT16_MAX)
                                : byte_field(bytes, table, REQUANT_OUTPUT_MAX, INT8_MAX);
}

static void read_window(const uint8_t *bytes, uint32_t position, qrt_window *window) {
    window->filter_height = qrt_read_u16(bytes, position);
    window->filter_width = qrt_read_u16(bytes, position + 2);
    window->stride_y = qrt_read_u16(bytes, position + 4);
    window->stride_x = qrt_read_u16(bytes, position + 6);
    window->dilation_y = qrt_read_u16(bytes, position + 8);
    window->dilation_x = qrt_read_u16(bytes, position + 10);
    window->pad_top = qrt_read_u16(bytes, position + 12);
    window->pad_bottom = qrt_read_u16(bytes, position + 14);
    window->pad_left = qrt_read_u16(bytes, position + 16);
    window->pad_right = qrt_read_u16(bytes, position + 18);
}

static void read_add(const uint8_t *bytes, uint32_t table, qrt_add_data *add) {
    add->form = ubyte_field(bytes, table, ADD_FORM);
    add->a_multiplier = int_field(bytes, table, ADD_A_MULTIPLIER);
    add->b_multiplier = int_field(bytes, table, ADD_B_MULTIPLIER);
    add->y_multiplier = int_field(bytes, table, ADD_Y_MULTIPLIER);
    add->shift = ubyte_field(bytes, table, ADD_SHIFT);
    add->a_shift = ubyte_field(bytes, table, ADD_A_SHIFT);
    add->b_shift = ubyte_field(bytes, table, ADD_B_SHIFT);
    add->y_shift = ubyte_field(bytes, table, ADD_Y_SHIFT);
    add->subtract = ubyte_field(bytes, table, ADD_SUBTRACT);
}

/* Its numbers have the places of add's in form TFLITE. */
static void read_squared_difference(const uint8_t *bytes, uint32_t table, qrt_add_data *add) {
    add->form = QRT_TFLITE;
    add->a_multiplier = int_field(bytes, table, SQUARED_DIFFERENCE_A_MULTIPLIER);
    add->b_multiplier = int_field(bytes, table, SQUARED_DIFFERENCE_B_MULTIPLIER);
    add->y_multiplier = int_field(bytes, table, SQUARED_DIFFERENCE_Y_MULTIPLIER);
    add->a_shift = ubyte_field(bytes, table, SQUARED_DIFFERENCE_A_SHIFT);
    add->b_shift = ubyte_field(bytes, table, SQUARED_DIFFERENCE_B_SHIFT);
    add->y_shift = ubyte_field(bytes, table, SQUARED_DIFFERENCE_Y_SHIFT);
}

/* Of options that have such fields; `int16`: whether the output is of that. */
static void read_output_range(const uint8_t *bytes, uint32_t table, const qrt_facts *facts, int int16,
                              qrt_operator *op) {
    op->output_min = int16 ? INT16_MIN : INT8_MIN;
    op->output_max = int16 ? INT16_MAX : INT8_MAX;
    if (int16 && facts->output_min16 != 0) {
        op->output_min = short_field(bytes, table, facts->output_min16 - 1u, INT16_MIN);
        op->output_max = short_field(bytes, table, facts->output_min16, INT16_MAX);
    } else if (!int16 && facts->output_min != 0) {
        op->output_min = byte_field(bytes, table, facts->output_min - 1u, INT8_MIN);
        op->output_max = byte_field(bytes, table, facts->output_min, INT8_MAX);
    }
}

static void read_log_softmax(const uint8_t *bytes, uint32_t table, qrt_operator *op) {
    qrt_vector exponential = qrt_vector_field(bytes, table, LOG_SOFTMAX_EXPONENTIAL);
    op->exponential = elements(bytes, exponential);
    op->exponential_count = exponential.count;
    op->row_multiplier = (int64_t)ulong_at(bytes, qrt_field(bytes, table, LOG_SOFTMAX_MULTIPLIER));
    op->log_multiplier = int_field(bytes, table, LOG_SOFTMAX_LOG_MULTIPLIER);
    op->row_addend = (int64_t)ulong_at(bytes, qrt_field(bytes, table, LOG_SOFTMAX_ADDEND));
    op->shift = ubyte_field(bytes, table, LOG_SOFTMAX_SHIFT);
    op->softmax_form = ubyte_field(bytes, table, LOG_SOFTMAX_FORM);
}

static void read_softmax(const uint8_t *bytes, uint32_t table, qrt_operator *op) {
    uint32_t numerator = qrt_field(bytes, table, SOFTMAX_NUMERATOR);
    qrt_vector exponential = qrt_vector_field(bytes, table, SOFTMAX_EXPONENTIAL);
    op->exponential = elements(bytes, exponential);
    op->exponential_count = exponential.count;
    op->numerator = ulong_at(bytes, numerator);
    op->shift = ubyte_field(bytes, table, SOFTMAX_SHIFT);
    op->softmax_form = ubyte_field(bytes, table, SOFTMAX_FORM);
    op->activation.multiplier = int_field(bytes, table, SOFTMAX_MULTIPLIER);
}

static void read_layer_norm(const uint8_t *bytes, uint32_t table, qrt_operator *op) {
    op->epsilon = ulong_at(bytes, qrt_field(bytes, table, LAYER_NORM_EPSILON));
    op->epsilon_bits = ubyte_field(bytes, table, LAYER_NORM_EPSILON_BITS);
    op->multiplier = vector_field(bytes, table, LAYER_NORM_MULTIPLIER);
    op->addend = vector_field(bytes, table, LAYER_NORM_ADDEND);
    op->shift = ubyte_field(bytes, table, LAYER_NORM_SHIFT);
}

static void read_lstm(const uint8_t *bytes, uint32_t table, qrt_operator *op) {
    read_requant(bytes, table_field(bytes, table, LSTM_INPUT), 1, &op->of_x);
    read_requant(bytes, table_field(bytes, table, LSTM_RECURRENT), 1, &op->of_h);
    op->time_major = ubyte_field(bytes, table, LSTM_TIME_MAJOR);
    op->cell_power = byte_field(bytes, table, LSTM_CELL_POWER, 0);
    op->cell_clip = (uint16_t)short_field(bytes, table, LSTM_CELL_CLIP, 0);
    op->output_multiplier = int_field(bytes, table, LSTM_OUTPUT_MULTIPLIER);
    op->output_shift = ubyte_field(bytes, table, LSTM_OUTPUT_SHIFT);
}

static void read_leaky_relu(const uint8_t *bytes, uint32_t table, qrt_activation_data *activation) {
    activation->multiplier = int_field(bytes, table, LEAKY_RELU_MULTIPLIER);
    activation->shift = ubyte_field(bytes, table, LEAKY_RELU_SHIFT);
    activation->negative_multiplier = int_field(bytes, table, LEAKY_RELU_NEGATIVE_MULTIPLIER);
    activation->negative_shift = ubyte_field(bytes, table, LEAKY_RELU_NEGATIVE_SHIFT);
    activation->negate = ubyte_field(bytes, table, LEAKY_RELU_NEGATE);
}

/* The fields of `op` that only its kind has, out of the table `options`. */
static void read_special(const uint8_t *bytes, uint32_t options, qrt_operator *op) {
    qrt_vector multiplier;
    switch (op->kind) {
    case QRT_CONV2D:
        op->groups = (int32_t)uint_field(bytes, options, CONV2D_GROUPS, 1);
        break;
    case QRT_ADD:
        read_add(bytes, options, &op->add);
        break;
    case QRT_SQUARED_DIFFERENCE:
        read_squared_difference(bytes, options, &op->add);
        break;
    case QRT_LAYER_NORM:
        read_layer_norm(bytes, options, op);
        break;
    case QRT_LOG_SOFTMAX:
        read_log_softmax(bytes, options, op);
        break;
    case QRT_AVERAGE_POOL2D:
        op->pool_rounding = ubyte_field(bytes, options, AVERAGE_POOL2D_ROUNDING);
        break;
    case QRT_PAD:
        op->pad_before = vector_field(bytes, options, PAD_BEFORE);
        op->pad_after = vector_field(bytes, options, PAD_AFTER);
        op->pad_value = byte_field(bytes, options, PAD_VALUE, 0);
        break;
    case QRT_CONCAT:
        op->axis = ubyte_field(bytes, options, CONCAT_AXIS);
        break;
    case QRT_PUSH:
        op->axis = ubyte_field(bytes, options, PUSH_AXIS);
        break;
    case QRT_TRANSPOSE:
        op->permutation = vector_field(bytes, options, TRANSPOSE_PERMUTATION);
        break;
    case QRT_SOFTMAX:
        read_softmax(bytes, options, op);
        break;
    case QRT_LUT:
        op->lut = vector_field(bytes, options, LUT_TABLE);
        break;
    case QRT_SIGMOID:
        op->activation.multiplier = int_field(bytes, options, SIGMOID_MULTIPLIER);
        op->activation.shift = ubyte_field(bytes, options, SIGMOID_SHIFT);
        break;
    case QRT_TANH:
        op->activation.multiplier = int_field(bytes, options, TANH_MULTIPLIER);
        op->activation.shift = ubyte_field(bytes, options, TANH_SHIFT);
        break;
    case QRT_LEAKY_RELU:
        read_leaky_relu(bytes, options, &op->activation);
        break;
    case QRT_SLICE:
        op->begin = vector_field(bytes, options, SLICE_BEGIN);
        op->stride = vector_field(bytes, options, SLICE_STRIDE);
        break;
    case QRT_RESIZE2D:
        op->rows = vector_field(bytes, options, RESIZE2D_ROWS);
        op->columns = vector_field(bytes, options, RESIZE2D_COLUMNS);
        op->row_weight = vector_field(bytes, options, RESIZE2D_ROW_WEIGHT);
        op->column_weight = vector_field(bytes, options, RESIZE2D_COLUMN_WEIGHT);
        break;
    case QRT_REQUANTIZE_SUM:
        multiplier = qrt_vector_field(bytes, options, REQUANTIZE_SUM_B_MULTIPLIER);
        op->b_multiplier = elements(bytes, multiplier);
        op->b_multiplier_count = multiplier.count;
        break;
    case QRT_SVDF:
        read_requant(bytes, table_field(bytes, options, SVDF_FEATURE), 0, &op->of_x);
        op->filter_rank = uint_field(bytes, options, SVDF_RANK, 1);
        break;
    case QRT_LSTM:
        read_lstm(bytes, options, op);
        break;
    default: /* the others have none */
        break;
    }
}

/* What the table `options` of the operator's kind holds. */
static void read_options(const uint8_t *bytes, uint32_t options, int int16, qrt_operator *op) {
    const qrt_facts *facts = &qrt_operator_facts[op->kind];
    if (facts->requant != 0) read_requant(bytes, table_field(bytes, options, facts->requant - 1u), int16, &op->requant);
    if (facts->window != 0) read_window(bytes, qrt_field(bytes, options, facts->window - 1u), &op->window);
    read_output_range(bytes, options, facts, int16, op);
    read_special(bytes, options, op);
}

void qrt_read_operands(const qrt_model *model, uint32_t index, qrt_operands *operands) {
    const uint8_t *bytes = model->bytes;
    uint32_t table = qrt_follow(bytes, model->operators + 4 * index);
    qrt_vector inputs = qrt_vector_field(bytes, table, OPERATOR_INPUTS);
    operands->kind = ubyte_field(bytes, table, OPERATOR_OPTIONS_TYPE);
    operands->inputs = elements(bytes, inputs);
    operands->input_count = inputs.count;
    operands->output = uint_field(bytes, table, OPERATOR_OUTPUT, 0);
}

void qrt_model_operator(const qrt_model *model, uint32_t index, qrt_operator *op) {
    const uint8_t *bytes = model->bytes;
    uint32_t table = qrt_follow(bytes, model->operators + 4 * index);
    qrt_operands operands;
    qrt_read_operands(model, index, &operands);
    memset(op, 0, sizeof *op);
    op->kind = operands.kind;
    op->name = text_field(bytes, table, OPERATOR_NAME);
    op->inputs = operands.inputs;
    op->input_count = operands.input_count;
    op->output = operands.output;
    op->overlap = ubyte_field(bytes, table, OPERATOR_OVERLAP);
    uint32_t output = qrt_follow(bytes, model->tensors + 4 * op->output);
    int int16 = ubyte_field(bytes, output, TENSOR_DTYPE) == QRT_INT16;
    read_options(bytes, table_field(bytes, table, OPERATOR_OPTIONS), int16, op);
}

static void read_edge(const qrt_model *model, uint32_t table, qrt_edge *edge) {
    edge->tensor = uint_field(model->bytes, table, EDGE_TENSOR, 0);
    edge->quantize_rule = ubyte_field(model->bytes, table, EDGE_QUANTIZE_RULE);
    edge->source_nchw = ubyte_field(model->bytes, table, EDGE_SOURCE_LAYOUT);
    edge->source_dtype = ubyte_field(model->bytes, table, EDGE_SOURCE_DTYPE);
    memset(&edge->requant, 0, sizeof edge->requant);
    if (qrt_field(model->bytes, table, EDGE_REQUANT) != 0) {
        read_requant(model->bytes, table_field(model->bytes, table, EDGE_REQUANT), 0, &edge->requant);
    }
    edge->label_count = qrt_vector_field(model->bytes, table, EDGE_LABELS).count;
    qrt_vector scales = qrt_vector_field(model->bytes, table, EDGE_SCALES);
    edge->scale_bits = elements(model->bytes, scales);
    edge->scale_count = scales.count;
}

void qrt_model_input(const qrt_model *model, uint32_t index, qrt_edge *edge) {
    read_edge(model, qrt_follow(model->bytes, model->inputs + 4 * index), edge);
}

void qrt_model_output(const qrt_model *model, uint32_t index, qrt_edge *edge) {
    read_edge(model, qrt_follow(model->bytes, model->outputs + 4 * index), edge);
}

qrt_text qrt_model_output_label(const qrt_model *model, uint32_t index, uint32_t label) {
    const uint8_t *bytes = model->bytes;
    uint32_t edge = qrt_follow(bytes, model->outputs + 4 * index);
    uint32_t start = qrt_follow(bytes, qrt_vector_field(bytes, edge, EDGE_LABELS).first + 4 * label);
    qrt_vector characters = {start + 4, qrt_read_u32(bytes, start)};
    return text_at(bytes, characters);
}

qrt_text qrt_model_preprocessing(const qrt_model *model) {
    return text_field(model->bytes, qrt_follow(model->bytes, 0), MODEL_PREPROCESSING);
}

static const int8_t *test_codes(const qrt_model *model, uint32_t index, uint32_t side, uint32_t edge) {
    const uint8_t *bytes = model->bytes;
    uint32_t vector = qrt_follow(bytes, model->test_vectors + 4 * index);
    uint32_t codes = qrt_follow(bytes, qrt_vector_field(bytes, vector, side).first + 4 * edge);
    return vector_field(bytes, codes, CODES_DATA);
}

const int8_t *qrt_model_test_input(const qrt_model *model, uint32_t index, uint32_t edge) {
    return test_codes(model, index, TEST_VECTOR_INPUTS, edge);
}

const int8_t *qrt_model_test_output(const qrt_model *model, uint32_t index, uint32_t edge) {
    return test_codes(model, index, TEST_VECTOR_OUTPUTS, edge);
}

int32_t qrt_model_test_continues(const qrt_model *model, uint32_t index) {
    return ubyte_field(model->bytes, qrt_follow(model->bytes, model->test_vectors + 4 * index), TEST_VECTOR_CONTINUES);
}

void qrt_model_reset(const qrt_model *model, void *arena) {
    for (uint32_t i = 0; i < model->tensor_count; i++) {
        qrt_tensor tensor;
        qrt_model_tensor(model, i, &tensor);
        if (tensor.initial == NULL) continue;
        uint8_t *place = (uint8_t *)arena + tensor.arena_offset;
        if (tensor.initial_count == 1) {
            memset(place, tensor.initial[0], (size_t)qrt_tensor_bytes(&tensor));
        } else {
            memcpy(place, tensor.initial, tensor.initial_count);
        }
    }
}
