/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_params.c: the parameters of every operator, from what the file says of it. */
#include "engine/qrt_params.h"

#include <string.h>

void qrt_node_read(const qrt_model *model, uint32_t index, qrt_node *node) {
    node->model = model;
    qrt_model_operator(model, index, &node->op);
    qrt_model_tensor(model, node->op.inputs[0], &node->a);
    qrt_model_tensor(model, node->op.inputs[node->op.input_count > 1 ? 1 : 0], &node->b);
    qrt_model_tensor(model, node->op.output, &node->y);
    const qrt_facts *facts = &qrt_operator_facts[node->op.kind];
    int int16 = node->a.dtype == QRT_INT16 || node->b.dtype == QRT_INT16 || node->y.dtype == QRT_INT16;
    node->row = int16 && facts->row16 != 0 ? facts->row16 : node->op.kind;
    node->code_bytes = facts->moves && int16 ? 2 : 1;
}

static int32_t product(const int32_t *shape, uint32_t from, uint32_t to) {
    int32_t result = 1;
    for (uint32_t i = from; i < to; i++) result *= shape[i];
    return result;
}

static void fill_requant(const qrt_requant_data *data, const qrt_tensor *y, qrt_requant *requant) {
    requant->multiplier = data->multiplier;
    requant->shift = data->shift;
    requant->bias = data->bias;
    requant->addend = data->addend;
    requant->step = data->count > 1;
    requant->rounding = data->rounding;
    requant->y_zero_point = y->zero_point;
    requant->output_min = data->output_min;
    requant->output_max = data->output_max;
    requant->wide = y->dtype == QRT_INT32;
    requant->y_int16 = y->dtype == QRT_INT16;
}

/* conv2d, dwconv2d and transpose_conv2d. */
static void fill_conv2d(const qrt_node *n, void *params, int32_t *runs) {
    const qrt_window *window = &n->op.window;
    qrt_conv2d_params *p = params;
    (void)runs;
    p->batch = n->a.shape[0];
    p->in_height = n->a.shape[1];
    p->in_width = n->a.shape[2];
    p->in_channels = n->a.shape[3];
    p->out_height = n->y.shape[1];
    p->out_width = n->y.shape[2];
    p->out_channels = n->y.shape[3];
    p->filter_height = window->filter_height;
    p->filter_width = window->filter_width;
    p->stride_y = window->stride_y;
    p->stride_x = window->stride_x;
    p->dilation_y = window->dilation_y;
    p->dilation_x = window->dilation_x;
    p->pad_top = window->pad_top;
    p->pad_left = window->pad_left;
    p->groups = n->op.kind == QRT_CONV2D ? n->op.groups : n->op.kind == QRT_DWCONV2D ? n->a.shape[3] : 1;
    p->x_zero_point = n->a.zero_point;
    p->x_int16 = n->a.dtype == QRT_INT16;
    p->weights = n->b.data;
    p->int4 = n->b.dtype == QRT_INT4;
    fill_requant(&n->op.requant, &n->y, &p->requant);
    p->packed = NULL;
    p->part.begin = p->part.end = 0;
    p->file_size = n->model->size;
}

static void fill_linear(const qrt_node *n, void *params, int32_t *runs) {
    qrt_linear_params *p = params;
    (void)runs;
    p->rows = product(n->a.shape, 0, n->a.rank - 1);
    p->in_features = n->b.shape[1];
    p->out_features = n->b.shape[0];
    p->x_zero_point = n->a.zero_point;
    p->x_int16 = n->a.dtype == QRT_INT16;
    p->weights = n->b.data;
    p->int4 = n->b.dtype == QRT_INT4;
    fill_requant(&n->op.requant, &n->y, &p->requant);
    p->packed = NULL;
    p->part.begin = p->part.end = 0;
}

/* Appends an axis of the output, along which the operands have these strides, or lets the last one grow by it. */
static void add_axis(qrt_broadcast *broadcast, int32_t length, int32_t a_stride, int32_t b_stride) {
    int32_t last = broadcast->rank - 1;
    if (last >= 0 && broadcast->a_stride[last] == a_stride * length && broadcast->b_stride[last] == b_stride * length) {
        broadcast->shape[last] *= length;
    } else {
        last++;
        broadcast->shape[last] = length;
        broadcast->rank++;
    }
    broadcast->a_stride[last] = a_stride;
    broadcast->b_stride[last] = b_stride;
}

/* Strides of both operands over the output's axes, and axes merged where both allow it. */
static void fill_broadcast(const qrt_node *n, qrt_broadcast *broadcast) {
    int32_t a_step = (int32_t)n->a.size, b_step = (int32_t)n->b.size;
    memset(broadcast, 0, sizeof *broadcast);
    for (uint32_t i = 0; i < n->y.rank; i++) {
        int32_t length = n->y.shape[i];
        a_step /= n->a.shape[i];
        b_step /= n->b.shape[i];
        if (length == 1) continue;
        add_axis(broadcast, length, n->a.shape[i] == 1 ? 0 : a_step, n->b.shape[i] == 1 ? 0 : b_step);
    }
    if (broadcast->rank == 0) add_axis(broadcast, 1, 1, 1);
}

/* add and squared_difference. */
static void fill_add(const qrt_node *n, void *params, int32_t *runs) {
    const qrt_add_data *add = &n->op.add;
    qrt_add_params *p = params;
    (void)runs;
    fill_broadcast(n, &p->broadcast);
    p->form = add->form;
    p->a_zero_point = n->a.zero_point;
    p->b_zero_point = n->b.zero_point;
    p->y_zero_point = n->y.zero_point;
    p->a_multiplier = add->a_multiplier;
    p->b_multiplier = add->b_multiplier;
    p->y_multiplier = add->y_multiplier;
    p->shift = add->shift;
    p->a_shift = add->a_shift;
    p->b_shift = add->b_shift;
    p->y_shift = add->y_shift;
    p->b_sign = add->subtract ? -1 : 1;
    p->addend = 0;
    if (p->form == QRT_COMMON_SHIFT) {
        p->b_multiplier *= p->b_sign;
        int64_t round = p->shift > 0 ? (int64_t)1 << (p->shift - 1) : 0;
        p->addend = round + p->y_zero_point * ((int64_t)1 << p->shift) - (int64_t)p->a_zero_point * p->a_multiplier -
                    (int64_t)p->b_zero_point * p->b_multiplier;
    }
    p->output_min = n->op.output_min;
    p->output_max = n->op.output_max;
    p->x_int16 = n->a.dtype == QRT_INT16;
    p->y_int16 = n->y.dtype == QRT_INT16;
    p->packed = NULL;
}

/* Of an elementwise operator; where it has no requant, what it needs to clamp. */
static void fill_elementwise_requant(const qrt_node *n, qrt_requant *requant) {
    fill_requant(&n->op.requant, &n->y, requant);
    if (n->op.requant.multiplier == NULL) {
        requant->output_min = n->op.output_min;
        requant->output_max = n->op.output_max;
    }
}

static void fill_unary(const qrt_node *n, void *params, int32_t *runs) {
    qrt_unary_params *p = params;
    (void)runs;
    p->size = (int32_t)n->y.size;
    p->x_zero_point = n->a.zero_point;
    p->x_int16 = n->a.dtype == QRT_INT16;
    fill_elementwise_requant(n, &p->requant);
}

static void fill_binary(const qrt_node *n, void *params, int32_t *runs) {
    qrt_binary_params *p = params;
    (void)runs;
    fill_broadcast(n, &p->broadcast);
    p->a_zero_point = n->a.zero_point;
    p->b_zero_point = n->b.zero_point;
    p->x_int16 = n->a.dtype == QRT_INT16;
    fill_elementwise_requant(n, &p->requant);
}

static void fill_pool2d(const qrt_node *n, void *params, int32_t *runs) {
    const qrt_window *window = &n->op.window;
    qrt_pool2d_params *p = params;
    (void)runs;
    p->batch = n->a.shape[0];
    p->in_height = n->a.shape[1];
    p->in_width = n->a.shape[2];
    p->channels = n->a.shape[3];
    p->out_height = n->y.shape[1];
    p->out_width = n->y.shape[2];
    p->filter_height = window->filter_height;
    p->filter_width = window->filter_width;
    p->stride_y = window->stride_y;
    p->stride_x = window->stride_x;
    p->pad_top = window->pad_top;
    p->pad_left = window->pad_left;
    p->rounding = n->op.pool_rounding;
    p->x_zero_point = n->a.zero_point;
    p->x_int16 = n->a.dtype == QRT_INT16;
    p->output_min = n->op.output_min;
    p->output_max = n->op.output_max;
}

static void fill_mean(const qrt_node *n, void *params, int32_t *runs) {
    qrt_mean_params *p = params;
    (void)runs;
    p->batch = n->a.shape[0];
    p->positions = n->a.shape[1] * n->a.shape[2];
    p->channels = n->a.shape[3];
    p->x_zero_point = n->a.zero_point;
    p->x_int16 = n->a.dtype == QRT_INT16;
    fill_requant(&n->op.requant, &n->y, &p->requant);
}

static void fill_pad(const qrt_node *n, void *params, int32_t *runs) {
    qrt_pad_params *p = params;
    (void)runs;
    memset(p, 0, sizeof *p);
    p->rank = (int32_t)n->a.rank;
    for (uint32_t i = 0; i < n->a.rank; i++) {
        p->in_shape[i] = n->a.shape[i];
        p->before[i] = n->op.pad_before[i];
        p->out_shape[i] = n->y.shape[i];
    }
    if (n->code_bytes > 1) {
        p->in_shape[p->rank] = p->out_shape[p->rank] = n->code_bytes;
        p->rank++;
    }
    p->value = n->op.pad_value;
}

static void fill_concat(const qrt_node *n, void *params, int32_t *runs) {
    uint32_t axis = (uint32_t)n->op.axis;
    qrt_concat_params *p = params;
    p->outer = product(n->y.shape, 0, axis);
    p->input_count = (int32_t)n->op.input_count;
    p->run_size = runs;
    for (uint32_t i = 0; runs != NULL && i < n->op.input_count; i++) {
        qrt_tensor x;
        qrt_model_tensor(n->model, n->op.inputs[i], &x);
        runs[i] = product(x.shape, axis, x.rank) * n->code_bytes;
    }
}

/* To a kernel that copies bytes those of an int16 are an axis. */
static void add_bytes(const qrt_node *n, int32_t *rank, int32_t *out_shape, int32_t *in_stride) {
    if (n->code_bytes == 1) return;
    out_shape[*rank] = n->code_bytes;
    in_stride[*rank] = 1;
    ++*rank;
}

static void fill_transpose(const qrt_node *n, void *params, int32_t *runs) {
    qrt_transpose_params *p = params;
    (void)runs;
    memset(p, 0, sizeof *p);
    p->rank = (int32_t)n->y.rank;
    for (uint32_t i = 0; i < n->y.rank; i++) {
        p->out_shape[i] = n->y.shape[i];
        p->in_stride[i] = product(n->a.shape, n->op.permutation[i] + 1u, n->a.rank) * n->code_bytes;
    }
    add_bytes(n, &p->rank, p->out_shape, p->in_stride);
}

static void fill_softmax(const qrt_node *n, void *params, int32_t *runs) {
    qrt_softmax_params *p = params;
    (void)runs;
    p->rows = product(n->y.shape, 0, n->y.rank - 1);
    p->channels = n->y.shape[n->y.rank - 1];
    p->y_zero_point = n->y.zero_point;
    p->shift = n->op.shift;
    p->numerator = n->op.numerator;
    p->exponential = n->op.exponential;
    p->exponential_count = (int32_t)n->op.exponential_count;
    p->form = n->op.softmax_form;
    p->x_int16 = n->a.dtype == QRT_INT16;
    p->y_int16 = n->y.dtype == QRT_INT16;
    p->multiplier = n->op.activation.multiplier;
}

static void fill_lut(const qrt_node *n, void *params, int32_t *runs) {
    qrt_lut_params *p = params;
    (void)runs;
    p->size = (int32_t)n->y.size;
    p->table = n->op.lut;
}

static void fill_reshape(const qrt_node *n, void *params, int32_t *runs) {
    qrt_reshape_params *p = params;
    (void)runs;
    p->size = (int32_t)n->y.size * n->code_bytes;
}

static void fill_push(const qrt_node *n, void *params, int32_t *runs) {
    uint32_t axis = (uint32_t)n->op.axis;
    qrt_push_params *p = params;
    (void)runs;
    p->outer = product(n->y.shape, 0, axis);
    p->added = product(n->a.shape, axis, n->a.rank) * n->code_bytes;
    p->kept = product(n->y.shape, axis, n->y.rank) * n->code_bytes - p->added;
}

static void fill_slice(const qrt_node *n, void *params, int32_t *runs) {
    qrt_slice_params *p = params;
    (void)runs;
    memset(p, 0, sizeof *p);
    p->rank = (int32_t)n->y.rank;
    for (uint32_t i = 0; i < n->y.rank; i++) {
        int32_t step = product(n->a.shape, i + 1, n->a.rank) * n->code_bytes;
        p->out_shape[i] = n->y.shape[i];
        /* An axis of one entry is never stepped along; its stride may be anything and is not multiplied. */
        p->in_stride[i] = n->y.shape[i] > 1 ? step * n->op.stride[i] : step;
        p->first += n->op.begin[i] * step;
    }
    add_bytes(n, &p->rank, p->out_shape, p->in_stride);
}

static void fill_resize2d(const qrt_node *n, void *params, int32_t *runs) {
    qrt_resize2d_params *p = params;
    (void)runs;
    p->batch = n->a.shape[0];
    p->in_height = n->a.shape[1];
    p->in_width = n->a.shape[2];
    p->channels = n->a.shape[3];
    p->out_height = n->y.shape[1];
    p->out_width = n->y.shape[2];
    p->rows = n->op.rows;
    p->columns = n->op.columns;
    p->row_weight = n->op.row_weight;
    p->column_weight = n->op.column_weight;
    p->first_row = 0;
}

static void fill_arg_max(const qrt_node *n, void *params, int32_t *runs) {
    qrt_arg_max_params *p = params;
    (void)runs;
    p->rows = (int32_t)n->y.size;
    p->channels = n->a.shape[n->a.rank - 1];
}

static void fill_matmul(const qrt_node *n, void *params, int32_t *runs) {
    uint32_t rank = n->y.rank;
    qrt_matmul_params *p = params;
    (void)runs;
    p->batch = product(n->y.shape, 0, rank - 2);
    p->rows = n->y.shape[rank - 2];
    p->columns = n->y.shape[rank - 1];
    p->depth = n->a.shape[rank - 1];
    p->b_step = product(n->b.shape, 0, rank - 2) == 1 ? 0 : p->columns * p->depth;
    p->a_zero_point = n->a.zero_point;
    p->b_zero_point = n->b.zero_point;
    p->x_int16 = n->a.dtype == QRT_INT16;
    fill_requant(&n->op.requant, &n->y, &p->requant);
}

static void fill_l2_norm(const qrt_node *n, void *params, int32_t *runs) {
    qrt_l2_norm_params *p = params;
    (void)runs;
    p->rows = product(n->y.shape, 0, n->y.rank - 1);
    p->channels = n->y.shape[n->y.rank - 1];
    p->x_zero_point = n->a.zero_point;
}

static void fill_requantize_sum(const qrt_node *n, void *params, int32_t *runs) {
    qrt_requantize_sum_params *p = params;
    (void)runs;
    p->rows = product(n->y.shape, 0, n->y.rank - 1);
    p->channels = n->y.shape[n->y.rank - 1];
    p->b_multiplier = n->op.b_multiplier;
    fill_requant(&n->op.requant, &n->y, &p->requant);
}

static void fill_layer_norm(const qrt_node *n, void *params, int32_t *runs) {
    qrt_layer_norm_params *p = params;
    (void)runs;
    p->rows = product(n->y.shape, 0, n->y.rank - 1);
    p->channels = n->y.shape[n->y.rank - 1];
    p->epsilon_bits = n->op.epsilon_bits;
    p->shift = n->op.shift;
    p->epsilon = n->op.epsilon;
    p->multiplier = n->op.multiplier;
    p->addend = n->op.addend;
}

static void fill_log_softmax(const qrt_node *n, void *params, int32_t *runs) {
    qrt_log_softmax_params *p = params;
    (void)runs;
    p->rows = product(n->y.shape, 0, n->y.rank - 1);
    p->channels = n->y.shape[n->y.rank - 1];
    p->form = n->op.softmax_form;
    p->shift = n->op.shift;
    p->multiplier = n->op.row_multiplier;
    p->addend = n->op.row_addend;
    p->exponential = n->op.exponential;
    p->exponential_count = (int32_t)n->op.exponential_count;
    p->log_multiplier = n->op.log_multiplier;
}

/* A requantization without a zero point to a number of 8 or 16 bits. */
static void fill_inner_requant(const qrt_requant_data *data, int32_t is_int16, qrt_requant *requant) {
    qrt_tensor y;
    memset(&y, 0, sizeof y);
    y.dtype = is_int16 ? QRT_INT16 : QRT_INT8;
    fill_requant(data, &y, requant);
    requant->output_min = is_int16 ? INT16_MIN : INT8_MIN;
    requant->output_max = is_int16 ? INT16_MAX : INT8_MAX;
}

static void fill_svdf(const qrt_node *n, void *params, int32_t *runs) {
    qrt_svdf_params *p = params;
    qrt_tensor time, state;
    (void)runs;
    qrt_model_tensor(n->model, n->op.inputs[2], &time);
    qrt_model_tensor(n->model, n->op.inputs[3], &state);
    p->batch = n->a.shape[0];
    p->in_features = n->a.shape[1];
    p->units = n->y.shape[1];
    p->rank = (int32_t)n->op.filter_rank;
    p->memory = time.shape[1];
    p->x_zero_point = n->a.zero_point;
    p->state_zero_point = state.zero_point;
    p->state_int16 = state.dtype == QRT_INT16;
    fill_inner_requant(&n->op.of_x, p->state_int16, &p->feature);
    fill_requant(&n->op.requant, &n->y, &p->requant);
}

static void fill_lstm(const qrt_node *n, void *params, int32_t *runs) {
    int32_t major = n->op.time_major;
    qrt_lstm_params *p = params;
    (void)runs;
    p->batch = n->a.shape[major ? 1 : 0];
    p->steps = n->a.shape[major ? 0 : 1];
    p->in_features = n->a.shape[2];
    p->units = n->y.shape[2];
    p->time_major = major;
    p->x_zero_point = n->a.zero_point;
    p->h_zero_point = n->y.zero_point;
    p->x_int16 = n->a.dtype == QRT_INT16;
    p->cell_power = n->op.cell_power;
    p->cell_clip = n->op.cell_clip;
    p->output_multiplier = n->op.output_multiplier;
    p->output_shift = n->op.output_shift;
    fill_inner_requant(&n->op.of_x, 1, &p->input);
    fill_inner_requant(&n->op.of_h, 1, &p->recurrent);
    p->input.step = n->op.of_x.count > 4;
    p->recurrent.step = n->op.of_h.count > 4;
}

static void fill_gate(const qrt_node *n, void *params, int32_t *runs) {
    qrt_gate_params *p = params;
    (void)runs;
    p->size = (int32_t)n->y.size;
    p->multiplier = n->op.activation.multiplier;
    p->shift = n->op.activation.shift;
}

static void fill_leaky_relu(const qrt_node *n, void *params, int32_t *runs) {
    qrt_leaky_relu_params *p = params;
    (void)runs;
    p->size = (int32_t)n->y.size;
    p->x_zero_point = n->a.zero_point;
    p->y_zero_point = n->y.zero_point;
    p->multiplier = n->op.activation.multiplier;
    p->shift = n->op.activation.shift;
    p->negative_multiplier = n->op.activation.negative_multiplier;
    p->negative_shift = n->op.activation.negative_shift;
    p->negate = n->op.activation.negate;
}

#define FILLER(name, row, params, fill)                                                                                \
    const qrt_filler qrt_##name##_filler = {row, 0, sizeof(qrt_##params##_params), 0, fill}
#define PACKED_FILLER(name, row, params, fill)                                                                         \
    const qrt_filler qrt_##name##_filler = {row, 0, sizeof(qrt_##params##_params),                                     \
                                            offsetof(qrt_##params##_params, packed), fill}

PACKED_FILLER(conv2d, QRT_CONV2D, conv2d, fill_conv2d);
PACKED_FILLER(dwconv2d, QRT_DWCONV2D, conv2d, fill_conv2d);
PACKED_FILLER(linear, QRT_LINEAR, linear, fill_linear);
PACKED_FILLER(add, QRT_ADD, add, fill_add);
FILLER(mul, QRT_MUL, binary, fill_binary);
FILLER(average_pool2d, QRT_AVERAGE_POOL2D, pool2d, fill_pool2d);
FILLER(max_pool2d, QRT_MAX_POOL2D, pool2d, fill_pool2d);
FILLER(mean, QRT_MEAN, mean, fill_mean);
FILLER(pad, QRT_PAD, pad, fill_pad);
const qrt_filler qrt_concat_filler = {QRT_CONCAT, sizeof(int32_t), sizeof(qrt_concat_params), 0, fill_concat};
FILLER(reshape, QRT_RESHAPE, reshape, fill_reshape);
FILLER(transpose, QRT_TRANSPOSE, transpose, fill_transpose);
FILLER(requantize, QRT_REQUANTIZE, unary, fill_unary);
FILLER(clamp, QRT_CLAMP, unary, fill_unary);
FILLER(softmax, QRT_SOFTMAX, softmax, fill_softmax);
FILLER(lut, QRT_LUT, lut, fill_lut);
FILLER(slice, QRT_SLICE, slice, fill_slice);
FILLER(resize2d, QRT_RESIZE2D, resize2d, fill_resize2d);
PACKED_FILLER(transpose_conv2d, QRT_TRANSPOSE_CONV2D, conv2d, fill_conv2d);
FILLER(maximum, QRT_MAXIMUM, binary, fill_binary);
FILLER(minimum, QRT_MINIMUM, binary, fill_binary);
FILLER(arg_max, QRT_ARG_MAX, arg_max, fill_arg_max);
FILLER(matmul, QRT_MATMUL, matmul, fill_matmul);
FILLER(l2_norm, QRT_L2_NORM, l2_norm, fill_l2_norm);
FILLER(requantize_sum, QRT_REQUANTIZE_SUM, requantize_sum, fill_requantize_sum);
FILLER(squared_difference, QRT_SQUARED_DIFFERENCE, add, fill_add);
FILLER(layer_norm, QRT_LAYER_NORM, layer_norm, fill_layer_norm);
FILLER(log_softmax, QRT_LOG_SOFTMAX, log_softmax, fill_log_softmax);
FILLER(push, QRT_PUSH, push, fill_push);
FILLER(assign, QRT_ASSIGN, reshape, fill_reshape);
FILLER(svdf, QRT_SVDF, svdf, fill_svdf);
FILLER(lstm, QRT_LSTM, lstm, fill_lstm);
FILLER(sigmoid, QRT_SIGMOID, gate, fill_gate);
FILLER(tanh, QRT_TANH, gate, fill_gate);
FILLER(leaky_relu, QRT_LEAKY_RELU, leaky_relu, fill_leaky_relu);

PACKED_FILLER(conv2d16, QRT_CONV2D16, conv2d, fill_conv2d);
PACKED_FILLER(dwconv2d16, QRT_DWCONV2D16, conv2d, fill_conv2d);
PACKED_FILLER(linear16, QRT_LINEAR16, linear, fill_linear);
PACKED_FILLER(add16, QRT_ADD16, add, fill_add);
FILLER(mul16, QRT_MUL16, binary, fill_binary);
FILLER(average_pool2d16, QRT_AVERAGE_POOL2D16, pool2d, fill_pool2d);
FILLER(max_pool2d16, QRT_MAX_POOL2D16, pool2d, fill_pool2d);
FILLER(mean16, QRT_MEAN16, mean, fill_mean);
FILLER(requantize16, QRT_REQUANTIZE16, unary, fill_unary);
FILLER(clamp16, QRT_CLAMP16, unary, fill_unary);
FILLER(softmax16, QRT_SOFTMAX16, softmax, fill_softmax);
PACKED_FILLER(transpose_conv2d16, QRT_TRANSPOSE_CONV2D16, conv2d, fill_conv2d);
FILLER(maximum16, QRT_MAXIMUM16, binary, fill_binary);
FILLER(minimum16, QRT_MINIMUM16, binary, fill_binary);
FILLER(matmul16, QRT_MATMUL16, matmul, fill_matmul);
FILLER(lstm16, QRT_LSTM16, lstm, fill_lstm);

void qrt_pack(const qrt_filler *filler, const qrt_kernel *kernel, void *params, void *packed) {
    const void *place = packed;
    kernel->pack(params, packed);
    memcpy((uint8_t *)params + filler->packed, &place, sizeof place);
}
