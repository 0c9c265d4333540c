/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_tables.c: the fields of each table, and what is known of each operator.
 * Written by schema/generate.py (make generate) from qrt.fbs. */
#include "qrt_tables.h"

/* clang-format off */
static const qrt_field_type tensor_fields[] = {
    [TENSOR_NAME] = TEXT,
    [TENSOR_SHAPE] = VECTOR(4, 1),
    [TENSOR_DTYPE] = ENUMERATION(3),
    [TENSOR_ZERO_POINT] = SCALAR(1),
    [TENSOR_SCALE] = SCALAR(4),
    [TENSOR_ARENA_OFFSET] = SCALAR(4),
    [TENSOR_LIFETIME] = STRUCTURE(4, 2, 0),
    [TENSOR_DATA] = CODES(0),
    [TENSOR_INITIAL] = VECTOR(1, 0),
    [TENSOR_ZERO_POINT16] = SCALAR(2),
};
static const qrt_field_type requant_fields[] = {
    [REQUANT_MULTIPLIER] = VECTOR(4, 1),
    [REQUANT_SHIFT] = VECTOR(1, 1),
    [REQUANT_BIAS] = VECTOR(4, 0),
    [REQUANT_ADDEND] = VECTOR(8, 0),
    [REQUANT_ROUNDING] = ENUMERATION(1),
    [REQUANT_OUTPUT_MIN] = SCALAR(1),
    [REQUANT_OUTPUT_MAX] = SCALAR(1),
    [REQUANT_OUTPUT_MIN16] = SCALAR(2),
    [REQUANT_OUTPUT_MAX16] = SCALAR(2),
};
static const qrt_field_type conv2d_fields[] = {
    [CONV2D_WINDOW] = STRUCTURE(20, 2, 1),
    [CONV2D_GROUPS] = SCALAR(4),
    [CONV2D_REQUANT] = TABLE,
};
static const qrt_field_type dwconv2d_fields[] = {
    [DWCONV2D_WINDOW] = STRUCTURE(20, 2, 1),
    [DWCONV2D_REQUANT] = TABLE,
};
static const qrt_field_type linear_fields[] = {
    [LINEAR_REQUANT] = TABLE,
};
static const qrt_field_type add_fields[] = {
    [ADD_FORM] = ENUMERATION(1),
    [ADD_A_MULTIPLIER] = SCALAR(4),
    [ADD_B_MULTIPLIER] = SCALAR(4),
    [ADD_SHIFT] = SCALAR(1),
    [ADD_A_SHIFT] = SCALAR(1),
    [ADD_B_SHIFT] = SCALAR(1),
    [ADD_Y_MULTIPLIER] = SCALAR(4),
    [ADD_Y_SHIFT] = SCALAR(1),
    [ADD_OUTPUT_MIN] = SCALAR(1),
    [ADD_OUTPUT_MAX] = SCALAR(1),
    [ADD_SUBTRACT] = ENUMERATION(1),
    [ADD_OUTPUT_MIN16] = SCALAR(2),
    [ADD_OUTPUT_MAX16] = SCALAR(2),
};
static const qrt_field_type mul_fields[] = {
    [MUL_REQUANT] = TABLE,
};
static const qrt_field_type average_pool2d_fields[] = {
    [AVERAGE_POOL2D_WINDOW] = STRUCTURE(20, 2, 1),
    [AVERAGE_POOL2D_ROUNDING] = ENUMERATION(2),
    [AVERAGE_POOL2D_OUTPUT_MIN] = SCALAR(1),
    [AVERAGE_POOL2D_OUTPUT_MAX] = SCALAR(1),
    [AVERAGE_POOL2D_OUTPUT_MIN16] = SCALAR(2),
    [AVERAGE_POOL2D_OUTPUT_MAX16] = SCALAR(2),
};
static const qrt_field_type max_pool2d_fields[] = {
    [MAX_POOL2D_WINDOW] = STRUCTURE(20, 2, 1),
    [MAX_POOL2D_OUTPUT_MIN] = SCALAR(1),
    [MAX_POOL2D_OUTPUT_MAX] = SCALAR(1),
    [MAX_POOL2D_OUTPUT_MIN16] = SCALAR(2),
    [MAX_POOL2D_OUTPUT_MAX16] = SCALAR(2),
};
static const qrt_field_type mean_fields[] = {
    [MEAN_REQUANT] = TABLE,
};
static const qrt_field_type pad_fields[] = {
    [PAD_BEFORE] = VECTOR(4, 1),
    [PAD_AFTER] = VECTOR(4, 1),
    [PAD_VALUE] = SCALAR(1),
};
static const qrt_field_type concat_fields[] = {
    [CONCAT_AXIS] = SCALAR(1),
};
static const qrt_field_type transpose_fields[] = {
    [TRANSPOSE_PERMUTATION] = VECTOR(1, 1),
};
static const qrt_field_type requantize_fields[] = {
    [REQUANTIZE_REQUANT] = TABLE,
};
static const qrt_field_type clamp_fields[] = {
    [CLAMP_OUTPUT_MIN] = SCALAR(1),
    [CLAMP_OUTPUT_MAX] = SCALAR(1),
    [CLAMP_OUTPUT_MIN16] = SCALAR(2),
    [CLAMP_OUTPUT_MAX16] = SCALAR(2),
};
static const qrt_field_type softmax_fields[] = {
    [SOFTMAX_EXPONENTIAL] = VECTOR(4, 1),
    [SOFTMAX_NUMERATOR] = SCALAR(8),
    [SOFTMAX_SHIFT] = SCALAR(1),
    [SOFTMAX_FORM] = ENUMERATION(1),
    [SOFTMAX_MULTIPLIER] = SCALAR(4),
};
static const qrt_field_type lut_fields[] = {
    [LUT_TABLE] = VECTOR(1, 1),
};
static const qrt_field_type slice_fields[] = {
    [SLICE_BEGIN] = VECTOR(4, 1),
    [SLICE_STRIDE] = VECTOR(4, 1),
};
static const qrt_field_type resize2d_fields[] = {
    [RESIZE2D_ROWS] = VECTOR(2, 1),
    [RESIZE2D_COLUMNS] = VECTOR(2, 1),
    [RESIZE2D_ROW_WEIGHT] = VECTOR(2, 0),
    [RESIZE2D_COLUMN_WEIGHT] = VECTOR(2, 0),
};
static const qrt_field_type transpose_conv2d_fields[] = {
    [TRANSPOSE_CONV2D_WINDOW] = STRUCTURE(20, 2, 1),
    [TRANSPOSE_CONV2D_REQUANT] = TABLE,
};
static const qrt_field_type matmul_fields[] = {
    [MATMUL_REQUANT] = TABLE,
};
static const qrt_field_type requantize_sum_fields[] = {
    [REQUANTIZE_SUM_REQUANT] = TABLE,
    [REQUANTIZE_SUM_B_MULTIPLIER] = VECTOR(8, 1),
};
static const qrt_field_type squared_difference_fields[] = {
    [SQUARED_DIFFERENCE_A_MULTIPLIER] = SCALAR(4),
    [SQUARED_DIFFERENCE_B_MULTIPLIER] = SCALAR(4),
    [SQUARED_DIFFERENCE_A_SHIFT] = SCALAR(1),
    [SQUARED_DIFFERENCE_B_SHIFT] = SCALAR(1),
    [SQUARED_DIFFERENCE_Y_MULTIPLIER] = SCALAR(4),
    [SQUARED_DIFFERENCE_Y_SHIFT] = SCALAR(1),
    [SQUARED_DIFFERENCE_OUTPUT_MIN] = SCALAR(1),
    [SQUARED_DIFFERENCE_OUTPUT_MAX] = SCALAR(1),
};
static const qrt_field_type layer_norm_fields[] = {
    [LAYER_NORM_EPSILON] = SCALAR(8),
    [LAYER_NORM_EPSILON_BITS] = SCALAR(1),
    [LAYER_NORM_MULTIPLIER] = VECTOR(4, 1),
    [LAYER_NORM_ADDEND] = VECTOR(8, 1),
    [LAYER_NORM_SHIFT] = SCALAR(1),
};
static const qrt_field_type log_softmax_fields[] = {
    [LOG_SOFTMAX_EXPONENTIAL] = VECTOR(4, 1),
    [LOG_SOFTMAX_MULTIPLIER] = SCALAR(8),
    [LOG_SOFTMAX_LOG_MULTIPLIER] = SCALAR(4),
    [LOG_SOFTMAX_ADDEND] = SCALAR(8),
    [LOG_SOFTMAX_SHIFT] = SCALAR(1),
    [LOG_SOFTMAX_FORM] = ENUMERATION(1),
};
static const qrt_field_type push_fields[] = {
    [PUSH_AXIS] = SCALAR(1),
};
static const qrt_field_type svdf_fields[] = {
    [SVDF_FEATURE] = TABLE,
    [SVDF_REQUANT] = TABLE,
    [SVDF_RANK] = SCALAR(4),
};
static const qrt_field_type lstm_fields[] = {
    [LSTM_INPUT] = TABLE,
    [LSTM_RECURRENT] = TABLE,
    [LSTM_TIME_MAJOR] = ENUMERATION(1),
    [LSTM_CELL_POWER] = SCALAR(1),
    [LSTM_CELL_CLIP] = SCALAR(2),
    [LSTM_OUTPUT_MULTIPLIER] = SCALAR(4),
    [LSTM_OUTPUT_SHIFT] = SCALAR(1),
};
static const qrt_field_type sigmoid_fields[] = {
    [SIGMOID_MULTIPLIER] = SCALAR(4),
    [SIGMOID_SHIFT] = SCALAR(1),
};
static const qrt_field_type tanh_fields[] = {
    [TANH_MULTIPLIER] = SCALAR(4),
    [TANH_SHIFT] = SCALAR(1),
};
static const qrt_field_type leaky_relu_fields[] = {
    [LEAKY_RELU_MULTIPLIER] = SCALAR(4),
    [LEAKY_RELU_SHIFT] = SCALAR(1),
    [LEAKY_RELU_NEGATIVE_MULTIPLIER] = SCALAR(4),
    [LEAKY_RELU_NEGATIVE_SHIFT] = SCALAR(1),
    [LEAKY_RELU_NEGATE] = ENUMERATION(1),
};
static const qrt_field_type operator_fields[] = {
    [OPERATOR_NAME] = TEXT,
    [OPERATOR_INPUTS] = VECTOR(4, 1),
    [OPERATOR_OUTPUT] = SCALAR(4),
    [OPERATOR_OPTIONS_TYPE] = SCALAR(1),
    [OPERATOR_OPTIONS] = TABLE,
    [OPERATOR_OVERLAP] = ENUMERATION(1),
};
static const qrt_field_type edge_fields[] = {
    [EDGE_TENSOR] = SCALAR(4),
    [EDGE_QUANTIZE_RULE] = ENUMERATION(2),
    [EDGE_SOURCE_LAYOUT] = ENUMERATION(1),
    [EDGE_LABELS] = VECTOR(4, 0),
    [EDGE_SOURCE_DTYPE] = ENUMERATION(3),
    [EDGE_REQUANT] = {IN_TABLE, 4, 4, 0, 255},
    [EDGE_SCALES] = VECTOR(4, 0),
};
static const qrt_field_type codes_fields[] = {
    [CODES_DATA] = CODES(1),
};
static const qrt_field_type test_vector_fields[] = {
    [TEST_VECTOR_INPUTS] = VECTOR(4, 1),
    [TEST_VECTOR_OUTPUTS] = VECTOR(4, 1),
    [TEST_VECTOR_CONTINUES] = ENUMERATION(1),
};
static const qrt_field_type band_fields[] = {
    [BAND_FIRST] = SCALAR(4),
    [BAND_TURNS] = SCALAR(4),
    [BAND_PACES] = STRUCTURES(20, 4, 1),
    [BAND_FEED] = STRUCTURE(20, 4, 0),
};
static const qrt_field_type model_fields[] = {
    [MODEL_FORMAT_VERSION] = SCALAR(2),
    [MODEL_SEAL] = STRUCTURE(8, 4, 1),
    [MODEL_PRODUCER] = TEXT,
    [MODEL_NAME] = TEXT,
    [MODEL_TENSORS] = VECTOR(4, 1),
    [MODEL_OPERATORS] = VECTOR(4, 1),
    [MODEL_INPUTS] = VECTOR(4, 1),
    [MODEL_OUTPUTS] = VECTOR(4, 1),
    [MODEL_ARENA_SIZE] = SCALAR(4),
    [MODEL_TEST_VECTORS] = VECTOR(4, 0),
    [MODEL_STATE_SIZE] = SCALAR(4),
    [MODEL_BANDS] = VECTOR(4, 0),
    [MODEL_PREPROCESSING] = TEXT,
};

const qrt_table_type qrt_tensor_table = FIELDS(tensor_fields);
const qrt_table_type qrt_requant_table = FIELDS(requant_fields);
const qrt_table_type qrt_operator_table = FIELDS(operator_fields);
const qrt_table_type qrt_edge_table = FIELDS(edge_fields);
const qrt_table_type qrt_codes_table = FIELDS(codes_fields);
const qrt_table_type qrt_test_vector_table = FIELDS(test_vector_fields);
const qrt_table_type qrt_band_table = FIELDS(band_fields);
const qrt_table_type qrt_model_table = FIELDS(model_fields);

const qrt_table_type qrt_option_tables[QRT_OPERATOR_KIND_END] = {
    [QRT_CONV2D] = FIELDS(conv2d_fields),
    [QRT_DWCONV2D] = FIELDS(dwconv2d_fields),
    [QRT_LINEAR] = FIELDS(linear_fields),
    [QRT_ADD] = FIELDS(add_fields),
    [QRT_MUL] = FIELDS(mul_fields),
    [QRT_AVERAGE_POOL2D] = FIELDS(average_pool2d_fields),
    [QRT_MAX_POOL2D] = FIELDS(max_pool2d_fields),
    [QRT_MEAN] = FIELDS(mean_fields),
    [QRT_PAD] = FIELDS(pad_fields),
    [QRT_CONCAT] = FIELDS(concat_fields),
    [QRT_RESHAPE] = {NULL, 0},
    [QRT_TRANSPOSE] = FIELDS(transpose_fields),
    [QRT_REQUANTIZE] = FIELDS(requantize_fields),
    [QRT_CLAMP] = FIELDS(clamp_fields),
    [QRT_SOFTMAX] = FIELDS(softmax_fields),
    [QRT_LUT] = FIELDS(lut_fields),
    [QRT_SLICE] = FIELDS(slice_fields),
    [QRT_RESIZE2D] = FIELDS(resize2d_fields),
    [QRT_TRANSPOSE_CONV2D] = FIELDS(transpose_conv2d_fields),
    [QRT_MAXIMUM] = {NULL, 0},
    [QRT_MINIMUM] = {NULL, 0},
    [QRT_ARG_MAX] = {NULL, 0},
    [QRT_MATMUL] = FIELDS(matmul_fields),
    [QRT_L2_NORM] = {NULL, 0},
    [QRT_REQUANTIZE_SUM] = FIELDS(requantize_sum_fields),
    [QRT_SQUARED_DIFFERENCE] = FIELDS(squared_difference_fields),
    [QRT_LAYER_NORM] = FIELDS(layer_norm_fields),
    [QRT_LOG_SOFTMAX] = FIELDS(log_softmax_fields),
    [QRT_PUSH] = FIELDS(push_fields),
    [QRT_ASSIGN] = {NULL, 0},
    [QRT_SVDF] = FIELDS(svdf_fields),
    [QRT_LSTM] = FIELDS(lstm_fields),
    [QRT_SIGMOID] = FIELDS(sigmoid_fields),
    [QRT_TANH] = FIELDS(tanh_fields),
    [QRT_LEAKY_RELU] = FIELDS(leaky_relu_fields),
};

const qrt_facts qrt_operator_facts[QRT_OPERATOR_KIND_END] = {
    [QRT_CONV2D] = {.least_inputs = 2, .most_inputs = 2, .over_input = 1, .accumulates = 1, .has_weights = 1, .row16 = QRT_CONV2D16, .requant = FIELD(CONV2D_REQUANT), .window = FIELD(CONV2D_WINDOW)},
    [QRT_DWCONV2D] = {.least_inputs = 2, .most_inputs = 2, .over_input = 1, .accumulates = 1, .has_weights = 1, .row16 = QRT_DWCONV2D16, .requant = FIELD(DWCONV2D_REQUANT), .window = FIELD(DWCONV2D_WINDOW)},
    [QRT_LINEAR] = {.least_inputs = 2, .most_inputs = 2, .accumulates = 1, .has_weights = 1, .row16 = QRT_LINEAR16, .requant = FIELD(LINEAR_REQUANT)},
    [QRT_ADD] = {.least_inputs = 2, .most_inputs = 2, .elementwise = 1, .in_place = 1, .row16 = QRT_ADD16, .output_min = FIELD(ADD_OUTPUT_MIN), .output_min16 = FIELD(ADD_OUTPUT_MIN16)},
    [QRT_MUL] = {.least_inputs = 2, .most_inputs = 2, .elementwise = 1, .in_place = 1, .acc = QRT_ACC_OF_PRODUCT, .row16 = QRT_MUL16, .requant = FIELD(MUL_REQUANT)},
    [QRT_AVERAGE_POOL2D] = {.least_inputs = 1, .most_inputs = 1, .keeps_numbers = 1, .over_input = 1, .row16 = QRT_AVERAGE_POOL2D16, .window = FIELD(AVERAGE_POOL2D_WINDOW), .output_min = FIELD(AVERAGE_POOL2D_OUTPUT_MIN), .output_min16 = FIELD(AVERAGE_POOL2D_OUTPUT_MIN16)},
    [QRT_MAX_POOL2D] = {.least_inputs = 1, .most_inputs = 1, .keeps_numbers = 1, .over_input = 1, .row16 = QRT_MAX_POOL2D16, .window = FIELD(MAX_POOL2D_WINDOW), .output_min = FIELD(MAX_POOL2D_OUTPUT_MIN), .output_min16 = FIELD(MAX_POOL2D_OUTPUT_MIN16)},
    [QRT_MEAN] = {.least_inputs = 1, .most_inputs = 1, .row16 = QRT_MEAN16, .requant = FIELD(MEAN_REQUANT)},
    [QRT_PAD] = {.least_inputs = 1, .most_inputs = 1, .keeps_numbers = 1, .moves = 1},
    [QRT_CONCAT] = {.least_inputs = 1, .most_inputs = 256, .keeps_numbers = 1, .moves = 1},
    [QRT_RESHAPE] = {.least_inputs = 1, .most_inputs = 1, .keeps_numbers = 1, .in_place = 1, .moves = 1},
    [QRT_TRANSPOSE] = {.least_inputs = 1, .most_inputs = 1, .keeps_numbers = 1, .moves = 1},
    [QRT_REQUANTIZE] = {.least_inputs = 1, .most_inputs = 1, .elementwise = 1, .in_place = 1, .acc = QRT_ACC_OF_X, .row16 = QRT_REQUANTIZE16, .requant = FIELD(REQUANTIZE_REQUANT)},
    [QRT_CLAMP] = {.least_inputs = 1, .most_inputs = 1, .elementwise = 1, .keeps_numbers = 1, .in_place = 1, .row16 = QRT_CLAMP16, .output_min = FIELD(CLAMP_OUTPUT_MIN), .output_min16 = FIELD(CLAMP_OUTPUT_MIN16)},
    [QRT_SOFTMAX] = {.least_inputs = 1, .most_inputs = 1, .in_place = 1, .row16 = QRT_SOFTMAX16},
    [QRT_LUT] = {.least_inputs = 1, .most_inputs = 1, .elementwise = 1, .in_place = 1},
    [QRT_SLICE] = {.least_inputs = 1, .most_inputs = 1, .keeps_numbers = 1, .moves = 1},
    [QRT_RESIZE2D] = {.least_inputs = 1, .most_inputs = 1, .keeps_numbers = 1},
    [QRT_TRANSPOSE_CONV2D] = {.least_inputs = 2, .most_inputs = 2, .has_weights = 1, .row16 = QRT_TRANSPOSE_CONV2D16, .requant = FIELD(TRANSPOSE_CONV2D_REQUANT), .window = FIELD(TRANSPOSE_CONV2D_WINDOW)},
    [QRT_MAXIMUM] = {.least_inputs = 2, .most_inputs = 2, .elementwise = 1, .keeps_numbers = 1, .in_place = 1, .row16 = QRT_MAXIMUM16},
    [QRT_MINIMUM] = {.least_inputs = 2, .most_inputs = 2, .elementwise = 1, .keeps_numbers = 1, .in_place = 1, .row16 = QRT_MINIMUM16},
    [QRT_ARG_MAX] = {.least_inputs = 1, .most_inputs = 1},
    [QRT_MATMUL] = {.least_inputs = 2, .most_inputs = 2, .row16 = QRT_MATMUL16, .requant = FIELD(MATMUL_REQUANT)},
    [QRT_L2_NORM] = {.least_inputs = 1, .most_inputs = 1, .in_place = 1},
    [QRT_REQUANTIZE_SUM] = {.least_inputs = 2, .most_inputs = 2, .requant = FIELD(REQUANTIZE_SUM_REQUANT)},
    [QRT_SQUARED_DIFFERENCE] = {.least_inputs = 2, .most_inputs = 2, .elementwise = 1, .in_place = 1, .output_min = FIELD(SQUARED_DIFFERENCE_OUTPUT_MIN)},
    [QRT_LAYER_NORM] = {.least_inputs = 1, .most_inputs = 1, .in_place = 1},
    [QRT_LOG_SOFTMAX] = {.least_inputs = 1, .most_inputs = 1, .in_place = 1},
    [QRT_PUSH] = {.least_inputs = 1, .most_inputs = 1, .keeps_numbers = 1, .moves = 1, .writes_state = 1},
    [QRT_ASSIGN] = {.least_inputs = 1, .most_inputs = 1, .keeps_numbers = 1, .moves = 1, .writes_state = 1},
    [QRT_SVDF] = {.least_inputs = 4, .most_inputs = 4, .states = 1, .requant = FIELD(SVDF_REQUANT)},
    [QRT_LSTM] = {.least_inputs = 5, .most_inputs = 5, .states = 2, .row16 = QRT_LSTM16},
    [QRT_SIGMOID] = {.least_inputs = 1, .most_inputs = 1, .elementwise = 1, .in_place = 1, .row16 = QRT_SIGMOID},
    [QRT_TANH] = {.least_inputs = 1, .most_inputs = 1, .elementwise = 1, .in_place = 1, .row16 = QRT_TANH},
    [QRT_LEAKY_RELU] = {.least_inputs = 1, .most_inputs = 1, .elementwise = 1, .in_place = 1, .row16 = QRT_LEAKY_RELU},
};

const char *const qrt_operator_names[QRT_OPERATOR_KIND_END] = {
    [QRT_CONV2D] = "conv2d",
    [QRT_DWCONV2D] = "dwconv2d",
    [QRT_LINEAR] = "linear",
    [QRT_ADD] = "add",
    [QRT_MUL] = "mul",
    [QRT_AVERAGE_POOL2D] = "average_pool2d",
    [QRT_MAX_POOL2D] = "max_pool2d",
    [QRT_MEAN] = "mean",
    [QRT_PAD] = "pad",
    [QRT_CONCAT] = "concat",
    [QRT_RESHAPE] = "reshape",
    [QRT_TRANSPOSE] = "transpose",
    [QRT_REQUANTIZE] = "requantize",
    [QRT_CLAMP] = "clamp",
    [QRT_SOFTMAX] = "softmax",
    [QRT_LUT] = "lut",
    [QRT_SLICE] = "slice",
    [QRT_RESIZE2D] = "resize2d",
    [QRT_TRANSPOSE_CONV2D] = "transpose_conv2d",
    [QRT_MAXIMUM] = "maximum",
    [QRT_MINIMUM] = "minimum",
    [QRT_ARG_MAX] = "arg_max",
    [QRT_MATMUL] = "matmul",
    [QRT_L2_NORM] = "l2_norm",
    [QRT_REQUANTIZE_SUM] = "requantize_sum",
    [QRT_SQUARED_DIFFERENCE] = "squared_difference",
    [QRT_LAYER_NORM] = "layer_norm",
    [QRT_LOG_SOFTMAX] = "log_softmax",
    [QRT_PUSH] = "push",
    [QRT_ASSIGN] = "assign",
    [QRT_SVDF] = "svdf",
    [QRT_LSTM] = "lstm",
    [QRT_SIGMOID] = "sigmoid",
    [QRT_TANH] = "tanh",
    [QRT_LEAKY_RELU] = "leaky_relu",
};
