/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_split.c: cuts large steps into parts, by rows or, where weights are more than the input, by output channels: each
 * thread then reads a part of the weights, which often come from far away. */
#include "host/qrt_split.h"

#include <string.h>

#include "engine/qrt_rows.h"

/* Windows and rows of products are cut into parts of at least so many: those side by side share what they read. */
#define LEAST_WINDOW_ROWS 2
#define LEAST_PRODUCT_ROWS 4
/* Where rows are many they are cut at multiples of this, where registers of single codes begin. */
#define REGISTER 64
/* Microseconds of work that are worth waking threads for. */
#define WORTH_WAKING 200

#define IMMENSE (1 << 26)

/* Outputs that are moved and live at the same time. */
#define PLACES 4

/* Along what a step can be cut. */
typedef struct rows {
    int32_t *count;     /* in its parameters: qrt_count_of(), or images or matrices; NULL: along nothing */
    ptrdiff_t input[2]; /* bytes from a row of each input to the next */
    ptrdiff_t output;
    int32_t least; /* of a part */
} rows;

static int32_t product(const int32_t *shape, int32_t from, int32_t to) {
    int32_t result = 1;
    for (int32_t i = from; i < to; i++) result *= shape[i];
    return result;
}

static rows rows_of(int32_t *count, ptrdiff_t a, ptrdiff_t b, ptrdiff_t y, int32_t least) {
    rows r = {count, {a, b}, y, least};
    return r;
}

static rows conv2d_rows(qrt_conv2d_params *p) {
    ptrdiff_t in_row = (ptrdiff_t)p->in_width * p->in_channels;
    ptrdiff_t out_row = (ptrdiff_t)p->out_width * p->out_channels * (p->requant.wide ? 4 : 1);
    if (p->batch > 1) return rows_of(&p->batch, p->in_height * in_row, 0, p->out_height * out_row, 1);
    return rows_of(&p->out_height, in_row, 0, out_row, LEAST_WINDOW_ROWS);
}

static rows pool2d_rows(qrt_pool2d_params *p) {
    ptrdiff_t in_row = (ptrdiff_t)p->in_width * p->channels, out_row = (ptrdiff_t)p->out_width * p->channels;
    if (p->batch > 1) return rows_of(&p->batch, p->in_height * in_row, 0, p->out_height * out_row, 1);
    return rows_of(&p->out_height, in_row, 0, out_row, LEAST_WINDOW_ROWS);
}

static rows broadcast_rows(qrt_broadcast *p) {
    return rows_of(&p->shape[0], p->a_stride[0], p->b_stride[0], product(p->shape, 1, p->rank), 1);
}

static rows matmul_rows(qrt_matmul_params *p) {
    ptrdiff_t a = (ptrdiff_t)p->rows * p->depth, y = (ptrdiff_t)p->rows * p->columns;
    if (p->batch > 1) return rows_of(&p->batch, a, p->b_step, y, 1);
    return rows_of(&p->rows, p->depth, 0, p->columns, LEAST_PRODUCT_ROWS);
}

static rows find_rows(int32_t kind, qrt_params *p) {
    const qrt_facts *facts = &qrt_operator_facts[kind];
    int32_t *count = qrt_count_of(kind, p);
    ptrdiff_t channels;
    if (facts->elementwise && facts->most_inputs == 2) return broadcast_rows(&p->binary.broadcast);
    if (facts->elementwise) {
        ptrdiff_t size = facts->row16 == kind ? 2 : 1; /* of a code: of operators of int16 only, that */
        return rows_of(count, size, 0, size, 1);
    }
    switch (kind) {
    case QRT_CONV2D:
    case QRT_DWCONV2D:
        return conv2d_rows(&p->conv2d);
    case QRT_AVERAGE_POOL2D:
    case QRT_MAX_POOL2D:
        return pool2d_rows(&p->pool2d);
    case QRT_LINEAR:
        channels = (ptrdiff_t)p->linear.out_features * (p->linear.requant.wide ? 4 : 1);
        return rows_of(count, p->linear.in_features, 0, channels, LEAST_PRODUCT_ROWS);
    case QRT_MATMUL:
        return matmul_rows(&p->matmul);
    case QRT_SOFTMAX:
        return rows_of(count, p->softmax.channels, 0, p->softmax.channels, 1);
    case QRT_L2_NORM:
        return rows_of(count, p->l2_norm.channels, 0, p->l2_norm.channels, 1);
    case QRT_LOG_SOFTMAX:
        return rows_of(count, p->log_softmax.channels, 0, p->log_softmax.channels, 1);
    case QRT_LAYER_NORM:
        return rows_of(count, p->layer_norm.channels, 0, p->layer_norm.channels, 1);
    case QRT_REQUANTIZE_SUM:
        channels = p->requantize_sum.channels;
        return rows_of(count, 4 * channels, channels, channels, 1);
    default:
        break;
    }
    return rows_of(NULL, 0, 0, 0, 1);
}

/* Work, in multiplications of a convolution; those of a depthwise one cost more, and so does making a code. Below 2^61,
 * since codes beyond IMMENSE are not counted. */
static int64_t work_of(int32_t kind, const qrt_params *p, int64_t out_size) {
    if (out_size > IMMENSE) out_size = IMMENSE;
    const qrt_conv2d_params *conv = &p->conv2d;
    int64_t window = (int64_t)conv->filter_height * conv->filter_width;
    switch (kind) {
    case QRT_CONV2D:
        return out_size * (window * (conv->in_channels / conv->groups) + 64);
    case QRT_DWCONV2D:
        return out_size * (window * 8 + 64);
    case QRT_LINEAR:
        return out_size * (p->linear.in_features + 64);
    case QRT_MATMUL:
        return out_size * p->matmul.depth * 64;
    case QRT_AVERAGE_POOL2D:
    case QRT_MAX_POOL2D:
        return out_size * p->pool2d.filter_height * p->pool2d.filter_width * 8;
    case QRT_SOFTMAX:
    case QRT_L2_NORM:
    case QRT_LAYER_NORM:
    case QRT_LOG_SOFTMAX:
        return out_size * 512;
    default:
        return out_size * 32;
    }
}

/* Where part `part` of `parts` begins; at a multiple of `unit`, unless that is 0. */
static int32_t cut(int32_t count, int32_t unit, uint32_t part, uint32_t parts) {
    if (unit > 0) {
        int64_t units = (count + unit - 1) / unit, begin = units * part / parts * unit;
        return begin < count ? (int32_t)begin : count;
    }
    int32_t at = (int32_t)((int64_t)count * part / parts);
    return part < parts && count / (int32_t)parts >= 16 * REGISTER ? at / REGISTER * REGISTER : at;
}

/* What is to be done with an operator. */
typedef struct job {
    int32_t kind;
    uint32_t input_count; /* of which rows are taken */
    uint32_t parts;
    int32_t channel_unit; /* parts are channels and begin at multiples of this; 0: parts are rows */
    int64_t work;
} job;

/* The output channels of an operator. */
typedef struct channels {
    qrt_part *part; /* in its parameters; NULL: not to be cut */
    int32_t count;
    int32_t rows; /* that have them */
} channels;

static channels find_channels(int32_t kind, qrt_params *params) {
    channels c = {NULL, 0, 0};
    if (kind == QRT_LINEAR) {
        qrt_linear_params *p = &params->linear;
        c.count = p->out_features;
        c.rows = p->rows;
        if (p->packed != NULL && c.count > 2 * (int64_t)c.rows) c.part = &p->part;
    } else if (kind == QRT_CONV2D) {
        qrt_conv2d_params *p = &params->conv2d;
        int64_t window = (int64_t)p->filter_height * p->filter_width, pixels = (int64_t)p->in_height * p->in_width;
        c.count = p->out_channels;
        c.rows = p->out_height * p->out_width;
        if (p->packed != NULL && p->groups == 1 && p->batch == 1 && c.count * window > 2 * pixels) c.part = &p->part;
    }
    return c;
}

/* Into how many parts channels are cut; 1 when parts would differ by much, or would write to the same cache lines. */
static int64_t channel_parts(const channels *c, int32_t unit, uint32_t threads) {
    if (c->part == NULL || unit == 0 || (c->rows > 1 && c->count % unit != 0)) return 1;
    int64_t units = (c->count + unit - 1) / unit, parts = units < threads ? units : threads;
    return (units + parts - 1) / parts * parts * 10 > 11 * units ? 1 : parts;
}

static job plan_operator(const qrt_program *program, uint32_t index, uint32_t threads, int32_t speed) {
    qrt_operator op;
    qrt_tensor y;
    qrt_params params = program->operators[index].params;
    qrt_model_operator(program->model, index, &op);
    qrt_model_tensor(program->model, op.output, &y);
    job j = {op.kind, op.input_count < 2 ? op.input_count : 2, 1, 0, 0};
    /* What is said here of rows counts bytes, of which a 16-bit code has two. */
    if (program->operators[index].row >= QRT_OPERATOR_KIND_END) return j;
    rows r = find_rows(op.kind, &params);
    if (r.count == NULL) return j;
    channels c = find_channels(op.kind, &params);
    int32_t unit = program->operators[index].kernel->channel_unit;
    j.work = work_of(op.kind, &params, y.size);
    int64_t parts = channel_parts(&c, unit, threads);
    if (parts > 1) {
        j.channel_unit = unit;
    } else {
        parts = *r.count / r.least;
    }
    if (speed > 0 && parts > 2 * j.work / speed) parts = 2 * j.work / speed;
    if (parts > threads) parts = threads;
    if (parts > 1) j.parts = (uint32_t)parts;
    return j;
}

/* `threads`, or 1 when there is not enough to do for more. */
static uint32_t worth_threads(const qrt_program *program, uint32_t threads, int32_t speed) {
    int64_t work = 0;
    for (uint32_t i = 0; i < program->model->operator_count; i++) {
        job j = plan_operator(program, i, threads, speed);
        if (j.parts > 1) work += j.work;
        if (work > (int64_t)WORTH_WAKING * speed) return threads;
    }
    return 1;
}

/* Places for outputs that would lie over inputs. */
typedef struct aside {
    size_t size[PLACES];
    uint32_t busy[PLACES]; /* after this operator the place is free */
    uint32_t count;
} aside;

static int is_moved_alone(const qrt_model *model, uint32_t tensor) {
    qrt_edge edge;
    qrt_operator op;
    for (uint32_t i = 0; i < model->output_count; i++) {
        qrt_model_output(model, i, &edge);
        if (edge.tensor == tensor) return 0;
    }
    for (uint32_t i = 0; i < model->operator_count; i++) {
        qrt_model_operator(model, i, &op);
        if (op.kind == QRT_RESHAPE && op.inputs[0] == tensor) return 0;
    }
    return 1;
}

/* A place for the output of an operator that is to be cut but writes over its input; else, or when there is none,
 * PLACES. An output of the model stays where it is looked for, and what is reshaped where its other name is. */
static uint32_t find_place(aside *places, const qrt_model *model, uint32_t index, const job *j) {
    qrt_operator op;
    qrt_tensor y;
    uint32_t i = 0;
    qrt_model_operator(model, index, &op);
    if (j->parts < 2 || !op.overlap || !is_moved_alone(model, op.output)) return PLACES;
    qrt_model_tensor(model, op.output, &y);
    while (i < places->count && places->busy[i] >= y.first) i++;
    if (i == PLACES) return PLACES;
    if (i == places->count) places->size[places->count++] = 0;
    size_t size = (qrt_tensor_bytes(&y) + QRT_MEMORY_ALIGNMENT - 1) / QRT_MEMORY_ALIGNMENT * QRT_MEMORY_ALIGNMENT;
    if (size > places->size[i]) places->size[i] = size;
    places->busy[i] = y.last;
    return i;
}

static aside find_places(const qrt_program *program, uint32_t threads, int32_t speed) {
    aside places = {{0}, {0}, 0};
    for (uint32_t i = 0; i < program->model->operator_count; i++) {
        job j = plan_operator(program, i, threads, speed);
        (void)find_place(&places, program->model, i, &j);
    }
    return places;
}

/* Lets `step` write to `place`, and the steps behind it read there. */
static void move_output(const qrt_model *model, qrt_step *step, const qrt_step *end, int8_t *place) {
    qrt_operator op;
    qrt_model_operator(model, step->op, &op);
    uint32_t moved = op.output;
    step->output = place;
    for (step++; step < end; step++) {
        const int8_t **inputs = (const int8_t **)step->inputs;
        qrt_model_operator(model, step->op, &op);
        for (uint32_t i = 0; i < op.input_count; i++) {
            if (op.inputs[i] == moved) inputs[i] = place;
        }
    }
}

/* Whether no part can write what another one reads: the output lies apart from the inputs, or parts are rows and each
 * code takes the place of an input's of the same row. */
static int is_apart(const qrt_model *model, const qrt_step *step, const job *j) {
    qrt_operator op;
    qrt_tensor x, y;
    qrt_model_operator(model, step->op, &op);
    qrt_model_tensor(model, op.output, &y);
    uintptr_t output = (uintptr_t)step->output, out_size = qrt_tensor_bytes(&y);
    for (uint32_t i = 0; i < op.input_count; i++) {
        qrt_model_tensor(model, op.inputs[i], &x);
        uintptr_t input = (uintptr_t)step->inputs[i], in_size = qrt_tensor_bytes(&x);
        if (input >= output + out_size || output >= input + in_size) continue;
        if (op.overlap || j->channel_unit > 0 || input != output || in_size != out_size) return 0;
    }
    return 1;
}

/* Memory that is handed out piece by piece. */
typedef struct room {
    qrt_stage *stages;
    qrt_step *parts;
    qrt_params *params;
    const int8_t **inputs;
} room;

/* Makes `part` the rows, or the channels, [begin, end) of `step`. */
static void take_part(const qrt_step *step, const job *j, int32_t begin, int32_t end, qrt_step *part,
                      qrt_params *params, const int8_t **inputs) {
    memcpy(params, step->params, sizeof *params);
    *part = *step;
    part->params = params;
    if (j->channel_unit > 0) {
        qrt_part channels_taken = {begin, end};
        *find_channels(j->kind, params).part = channels_taken;
        return;
    }
    rows r = find_rows(j->kind, params);
    int32_t first[2] = {begin, begin};
    if (r.count == qrt_count_of(j->kind, params)) {
        qrt_take_rows(j->kind, params, *r.count, begin, end, first);
    } else {
        *r.count = end - begin;
    }
    for (uint32_t i = 0; i < j->input_count; i++) inputs[i] = step->inputs[i] + first[i] * r.input[i];
    part->inputs = inputs;
    part->output = step->output + begin * r.output;
}

static void take_parts(const qrt_step *step, const job *j, const room *left) {
    qrt_params params;
    memcpy(&params, step->params, sizeof params);
    int32_t count = *find_rows(j->kind, &params).count, unit = j->channel_unit;
    if (unit > 0) count = find_channels(j->kind, &params).count;
    for (uint32_t i = 0; i < j->parts; i++) {
        int32_t begin = cut(count, unit, i, j->parts), end = cut(count, unit, i + 1, j->parts);
        take_part(step, j, begin, end, &left->parts[i], &left->params[i], left->inputs + 2 * i);
    }
}

static void add_stage(qrt_split *split, const qrt_program *program, const qrt_step *step, const job *j, room *left) {
    const qrt_kernel *kernel = program->operators[step->op].kernel;
    qrt_stage *stage = left->stages++;
    stage->parts = step;
    stage->count = 1;
    if (j->parts < 2 || !is_apart(program->model, step, j)) return;
    take_parts(step, j, left);
    stage->parts = left->parts;
    stage->count = j->parts;
    for (uint32_t i = 0; i < j->parts && kernel->scratch_size != NULL; i++) {
        size_t scratch = kernel->scratch_size(stage->parts[i].params);
        if (scratch > split->scratch_size) split->scratch_size = scratch;
    }
    if (j->parts > split->thread_count) split->thread_count = j->parts;
    left->parts += j->parts;
    left->params += j->parts;
    left->inputs += 2 * j->parts;
}

/* Of all operators. */
static size_t count_parts(const qrt_program *program, uint32_t threads, int32_t speed) {
    size_t count = 0;
    for (uint32_t i = 0; i < program->model->operator_count; i++) {
        count += plan_operator(program, i, threads, speed).parts;
    }
    return count;
}

size_t qrt_split_size(const qrt_program *program, uint32_t threads, int32_t speed) {
    threads = worth_threads(program, threads, speed);
    aside places = find_places(program, threads, speed);
    size_t part = sizeof(qrt_params) + sizeof(qrt_step) + 2 * sizeof(const int8_t *);
    size_t size = program->model->operator_count * sizeof(qrt_stage) + qrt_steps_size(program->model, QRT_BY_LAYER);
    for (uint32_t i = 0; i < places.count; i++) size += places.size[i];
    return size + count_parts(program, threads, speed) * part;
}

/* `memory` is: the places, the parts' parameters, parts, stages, the parts' inputs, the steps. */
void qrt_split_init(qrt_split *split, const qrt_program *program, void *arena, int8_t *const *places, uint32_t threads,
                    int32_t speed, void *memory) {
    threads = worth_threads(program, threads, speed);
    aside moved = find_places(program, threads, speed);
    size_t part_count = count_parts(program, threads, speed);
    int8_t *place[PLACES + 1] = {memory};
    for (uint32_t i = 0; i < moved.count; i++) place[i + 1] = place[i] + moved.size[i];
    room left;
    left.params = (qrt_params *)place[moved.count];
    left.parts = (qrt_step *)(left.params + part_count);
    left.stages = (qrt_stage *)(left.parts + part_count);
    left.inputs = (const int8_t **)(left.stages + program->model->operator_count);
    qrt_step *step = (qrt_step *)(left.inputs + 2 * part_count), *end;
    const qrt_step *steps;
    split->stages = left.stages;
    split->stage_count = qrt_steps_init(program, QRT_BY_LAYER, arena, places, step, &steps);
    split->thread_count = 1;
    split->scratch_size = program->scratch_size;
    moved.count = 0;
    for (end = step + split->stage_count; step < end; step++) {
        job j = plan_operator(program, step->op, threads, speed);
        uint32_t found = find_place(&moved, program->model, step->op, &j);
        if (found < PLACES) move_output(program->model, step, end, place[found]);
        add_stage(split, program, step, &j, &left);
    }
}
