/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_operators.c: proves of each operator that its shapes agree, its parameters are in range and its
 * arithmetic cannot overflow (V28 on). SPEC.md, section 2, has the formulas.
 */
#include "qrt_checked.h"

#define MAX_POOL_POSITIONS (1 << 22)

/* -- rules that several operators share -- */

/* V40 for all inputs of an operator that keeps the numbers. */
static int32_t check_numbers(qrt_check *check, const qrt_checked *n) {
    qrt_tensor x;
    for (uint32_t i = 0; n->facts->keeps_numbers && i < n->op.input_count; i++) {
        qrt_model_tensor(check->model, n->op.inputs[i], &x);
        RULE(76, x.dtype == n->y.dtype);
        RULE(40, x.zero_point == n->y.zero_point);
        RULE(40, x.scale_bits == 0 || n->y.scale_bits == 0 || x.scale_bits == n->y.scale_bits);
    }
    return QRT_OK;
}

static int32_t check_window_axis(qrt_check *check, int32_t in, int32_t out, int32_t filter, int32_t stride,
                                 int32_t dilation, int32_t pads) {
    RULE(31, filter >= 1 && stride >= 1 && dilation >= 1);
    int64_t padded = (int64_t)in + pads;
    int64_t extent = (int64_t)(filter - 1) * dilation + 1;
    RULE(31, padded <= INT32_MAX && extent <= padded);
    RULE(31, out == (int32_t)(padded - extent) / stride + 1);
    return QRT_OK;
}

static int32_t check_window(qrt_check *check, const qrt_checked *n) {
    const qrt_window *w = &n->op.window;
    const int32_t *x = n->x.shape;
    const int32_t *y = n->y.shape;
    RULE(31, x[0] == y[0]);
    TRY(check_window_axis(check, x[1], y[1], w->filter_height, w->stride_y, w->dilation_y, w->pad_top + w->pad_bottom));
    return check_window_axis(check, x[2], y[2], w->filter_width, w->stride_x, w->dilation_x,
                             w->pad_left + w->pad_right);
}

/* -- the operators -- */

static int32_t check_conv2d(qrt_check *check, const qrt_checked *n) {
    const int32_t *x = n->x.shape;
    const int32_t *weights = n->b.shape;
    int32_t out_channels = n->y.shape[3];
    RULE(28, n->x.rank == 4 && n->b.rank == 4 && n->y.rank == 4);
    RULE(28, n->op.groups >= 1 && x[3] % n->op.groups == 0 && out_channels % n->op.groups == 0);
    RULE(28, weights[0] == out_channels && weights[3] == x[3] / n->op.groups);
    RULE(28, weights[1] == n->op.window.filter_height && weights[2] == n->op.window.filter_width);
    TRY(check_window(check, n));
    return qrt_check_channels(check, n);
}

static int32_t check_dwconv2d(qrt_check *check, const qrt_checked *n) {
    const int32_t *weights = n->b.shape;
    uint32_t channels = (uint32_t)n->y.shape[3];
    RULE(29, n->x.rank == 4 && n->b.rank == 4 && n->y.rank == 4);
    RULE(29, weights[0] == 1 && weights[3] == n->y.shape[3] && n->y.shape[3] % n->x.shape[3] == 0);
    RULE(29, weights[1] == n->op.window.filter_height && weights[2] == n->op.window.filter_width);
    TRY(check_window(check, n));
    TRY(qrt_check_weights(check, n));
    TRY(qrt_check_requant(check, n, channels));
    uint32_t count = n->b.size / channels;
    for (uint32_t i = 0; i < channels; i++) TRY(qrt_check_channel(check, n, i, i, count, channels));
    return QRT_OK;
}

static int32_t check_linear(qrt_check *check, const qrt_checked *n) {
    uint32_t last = n->x.rank - 1;
    RULE(30, n->b.rank == 2 && n->y.rank == n->x.rank);
    RULE(30, memcmp(n->x.shape, n->y.shape, last * sizeof(int32_t)) == 0);
    RULE(30, n->b.shape[1] == n->x.shape[last] && n->b.shape[0] == n->y.shape[last]);
    return qrt_check_channels(check, n);
}

static int32_t check_broadcast(qrt_check *check, const qrt_tensor *x, const qrt_tensor *y) {
    RULE(33, x->rank == y->rank);
    for (uint32_t i = 0; i < y->rank; i++) RULE(33, x->shape[i] == y->shape[i] || x->shape[i] == 1);
    return QRT_OK;
}

static int32_t check_shapes(qrt_check *check, const qrt_checked *n) {
    if (n->op.input_count == 1) {
        RULE(39, same_shape(&n->x, &n->y));
        return QRT_OK;
    }
    TRY(check_broadcast(check, &n->x, &n->y));
    return check_broadcast(check, &n->b, &n->y);
}

/* What all elementwise operators have in common. */
static int32_t check_elementwise(qrt_check *check, const qrt_checked *n) {
    TRY(check_shapes(check, n));
    TRY(check_numbers(check, n));
    TRY(qrt_check_output_range(check, n->op.output_min, n->op.output_max));
    if (n->op.input_count > 1) TRY(qrt_check_operand_types(check, n));
    if (n->facts->acc == QRT_NO_ACC) return QRT_OK;
    TRY(qrt_check_requant(check, n, 1));
    return qrt_check_acc(check, n, 0, reach(&n->x) * (n->facts->acc == QRT_ACC_OF_PRODUCT ? reach(&n->b) : 1));
}

static int32_t check_add(qrt_check *check, const qrt_checked *n) {
    const qrt_add_data *add = &n->op.add;
    if (add->form == QRT_TFLITE) {
        RULE(51, add->a_multiplier >= 0 && add->b_multiplier >= 0 && add->y_multiplier >= 0);
        RULE(51, add->a_shift >= 31 && add->a_shift <= MAX_SHIFT);
        RULE(51, add->b_shift >= 31 && add->b_shift <= MAX_SHIFT);
        RULE(51, add->y_shift >= 31 && add->y_shift <= MAX_SHIFT);
    } else {
        RULE(50, add->a_multiplier >= 0 && add->b_multiplier >= 0 && add->shift <= MAX_SHIFT);
        uint64_t codes = n->x.dtype == QRT_INT16 || n->b.dtype == QRT_INT16 ? 65536 : 256;
        uint64_t term = ((uint64_t)add->a_multiplier + (uint64_t)add->b_multiplier) * codes;
        RULE(50, qrt_single_fits(term, add->shift, n->y.zero_point));
    }
    return QRT_OK;
}

/* V65: both scaled operands are at most 255 * 2^6, so that the square of their difference fits into an int32. */
static int32_t check_squared_difference(qrt_check *check, const qrt_checked *n) {
    const qrt_add_data *p = &n->op.add;
    RULE(65, p->a_multiplier >= 0 && p->b_multiplier >= 0 && p->y_multiplier >= 0);
    RULE(65, p->a_shift >= 31 && p->a_shift <= MAX_SHIFT);
    RULE(65, p->b_shift >= 31 && p->b_shift <= MAX_SHIFT);
    RULE(65, p->y_shift >= 31 && p->y_shift <= MAX_SHIFT);
    RULE(65, p->a_multiplier <= (int64_t)1 << (p->a_shift - 1));
    RULE(65, p->b_multiplier <= (int64_t)1 << (p->b_shift - 1));
    return QRT_OK;
}

static int32_t check_pool2d(qrt_check *check, const qrt_checked *n) {
    const qrt_window *w = &n->op.window;
    RULE(32, n->x.rank == 4 && n->y.rank == 4 && n->x.shape[3] == n->y.shape[3]);
    RULE(32, w->dilation_y == 1 && w->dilation_x == 1);
    TRY(check_window(check, n));
    RULE(32, w->pad_top < w->filter_height && w->pad_bottom < w->filter_height);
    RULE(32, w->pad_left < w->filter_width && w->pad_right < w->filter_width);
    RULE(32, (int64_t)w->filter_height * w->filter_width <= MAX_POOL_POSITIONS);
    TRY(qrt_check_pool16(check, n));
    return qrt_check_output_range(check, n->op.output_min, n->op.output_max);
}

static int32_t check_mean(qrt_check *check, const qrt_checked *n) {
    const int32_t *x = n->x.shape;
    const int32_t *y = n->y.shape;
    RULE(34, n->x.rank == 4 && n->y.rank == 4);
    RULE(34, y[0] == x[0] && y[1] == 1 && y[2] == 1 && y[3] == x[3]);
    TRY(qrt_check_requant(check, n, 1));
    return qrt_check_acc(check, n, 0, (uint64_t)x[1] * (uint64_t)x[2] * reach(&n->x));
}

/* The filter is at least 1, as it is the weights'; so is the stride, where there is anything between the last two. */
static int32_t check_transpose_axis(qrt_check *check, int32_t in, int32_t out, int32_t filter, int32_t stride,
                                    int32_t dilation, int32_t pads) {
    RULE(57, dilation == 1);
    int64_t spread = (int64_t)(in - 1) * stride + filter;
    int64_t padded = (int64_t)out + pads;
    RULE(57, padded <= INT32_MAX && spread <= padded && padded < spread + stride);
    return QRT_OK;
}

static int32_t check_transpose_conv2d(qrt_check *check, const qrt_checked *n) {
    const qrt_window *w = &n->op.window;
    const int32_t *x = n->x.shape;
    const int32_t *y = n->y.shape;
    const int32_t *weights = n->b.shape;
    RULE(57, n->x.rank == 4 && n->b.rank == 4 && n->y.rank == 4 && x[0] == y[0]);
    RULE(57, weights[0] == y[3] && weights[1] == w->filter_height && weights[2] == w->filter_width);
    RULE(57, weights[3] == x[3]);
    TRY(check_transpose_axis(check, x[1], y[1], w->filter_height, w->stride_y, w->dilation_y,
                             w->pad_top + w->pad_bottom));
    TRY(check_transpose_axis(check, x[2], y[2], w->filter_width, w->stride_x, w->dilation_x,
                             w->pad_left + w->pad_right));
    return qrt_check_channels(check, n);
}

static int32_t check_matmul(qrt_check *check, const qrt_checked *n) {
    uint32_t rank = n->y.rank;
    RULE(59, rank >= 2 && n->x.rank == rank && n->b.rank == rank);
    const int32_t *a = n->x.shape + rank - 2;
    const int32_t *b = n->b.shape + rank - 2;
    const int32_t *y = n->y.shape + rank - 2;
    RULE(59, a[0] == y[0] && b[0] == y[1] && a[1] == b[1]);
    int whole = 1;
    int single = 1;
    for (uint32_t i = 0; i + 2 < rank; i++) {
        RULE(59, n->x.shape[i] == n->y.shape[i]);
        whole = whole && n->b.shape[i] == n->y.shape[i];
        single = single && n->b.shape[i] == 1;
    }
    RULE(59, whole || single);
    TRY(qrt_check_operand_types(check, n));
    TRY(qrt_check_requant(check, n, 1));
    return qrt_check_acc(check, n, 0, (uint64_t)a[1] * reach(&n->x) * reach(&n->b));
}

/* V64; the three terms are below 2^62, below 2^62 and at most 2^63, so that their sum fits into uint64. */
static int32_t check_requantize_sum(qrt_check *check, const qrt_checked *n) {
    const qrt_requant_data *requant = &n->op.requant;
    RULE(64, same_shape(&n->x, &n->y) && same_shape(&n->b, &n->y));
    TRY(qrt_check_requant(check, n, (uint32_t)n->y.shape[n->y.rank - 1]));
    RULE(64, requant->addend != NULL && n->op.b_multiplier_count == requant->count);
    for (uint32_t i = 0; i < requant->count; i++) {
        uint64_t b_multiplier = magnitude(n->op.b_multiplier[i]);
        RULE(64, b_multiplier < (uint64_t)1 << 55);
        uint64_t products = ((uint64_t)requant->multiplier[i] << 31) + (b_multiplier << 7);
        uint64_t addend = magnitude(requant->addend[i]);
        RULE(64, products + addend < INT64_LIMIT);
    }
    return QRT_OK;
}

static int32_t check_lut(qrt_check *check, const qrt_checked *n) {
    RULE(53, option_count(check, n, LUT_TABLE) == 256);
    return QRT_OK;
}

/* What only operators of its kind have to keep. */
static int32_t check_special(qrt_check *check, const qrt_checked *n) {
    switch (n->op.kind) {
    case QRT_CONV2D:
        return check_conv2d(check, n);
    case QRT_DWCONV2D:
        return check_dwconv2d(check, n);
    case QRT_LINEAR:
        return check_linear(check, n);
    case QRT_ADD:
        return check_add(check, n);
    case QRT_SQUARED_DIFFERENCE:
        return check_squared_difference(check, n);
    case QRT_AVERAGE_POOL2D:
    case QRT_MAX_POOL2D:
        return check_pool2d(check, n);
    case QRT_MEAN:
        return check_mean(check, n);
    case QRT_PAD:
        return qrt_check_pad(check, n);
    case QRT_CONCAT:
        return qrt_check_concat(check, n);
    case QRT_RESHAPE:
        return qrt_check_reshape(check, n);
    case QRT_PUSH:
        return qrt_check_push(check, n);
    case QRT_ASSIGN:
        return qrt_check_assign(check, n);
    case QRT_TRANSPOSE:
        return qrt_check_transpose(check, n);
    case QRT_SOFTMAX:
        return qrt_check_softmax(check, n);
    case QRT_LOG_SOFTMAX:
        return qrt_check_log_softmax(check, n);
    case QRT_LUT:
        return check_lut(check, n);
    case QRT_SLICE:
        return qrt_check_slice(check, n);
    case QRT_RESIZE2D:
        return qrt_check_resize2d(check, n);
    case QRT_TRANSPOSE_CONV2D:
        return check_transpose_conv2d(check, n);
    case QRT_ARG_MAX:
        return qrt_check_arg_max(check, n);
    case QRT_MATMUL:
        return check_matmul(check, n);
    case QRT_L2_NORM:
        return qrt_check_l2_norm(check, n);
    case QRT_LAYER_NORM:
        return qrt_check_layer_norm(check, n);
    case QRT_REQUANTIZE_SUM:
        return check_requantize_sum(check, n);
    case QRT_SVDF:
        return qrt_check_svdf(check, n);
    case QRT_LSTM:
        return qrt_check_lstm(check, n);
    case QRT_SIGMOID:
    case QRT_TANH:
        return qrt_check_gate(check, n);
    case QRT_LEAKY_RELU:
        return qrt_check_leaky_relu(check, n);
    default: /* elementwise, and nothing more */
        return QRT_OK;
    }
}

static int32_t check_node(qrt_check *check, const qrt_checked *n) {
    if (n->facts->elementwise) {
        TRY(check_elementwise(check, n));
        return check_special(check, n);
    }
    TRY(check_special(check, n));
    return check_numbers(check, n);
}

int32_t qrt_check_operators(qrt_check *check) {
    const qrt_model *model = check->model;
    const uint8_t *bytes = model->bytes;
    qrt_checked n;
    for (uint32_t i = 0; i < model->operator_count; i++) {
        qrt_check_at(check, QRT_IN_OPERATOR, i);
        uint32_t table = qrt_follow(bytes, model->operators + 4 * i);
        n.options = qrt_follow(bytes, qrt_field(bytes, table, OPERATOR_OPTIONS));
        qrt_model_operator(model, i, &n.op);
        n.facts = &qrt_operator_facts[n.op.kind];
        qrt_model_tensor(model, n.op.inputs[0], &n.x);
        qrt_model_tensor(model, n.op.inputs[n.op.input_count > 1 ? 1 : 0], &n.b);
        qrt_model_tensor(model, n.op.output, &n.y);
        TRY(check_node(check, &n));
    }
    return QRT_OK;
}
