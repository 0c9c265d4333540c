/* qrt_split.c: cuts large steps into parts, by rows. */
#include "qrt_split.h"

#include <string.h>

/* Windows and rows of products are cut into parts of at least so many: kernels choose by less whether a layer is worth
 * their packing. */
#define LEAST_WINDOW_ROWS 2
#define LEAST_PRODUCT_ROWS 4
/* Single codes are cut where registers begin. */
#define REGISTER 64
/* So many parts of the least size are worth a pool. */
#define LEAST_PARTS 64

/* Along what a step can be cut. */
typedef struct rows {
    int32_t *count;     /* in its parameters; NULL: along nothing */
    ptrdiff_t input[2]; /* bytes from a row of each input to the next */
    ptrdiff_t output;
    int32_t least; /* of a part */
    int windows;   /* 1: rows of images, whose windows see rows of the input around */
} rows;

static int32_t product(const int32_t *shape, int32_t from, int32_t to) {
    int32_t result = 1;
    for (int32_t i = from; i < to; i++) result *= shape[i];
    return result;
}

static rows rows_of(int32_t *count, ptrdiff_t a, ptrdiff_t b, ptrdiff_t y, int32_t least) {
    rows r = {count, {a, b}, y, least, 0};
    return r;
}

static rows image_rows(int32_t *batch, int32_t *out_height, ptrdiff_t in_size, ptrdiff_t out_row) {
    if (*batch > 1) return rows_of(batch, in_size, 0, *out_height * out_row, 1);
    rows r = rows_of(out_height, 0, 0, out_row, LEAST_WINDOW_ROWS);
    r.windows = 1;
    return r;
}

static rows conv2d_rows(qrt_conv2d_params *p) {
    ptrdiff_t in_size = (ptrdiff_t)p->in_height * p->in_width * p->in_channels;
    ptrdiff_t out_row = (ptrdiff_t)p->out_width * p->out_channels * (p->requant.wide ? 4 : 1);
    return image_rows(&p->batch, &p->out_height, in_size, out_row);
}

static rows pool2d_rows(qrt_pool2d_params *p) {
    ptrdiff_t in_size = (ptrdiff_t)p->in_height * p->in_width * p->channels;
    return image_rows(&p->batch, &p->out_height, in_size, (ptrdiff_t)p->out_width * p->channels);
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
    ptrdiff_t channels;
    switch (kind) {
    case QRT_CONV2D:
        return conv2d_rows(&p->conv2d);
    case QRT_DWCONV2D:
        /* An image of one column is as good as one of one row, and kernels may turn it. */
        if (p->conv2d.batch == 1 && p->conv2d.in_width == 1) break;
        return conv2d_rows(&p->conv2d);
    case QRT_AVERAGE_POOL2D:
    case QRT_MAX_POOL2D:
        return pool2d_rows(&p->pool2d);
    case QRT_LINEAR:
        channels = (ptrdiff_t)p->linear.out_features * (p->linear.requant.wide ? 4 : 1);
        return rows_of(&p->linear.rows, p->linear.in_features, 0, channels, LEAST_PRODUCT_ROWS);
    case QRT_MATMUL:
        return matmul_rows(&p->matmul);
    case QRT_ADD:
        return broadcast_rows(&p->add.broadcast);
    case QRT_MUL:
        return broadcast_rows(&p->mul.broadcast);
    case QRT_MAXIMUM:
    case QRT_MINIMUM:
        return broadcast_rows(&p->extremum.broadcast);
    case QRT_REQUANTIZE:
        return rows_of(&p->requantize.size, 1, 0, 1, 1);
    case QRT_CLAMP:
        return rows_of(&p->clamp.size, 1, 0, 1, 1);
    case QRT_LUT:
        return rows_of(&p->lut.size, 1, 0, 1, 1);
    case QRT_SOFTMAX:
        return rows_of(&p->softmax.rows, p->softmax.channels, 0, p->softmax.channels, 1);
    case QRT_L2_NORM:
        return rows_of(&p->l2_norm.rows, p->l2_norm.channels, 0, p->l2_norm.channels, 1);
    case QRT_REQUANTIZE_SUM:
        channels = p->requantize_sum.channels;
        return rows_of(&p->requantize_sum.rows, 4 * channels, channels, channels, 1);
    default:
        break;
    }
    return rows_of(NULL, 0, 0, 0, 1);
}

/* Work, in multiplications of a convolution; those of a depthwise one cost more, and so does making a code. */
static int64_t work_of(int32_t kind, const qrt_params *p, int64_t out_size) {
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
        return out_size * 512;
    default:
        return out_size * 32;
    }
}

/* Where part `part` of `parts` begins. */
static int32_t cut(int32_t count, uint32_t part, uint32_t parts) {
    int32_t at = (int32_t)((int64_t)count * part / parts);
    return part < parts && count >= (int32_t)parts * REGISTER ? at / REGISTER * REGISTER : at;
}

/* What of the image the output rows [begin, end) see becomes the image. Returns 0 when that is padding only. */
static int crop(int32_t begin, int32_t end, int32_t stride, int32_t reach, int32_t *height, int32_t *pad_top,
                int32_t *first) {
    int64_t top = (int64_t)begin * stride - *pad_top, bottom = (int64_t)(end - 1) * stride - *pad_top + reach;
    *first = top > 0 ? (int32_t)(top < *height ? top : *height) : 0;
    int32_t last = bottom < *height ? (int32_t)(bottom > 0 ? bottom : 0) : *height;
    if (*first >= last) return 0;
    *pad_top = (int32_t)(*first - top);
    *height = last - *first;
    return 1;
}

static int crop_image(int32_t kind, qrt_params *params, int32_t begin, int32_t end, const int8_t **x) {
    int32_t first;
    if (kind == QRT_CONV2D || kind == QRT_DWCONV2D) {
        qrt_conv2d_params *p = &params->conv2d;
        int32_t reach = (p->filter_height - 1) * p->dilation_y + 1;
        if (!crop(begin, end, p->stride_y, reach, &p->in_height, &p->pad_top, &first)) return 0;
        *x += (ptrdiff_t)first * p->in_width * p->in_channels;
    } else {
        qrt_pool2d_params *p = &params->pool2d;
        if (!crop(begin, end, p->stride_y, p->filter_height, &p->in_height, &p->pad_top, &first)) return 0;
        *x += (ptrdiff_t)first * p->in_width * p->channels;
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

/* What is to be done with a step. */
typedef struct job {
    int32_t kind;
    uint32_t input_count; /* of which rows are taken */
    uint32_t parts;
    int64_t work;
} job;

/* Makes `part` the rows [begin, end) of `step`. Returns 0 when there is no such part. */
static int take_part(const qrt_step *step, const job *j, int32_t begin, int32_t end, qrt_step *part, qrt_params *params,
                     const int8_t **inputs) {
    memcpy(params, step->params, sizeof *params);
    rows r = find_rows(j->kind, params);
    *r.count = end - begin;
    for (uint32_t i = 0; i < j->input_count; i++) inputs[i] = step->inputs[i] + begin * r.input[i];
    part->run = step->run;
    part->params = params;
    part->inputs = inputs;
    part->output = step->output + begin * r.output;
    part->op = step->op;
    return !r.windows || crop_image(j->kind, params, begin, end, &inputs[0]);
}

static int intersect(const int8_t *a, uint64_t a_size, const int8_t *b, uint64_t b_size) {
    return (uintptr_t)a < (uintptr_t)b + b_size && (uintptr_t)b < (uintptr_t)a + a_size;
}

/* Whether no part can write what another one reads: the output lies apart from the inputs, or each code takes the place
 * of the input's of the same row. */
static int is_apart(const qrt_model *model, const qrt_operator *op, const qrt_step *step) {
    qrt_tensor x, y;
    qrt_model_tensor(model, op->output, &y);
    for (uint32_t i = 0; i < op->input_count; i++) {
        qrt_model_tensor(model, op->inputs[i], &x);
        uint64_t in_size = qrt_tensor_bytes(&x), out_size = qrt_tensor_bytes(&y);
        if (!intersect(step->inputs[i], in_size, step->output, out_size)) continue;
        if (op->overlap || step->inputs[i] != step->output || in_size != out_size) return 0;
    }
    return 1;
}

static job plan_step(const qrt_program *program, const qrt_step *step, uint32_t threads, int64_t threshold) {
    job j = {0, 0, 1, 0};
    qrt_operator op;
    qrt_tensor y;
    qrt_params params;
    qrt_model_operator(program->model, step->op, &op);
    qrt_model_tensor(program->model, op.output, &y);
    memcpy(&params, step->params, sizeof params);
    rows r = find_rows(op.kind, &params);
    if (r.count == NULL || !is_apart(program->model, &op, step)) return j;
    j.kind = op.kind;
    j.input_count = op.input_count < 2 ? op.input_count : 2;
    j.work = work_of(op.kind, &params, y.size);
    int64_t parts = *r.count / r.least;
    if (threshold > 0 && parts > j.work / threshold) parts = j.work / threshold;
    if (parts > threads) parts = threads;
    if (parts > 1) j.parts = (uint32_t)parts;
    return j;
}

static size_t scratch_of(const qrt_program *program, const qrt_step *part) {
    const qrt_kernel *kernel = program->operators[part->op].kernel;
    return kernel->scratch_size == NULL ? 0 : kernel->scratch_size(part->params);
}

/* Makes the parts of `step`; returns 0 when it has no such parts. */
static int make_parts(const qrt_step *step, const job *j, const room *left) {
    qrt_params params;
    memcpy(&params, step->params, sizeof params);
    int32_t count = *find_rows(j->kind, &params).count;
    for (uint32_t i = 0; i < j->parts; i++) {
        int32_t begin = cut(count, i, j->parts), end = cut(count, i + 1, j->parts);
        if (!take_part(step, j, begin, end, &left->parts[i], &left->params[i], left->inputs + 2 * i)) return 0;
    }
    return 1;
}

static void add_stage(qrt_split *split, const qrt_program *program, const qrt_step *step, const job *j, room *left) {
    qrt_stage *stage = left->stages++;
    stage->parts = step;
    stage->count = 1;
    if (j->parts < 2 || !make_parts(step, j, left)) return;
    stage->parts = left->parts;
    stage->count = j->parts;
    for (uint32_t i = 0; i < j->parts; i++) {
        size_t scratch = scratch_of(program, &stage->parts[i]);
        if (scratch > split->scratch_size) split->scratch_size = scratch;
    }
    if (j->parts > split->thread_count) split->thread_count = j->parts;
    left->parts += j->parts;
    left->params += j->parts;
    left->inputs += 2 * j->parts;
}

size_t qrt_split_size(uint32_t step_count, uint32_t threads) {
    size_t part = sizeof(qrt_step) + sizeof(qrt_params) + 2 * sizeof(const int8_t *);
    return step_count * (sizeof(qrt_stage) + threads * part);
}

void qrt_split_init(qrt_split *split, const qrt_program *program, const qrt_step *steps, uint32_t step_count,
                    uint32_t threads, int64_t threshold, void *memory) {
    size_t part_count = (size_t)step_count * threads;
    room left;
    left.params = memory;
    left.parts = (qrt_step *)(left.params + part_count);
    left.stages = (qrt_stage *)(left.parts + part_count);
    left.inputs = (const int8_t **)(left.stages + step_count);
    split->stages = left.stages;
    split->stage_count = step_count;
    split->thread_count = 1;
    split->scratch_size = program->scratch_size;
    int64_t work = 0;
    for (uint32_t i = 0; i < step_count; i++) {
        job j = plan_step(program, &steps[i], threads, threshold);
        if (j.parts > 1) work += j.work;
    }
    if (work < LEAST_PARTS * threshold) threads = 1;
    for (uint32_t i = 0; i < step_count; i++) {
        job j = plan_step(program, &steps[i], threads, threshold);
        add_stage(split, program, &steps[i], &j, &left);
    }
}
