/* guard_rows.c: operators that make some of their rows, between inaccessible pages. */
#define _GNU_SOURCE
#include "guard_rows.h"

#include <string.h>

#include "engine/qrt_rows.h"
#include "pages.h"
#include "portable/average_rows.h"

/* How many rows are taken at a time, over and over. */
static const int32_t counts[2][3] = {{1, 1, 1}, {2, 3, 1}};

static size_t row_size(const qrt_tensor *tensor) { return (size_t)qrt_tensor_bytes(tensor) / (size_t)tensor->shape[1]; }

/* Of input k, for `count` rows of the output. */
static int32_t rows_read(const qrt_node *node, const qrt_params *p, const qrt_tensor *x, int32_t count) {
    const qrt_resize2d_params *resize = &p->resize2d;
    switch (node->op.kind) {
    case QRT_CONV2D:
    case QRT_DWCONV2D:
    case QRT_TRANSPOSE_CONV2D:
        return p->conv2d.in_height;
    case QRT_AVERAGE_POOL2D:
    case QRT_MAX_POOL2D:
        return p->pool2d.in_height;
    case QRT_PAD:
        return p->pad.in_shape[1];
    case QRT_RESIZE2D: {
        int32_t last = resize->rows[count - 1], below = resize->row_weight != NULL && resize->row_weight[count - 1] > 0;
        return last + (below && last + 1 < resize->in_height) + 1 - resize->first_row;
    }
    default:
        return x->shape[1] < node->y.shape[1] && node->op.kind != QRT_SLICE ? x->shape[1] : count;
    }
}

/* Rows [begin, begin + count). */
static void run_rows(const qrt_node *node, const qrt_prepared *prepared, const int8_t *const *inputs,
                     const int8_t *expected, int32_t begin, int32_t count, int behind) {
    const uint8_t fill = behind ? 0xa5 : 0x3c;
    const qrt_kernel *kernel = prepared->kernel;
    static const int8_t *given[QRT_MAX_INPUTS];
    static qrt_params params;
    int32_t first[2];
    now.part = begin;
    buffer_count = 0;
    params = prepared->params;
    qrt_take_rows(node->op.kind, &params, node->y.shape[1], begin, begin + count, first);
    for (uint32_t k = 0; k < node->op.input_count; k++) {
        qrt_tensor x;
        qrt_model_tensor(node->model, node->op.inputs[k], &x);
        given[k] = NULL; /* weights, which are in the parameters */
        if (k > 0 && qrt_operator_facts[node->op.kind].has_weights) continue;
        size_t size = row_size(&x), rows = (size_t)rows_read(node, &params, &x, count);
        const int8_t *from = inputs[k] + (size_t)first[k > 0] * size;
        given[k] = place_copy("input", (int)k, from, rows * size, alignment_of(&x), behind);
    }
    size_t size = row_size(&node->y);
    const buffer *output = place("the output", -1, (size_t)count * size, alignment_of(&node->y), behind, fill);
    if (sigsetjmp(after_fault, 0) != 0) {
        report_fault("run");
        return;
    }
    size_t scratch_size = kernel->scratch_size == NULL ? 0 : kernel->scratch_size(&params);
    const buffer *scratch = place("scratch", -1, scratch_size, 64, behind, fill);
    kernel->run(&params, given, (int8_t *)output->bytes, scratch->bytes);
    check_beside("run", fill);
    check_output(output, expected + (size_t)begin * size);
}

/* Whether any rows, the first ones or those in the middle, need more scratch than all. */
static void check_scratch(const qrt_node *node, const qrt_prepared *prepared) {
    int32_t height = node->y.shape[1], first[2];
    if (prepared->kernel->scratch_size == NULL) return;
    size_t whole = prepared->kernel->scratch_size(&prepared->params);
    for (int32_t count = 1; count < height; count++) {
        for (int32_t begin = 0; begin <= (height - count) / 2; begin += 1 + (height - count - 1) / 2) {
            qrt_params params = prepared->params;
            qrt_take_rows(node->op.kind, &params, height, begin, begin + count, first);
            size_t size = prepared->kernel->scratch_size(&params);
            now.part = begin;
            if (size > whole) violation("scratch_size() is %zu for %d rows, and %zu for all", size, count, whole);
        }
    }
}

/* Whether an operator is an average of a whole image of int8. */
static int is_global(const qrt_node *node, const qrt_params *params) {
    const qrt_pool2d_params *pool = &params->pool2d;
    if (node->row >= QRT_OPERATOR_KIND_END || node->a.shape[0] > 1) return 0;
    if (node->op.kind == QRT_MEAN) return 1;
    return node->op.kind == QRT_AVERAGE_POOL2D && pool->filter_height == pool->in_height &&
           pool->filter_width == pool->in_width && pool->pad_top == 0 && pool->pad_left == 0 && node->y.shape[1] == 1 &&
           node->y.shape[2] == 1;
}

/* An average of a whole image, from sums of rows. */
static void add_rows(const qrt_node *node, const qrt_params *params, const int8_t *x, const int8_t *expected,
                     const int32_t *some, int behind) {
    const uint8_t fill = behind ? 0xa5 : 0x3c;
    int32_t height = node->a.shape[1], width = node->a.shape[2], channels = node->a.shape[3];
    buffer_count = 0;
    now.part = 0;
    buffer *output = place("the sums", -1, (size_t)channels * 4, 1, behind, fill);
    memset(output->bytes, 0, (size_t)channels * 4);
    if (sigsetjmp(after_fault, 0) != 0) {
        report_fault("add");
        return;
    }
    for (int32_t row = 0, i = 0, count; row < height; row += count, i++) {
        buffer_count = 1;
        count = some[i % 3] < height - row ? some[i % 3] : height - row;
        size_t size = (size_t)width * (size_t)channels;
        const int8_t *rows = place_copy("rows", -1, x + (size_t)row * size, (size_t)count * size, 1, behind);
        qrt_add_positions(rows, count * width, channels, (int8_t *)output->bytes);
    }
    if (node->op.kind == QRT_MEAN) {
        qrt_mean_of_sums(&params->mean, (int8_t *)output->bytes);
    } else {
        qrt_average_of_sums(&params->pool2d, (int8_t *)output->bytes);
    }
    check_beside("add", fill);
    output->size = (size_t)channels;
    check_output(output, expected);
}

int guard_rows(const qrt_model *model, uint32_t index, const qrt_prepared *prepared, const int8_t *const *inputs,
               const int8_t *expected) {
    qrt_node node;
    qrt_node_read(model, index, &node);
    int has_rows = qrt_has_rows(&node), global = is_global(&node, &prepared->params);
    now.unit = "rows from";
    if (has_rows) check_scratch(&node, prepared);
    for (volatile int run = 0; run < 4; run++) {
        const int32_t *some = counts[run / 2];
        if (global) add_rows(&node, &prepared->params, inputs[0], expected, some, run % 2);
        for (volatile int32_t begin = 0, i = 0; has_rows && begin < node.y.shape[1]; i++) {
            int32_t left = node.y.shape[1] - begin, count = some[i % 3] < left ? some[i % 3] : left;
            run_rows(&node, prepared, inputs, expected, begin, count, run % 2);
            begin += count;
        }
    }
    now.part = -1;
    return has_rows || global;
}
