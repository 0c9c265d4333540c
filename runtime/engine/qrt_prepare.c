/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_prepare.c: the parameters and packed weights of all operators, and the steps that bind them to an arena.
 *
 * Nothing is checked here: qrt_model_open() has proved every index, shape and bound that is used.
 */
#include "engine/qrt_prepare.h"

#include "engine/qrt_params.h"
#include "engine/qrt_prepare_band.h"
#include "portable/portable.h"
#include "qrt_int4.h"

static size_t round_up(size_t size, size_t alignment) { return (size + alignment - 1) / alignment * alignment; }

static const qrt_filler *const fillers[] = {
    NULL,
#define X(name) &qrt_##name##_filler,
#include "qrt_kernel_rows.h"
#undef X
};

static const qrt_kernel *const portable[] = {
    NULL,
#define X(name) &qrt_##name##_portable,
#include "qrt_kernel_rows.h"
#undef X
};

/* Those that no limit of memory is in the way of. */
static void prepare_portable(const qrt_node *node, int32_t *runs, qrt_prepared *prepared) {
    fillers[node->row]->fill(node, &prepared->params, runs);
    prepared->kernel = portable[node->row];
    prepared->row = node->row;
}

/* Bytes of what a kernel takes as int8 and the file has as int4. */
static size_t unpacked_size(const qrt_node *node, const qrt_kernel *kernel) {
    if (node->b.dtype != QRT_INT4 || kernel->int4) return 0;
    return round_up(node->b.size, QRT_MEMORY_ALIGNMENT);
}

/* Bytes that an operator takes beside the file with this kernel. */
static size_t kernel_memory(const qrt_node *node, const qrt_kernel *kernel, const qrt_params *params) {
    size_t packed = kernel->packed_size == NULL ? 0 : kernel->packed_size(params);
    return unpacked_size(node, kernel) + round_up(packed, QRT_MEMORY_ALIGNMENT);
}

static size_t at_most(uint64_t limit) { return limit < SIZE_MAX / 2 ? (size_t)limit : SIZE_MAX / 2; }

/* Packing pads weights, up to 600 times, and many operators of a file can share them; no network that is meant to be
 * run comes near. The arena does not count: a host may still refuse it. */
uint64_t qrt_packed_limit(const qrt_model *model) { return (uint64_t)model->size * 16 + (1 << 20); }

/* What the scratch of an operator may take. */
static size_t scratch_limit(const qrt_model *model) {
    return at_most((uint64_t)model->size * 16 + model->arena_size + (1 << 20));
}

/* Memory for packed weights while operators are prepared, one after another. */
typedef struct budget {
    size_t left;
    size_t needed; /* by operators not yet prepared, each with the last kernel along `otherwise`, if that runs any */
} budget;

static size_t least_memory(const qrt_node *node, const qrt_kernels *kernels, const qrt_params *params) {
    const qrt_kernel *kernel = qrt_kernel_row(kernels, node->row);
    while (kernel->otherwise != NULL) kernel = kernel->otherwise;
    return kernel->covers == NULL ? kernel_memory(node, kernel, params) : 0;
}

static budget budget_of(const qrt_model *model, const qrt_kernels *kernels, uint64_t packed_limit) {
    budget b = {at_most(packed_limit), 0};
    for (uint32_t i = 0; i < model->operator_count; i++) {
        qrt_node node;
        qrt_params params;
        qrt_node_read(model, i, &node);
        fillers[node.row]->fill(&node, &params, NULL);
        size_t least = least_memory(&node, kernels, &params);
        b.needed = least > SIZE_MAX - b.needed ? SIZE_MAX : b.needed + least;
    }
    return b;
}

/* Of the kernels along `otherwise`, the first that covers the operator and leaves the others what they need; the last
 * if it fits at all, else NULL. */
static const qrt_kernel *kernel_within(const qrt_node *node, const qrt_kernels *kernels, const qrt_params *params,
                                       const budget *b) {
    size_t spare = b->left > b->needed ? b->left - b->needed : 0;
    const qrt_kernel *kernel = qrt_kernel_covering(qrt_kernel_row(kernels, node->row), params), *next = kernel;
    while (next != NULL && kernel_memory(node, kernel, params) > spare) {
        next = qrt_kernel_covering(kernel->otherwise, params);
        if (next != NULL) kernel = next;
    }
    return kernel_memory(node, kernel, params) > b->left ? NULL : kernel;
}

/* Prepares an operator, unpacks and packs its weights into `memory` where that is not NULL, and returns the bytes that
 * it takes. Where these are too many for every kernel of the set, the operator is portable. */
static size_t prepare_within(const qrt_model *model, const qrt_kernels *kernels, uint32_t index, int32_t *runs,
                             qrt_prepared *prepared, uint8_t *memory, budget *b) {
    qrt_node node;
    qrt_node_read(model, index, &node);
    prepare_portable(&node, runs, prepared);
    size_t least = least_memory(&node, kernels, &prepared->params);
    b->needed -= least < b->needed ? least : b->needed;
    const qrt_kernel *kernel = kernel_within(&node, kernels, &prepared->params, b);
    if (kernel == NULL) return 0;
    prepared->kernel = kernel;
    size_t unpacked = unpacked_size(&node, kernel), size = kernel_memory(&node, kernel, &prepared->params);
    b->left -= size;
    if (unpacked > 0 && memory != NULL) {
        qrt_unpack_int4(node.b.data, 0, (ptrdiff_t)node.b.size, (int8_t *)memory);
        node.b.data = (const int8_t *)memory;
        node.b.dtype = QRT_INT8;
        fillers[node.row]->fill(&node, &prepared->params, runs);
    }
    if (size > unpacked && memory != NULL) {
        qrt_pack(fillers[node.row], kernel, &prepared->params, memory + unpacked);
    }
    return size;
}

static size_t scratch_size(const qrt_prepared *prepared) {
    return prepared->kernel->scratch_size == NULL ? 0 : prepared->kernel->scratch_size(&prepared->params);
}

/* How many runs an operator's filler writes. */
static uint32_t run_count(const qrt_model *model, uint32_t index) {
    qrt_operator op;
    qrt_model_operator(model, index, &op);
    return op.input_count * fillers[op.kind]->input_bytes / (uint32_t)sizeof(int32_t);
}

/* Bytes in front of the packed weights: the operators, then their runs. */
static size_t tables_size(const qrt_model *model) {
    size_t runs = 0;
    for (uint32_t i = 0; i < model->operator_count; i++) runs += run_count(model, i);
    return round_up(model->operator_count * sizeof(qrt_prepared) + runs * sizeof(int32_t), QRT_MEMORY_ALIGNMENT);
}

size_t qrt_program_size(const qrt_model *model, const qrt_kernels *kernels, uint64_t packed_limit) {
    size_t size = tables_size(model);
    budget b = budget_of(model, kernels, packed_limit);
    for (uint32_t i = 0; i < model->operator_count; i++) {
        qrt_prepared prepared;
        size += prepare_within(model, kernels, i, NULL, &prepared, NULL, &b);
    }
    return size;
}

void qrt_program_init(qrt_program *program, const qrt_model *model, const qrt_kernels *kernels, uint64_t packed_limit,
                      void *memory) {
    qrt_prepared *operators = memory;
    int32_t *runs = (int32_t *)(operators + model->operator_count);
    uint8_t *packed = (uint8_t *)memory + tables_size(model);
    budget b = budget_of(model, kernels, packed_limit);
    program->model = model;
    program->operators = operators;
    program->scratch_size = 0;
    for (uint32_t i = 0; i < model->operator_count; i++) {
        qrt_prepared *prepared = &operators[i];
        packed += prepare_within(model, kernels, i, runs, prepared, packed, &b);
        /* Asked only now, since it may depend on what was packed. */
        if (scratch_size(prepared) > scratch_limit(model)) {
            qrt_node node;
            qrt_node_read(model, i, &node);
            prepare_portable(&node, runs, prepared);
        }
        size_t scratch = scratch_size(prepared);
        if (scratch > program->scratch_size) program->scratch_size = scratch;
        runs += run_count(model, i);
    }
}

/* The band that begins with operator `index` and runs in turns. */
static int find_turns(const qrt_model *model, uint32_t together, uint32_t index, qrt_band *band) {
    if (model->band_count == 0) return 0;
    return qrt_find_band(model, index, band) && band->first == index && qrt_has_turns(band, together);
}

size_t qrt_steps_size(const qrt_model *model, uint32_t together) {
    size_t pointers = 0, bands = 0;
    for (uint32_t i = 0; i < model->operator_count; i++) {
        qrt_operator op;
        qrt_band band;
        qrt_model_operator(model, i, &op);
        pointers += op.input_count;
        if (find_turns(model, together, i, &band)) bands += round_up(qrt_band_size(model, &band), QRT_ADDRESS_SIZE);
    }
    return model->operator_count * sizeof(qrt_step) + pointers * sizeof(const int8_t *) + bands;
}

size_t qrt_steps_scratch(const qrt_program *program, uint32_t together) {
    const qrt_model *model = program->model;
    size_t most = program->scratch_size;
    for (uint32_t i = 0; i < model->band_count; i++) {
        qrt_band band;
        qrt_model_band(model, i, &band);
        for (uint32_t k = 0; k < band.count && qrt_has_turns(&band, together); k++) {
            const qrt_prepared *op = &program->operators[band.first + k];
            size_t size = fillers[op->row]->size;
            size = qrt_band_scratch(model, &band, together, k, op->kernel, &op->params, size);
            if (size > most) most = size;
        }
    }
    return most;
}

/* A step that runs a band. Where this is fed, the step's input is all that it is fed. */
static void bind_band(const qrt_program *program, const qrt_band *band, uint32_t together, int8_t *arena,
                      int8_t *const *places, void *memory, qrt_step *step) {
    qrt_edge edge;
    qrt_band_run *run = qrt_band_init(program->model, band, together, arena, places, memory);
    for (uint32_t i = 0; i < band->count; i++) {
        const qrt_prepared *op = &program->operators[band->first + i];
        qrt_band_kernel(run, i, op->kernel, &op->params, fillers[op->row]->size);
    }
    qrt_model_input(program->model, 0, &edge);
    step->run = qrt_run_band;
    step->params = run;
    step->inputs = places != NULL ? (const int8_t *const *)&places[edge.tensor] : NULL;
    step->output = NULL;
    step->op = band->first;
    step->count = band->count;
}

static int8_t *place_of(const qrt_model *model, uint32_t index, int8_t *arena, int8_t *const *places) {
    qrt_tensor tensor;
    if (places != NULL) return places[index];
    qrt_model_tensor(model, index, &tensor);
    return tensor.data != NULL ? (int8_t *)tensor.data : arena + tensor.arena_offset;
}

static void bind_operator(const qrt_program *program, uint32_t index, int8_t *arena, int8_t *const *places,
                          const int8_t **inputs, qrt_step *step) {
    qrt_operator op;
    qrt_model_operator(program->model, index, &op);
    for (uint32_t i = 0; i < op.input_count; i++) inputs[i] = place_of(program->model, op.inputs[i], arena, places);
    step->run = program->operators[index].kernel->run;
    step->params = &program->operators[index].params;
    step->inputs = inputs;
    step->output = place_of(program->model, op.output, arena, places);
    step->op = index;
    step->count = 1;
}

uint32_t qrt_steps_init(const qrt_program *program, uint32_t together, void *arena, int8_t *const *places, void *memory,
                        const qrt_step **steps) {
    const qrt_model *model = program->model;
    qrt_step *step = memory;
    const int8_t **inputs = (const int8_t **)(step + model->operator_count);
    size_t pointers = 0;
    for (uint32_t i = 0; i < model->operator_count; i++) {
        qrt_operator op;
        qrt_model_operator(model, i, &op);
        pointers += op.input_count;
    }
    uint8_t *bands = (uint8_t *)(inputs + pointers);
    *steps = step;
    for (uint32_t i = 0; i < model->operator_count; i++) {
        qrt_operator op;
        qrt_band band;
        if (find_turns(model, together, i, &band)) {
            bind_band(program, &band, together, arena, places, bands, step++);
            bands += round_up(qrt_band_size(model, &band), QRT_ADDRESS_SIZE);
            i += band.count - 1;
            continue;
        }
        qrt_model_operator(model, i, &op);
        bind_operator(program, i, arena, places, inputs, step);
        inputs += op.input_count;
        if (op.kind != QRT_RESHAPE || step->inputs[0] != step->output) step++;
    }
    return (uint32_t)(step - *steps);
}
