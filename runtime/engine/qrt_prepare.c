/* qrt_prepare.c: fills the kernels' parameters from a validated model and binds them to an arena.
 *
 * Nothing is checked here: qrt_model_open() has proved every index, shape and bound that is used.
 */
#include "engine/qrt_prepare.h"

#include <string.h>

static size_t round_up(size_t size, size_t alignment) { return (size + alignment - 1) / alignment * alignment; }

static int32_t product(const int32_t *shape, uint32_t from, uint32_t to) {
    int32_t result = 1;
    for (uint32_t i = from; i < to; i++) result *= shape[i];
    return result;
}

static qrt_requant requant_params(const qrt_requant_data *data, const qrt_tensor *y) {
    qrt_requant requant;
    requant.multiplier = data->multiplier;
    requant.shift = data->shift;
    requant.bias = data->bias;
    requant.addend = data->addend;
    requant.step = data->count > 1;
    requant.rounding = data->rounding;
    requant.y_zero_point = y->zero_point;
    requant.output_min = data->output_min;
    requant.output_max = data->output_max;
    requant.wide = y->dtype == QRT_INT32;
    return requant;
}

static qrt_conv2d_params conv2d_params(const qrt_operator *op, const qrt_tensor *x, const qrt_tensor *weights,
                                       const qrt_tensor *y) {
    qrt_conv2d_params p;
    p.batch = x->shape[0];
    p.in_height = x->shape[1];
    p.in_width = x->shape[2];
    p.in_channels = x->shape[3];
    p.out_height = y->shape[1];
    p.out_width = y->shape[2];
    p.out_channels = y->shape[3];
    p.filter_height = op->window.filter_height;
    p.filter_width = op->window.filter_width;
    p.stride_y = op->window.stride_y;
    p.stride_x = op->window.stride_x;
    p.dilation_y = op->window.dilation_y;
    p.dilation_x = op->window.dilation_x;
    p.pad_top = op->window.pad_top;
    p.pad_left = op->window.pad_left;
    p.groups = op->kind == QRT_CONV2D ? op->groups : op->kind == QRT_DWCONV2D ? x->shape[3] : 1;
    p.x_zero_point = x->zero_point;
    p.weights = weights->data;
    p.requant = requant_params(&op->requant, y);
    p.packed = NULL;
    p.part.begin = p.part.end = 0;
    return p;
}

static qrt_linear_params linear_params(const qrt_operator *op, const qrt_tensor *x, const qrt_tensor *weights,
                                       const qrt_tensor *y) {
    qrt_linear_params p;
    p.rows = product(x->shape, 0, x->rank - 1);
    p.in_features = weights->shape[1];
    p.out_features = weights->shape[0];
    p.x_zero_point = x->zero_point;
    p.weights = weights->data;
    p.requant = requant_params(&op->requant, y);
    p.packed = NULL;
    p.part.begin = p.part.end = 0;
    return p;
}

/* Strides of an operand over the output's axes, and axes merged where both operands allow it. */
static qrt_broadcast broadcast_params(const qrt_tensor *a, const qrt_tensor *b, const qrt_tensor *y) {
    int32_t a_stride[QRT_MAX_RANK], b_stride[QRT_MAX_RANK];
    int32_t a_step = 1, b_step = 1;
    for (uint32_t i = y->rank; i-- > 0;) {
        a_stride[i] = a->shape[i] == 1 ? 0 : a_step;
        b_stride[i] = b->shape[i] == 1 ? 0 : b_step;
        a_step *= a->shape[i];
        b_step *= b->shape[i];
    }
    qrt_broadcast broadcast;
    memset(&broadcast, 0, sizeof broadcast);
    int32_t n = 0; /* axes kept so far, the outermost first */
    for (uint32_t i = 0; i < y->rank; i++) {
        int32_t length = y->shape[i];
        if (length == 1) continue;
        if (n > 0 && broadcast.a_stride[n - 1] == a_stride[i] * length &&
            broadcast.b_stride[n - 1] == b_stride[i] * length) {
            broadcast.shape[n - 1] *= length;
            broadcast.a_stride[n - 1] = a_stride[i];
            broadcast.b_stride[n - 1] = b_stride[i];
            continue;
        }
        broadcast.shape[n] = length;
        broadcast.a_stride[n] = a_stride[i];
        broadcast.b_stride[n] = b_stride[i];
        n++;
    }
    if (n == 0) {
        broadcast.shape[0] = 1;
        broadcast.a_stride[0] = 1;
        broadcast.b_stride[0] = 1;
        n = 1;
    }
    broadcast.rank = n;
    return broadcast;
}

static qrt_add_params add_params(const qrt_operator *op, const qrt_tensor *a, const qrt_tensor *b,
                                 const qrt_tensor *y) {
    qrt_add_params p;
    p.broadcast = broadcast_params(a, b, y);
    p.form = op->add.form;
    p.a_zero_point = a->zero_point;
    p.b_zero_point = b->zero_point;
    p.y_zero_point = y->zero_point;
    p.a_multiplier = op->add.a_multiplier;
    p.b_multiplier = op->add.b_multiplier;
    p.y_multiplier = op->add.y_multiplier;
    p.shift = op->add.shift;
    p.a_shift = op->add.a_shift;
    p.b_shift = op->add.b_shift;
    p.y_shift = op->add.y_shift;
    p.b_sign = op->add.subtract ? -1 : 1;
    p.addend = 0;
    if (p.form == QRT_COMMON_SHIFT) {
        p.b_multiplier *= p.b_sign;
        int64_t round = p.shift > 0 ? (int64_t)1 << (p.shift - 1) : 0;
        p.addend = round + p.y_zero_point * ((int64_t)1 << p.shift) - (int64_t)p.a_zero_point * p.a_multiplier -
                   (int64_t)p.b_zero_point * p.b_multiplier;
    }
    p.output_min = op->output_min;
    p.output_max = op->output_max;
    p.packed = NULL;
    return p;
}

/* Of an elementwise operator; where it has no requant, what it needs to clamp. */
static qrt_requant elementwise_requant(const qrt_operator *op, const qrt_tensor *y) {
    qrt_requant requant = requant_params(&op->requant, y);
    if (qrt_operator_facts[op->kind].requant == 0) {
        requant.output_min = op->output_min;
        requant.output_max = op->output_max;
    }
    return requant;
}

static qrt_unary_params unary_params(const qrt_operator *op, const qrt_tensor *x, const qrt_tensor *y) {
    qrt_unary_params p;
    p.size = (int32_t)y->size;
    p.x_zero_point = x->zero_point;
    p.requant = elementwise_requant(op, y);
    return p;
}

static qrt_binary_params binary_params(const qrt_operator *op, const qrt_tensor *a, const qrt_tensor *b,
                                       const qrt_tensor *y) {
    qrt_binary_params p;
    p.broadcast = broadcast_params(a, b, y);
    p.a_zero_point = a->zero_point;
    p.b_zero_point = b->zero_point;
    p.requant = elementwise_requant(op, y);
    return p;
}

static qrt_pool2d_params pool2d_params(const qrt_operator *op, const qrt_tensor *x, const qrt_tensor *y) {
    qrt_pool2d_params p;
    p.batch = x->shape[0];
    p.in_height = x->shape[1];
    p.in_width = x->shape[2];
    p.channels = x->shape[3];
    p.out_height = y->shape[1];
    p.out_width = y->shape[2];
    p.filter_height = op->window.filter_height;
    p.filter_width = op->window.filter_width;
    p.stride_y = op->window.stride_y;
    p.stride_x = op->window.stride_x;
    p.pad_top = op->window.pad_top;
    p.pad_left = op->window.pad_left;
    p.rounding = op->pool_rounding;
    p.x_zero_point = x->zero_point;
    p.output_min = op->output_min;
    p.output_max = op->output_max;
    return p;
}

static qrt_mean_params mean_params(const qrt_operator *op, const qrt_tensor *x, const qrt_tensor *y) {
    qrt_mean_params p;
    p.batch = x->shape[0];
    p.positions = x->shape[1] * x->shape[2];
    p.channels = x->shape[3];
    p.x_zero_point = x->zero_point;
    p.requant = requant_params(&op->requant, y);
    return p;
}

static qrt_pad_params pad_params(const qrt_operator *op, const qrt_tensor *x, const qrt_tensor *y) {
    qrt_pad_params p;
    memset(&p, 0, sizeof p);
    p.rank = (int32_t)x->rank;
    for (uint32_t i = 0; i < x->rank; i++) {
        p.in_shape[i] = x->shape[i];
        p.before[i] = op->pad_before[i];
        p.out_shape[i] = y->shape[i];
    }
    p.value = op->pad_value;
    return p;
}

/* `run_size` has an entry for each input; NULL when only the size of things is asked for. */
static qrt_concat_params concat_params(const qrt_model *model, const qrt_operator *op, const qrt_tensor *y,
                                       int32_t *run_size) {
    qrt_concat_params p;
    p.outer = product(y->shape, 0, (uint32_t)op->axis);
    p.input_count = (int32_t)op->input_count;
    p.run_size = run_size;
    for (uint32_t i = 0; run_size != NULL && i < op->input_count; i++) {
        qrt_tensor x;
        qrt_model_tensor(model, op->inputs[i], &x);
        run_size[i] = product(x.shape, (uint32_t)op->axis, x.rank);
    }
    return p;
}

static qrt_transpose_params transpose_params(const qrt_operator *op, const qrt_tensor *x, const qrt_tensor *y) {
    qrt_transpose_params p;
    memset(&p, 0, sizeof p);
    p.rank = (int32_t)y->rank;
    for (uint32_t i = 0; i < y->rank; i++) {
        p.out_shape[i] = y->shape[i];
        p.in_stride[i] = product(x->shape, op->permutation[i] + 1u, x->rank);
    }
    return p;
}

static qrt_softmax_params softmax_params(const qrt_operator *op, const qrt_tensor *y) {
    qrt_softmax_params p;
    p.rows = product(y->shape, 0, y->rank - 1);
    p.channels = y->shape[y->rank - 1];
    p.y_zero_point = y->zero_point;
    p.shift = op->shift;
    p.numerator = op->numerator;
    p.exponential = op->exponential;
    p.exponential_count = (int32_t)op->exponential_count;
    p.form = op->softmax_form;
    return p;
}

static qrt_slice_params slice_params(const qrt_operator *op, const qrt_tensor *x, const qrt_tensor *y) {
    qrt_slice_params p;
    memset(&p, 0, sizeof p);
    p.rank = (int32_t)y->rank;
    for (uint32_t i = 0; i < y->rank; i++) {
        int32_t step = product(x->shape, i + 1, x->rank);
        p.out_shape[i] = y->shape[i];
        /* An axis of one entry is never stepped along; its stride may be anything and is not multiplied. */
        p.in_stride[i] = y->shape[i] > 1 ? step * op->stride[i] : step;
        p.first += op->begin[i] * step;
    }
    return p;
}

static qrt_resize2d_params resize2d_params(const qrt_operator *op, const qrt_tensor *x, const qrt_tensor *y) {
    qrt_resize2d_params p;
    p.batch = x->shape[0];
    p.in_height = x->shape[1];
    p.in_width = x->shape[2];
    p.channels = x->shape[3];
    p.out_height = y->shape[1];
    p.out_width = y->shape[2];
    p.rows = op->rows;
    p.columns = op->columns;
    p.row_weight = op->row_weight;
    p.column_weight = op->column_weight;
    return p;
}

static qrt_matmul_params matmul_params(const qrt_operator *op, const qrt_tensor *a, const qrt_tensor *b,
                                       const qrt_tensor *y) {
    qrt_matmul_params p;
    p.batch = product(y->shape, 0, y->rank - 2);
    p.rows = y->shape[y->rank - 2];
    p.columns = y->shape[y->rank - 1];
    p.depth = a->shape[a->rank - 1];
    p.b_step = product(b->shape, 0, b->rank - 2) == 1 ? 0 : p.columns * p.depth;
    p.a_zero_point = a->zero_point;
    p.b_zero_point = b->zero_point;
    p.requant = requant_params(&op->requant, y);
    return p;
}

/* Parameters and kernel of one operator, not packed. */
static void prepare_operator(const qrt_model *model, const qrt_kernels *kernels, uint32_t index, int32_t *run_size,
                             qrt_prepared *prepared) {
    qrt_operator op;
    qrt_tensor a, b, y;
    qrt_params *params = &prepared->params;
    qrt_model_operator(model, index, &op);
    qrt_model_tensor(model, op.inputs[0], &a);
    qrt_model_tensor(model, op.inputs[op.input_count > 1 ? 1 : 0], &b);
    qrt_model_tensor(model, op.output, &y);
    int32_t size = (int32_t)y.size;
    prepared->kernel = qrt_kernel_row(kernels, op.kind);

    switch (op.kind) {
    case QRT_CONV2D:
    case QRT_DWCONV2D:
    case QRT_TRANSPOSE_CONV2D:
        params->conv2d = conv2d_params(&op, &a, &b, &y);
        break;
    case QRT_LINEAR:
        params->linear = linear_params(&op, &a, &b, &y);
        break;
    case QRT_ADD:
        params->add = add_params(&op, &a, &b, &y);
        break;
    case QRT_AVERAGE_POOL2D:
    case QRT_MAX_POOL2D:
        params->pool2d = pool2d_params(&op, &a, &y);
        break;
    case QRT_MEAN:
        params->mean = mean_params(&op, &a, &y);
        break;
    case QRT_PAD:
        params->pad = pad_params(&op, &a, &y);
        break;
    case QRT_CONCAT:
        params->concat = concat_params(model, &op, &y, run_size);
        break;
    case QRT_TRANSPOSE:
        params->transpose = transpose_params(&op, &a, &y);
        break;
    case QRT_SOFTMAX:
        params->softmax = softmax_params(&op, &y);
        break;
    case QRT_LUT:
        params->lut.size = size;
        params->lut.table = op.lut;
        break;
    case QRT_RESHAPE:
        params->reshape.size = size;
        break;
    case QRT_SLICE:
        params->slice = slice_params(&op, &a, &y);
        break;
    case QRT_RESIZE2D:
        params->resize2d = resize2d_params(&op, &a, &y);
        break;
    case QRT_ARG_MAX:
        params->arg_max.rows = size;
        params->arg_max.channels = a.shape[a.rank - 1];
        break;
    case QRT_MATMUL:
        params->matmul = matmul_params(&op, &a, &b, &y);
        break;
    case QRT_L2_NORM:
        params->l2_norm.channels = y.shape[y.rank - 1];
        params->l2_norm.rows = size / y.shape[y.rank - 1];
        params->l2_norm.x_zero_point = a.zero_point;
        break;
    case QRT_REQUANTIZE_SUM:
        params->requantize_sum.channels = y.shape[y.rank - 1];
        params->requantize_sum.rows = size / y.shape[y.rank - 1];
        params->requantize_sum.b_multiplier = op.b_multiplier;
        params->requantize_sum.requant = requant_params(&op.requant, &y);
        break;
    default: /* elementwise, with parameters that all of them have */
        if (op.input_count == 2) {
            params->binary = binary_params(&op, &a, &b, &y);
        } else {
            params->unary = unary_params(&op, &a, &y);
        }
        break;
    }
}

static size_t packed_size(const qrt_prepared *prepared) {
    if (prepared->kernel->packed_size == NULL) return 0;
    return round_up(prepared->kernel->packed_size(&prepared->params), QRT_MEMORY_ALIGNMENT);
}

static size_t at_most(uint64_t limit) { return limit < SIZE_MAX / 2 ? (size_t)limit : SIZE_MAX / 2; }

/* What all packed weights may take together. Packing pads weights, up to 600 times, and many operators of a file can
 * share them; no network that is meant to be run comes near. The arena does not count: a host may still refuse it. */
static size_t packed_limit(const qrt_model *model) { return at_most((uint64_t)model->size * 16 + (1 << 20)); }

/* What the scratch of an operator may take. */
static size_t scratch_limit(const qrt_model *model) {
    return at_most((uint64_t)model->size * 16 + model->arena_size + (1 << 20));
}

/* As prepare_operator(), but portable where more than `*left` would be packed. Returns the bytes to pack and takes them
 * from `*left`. */
static size_t prepare_within(const qrt_model *model, const qrt_kernels *kernels, uint32_t index, int32_t *run_size,
                             qrt_prepared *prepared, size_t *left) {
    prepare_operator(model, kernels, index, run_size, prepared);
    size_t size = packed_size(prepared);
    if (size > *left) {
        prepare_operator(model, &qrt_portable, index, run_size, prepared);
        size = 0;
    }
    *left -= size;
    return size;
}

static void pack(qrt_prepared *prepared, const qrt_kernels *kernels, void *packed) {
    prepared->kernel->pack(&prepared->params, packed);
    if (prepared->kernel == &kernels->linear) {
        prepared->params.linear.packed = packed;
    } else if (prepared->kernel == &kernels->add) {
        prepared->params.add.packed = packed;
    } else {
        prepared->params.conv2d.packed = packed;
    }
}

static size_t scratch_size(const qrt_prepared *prepared) {
    return prepared->kernel->scratch_size == NULL ? 0 : prepared->kernel->scratch_size(&prepared->params);
}

static uint32_t concat_inputs(const qrt_model *model, uint32_t index) {
    qrt_operator op;
    qrt_model_operator(model, index, &op);
    return op.kind == QRT_CONCAT ? op.input_count : 0;
}

/* Bytes in front of the packed weights: the operators, then the concatenations' run sizes. */
static size_t tables_size(const qrt_model *model) {
    size_t runs = 0;
    for (uint32_t i = 0; i < model->operator_count; i++) runs += concat_inputs(model, i);
    return round_up(model->operator_count * sizeof(qrt_prepared) + runs * sizeof(int32_t), QRT_MEMORY_ALIGNMENT);
}

size_t qrt_program_size(const qrt_model *model, const qrt_kernels *kernels) {
    size_t size = tables_size(model), left = packed_limit(model);
    for (uint32_t i = 0; i < model->operator_count; i++) {
        qrt_prepared prepared;
        size += prepare_within(model, kernels, i, NULL, &prepared, &left);
    }
    return size;
}

void qrt_program_init(qrt_program *program, const qrt_model *model, const qrt_kernels *kernels, void *memory) {
    qrt_prepared *operators = memory;
    int32_t *run_size = (int32_t *)(operators + model->operator_count);
    uint8_t *packed = (uint8_t *)memory + tables_size(model);
    size_t left = packed_limit(model);
    program->model = model;
    program->operators = operators;
    program->scratch_size = 0;
    for (uint32_t i = 0; i < model->operator_count; i++) {
        qrt_prepared *prepared = &operators[i];
        size_t size = prepare_within(model, kernels, i, run_size, prepared, &left);
        if (size > 0) pack(prepared, kernels, packed);
        packed += size;
        /* Asked only now, since it may depend on what was packed. */
        if (scratch_size(prepared) > scratch_limit(model)) {
            prepare_operator(model, &qrt_portable, i, run_size, prepared);
        }
        size_t scratch = scratch_size(prepared);
        if (scratch > program->scratch_size) program->scratch_size = scratch;
        run_size += concat_inputs(model, i);
    }
}

size_t qrt_steps_size(const qrt_model *model) {
    size_t pointers = 0;
    for (uint32_t i = 0; i < model->operator_count; i++) {
        qrt_operator op;
        qrt_model_operator(model, i, &op);
        pointers += op.input_count;
    }
    return model->operator_count * sizeof(qrt_step) + pointers * sizeof(const int8_t *);
}

uint32_t qrt_steps_init(const qrt_program *program, void *arena, void *memory, const qrt_step **steps) {
    const qrt_model *model = program->model;
    qrt_step *step = memory;
    const int8_t **pointer = (const int8_t **)(step + model->operator_count);
    uint32_t count = 0;
    *steps = step;
    for (uint32_t i = 0; i < model->operator_count; i++) {
        qrt_operator op;
        qrt_tensor tensor;
        qrt_model_operator(model, i, &op);
        qrt_model_tensor(model, op.output, &tensor);
        step->run = program->operators[i].kernel->run;
        step->params = &program->operators[i].params;
        step->inputs = pointer;
        step->output = (int8_t *)arena + tensor.arena_offset;
        step->op = i;
        for (uint32_t k = 0; k < op.input_count; k++) {
            qrt_model_tensor(model, op.inputs[k], &tensor);
            *pointer++ = tensor.data != NULL ? tensor.data : (int8_t *)arena + tensor.arena_offset;
        }
        if (op.kind == QRT_RESHAPE && step->inputs[0] == step->output) continue;
        step++;
        count++;
    }
    return count;
}
