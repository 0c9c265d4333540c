/* open_files.c: opens every file of a stream, reads all of it, and runs it once if it is valid.
 *
 * For builds with sanitizers: whatever the bytes are, nothing may be read or written out of bounds, and
 * no sum may overflow. The stream on stdin is files one after another, each behind its size (uint32).
 * Prints a line for each: status and broken rule. Memory of the exact size lets a sanitizer see one byte too many.
 */
#define _POSIX_C_SOURCE 200112L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qrt_model.h"
#include "qrt_prepare.h"

/* Valid files that need more than this are not run, to keep the time of a test in bounds. */
#define MAX_ARENA (1u << 20)

static volatile uint32_t sink; /* so that reading is not optimized away */

static void *allocate(size_t size) {
    void *memory = NULL;
    if (posix_memalign(&memory, QRT_MEMORY_ALIGNMENT, size > 0 ? size : 1) != 0) abort();
    return memory;
}

static void touch(const void *bytes, size_t size) {
    const uint8_t *byte = bytes;
    for (size_t i = 0; i < size; i++) sink += byte[i];
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
    if (op.exponential != NULL) touch(op.exponential, 256 * sizeof(uint32_t));
    if (op.lut != NULL) touch(op.lut, 256);
}

static uint32_t edge_size(const qrt_model *model, const qrt_edge *edge) {
    qrt_tensor tensor;
    qrt_model_tensor(model, edge->tensor, &tensor);
    return tensor.size;
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
        for (uint32_t v = 0; v < model->test_vector_count; v++) {
            touch(qrt_model_test_input(model, v, i), edge_size(model, &edge));
        }
    }
    for (uint32_t i = 0; i < model->output_count; i++) {
        qrt_model_output(model, i, &edge);
        for (uint32_t k = 0; k < edge.label_count; k++) {
            qrt_text label = qrt_model_output_label(model, i, k);
            touch(label.text, label.length);
        }
        for (uint32_t v = 0; v < model->test_vector_count; v++) {
            touch(qrt_model_test_output(model, v, i), edge_size(model, &edge));
        }
    }
}

/* Runs the model on an arena full of `code`, so that sums reach their bounds. */
static void run_model(const qrt_model *model, const qrt_kernels *kernels, int code) {
    qrt_program program;
    const qrt_step *steps;
    void *program_memory = allocate(qrt_program_size(model, kernels));
    void *step_memory = allocate(qrt_steps_size(model));
    void *arena = allocate(model->arena_size);
    memset(arena, code, model->arena_size);
    qrt_program_init(&program, model, kernels, program_memory);
    void *scratch = allocate(program.scratch_size);
    uint32_t count = qrt_steps_init(&program, arena, step_memory, &steps);
    for (uint32_t i = 0; i < count; i++) steps[i].run(steps[i].params, steps[i].inputs, steps[i].output, scratch);
    touch(arena, model->arena_size);
    free(scratch);
    free(arena);
    free(step_memory);
    free(program_memory);
}

int main(void) {
    uint32_t size;
    qrt_kernels kernels;
    qrt_kernels_portable(&kernels);
    while (fread(&size, sizeof size, 1, stdin) == 1) {
        qrt_model model;
        qrt_problem problem;
        uint8_t *bytes = allocate(size);
        if (fread(bytes, 1, size, stdin) != size) return 1;
        int32_t status = qrt_model_open(&model, bytes, size, qrt_crc32, &problem);
        printf("%d %d\n", (int)status, (int)problem.rule);
        if (status == QRT_OK) touch_model(&model);
        if (status == QRT_OK && model.arena_size <= MAX_ARENA) {
            run_model(&model, &kernels, -128);
            run_model(&model, &kernels, 127);
        }
        free(bytes);
    }
    return 0;
}
