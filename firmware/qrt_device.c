/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_device.c: a valid file -> steps in a block of memory, in one pass; and the steps run.
 *
 * The block holds the arena, a step for each operator, for each step its parameters, where its inputs are and what its
 * kernel packs, the tables of each band, and the largest scratch of any. Where it ends too early the pass goes on and
 * only counts.
 */
#include "qrt_device.h"

#include "engine/qrt_prepare_band.h"

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

/* An operator's parameters, where its inputs are, and what a concat keeps for each. */
typedef struct record {
    int8_t *memory; /* NULL when the block is too small already */
    uint64_t inputs, runs;
} record;

static record take_record(block *block, const qrt_filler *filler, uint32_t count, uint32_t pointers) {
    record r = {NULL, round_up(filler->size, sizeof(void *)), 0};
    r.runs = r.inputs + pointers * sizeof(const int8_t *);
    r.memory = take(block, r.runs + count * filler->input_bytes);
    return r;
}

/* An operator as it is prepared. */
typedef struct prepared {
    const qrt_kernel *kernel;
    const qrt_filler *filler;
    record record;
    qrt_params spare; /* the kernel is asked for its needs even where there is no room for its parameters */
    void *params;
} prepared;

static void prepare_operator(const qrt_node *node, const qrt_device_operator *how, uint32_t pointers, block *block,
                             prepared *p) {
    p->filler = how->filler;
    p->record = take_record(block, p->filler, input_count(node), pointers);
    int8_t *memory = p->record.memory;
    p->params = memory != NULL ? memory : (void *)&p->spare;
    p->filler->fill(node, p->params, memory != NULL ? (int32_t *)(void *)(memory + p->record.runs) : NULL);
    p->kernel = qrt_kernel_covering(how->kernel, p->params);
    size_t packed_size = p->kernel->packed_size != NULL ? p->kernel->packed_size(p->params) : 0;
    void *packed = packed_size > 0 ? take(block, packed_size) : NULL;
    if (packed != NULL) qrt_pack(p->filler, p->kernel, p->params, packed);
}

/* Prepares one operator; NULL for `step` when the block is too small already. Returns the scratch that it needs. */
static size_t prepare_step(const qrt_device *device, const qrt_node *node, const qrt_device_operator *how, block *block,
                           qrt_device_step *step) {
    prepared p;
    prepare_operator(node, how, input_count(node), block, &p);
    if (p.record.memory != NULL) {
        const int8_t **inputs = (const int8_t **)(void *)(p.record.memory + p.record.inputs);
        find_inputs(device, node, inputs);
        step->run = p.kernel->run;
        step->params = p.params;
        step->inputs = inputs;
        step->output = place(device, &node->y);
    }
    return p.kernel->scratch_size != NULL ? p.kernel->scratch_size(p.params) : 0;
}

/* The same for operator `index` of a band, whose tables are `run` unless the block is too small. */
static size_t prepare_in_band(const qrt_device *device, const qrt_node *node, const qrt_device_operator *how,
                              block *block, const qrt_band *band, uint32_t index, qrt_band_run *run) {
    prepared p;
    prepare_operator(node, how, 0, block, &p);
    if (run != NULL && p.record.memory != NULL) qrt_band_kernel(run, index, p.kernel, p.params, p.filler->size);
    return qrt_band_scratch(&device->model, band, 1, index, p.kernel, p.params, p.filler->size);
}

/* Makes the tables of a band, which begins with operator `index`; its first step runs it all. */
static qrt_band_run *prepare_band(qrt_device *device, const qrt_band *band, block *block, qrt_device_step *step) {
    void *memory = take(block, qrt_band_size(&device->model, band));
    if (memory == NULL) return NULL;
    qrt_band_run *run = qrt_band_init(&device->model, band, 1, device->arena, NULL, memory);
    step->run = qrt_run_band;
    step->params = run;
    if (band->is_fed) {
        device->fed = run;
        device->fed_step = band->first;
    }
    return run;
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
    qrt_band band;
    qrt_band_run *run = NULL;
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
        if (step != NULL) step->run = NULL;
        if (stays(&node)) continue;
        size_t size;
        if (qrt_find_band(&device->model, i, &band)) {
            if (i == band.first) run = prepare_band(device, &band, block, step);
            size = prepare_in_band(device, &node, how, block, &band, i - band.first, run);
        } else {
            size = prepare_step(device, &node, how, block, step);
        }
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

void qrt_device_reset(const qrt_device *device) {
    qrt_model_reset(&device->model, device->arena);
    if (device->fed != NULL) device->fed->wanted = 0;
}

/* A band whose first operator is `first`, in the pieces that are told to who measures time. */
static void run_band(const qrt_device *device, qrt_band_run *run, uint32_t first) {
    qrt_start_band(run);
    while (run->turn < run->table->turns) {
        qrt_begin_turn(run, NULL);
        for (uint32_t i = 0; i < run->table->count; i++) {
            QRT_ON_STEP((int)(first + i));
            qrt_run_in_turn(run, i, device->scratch);
        }
        qrt_end_turn(run);
    }
}

static void run_steps(const qrt_device *device, uint32_t first, uint32_t end) {
    for (uint32_t i = first; i < end; i++) {
        const qrt_device_step *step = &device->steps[i];
        if (step->run == qrt_run_band) {
            qrt_band_run *run = (qrt_band_run *)step->params;
            run_band(device, run, i);
            i += run->table->count - 1;
            continue;
        }
        QRT_ON_STEP((int)i);
        if (step->run != NULL) step->run(step->params, step->inputs, step->output, device->scratch);
    }
}

void qrt_device_run(const qrt_device *device) {
    uint32_t count = device->model.operator_count;
    if (device->fed != NULL) return;
    run_steps(device, 0, count);
    QRT_ON_STEP((int)count);
}

int32_t qrt_device_feed(const qrt_device *device, const int8_t *rows, uint32_t count) {
    qrt_band_run *run = device->fed;
    if (run == NULL || count == 0) return 0;
    uint32_t size = run->table->rows[run->table->count].row_bytes, operators = device->model.operator_count;
    if (run->wanted == 0) {
        run_steps(device, 0, device->fed_step);
        qrt_begin_band(run, device->scratch);
    }
    for (; count > 0; count--, rows += size) {
        QRT_ON_STEP((int)device->fed_step);
        memcpy(qrt_next_row(run), rows, size);
        qrt_take_row(run, device->scratch);
        if (qrt_next_row(run) != NULL) continue;
        run_steps(device, device->fed_step + run->table->count, operators);
        QRT_ON_STEP((int)operators);
        return 1;
    }
    return 0;
}

int8_t *qrt_device_input(const qrt_device *device, uint32_t index, qrt_tensor *tensor) {
    qrt_edge edge;
    if (index >= device->model.input_count) return NULL;
    qrt_model_input(&device->model, index, &edge);
    qrt_model_tensor(&device->model, edge.tensor, tensor);
    return index == 0 && device->fed != NULL ? NULL : place(device, tensor);
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

/* Gives a test vector's inputs, and runs. */
static void run_vector(const qrt_device *device, uint32_t vector) {
    qrt_tensor x;
    for (uint32_t i = device->fed != NULL; i < device->model.input_count; i++) {
        int8_t *codes = qrt_device_input(device, i, &x);
        memcpy(codes, qrt_model_test_input(&device->model, vector, i), (size_t)qrt_tensor_bytes(&x));
    }
    if (device->fed != NULL) {
        (void)qrt_device_input(device, 0, &x);
        (void)qrt_device_feed(device, qrt_model_test_input(&device->model, vector, 0), (uint32_t)x.shape[1]);
    } else {
        qrt_device_run(device);
    }
}

uint32_t qrt_device_check(const qrt_device *device) {
    uint32_t wrong = 0;
    for (uint32_t vector = 0; vector < device->model.test_vector_count; vector++) {
        if (!qrt_model_test_continues(&device->model, vector)) qrt_device_reset(device);
        run_vector(device, vector);
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
