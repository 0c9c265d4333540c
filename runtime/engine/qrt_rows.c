/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_rows.c: operators that make some rows of their output. */
#include "engine/qrt_rows.h"

int32_t *qrt_count_of(int32_t kind, qrt_params *params) {
    switch (kind) {
    case QRT_CONV2D:
    case QRT_DWCONV2D:
    case QRT_TRANSPOSE_CONV2D:
        return &params->conv2d.out_height;
    case QRT_AVERAGE_POOL2D:
    case QRT_MAX_POOL2D:
        return &params->pool2d.out_height;
    case QRT_RESIZE2D:
        return &params->resize2d.out_height;
    case QRT_PAD:
        return &params->pad.out_shape[1];
    case QRT_SLICE:
        return &params->slice.out_shape[1];
    case QRT_CONCAT:
        return &params->concat.outer;
    case QRT_LINEAR:
        return &params->linear.rows;
    case QRT_SOFTMAX:
        return &params->softmax.rows;
    case QRT_LOG_SOFTMAX:
        return &params->log_softmax.rows;
    case QRT_L2_NORM:
        return &params->l2_norm.rows;
    case QRT_LAYER_NORM:
        return &params->layer_norm.rows;
    case QRT_REQUANTIZE_SUM:
        return &params->requantize_sum.rows;
    case QRT_ADD:
    case QRT_MUL:
    case QRT_MAXIMUM:
    case QRT_MINIMUM:
    case QRT_SQUARED_DIFFERENCE:
        return &params->binary.broadcast.shape[0];
    case QRT_REQUANTIZE:
    case QRT_CLAMP:
    case QRT_LUT:
    case QRT_SIGMOID:
    case QRT_TANH:
    case QRT_LEAKY_RELU:
        return &params->unary.size;
    default:
        return NULL;
    }
}

static int is_image(const qrt_tensor *tensor) { return tensor->rank == 4 && tensor->shape[0] == 1; }

static int is_rising(const uint16_t *entries, int32_t count) {
    for (int32_t i = 1; i < count; i++) {
        if (entries[i] < entries[i - 1]) return 0;
    }
    return 1;
}

int qrt_has_rows(const qrt_node *node) {
    qrt_params params;
    if (qrt_count_of(node->op.kind, &params) == NULL || !is_image(&node->a) || !is_image(&node->y)) return 0;
    switch (node->op.kind) {
    case QRT_CONCAT:
        return node->op.axis >= 2;
    case QRT_SLICE:
        return node->y.shape[1] == 1 || node->op.stride[1] == 1;
    case QRT_RESIZE2D:
        return is_rising(node->op.rows, node->y.shape[1]);
    default:
        return 1;
    }
}

static int32_t clamp(int64_t value, int32_t minimum, int32_t maximum) {
    return (int32_t)(value < minimum ? minimum : value > maximum ? maximum : value);
}

/* Rows [top, bottom) of an image and its padding: of the image those become the image. Returns the first of them. */
static int32_t crop(int64_t top, int64_t bottom, int32_t *height, int32_t *pad_top) {
    int32_t first = clamp(top, 0, *height), last = clamp(bottom, first, *height);
    *pad_top = top < 0 ? (int32_t)-top : 0;
    *height = last - first;
    return first;
}

static int32_t crop_conv2d(qrt_conv2d_params *p, int32_t begin, int32_t end) {
    int64_t top = (int64_t)begin * p->stride_y - p->pad_top, last = (int64_t)(end - 1) * p->stride_y - p->pad_top;
    int64_t reach = (int64_t)(p->filter_height - 1) * p->dilation_y + 1;
    return crop(top, last + reach, &p->in_height, &p->pad_top);
}

static int32_t crop_pool2d(qrt_pool2d_params *p, int32_t begin, int32_t end) {
    int64_t top = (int64_t)begin * p->stride_y - p->pad_top, last = (int64_t)(end - 1) * p->stride_y - p->pad_top;
    return crop(top, last + p->filter_height, &p->in_height, &p->pad_top);
}

/* Row y of the output has something of the input's rows r where 0 <= y + pad_top - r * stride < filter_height. That y +
 * pad_top has 32 bits is proved (V57), and Cortex-M cannot divide 64. */
static int32_t crop_transpose_conv2d(qrt_conv2d_params *p, int32_t begin, int32_t end) {
    int32_t from = begin + p->pad_top - p->filter_height, to = end - 1 + p->pad_top;
    int32_t first = from < 0 ? 0 : clamp(from / p->stride_y + 1, 0, p->in_height);
    p->pad_top += begin - first * p->stride_y;
    p->in_height = clamp(to / p->stride_y + 1, first, p->in_height) - first;
    return first;
}

static int32_t crop_pad(qrt_pad_params *p, int32_t begin, int32_t end) {
    int32_t first = clamp((int64_t)begin - p->before[1], 0, p->in_shape[1]);
    p->in_shape[1] = clamp((int64_t)end - p->before[1], first, p->in_shape[1]) - first;
    p->before[1] = clamp((int64_t)p->before[1] - begin, 0, end - begin);
    return first;
}

/* Where rows are one after another, the stride along them is a row's size, and `first` says how many are left out. */
static int32_t crop_slice(qrt_slice_params *p, int32_t begin) {
    int32_t row_size = p->in_stride[1], first = p->first / row_size;
    p->first -= first * row_size;
    return first + begin;
}

static int32_t crop_resize2d(qrt_resize2d_params *p, int32_t begin) {
    p->rows += begin;
    if (p->row_weight != NULL) p->row_weight += begin;
    p->first_row = p->rows[0];
    return p->first_row;
}

void qrt_take_rows(int32_t kind, qrt_params *params, int32_t height, int32_t begin, int32_t end, int32_t first[2]) {
    int32_t *count = qrt_count_of(kind, params);
    const qrt_broadcast *broadcast = &params->binary.broadcast;
    *count = *count / height * (end - begin);
    first[0] = first[1] = begin;
    switch (kind) {
    case QRT_CONV2D:
    case QRT_DWCONV2D:
        first[0] = crop_conv2d(&params->conv2d, begin, end);
        break;
    case QRT_TRANSPOSE_CONV2D:
        first[0] = crop_transpose_conv2d(&params->conv2d, begin, end);
        break;
    case QRT_AVERAGE_POOL2D:
    case QRT_MAX_POOL2D:
        first[0] = crop_pool2d(&params->pool2d, begin, end);
        break;
    case QRT_PAD:
        first[0] = crop_pad(&params->pad, begin, end);
        break;
    case QRT_SLICE:
        first[0] = crop_slice(&params->slice, begin);
        break;
    case QRT_RESIZE2D:
        first[0] = crop_resize2d(&params->resize2d, begin);
        break;
    case QRT_ADD:
    case QRT_MUL:
    case QRT_MAXIMUM:
    case QRT_MINIMUM:
    case QRT_SQUARED_DIFFERENCE:
        /* Rows are the first axis, or with others make it; an input that they share has the stride 0. */
        if (broadcast->a_stride[0] == 0) first[0] = 0;
        if (broadcast->b_stride[0] == 0) first[1] = 0;
        break;
    default:
        break;
    }
}
