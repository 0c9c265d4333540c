/* qrt_device.c: a valid file -> steps in a block of memory, in one pass; and the steps run.
 *
 * The block holds the arena, a step for each operator, for each step its parameters, where its inputs are and what its
 * kernel packs, and the largest scratch of any. Where it ends too early the pass goes on and only counts.
 */
#include "qrt_device.h"

#include <string.h>

#include "portable/portable.h"

#ifdef QRT_ON_STEP
void QRT_ON_STEP(int step);
#else
#define QRT_ON_STEP(step) (void)(step)
#endif

/* What is taken of the block; all of it starts at multiples of QRT_DEVICE_ALIGNMENT. */
typedef struct block {
    int8_t *memory;
    uint64_t size;
    uint64_t used; /* greater than size when it is too small */
} block;

static uint64_t round_up(uint64_t size, uint64_t alignment) { return (size + alignment - 1) & ~(alignment - 1); }

/* The next `size` bytes; NULL where the block ends before them. */
static void *take(block *block, uint64_t size) {
    uint64_t start = block->used;
    block->used += round_up(size, QRT_DEVICE_ALIGNMENT);
    return block->used <= block->size ? block->memory + start : NULL;
}

static const qrt_device_operator *find(const qrt_device_operator *const *operators, size_t count, int32_t row) {
    for (size_t i = 0; i < count; i++) {
        if (operators[i]->filler->row == row) return operators[i];
    }
    return NULL;
}

static int8_t *place(const qrt_device *device, const qrt_tensor *tensor) {
    return device->arena + tensor->arena_offset;
}

/* How many inputs a kernel reads; weights are among its parameters. */
static uint32_t input_count(const qrt_node *node) {
    return qrt_operator_facts[node->op.kind].has_weights ? 1 : node->op.input_count;
}

static void find_inputs(const qrt_device *device, const qrt_node *node, const int8_t **inputs) {
    for (uint32_t i = 0; i < input_count(node); i++) {
        qrt_tensor x;
        qrt_model_tensor(&device->model, node->op.inputs[i], &x);
        inputs[i] = x.data != NULL ? x.data : place(device, &x);
    }
}

/* Prepares one operator; NULL for `step` when the block is too small already. Returns the scratch that it needs. */
static size_t prepare_step(const qrt_device *device, const qrt_node *node, const qrt_device_operator *how, block *block,
                           qrt_device_step *step) {
    const qrt_filler *filler = how->filler;
    uint32_t count = input_count(node);
    uint64_t params_size = round_up(filler->size, sizeof(void *));
    uint64_t inputs_size = count * sizeof(const int8_t *);
    int8_t *record = take(block, params_size + inputs_size + count * filler->input_bytes);
    qrt_params spare; /* the kernel is asked for its needs even where there is no room for its parameters */
    void *params = record != NULL ? record : (void *)&spare;
    filler->fill(node, params, record != NULL ? (int32_t *)(void *)(record + params_size + inputs_size) : NULL);
    const qrt_kernel *kernel = qrt_kernel_covering(how->kernel, params);
    size_t packed_size = kernel->packed_size != NULL ? kernel->packed_size(params) : 0;
    void *packed = packed_size > 0 ? take(block, packed_size) : NULL;
    if (packed != NULL) qrt_pack(filler, kernel, params, packed);
    if (record != NULL) {
        const int8_t **inputs = (const int8_t **)(void *)(record + params_size);
        find_inputs(device, node, inputs);
        step->run = kernel->run;
        step->params = params;
        step->inputs = inputs;
        step->output = place(device, &node->y);
    }
    return kernel->scratch_size != NULL ? kernel->scratch_size(params) : 0;
}

static int stays(const qrt_node *node) {
    return node->op.kind == QRT_RESHAPE && node->a.data == NULL && node->a.arena_offset == node->y.arena_offset;
}

/* Not inlined, so that what it keeps on the stack is not there while the file is validated. */
#ifdef __GNUC__
__attribute__((noinline))
#endif
static int32_t
prepare(qrt_device *device, const qrt_device_operator *const *operators, size_t operator_count, block *block) {
    uint32_t count = device->model.operator_count;
    size_t scratch_size = 0;
    device->arena = take(block, device->model.arena_size);
    qrt_device_step *steps = take(block, count * sizeof *steps);
    for (uint32_t i = 0; i < count; i++) {
        qrt_device_step *step = steps != NULL ? &steps[i] : NULL;
        qrt_node node;
        qrt_node_read(&device->model, i, &node);
        const qrt_device_operator *how = find(operators, operator_count, node.row);
        if (how == NULL) {
            device->kind = node.op.kind;
            device->problem.place = QRT_IN_OPERATOR;
            device->problem.index = i;
            return QRT_ERR_OPERATOR;
        }
        if (stays(&node)) {
            if (step != NULL) step->run = NULL;
            continue;
        }
        size_t size = prepare_step(device, &node, how, block, step);
        if (size > scratch_size) scratch_size = size;
    }
    device->steps = steps;
    device->scratch = take(block, scratch_size);
    device->needed = block->used < SIZE_MAX ? (size_t)block->used : SIZE_MAX;
    return block->used <= block->size ? QRT_OK : QRT_ERR_MEMORY;
}

int32_t qrt_device_open(qrt_device *device, const void *file, size_t file_size,
                        const qrt_device_operator *const *operators, size_t operator_count, void *memory,
                        size_t memory_size, qrt_checksum *crc32) {
    block block = {memory, memory_size, 0};
    memset(device, 0, sizeof *device);
    if ((uintptr_t)memory % QRT_DEVICE_ALIGNMENT != 0) return QRT_ERR_ALIGNMENT;
    int32_t status =
        qrt_model_open(&device->model, file, file_size, crc32 != NULL ? crc32 : qrt_crc32, &device->problem);
    if (status == QRT_OK) status = prepare(device, operators, operator_count, &block);
    if (status == QRT_OK) qrt_device_reset(device);
    return status;
}

void qrt_device_reset(const qrt_device *device) { qrt_model_reset(&device->model, device->arena); }

void qrt_device_run(const qrt_device *device) {
    const qrt_device_step *step = device->steps;
    uint32_t count = device->model.operator_count;
    for (uint32_t i = 0; i < count; i++, step++) {
        QRT_ON_STEP((int)i);
        if (step->run != NULL) step->run(step->params, step->inputs, step->output, device->scratch);
    }
    QRT_ON_STEP((int)count);
}

int8_t *qrt_device_input(const qrt_device *device, uint32_t index, qrt_tensor *tensor) {
    qrt_edge edge;
    if (index >= device->model.input_count) return NULL;
    qrt_model_input(&device->model, index, &edge);
    qrt_model_tensor(&device->model, edge.tensor, tensor);
    return place(device, tensor);
}

const int8_t *qrt_device_output(const qrt_device *device, uint32_t index, qrt_tensor *tensor) {
    qrt_edge edge;
    if (index >= device->model.output_count) return NULL;
    qrt_model_output(&device->model, index, &edge);
    qrt_model_tensor(&device->model, edge.tensor, tensor);
    return place(device, tensor);
}

qrt_text qrt_device_label(const qrt_device *device, uint32_t output, uint32_t label) {
    qrt_text none = {NULL, 0};
    qrt_edge edge;
    if (output >= device->model.output_count) return none;
    qrt_model_output(&device->model, output, &edge);
    return label < edge.label_count ? qrt_model_output_label(&device->model, output, label) : none;
}

static int outputs_agree(const qrt_device *device, uint32_t vector) {
    qrt_tensor y;
    for (uint32_t i = 0; i < device->model.output_count; i++) {
        const int8_t *codes = qrt_device_output(device, i, &y);
        if (memcmp(codes, qrt_model_test_output(&device->model, vector, i), (size_t)qrt_tensor_bytes(&y)) != 0)
            return 0;
    }
    return 1;
}

uint32_t qrt_device_check(const qrt_device *device) {
    uint32_t wrong = 0;
    qrt_tensor x;
    for (uint32_t vector = 0; vector < device->model.test_vector_count; vector++) {
        if (!qrt_model_test_continues(&device->model, vector)) qrt_device_reset(device);
        for (uint32_t i = 0; i < device->model.input_count; i++) {
            int8_t *codes = qrt_device_input(device, i, &x);
            memcpy(codes, qrt_model_test_input(&device->model, vector, i), (size_t)qrt_tensor_bytes(&x));
        }
        qrt_device_run(device);
        wrong += outputs_agree(device, vector) ? 0 : 1;
    }
    qrt_device_reset(device);
    return wrong;
}

#define X(name) const qrt_device_operator qrt_device_##name = {&qrt_##name##_filler, &qrt_##name##_portable};
#include "qrt_kernel_rows.h"
#undef X

const qrt_device_operator *const qrt_device_operators[QRT_DEVICE_COUNT] = {
#define X(name) &qrt_device_##name,
#include "qrt_kernel_rows.h"
#undef X
};
