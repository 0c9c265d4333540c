/* run_file.c: see run_file.h. */
#define _POSIX_C_SOURCE 200112L
#include "run_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/qrt_prepare.h"

/* Valid files that need more than these are not run, to keep the time of a run in bounds. */
#define MAX_ARENA (1u << 20)
#define MAX_WORK ((uint64_t)1 << 22)
/* What any file may take. Fuzzers look for slow files; tests, which also run on busy machines, for endless ones. */
#ifndef MAX_SECONDS
#define MAX_SECONDS 1
#endif
#define MAX_GROWTH 16

static volatile uint32_t sink; /* so that reading is not optimized away */

static void *allocate(size_t size) {
    void *memory = NULL;
    if (posix_memalign(&memory, QRT_MEMORY_ALIGNMENT, size > 0 ? size : 1) != 0) abort();
    return memory;
}

/* Memory of the exact size lets a sanitizer see one byte too many, and all that is touched is in one piece, so that
 * its two ends show whether it lies inside. */
static void touch(const void *bytes, size_t size) {
    const uint8_t *byte = bytes;
    if (size > 0) sink += byte[0] + byte[size - 1];
}

static void touch_requant(const qrt_requant_data *requant, uint32_t channels) {
    touch(requant->multiplier, requant->count * sizeof(int32_t));
    touch(requant->shift, requant->count);
    if (requant->bias != NULL) touch(requant->bias, channels * sizeof(int32_t));
    if (requant->addend != NULL) touch(requant->addend, requant->count * sizeof(int64_t));
}

static void touch_operator(const qrt_model *model, uint32_t index) {
    qrt_operator op;
    qrt_tensor y;
    qrt_model_operator(model, index, &op);
    qrt_model_tensor(model, op.output, &y);
    touch(op.name.text, op.name.length);
    touch(op.inputs, op.input_count * sizeof(uint32_t));
    if (op.requant.multiplier != NULL) touch_requant(&op.requant, (uint32_t)y.shape[y.rank - 1]);
    if (op.pad_before != NULL) touch(op.pad_before, y.rank * sizeof(int32_t));
    if (op.pad_after != NULL) touch(op.pad_after, y.rank * sizeof(int32_t));
    if (op.permutation != NULL) touch(op.permutation, y.rank);
    if (op.exponential != NULL) touch(op.exponential, op.exponential_count * sizeof(uint32_t));
    if (op.lut != NULL) touch(op.lut, 256);
    if (op.b_multiplier != NULL) touch(op.b_multiplier, op.b_multiplier_count * sizeof(int64_t));
    if (op.begin != NULL) touch(op.begin, y.rank * sizeof(int32_t));
    if (op.stride != NULL) touch(op.stride, y.rank * sizeof(int32_t));
    if (op.rows != NULL) touch(op.rows, (uint32_t)y.shape[1] * sizeof(uint16_t));
    if (op.columns != NULL) touch(op.columns, (uint32_t)y.shape[2] * sizeof(uint16_t));
    if (op.row_weight != NULL) touch(op.row_weight, (uint32_t)y.shape[1] * sizeof(uint16_t));
    if (op.column_weight != NULL) touch(op.column_weight, (uint32_t)y.shape[2] * sizeof(uint16_t));
}

static size_t edge_bytes(const qrt_model *model, const qrt_edge *edge) {
    qrt_tensor tensor;
    qrt_model_tensor(model, edge->tensor, &tensor);
    return (size_t)qrt_tensor_bytes(&tensor);
}

static void touch_edge(const qrt_edge *edge) {
    if (edge->requant.multiplier != NULL) touch_requant(&edge->requant, 1);
    if (edge->scale_bits != NULL) touch(edge->scale_bits, edge->scale_count * sizeof(uint32_t));
}

static void touch_model(const qrt_model *model) {
    qrt_edge edge;
    touch(model->name.text, model->name.length);
    touch(model->producer.text, model->producer.length);
    for (uint32_t i = 0; i < model->tensor_count; i++) {
        qrt_tensor tensor;
        qrt_model_tensor(model, i, &tensor);
        touch(tensor.name.text, tensor.name.length);
        if (tensor.data != NULL) touch(tensor.data, tensor.size);
    }
    for (uint32_t i = 0; i < model->operator_count; i++) touch_operator(model, i);
    for (uint32_t i = 0; i < model->input_count; i++) {
        qrt_model_input(model, i, &edge);
        touch_edge(&edge);
        for (uint32_t v = 0; v < model->test_vector_count; v++) {
            touch(qrt_model_test_input(model, v, i), edge_bytes(model, &edge));
        }
    }
    for (uint32_t i = 0; i < model->output_count; i++) {
        qrt_model_output(model, i, &edge);
        touch_edge(&edge);
        for (uint32_t k = 0; k < edge.label_count; k++) {
            qrt_text label = qrt_model_output_label(model, i, k);
            touch(label.text, label.length);
        }
        for (uint32_t v = 0; v < model->test_vector_count; v++) {
            touch(qrt_model_test_output(model, v, i), edge_bytes(model, &edge));
        }
    }
}

/* How often an operator's innermost loop turns for one code of its output, at most. */
static uint64_t work_of_a_code(const qrt_operator *op, const qrt_tensor *a, const qrt_tensor *b) {
    uint64_t window = (uint64_t)op->window.filter_height * (uint64_t)op->window.filter_width;
    switch (op->kind) {
    case QRT_CONV2D:
    case QRT_TRANSPOSE_CONV2D:
        return window * (uint64_t)b->shape[3];
    case QRT_DWCONV2D:
    case QRT_AVERAGE_POOL2D:
    case QRT_MAX_POOL2D:
        return window;
    case QRT_LINEAR:
    case QRT_MATMUL:
        return (uint64_t)a->shape[a->rank - 1];
    default:
        return 1;
    }
}

static int is_small(const qrt_model *model) {
    uint64_t work = 0;
    for (uint32_t i = 0; i < model->operator_count && work <= MAX_WORK; i++) {
        qrt_operator op;
        qrt_tensor a, b, y;
        qrt_model_operator(model, i, &op);
        qrt_model_tensor(model, op.inputs[0], &a);
        qrt_model_tensor(model, op.inputs[op.input_count > 1 ? 1 : 0], &b);
        qrt_model_tensor(model, op.output, &y);
        work += (uint64_t)a.size + y.size * work_of_a_code(&op, &a, &b);
    }
    return work <= MAX_WORK && model->arena_size <= MAX_ARENA;
}

/* Runs the model on an arena full of `code`, so that sums reach their bounds. */
static void run_model(const qrt_model *model, const qrt_kernels *kernels, int code) {
    qrt_program program;
    const qrt_step *steps;
    size_t program_size = qrt_program_size(model, kernels, qrt_packed_limit(model));
    size_t steps_size = qrt_steps_size(model, QRT_AS_ON_DEVICE);
    void *program_memory = allocate(program_size);
    void *step_memory = allocate(steps_size);
    void *arena = allocate(model->arena_size);
    uint64_t *offsets = allocate(model->tensor_count * sizeof *offsets);
    qrt_aside_block *blocks = allocate(model->tensor_count * sizeof *blocks);
    int8_t **places = allocate(model->tensor_count * sizeof *places);
    uint64_t aside_size = qrt_plan_aside(model, QRT_AS_ON_DEVICE, offsets, blocks);
    void *aside = allocate((size_t)aside_size);
    memset(arena, code, model->arena_size);
    memset(aside, code, (size_t)aside_size);
    qrt_places_init(model, offsets, arena, aside, places);
    qrt_program_init(&program, model, kernels, qrt_packed_limit(model), program_memory);
    size_t scratch_size = qrt_steps_scratch(&program, QRT_AS_ON_DEVICE);
    if (program_size + steps_size + scratch_size > MAX_GROWTH * (size_t)model->size) {
        fprintf(stderr, "a file of %u bytes needs %zu bytes besides its arena\n", (unsigned)model->size,
                program_size + steps_size + scratch_size);
        abort();
    }
    void *scratch = allocate(scratch_size);
    uint32_t count = qrt_steps_init(&program, QRT_AS_ON_DEVICE, arena, places, step_memory, &steps);
    for (uint32_t i = 0; i < count; i++) steps[i].run(steps[i].params, steps[i].inputs, steps[i].output, scratch);
    touch(arena, model->arena_size);
    free(scratch);
    free(aside);
    free(places);
    free(blocks);
    free(offsets);
    free(arena);
    free(step_memory);
    free(program_memory);
}

int32_t run_file(const uint8_t *bytes, size_t size, qrt_problem *problem) {
    qrt_model model;
    qrt_kernels kernels;
    clock_t start = clock();
    uint8_t *copy = allocate(size);
    if (size > 0) memcpy(copy, bytes, size);
    int32_t status = qrt_model_open(&model, copy, size, qrt_crc32, problem);
    if (status == QRT_OK) touch_model(&model);
    if (status == QRT_OK && is_small(&model)) {
        qrt_kernels_portable(&kernels);
        run_model(&model, &kernels, -128);
        run_model(&model, &kernels, 127);
    }
    free(copy);
    if (clock() - start > MAX_SECONDS * CLOCKS_PER_SEC) {
        fprintf(stderr, "a file of %zu bytes took more than %d s\n", size, MAX_SECONDS);
        abort();
    }
    return status;
}
