/* guard_pages.c: runs every operator of every file of a stream with one kernel set, between inaccessible pages.
 *
 *     guard_pages SET < stream        SET: a kernel set of this machine; dsp or mve, in plain C; or `faulty`, of which
 *                                     some kernels err
 *
 * The stream is files one after another, each behind the length of its name, its size (both uint32) and its name.
 * Each buffer of an operator (inputs, output, scratch, packed parameters, and each vector of parameters) stands alone:
 * once with an inaccessible page right behind its last byte, once with one right before its first. What a kernel only
 * reads is read-only, and bytes beside what it writes are checked. A state that it updates begins with the codes that
 * it has, and must end with the portable set's. So are the parts that threads would run, each with an output of its
 * own, and rows, see guard_rows.h. Inputs are those of a run of the portable set, whose output each operator must
 * equal. Prints a line for each violation, which names the file, the set, the operator and the buffer, and at the end
 * how many operators ran, how many of them by rows, and a checksum of the portable set's outputs, which is the same on
 * all machines.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guard_rows.h"
#include "host/dispatch.h"
#include "host/qrt_split.h"
#include "pages.h"

#define FILLS 3 /* inputs: the lowest code, the highest, any */
#define THREADS 3

static uint32_t checksum;
static long by_rows; /* operators */

static void place_requant(qrt_requant *requant, const qrt_requant_data *data, size_t channels, int behind) {
    requant->multiplier = place_copy("multiplier", -1, data->multiplier, data->count * 4u, 4, behind);
    requant->shift = place_copy("shift", -1, data->shift, data->count, 1, behind);
    requant->bias = place_copy("bias", -1, data->bias, channels * 4, 4, behind);
    requant->addend = place_copy("addend", -1, data->addend, data->count * 8u, 8, behind);
}

/* Of weights as a kernel gets them: of int4 two in a byte, or unpacked. */
static size_t weights_size(const qrt_tensor *weights, int32_t int4) {
    return int4 ? (size_t)qrt_tensor_bytes(weights) : weights->size;
}

/* Copies of the vectors that the parameters point to, between pages of their own. */
static void place_parameters(const qrt_model *model, const qrt_operator *op, qrt_params *p, int behind) {
    qrt_tensor b, y;
    qrt_model_tensor(model, op->inputs[op->input_count > 1 ? 1 : 0], &b);
    qrt_model_tensor(model, op->output, &y);
    size_t channels = (size_t)y.shape[y.rank - 1], rows = (size_t)y.shape[1] * 2, columns = (size_t)y.shape[2] * 2;
    switch (op->kind) {
    case QRT_CONV2D:
    case QRT_DWCONV2D:
    case QRT_TRANSPOSE_CONV2D:
        p->conv2d.weights = place_copy("weights", -1, p->conv2d.weights, weights_size(&b, p->conv2d.int4), 1, behind);
        place_requant(&p->conv2d.requant, &op->requant, channels, behind);
        break;
    case QRT_LINEAR:
        p->linear.weights = place_copy("weights", -1, p->linear.weights, weights_size(&b, p->linear.int4), 1, behind);
        place_requant(&p->linear.requant, &op->requant, channels, behind);
        break;
    case QRT_MEAN:
        place_requant(&p->mean.requant, &op->requant, channels, behind);
        break;
    case QRT_MATMUL:
        place_requant(&p->matmul.requant, &op->requant, channels, behind);
        break;
    case QRT_REQUANTIZE_SUM:
        place_requant(&p->requantize_sum.requant, &op->requant, channels, behind);
        p->requantize_sum.b_multiplier =
            place_copy("b_multiplier", -1, op->b_multiplier, op->b_multiplier_count * 8u, 8, behind);
        break;
    case QRT_LAYER_NORM:
        p->layer_norm.multiplier = place_copy("multiplier", -1, op->multiplier, channels * 4u, 4, behind);
        p->layer_norm.addend = place_copy("addend", -1, op->addend, channels * 8u, 8, behind);
        break;
    case QRT_LOG_SOFTMAX:
        p->log_softmax.exponential =
            place_copy("exponential", -1, op->exponential, op->exponential_count * 4u, 4, behind);
        break;
    case QRT_SOFTMAX:
        p->softmax.exponential = place_copy("exponential", -1, op->exponential, op->exponential_count * 4u, 4, behind);
        break;
    case QRT_LUT:
        p->lut.table = place_copy("table", -1, op->lut, 256, 1, behind);
        break;
    case QRT_SVDF:
        place_requant(&p->svdf.feature, &op->of_x, 1, behind);
        place_requant(&p->svdf.requant, &op->requant, channels, behind);
        break;
    case QRT_LSTM:
        place_requant(&p->lstm.input, &op->of_x, 4 * channels, behind);
        place_requant(&p->lstm.recurrent, &op->of_h, 4 * channels, behind);
        break;
    case QRT_RESIZE2D:
        p->resize2d.rows = place_copy("rows", -1, op->rows, rows, 2, behind);
        p->resize2d.columns = place_copy("columns", -1, op->columns, columns, 2, behind);
        p->resize2d.row_weight = place_copy("row_weight", -1, op->row_weight, rows, 2, behind);
        p->resize2d.column_weight = place_copy("column_weight", -1, op->column_weight, columns, 2, behind);
        break;
    case QRT_CONCAT:
        p->concat.run_size = place_copy("run_size", -1, p->concat.run_size, op->input_count * 4u, 4, behind);
        break;
    default: {
        const qrt_facts *facts = &qrt_operator_facts[op->kind];
        qrt_requant *requant = op->input_count == 2 ? &p->binary.requant : &p->unary.requant;
        if (facts->elementwise && facts->requant != 0) place_requant(requant, &op->requant, channels, behind);
        break;
    }
    }
}

static void set_packed(const qrt_operator *op, qrt_params *p, const void *packed) {
    if (op->kind == QRT_LINEAR) {
        p->linear.packed = packed;
    } else if (op->kind == QRT_ADD) {
        p->add.packed = packed;
    } else {
        p->conv2d.packed = packed;
    }
}

/* What an operator's states, the last of its inputs, hold before and after it: by the number of the input. */
typedef struct states {
    uint32_t first; /* of these inputs */
    int8_t *before[QRT_MAX_INPUTS], *after[QRT_MAX_INPUTS];
} states;

/* Prepares and runs one operator between pages; `inputs` and `expected` are the portable set's, `old` is what an output
 * that is a state held, else NULL. */
static void run_guarded(const qrt_model *model, const qrt_operator *op, const qrt_prepared *prepared,
                        const int8_t *const *inputs, const states *held, const int8_t *old, const int8_t *expected,
                        int behind) {
    const uint8_t fill = behind ? 0xa5 : 0x3c;
    const qrt_kernel *kernel = prepared->kernel;
    const int8_t *given[QRT_MAX_INPUTS];
    const buffer *updated[QRT_MAX_INPUTS];
    static qrt_params params;
    const char *volatile where = "pack";
    qrt_tensor tensor;
    params = prepared->params;
    buffer_count = 0;
    for (uint32_t k = 0; k < op->input_count; k++) {
        qrt_model_tensor(model, op->inputs[k], &tensor);
        size_t size = (size_t)qrt_tensor_bytes(&tensor);
        if (k >= held->first) {
            updated[k] = place_state("state", (int)k, held->before[k], &tensor, behind, fill);
            given[k] = (const int8_t *)updated[k]->bytes;
        } else {
            given[k] = place_copy("input", (int)k, inputs[k], size, alignment_of(&tensor), behind);
        }
    }
    place_parameters(model, op, &params, behind);
    qrt_model_tensor(model, op->output, &tensor);
    size_t size = (size_t)qrt_tensor_bytes(&tensor);
    const buffer *output = old != NULL ? place_state("the output", -1, old, &tensor, behind, fill)
                                       : place("the output", -1, size, alignment_of(&tensor), behind, fill);
    if (sigsetjmp(after_fault, 0) != 0) {
        report_fault(where);
        return;
    }
    size_t packed_size = kernel->packed_size == NULL ? 0 : kernel->packed_size(&params);
    if (packed_size > 0) {
        buffer *packed = place("the packed parameters", -1, packed_size, 64, behind, fill);
        kernel->pack(&params, packed->bytes);
        check_beside(where, fill);
        set_packed(op, &params, packed->bytes);
        make_read_only(packed);
    }
    where = "run";
    size_t scratch_size = kernel->scratch_size == NULL ? 0 : kernel->scratch_size(&params);
    const buffer *scratch = place("scratch", -1, scratch_size, 64, behind, fill);
    kernel->run(&params, given, (int8_t *)output->bytes, scratch->bytes);
    check_beside(where, fill);
    check_output(output, expected);
    for (uint32_t k = held->first; k < op->input_count; k++) check_output(updated[k], held->after[k]);
}

/* The output channels that a part computes; an end of 0 means that parts are rows. */
static qrt_part channels_of(const qrt_step *part, int32_t kind) {
    const qrt_params *params = part->params;
    qrt_part none = {0, 0};
    return kind == QRT_CONV2D ? params->conv2d.part : kind == QRT_LINEAR ? params->linear.part : none;
}

/* What is to be in the output of a part: its channels, and `fill` in the others. */
static int8_t *channels_alone(const qrt_tensor *y, qrt_part part, const int8_t *expected, uint8_t fill) {
    size_t size = (size_t)qrt_tensor_bytes(y), element = alignment_of(y);
    int8_t *alone = malloc(size);
    if (alone == NULL) die("not enough memory");
    for (size_t i = 0; i < size; i++) {
        int32_t channel = (int32_t)(i / element % (size_t)y->shape[y->rank - 1]);
        alone[i] = channel >= part.begin && channel < part.end ? expected[i] : (int8_t)fill;
    }
    return alone;
}

/* Runs the parts of an operator, each between pages; their parameters have been packed and looked at with the whole. */
static void run_parts(const qrt_model *model, const qrt_operator *op, const qrt_kernel *kernel, const qrt_stage *stage,
                      const int8_t *const *inputs, const int8_t *expected, int behind) {
    const uint8_t fill = behind ? 0xa5 : 0x3c;
    static const int8_t *given[2];
    qrt_tensor y;
    qrt_model_tensor(model, op->output, &y);
    for (volatile uint32_t i = 0; i < stage->count; i++) {
        const qrt_step *first = &stage->parts[0], *part = &stage->parts[i];
        size_t begin = (size_t)(part->output - first->output);
        size_t end = i + 1 < stage->count ? (size_t)(part[1].output - first->output) : (size_t)qrt_tensor_bytes(&y);
        qrt_part channels = channels_of(part, op->kind);
        if (channels.end > 0) end = (size_t)qrt_tensor_bytes(&y);
        now.unit = "part";
        now.part = (int)i;
        buffer_count = 0;
        for (uint32_t k = 0; k < op->input_count && k < 2; k++) {
            qrt_tensor x;
            qrt_model_tensor(model, op->inputs[k], &x);
            const int8_t *copy =
                place_copy("input", (int)k, inputs[k], (size_t)qrt_tensor_bytes(&x), alignment_of(&x), behind);
            given[k] = copy + (part->inputs[k] - first->inputs[k]);
        }
        const buffer *output = place("the output", -1, end - begin, alignment_of(&y), behind, fill);
        size_t scratch_size = kernel->scratch_size == NULL ? 0 : kernel->scratch_size(part->params);
        const buffer *scratch = place("scratch", -1, scratch_size, 64, behind, fill);
        if (sigsetjmp(after_fault, 0) != 0) {
            report_fault("run");
            continue;
        }
        part->run(part->params, given, (int8_t *)output->bytes, scratch->bytes);
        check_beside("run", fill);
        if (channels.end > 0) {
            int8_t *alone = channels_alone(&y, channels, expected, fill);
            check_output(output, alone);
            free(alone);
        } else {
            check_output(output, expected + begin);
        }
    }
    now.part = -1;
}

/* The parts of operator `index`; NULL when it is not cut. */
static const qrt_stage *parts_of(const qrt_split *split, uint32_t index) {
    for (uint32_t i = 0; i < split->stage_count; i++) {
        const qrt_stage *stage = &split->stages[i];
        if (stage->parts[0].op == index) return stage->count > 1 ? stage : NULL;
    }
    return NULL;
}

static void fill_inputs(const qrt_model *model, uint8_t *arena, int fill) {
    uint32_t state = 1;
    for (uint32_t i = 0; i < model->input_count; i++) {
        qrt_edge edge;
        qrt_tensor tensor;
        qrt_model_input(model, i, &edge);
        qrt_model_tensor(model, edge.tensor, &tensor);
        for (uint32_t k = 0; k < qrt_tensor_bytes(&tensor); k++) {
            state = state * 1664525u + 1013904223u;
            arena[tensor.arena_offset + k] = fill == 0 ? 0x80 : fill == 1 ? 0x7f : (uint8_t)(state >> 24);
        }
    }
}

static int8_t *copy_of(const int8_t *bytes, size_t size) { return memcpy(need(malloc(size)), bytes, size); }

/* Runs operator `index` with the portable set, and with `tested` between pages; the arena gets what it writes. `once`:
 * this is the only time that it runs by rows. */
static void run_operator(const qrt_model *model, const qrt_program *portable, const qrt_program *tested,
                         const qrt_split *split, uint32_t index, int once, int8_t *arena, void *scratch) {
    static states held;
    qrt_operator op;
    qrt_tensor tensor;
    const int8_t *inputs[QRT_MAX_INPUTS];
    qrt_model_operator(model, index, &op);
    held.first = op.input_count - qrt_operator_facts[op.kind].states;
    for (uint32_t k = 0; k < op.input_count; k++) {
        qrt_model_tensor(model, op.inputs[k], &tensor);
        inputs[k] = tensor.data != NULL ? tensor.data : arena + tensor.arena_offset;
        if (k >= held.first) held.before[k] = copy_of(inputs[k], (size_t)qrt_tensor_bytes(&tensor));
    }
    qrt_model_tensor(model, op.output, &tensor);
    size_t size = (size_t)qrt_tensor_bytes(&tensor);
    int8_t *expected = copy_of(arena + tensor.arena_offset, size);
    const int8_t *old = tensor.initial != NULL ? arena + tensor.arena_offset : NULL;
    portable->operators[index].kernel->run(&portable->operators[index].params, inputs, expected, scratch);
    for (uint32_t k = held.first; k < op.input_count; k++) held.after[k] = (int8_t *)(size_t)inputs[k];
    now.op = index;
    now.kind = qrt_operator_names[op.kind];
    const qrt_stage *parts = parts_of(split, index);
    for (int behind = 0; behind < 2; behind++) {
        run_guarded(model, &op, &tested->operators[index], inputs, &held, old, expected, behind);
        if (parts != NULL) run_parts(model, &op, tested->operators[index].kernel, parts, inputs, expected, behind);
    }
    if (once) by_rows += guard_rows(model, index, &tested->operators[index], inputs, expected);
    memcpy(arena + tensor.arena_offset, expected, size);
    checksum = qrt_crc32(checksum, expected, size);
    free(expected);
    for (uint32_t k = held.first; k < op.input_count; k++) free(held.before[k]);
}

/* Runs a model with the portable set, and each of its operators with `tested` too. */
static void run_model(const qrt_model *model, const qrt_program *portable, const qrt_program *tested, int fill) {
    uint8_t *arena = need(calloc(1, model->arena_size + 1u));
    void *scratch = need(aligned_alloc(64, (portable->scratch_size + 64) / 64 * 64));
    void *memory = need(aligned_alloc(64, (qrt_split_size(tested, THREADS, 0) + 64) / 64 * 64));
    qrt_split split;
    qrt_split_init(&split, tested, arena, NULL, THREADS, 0, memory);
    fill_inputs(model, arena, fill);
    qrt_model_reset(model, arena);
    for (uint32_t i = 0; i < model->operator_count; i++) {
        run_operator(model, portable, tested, &split, i, fill == FILLS - 1, (int8_t *)arena, scratch);
    }
    free(memory);
    free(scratch);
    free(arena);
}

static void make_program(qrt_program *program, const qrt_model *model, const qrt_kernels *kernels) {
    size_t size =
        (qrt_program_size(model, kernels, qrt_packed_limit(model)) + QRT_MEMORY_ALIGNMENT) / QRT_MEMORY_ALIGNMENT;
    qrt_program_init(program, model, kernels, qrt_packed_limit(model),
                     need(aligned_alloc(64, size * QRT_MEMORY_ALIGNMENT)));
}

/* Reads the next file; 0 at the end of the stream. */
static int next_file(void **bytes, size_t *size) {
    uint32_t lengths[2];
    if (fread(lengths, sizeof *lengths, 2, stdin) != 2) return 0;
    if (lengths[0] >= sizeof now.file || fread(now.file, 1, lengths[0], stdin) != lengths[0]) die("name");
    now.file[lengths[0]] = 0;
    *size = lengths[1];
    *bytes = need(aligned_alloc(64, (*size + 64) / 64 * 64));
    if (fread(*bytes, 1, *size, stdin) != *size) die("cut off");
    return 1;
}

/* A set of which some kernels err, so that a test can see each kind of violation found. */
static void clamp_reads_behind(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_unary_params *p = params;
    *(volatile int8_t *)output = *(const volatile int8_t *)(inputs[0] + p->size);
    (void)scratch;
}

static void lut_reads_before(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_lut_params *p = params;
    *(volatile int8_t *)output = *(const volatile int8_t *)(p->table - 1);
    (void)inputs, (void)scratch;
}

static void transpose_writes_behind(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    qrt_kernels portable;
    const qrt_transpose_params *p = params;
    int32_t size = 1;
    for (int32_t i = 0; i < p->rank; i++) size *= p->out_shape[i];
    qrt_kernels_portable(&portable);
    portable.transpose.run(params, inputs, output, scratch);
    *(volatile int8_t *)(output + size) = 1;
}

static void pad_writes_input(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    (void)params, (void)output, (void)scratch;
    *(volatile int8_t *)(size_t)inputs[0] = 1;
}

static void softmax_uses_scratch(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    (void)params, (void)inputs, (void)output;
    *(volatile int8_t *)scratch = 1;
}

static void use_faulty(qrt_kernels *kernels) {
    qrt_kernels_portable(kernels);
    kernels->clamp.run = clamp_reads_behind;
    kernels->lut.run = lut_reads_before;
    kernels->transpose.run = transpose_writes_behind;
    kernels->pad.run = pad_writes_input;
    kernels->softmax.run = softmax_uses_scratch;
}

/* signed_emulated.c's, for CPUs with AVX2. */
void qrt_kernels_signed_emulated(qrt_kernels *kernels);

static const char *use_set(const char *name, qrt_kernels *kernels) {
    if (strcmp(name, "faulty") == 0) {
        use_faulty(kernels);
        return NULL;
    }
    if (strcmp(name, "signed emulated") == 0) {
        qrt_kernels_signed_emulated(kernels);
        return NULL;
    }
    if (strcmp(name, "dsp") == 0 || strcmp(name, "mve") == 0) {
        (strcmp(name, "dsp") == 0 ? qrt_kernels_dsp : qrt_kernels_mve)(kernels);
        return NULL;
    }
    for (int32_t set = 0; set < QRT_SET_COUNT + QRT_ENCODING_COUNT; set++) {
        if (strcmp(qrt_set_name(set), name) != 0) continue;
        const char *missing = qrt_set_missing(set);
        if (missing == NULL) qrt_set_fill(set, kernels);
        return missing;
    }
    return "no such set";
}

int main(int count, char **arguments) {
    struct sigaction action;
    qrt_kernels portable_set, tested_set;
    qrt_model model;
    qrt_problem problem;
    void *bytes;
    size_t size;
    long operators = 0;
    now.part = -1;
    now.set = count == 2 ? arguments[1] : "";
    const char *missing = use_set(now.set, &tested_set);
    if (missing != NULL) die(missing);
    qrt_kernels_portable(&portable_set);
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    if (sigaction(SIGSEGV, &action, NULL) != 0 || sigaction(SIGBUS, &action, NULL) != 0) die("sigaction");
    while (next_file(&bytes, &size)) {
        qrt_program portable, tested;
        if (qrt_model_open(&model, bytes, size, qrt_crc32, &problem) != QRT_OK) die("not a valid file");
        make_program(&portable, &model, &portable_set);
        make_program(&tested, &model, &tested_set);
        for (int fill = 0; fill < FILLS; fill++) run_model(&model, &portable, &tested, fill);
        operators += (long)model.operator_count;
        free((void *)portable.operators);
        free((void *)tested.operators);
        free(bytes);
    }
    printf("%ld operators, %ld by rows, %ld violations, outputs %08lx\n", operators, by_rows, violations,
           (unsigned long)checksum);
    return 0;
}
