/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_kernels.h: the parameters of every operator and `struct qrt_kernels`, the table of a kernel set.
 *
 * The arithmetic is SPEC.md's. A kernel trusts its parameters: whoever fills them has proved every
 * bound (the validator, for a file). Shapes are NHWC, weights OHWI; all tensors are dense, and int8 but for
 * accumulators.
 * No kernel allocates: packed parameters and scratch memory belong to the caller.
 */
#ifndef QRT_KERNELS_H
#define QRT_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One more than a tensor has: to what moves codes, the two bytes of an int16 are an axis. */
#define QRT_KERNEL_MAX_RANK 7

/* Bytes that scratch_size() counts for an address, on devices too: their scratch is planned on a host. */
#define QRT_ADDRESS_SIZE 8

/* acc (int32; of 16-bit arithmetic int64) -> code, SPEC.md "Requantization". `step` is 1 when multiplier, shift and
 * addend have an entry for each channel and 0 when one entry serves all; bias always has one for each. */
typedef struct qrt_requant {
    const int32_t *multiplier; /* 0 to 2^31 - 1 */
    const uint8_t *shift;      /* 0 to 62 */
    const int32_t *bias;       /* NULL: none */
    const int64_t *addend;     /* NULL: derived from bias, shift and y_zero_point; else SINGLE only, bias NULL */
    int32_t step;
    int32_t rounding; /* 0 SINGLE, 1 DOUBLE */
    int32_t y_zero_point;
    int32_t output_min, output_max; /* codes, output_min <= output_max */
    int32_t wide;    /* 1: conv2d, dwconv2d and linear write acc + bias as int32; multiplier 1, shift 0, SINGLE */
    int32_t y_int16; /* 1: the output is int16 */
} qrt_requant;

/* Output channels [begin, end) of an operator; an end of 0 means all. A kernel without a channel_unit gets no part. */
typedef struct qrt_part {
    int32_t begin, end;
} qrt_part;

/* conv2d, dwconv2d and transpose_conv2d. transpose_conv2d: dilation and groups are 1. dwconv2d: out_channels is a
 * multiple of in_channels, groups equals in_channels, weights are [1, filter_height, filter_width, out_channels]. */
typedef struct qrt_conv2d_params {
    int32_t batch;
    int32_t in_height, in_width, in_channels;
    int32_t out_height, out_width, out_channels;
    int32_t filter_height, filter_width;
    int32_t stride_y, stride_x;
    int32_t dilation_y, dilation_x;
    int32_t pad_top, pad_left;
    int32_t groups;
    int32_t x_zero_point;
    int16_t x_int16; /* 1: the input is int16 */
    int16_t int4;    /* 1: weights are int4, two in a byte, see qrt_int4.h; not of transpose_conv2d */
    const int8_t *weights;
    qrt_requant requant;
    const void *packed; /* what the set's pack() wrote; NULL when the set has none */
    qrt_part part;      /* what run() computes */
    uint32_t file_size; /* bytes of the model: about what it reads of weights from run to run; 0: not known */
} qrt_conv2d_params;

typedef struct qrt_linear_params {
    int32_t rows, in_features, out_features;
    int32_t x_zero_point;
    int16_t x_int16;
    int16_t int4;          /* as in qrt_conv2d_params */
    const int8_t *weights; /* [out_features, in_features] */
    qrt_requant requant;
    const void *packed;
    qrt_part part;
} qrt_linear_params;

/* How two operands meet: output index (i0, i1, ...) reads a at sum(i * a_stride), b likewise; a stride
 * is 0 along a broadcast axis. Adjacent axes that can be one are one, so equal shapes have rank 1.
 * The last axis has strides 0 or 1. */
typedef struct qrt_broadcast {
    int32_t rank;
    int32_t shape[QRT_KERNEL_MAX_RANK];
    int32_t a_stride[QRT_KERNEL_MAX_RANK];
    int32_t b_stride[QRT_KERNEL_MAX_RANK];
} qrt_broadcast;

/* add, and squared_difference, which has what form TFLITE has. */
typedef struct qrt_add_params {
    qrt_broadcast broadcast;
    int32_t form; /* 0 COMMON_SHIFT, 1 TFLITE */
    int32_t a_zero_point, b_zero_point, y_zero_point;
    int32_t a_multiplier, b_multiplier, y_multiplier;
    int32_t shift;                     /* COMMON_SHIFT */
    int64_t addend;                    /* COMMON_SHIFT: zero points and rounding, all in one */
    int32_t a_shift, b_shift, y_shift; /* TFLITE */
    int32_t b_sign;                    /* 1, or -1 to subtract; in COMMON_SHIFT b_multiplier has it already */
    int32_t output_min, output_max;
    int32_t x_int16, y_int16; /* of both operands; of the output */
    const void *packed;
} qrt_add_params;

/* Elementwise operators on one tensor, but for lut. */
typedef struct qrt_unary_params {
    int32_t size;
    int32_t x_zero_point;
    int32_t x_int16;     /* 1: the input is int16 */
    qrt_requant requant; /* step 0, no bias; of operators without requant: y_zero_point, output_min, output_max */
} qrt_unary_params;

/* Elementwise operators on two tensors, but for add and squared_difference. */
typedef struct qrt_binary_params {
    qrt_broadcast broadcast;
    int32_t a_zero_point, b_zero_point;
    int32_t x_int16;     /* of both operands */
    qrt_requant requant; /* as in qrt_unary_params */
} qrt_binary_params;

typedef struct qrt_pool2d_params {
    int32_t batch;
    int32_t in_height, in_width, channels;
    int32_t out_height, out_width;
    int32_t filter_height, filter_width;
    int32_t stride_y, stride_x;
    int32_t pad_top, pad_left;
    int32_t rounding;     /* average: 0 HALF_AWAY, 1 HALF_EVEN, 2 HALF_EVEN_RAW */
    int32_t x_zero_point; /* average, HALF_EVEN */
    int32_t output_min, output_max;
    int32_t x_int16; /* and the output */
} qrt_pool2d_params;

typedef struct qrt_mean_params {
    int32_t batch, positions, channels; /* positions = height * width */
    int32_t x_zero_point;
    int32_t x_int16;
    qrt_requant requant; /* step 0, no bias */
} qrt_mean_params;

typedef struct qrt_pad_params {
    int32_t rank;
    int32_t in_shape[QRT_KERNEL_MAX_RANK];
    int32_t before[QRT_KERNEL_MAX_RANK];
    int32_t out_shape[QRT_KERNEL_MAX_RANK];
    int32_t value;
} qrt_pad_params;

/* Output is `outer` rows; a row is the inputs' runs one after another, run_size[i] bytes each. */
typedef struct qrt_concat_params {
    int32_t outer;
    int32_t input_count;
    const int32_t *run_size;
} qrt_concat_params;

typedef struct qrt_transpose_params {
    int32_t rank;
    int32_t out_shape[QRT_KERNEL_MAX_RANK];
    int32_t in_stride[QRT_KERNEL_MAX_RANK]; /* of the input, in the order of the output's axes */
} qrt_transpose_params;

typedef struct qrt_softmax_params {
    int32_t rows, channels;
    int32_t y_zero_point;
    int32_t shift;
    uint64_t numerator;
    const uint32_t *exponential; /* [exponential_count], then 0 */
    int32_t exponential_count;   /* 1 to 256 */
    int32_t form;                /* 0 EXACT, 1 TFLITE */
    int32_t x_int16;             /* then there is a multiplier and no exponential */
    int32_t y_int16;
    int32_t multiplier;
} qrt_softmax_params;

typedef struct qrt_lut_params {
    int32_t size;
    const int8_t *table; /* [256], indexed by code + 128 */
} qrt_lut_params;

/* Output index (i0, i1, ...) is the input's code at first + sum(i * in_stride); strides may be negative. */
typedef struct qrt_slice_params {
    int32_t rank;
    int32_t out_shape[QRT_KERNEL_MAX_RANK];
    int32_t in_stride[QRT_KERNEL_MAX_RANK];
    int32_t first;
} qrt_slice_params;

typedef struct qrt_resize2d_params {
    int32_t batch;
    int32_t in_height, in_width, channels;
    int32_t out_height, out_width;
    const uint16_t *rows, *columns;             /* [out_height], [out_width] */
    const uint16_t *row_weight, *column_weight; /* the same, 0 to 1023; NULL: all 0 */
    int32_t first_row;                          /* of the input's, the one that run() gets first */
} qrt_resize2d_params;

typedef struct qrt_arg_max_params {
    int32_t rows, channels; /* channels: at most 256 */
} qrt_arg_max_params;

/* a [batch, rows, depth], b [batch or 1, columns, depth], output [batch, rows, columns]. */
typedef struct qrt_matmul_params {
    int32_t batch, rows, columns, depth;
    int32_t b_step; /* codes from one b to the next; 0 when there is one */
    int32_t a_zero_point, b_zero_point;
    int32_t x_int16;     /* of both operands */
    qrt_requant requant; /* step 0, no bias */
} qrt_matmul_params;

typedef struct qrt_l2_norm_params {
    int32_t rows, channels; /* channels: at most 2^15 */
    int32_t x_zero_point;
} qrt_l2_norm_params;

typedef struct qrt_layer_norm_params {
    int32_t rows, channels; /* channels: at most 2^15 */
    int32_t epsilon_bits;   /* even */
    int32_t shift;
    uint64_t epsilon;
    const int32_t *multiplier; /* [channels] */
    const int64_t *addend;     /* [channels] */
} qrt_layer_norm_params;

/* a int32 [rows, channels], b [rows, channels]: y = clamp((a * multiplier + b * b_multiplier + addend) >> shift) */
typedef struct qrt_requantize_sum_params {
    int32_t rows, channels;
    const int64_t *b_multiplier; /* as `requant.multiplier` */
    qrt_requant requant;         /* SINGLE, with addend */
} qrt_requantize_sum_params;

typedef struct qrt_log_softmax_params {
    int32_t rows, channels;
    int32_t form; /* 0 EXACT, 1 TFLITE */
    int32_t shift;
    int64_t multiplier;          /* EXACT: below 2^54; TFLITE: below 2^31 */
    int64_t addend;              /* EXACT */
    const uint32_t *exponential; /* [exponential_count], then 0 */
    int32_t exponential_count;   /* 1 to 256 */
    int32_t log_multiplier;      /* EXACT */
} qrt_log_softmax_params;

typedef struct qrt_gate_params {
    int32_t size;
    int32_t multiplier, shift; /* below 2^15; at most 31 */
} qrt_gate_params;

typedef struct qrt_leaky_relu_params {
    int32_t size;
    int32_t x_zero_point, y_zero_point;
    int32_t multiplier, shift;
    int32_t negative_multiplier, negative_shift; /* the multiplier may be negative */
    int32_t negate;                              /* 1: what negative_multiplier makes */
} qrt_leaky_relu_params;

/* reshape: the bytes move, if they move at all, unchanged. */
typedef struct qrt_reshape_params {
    int32_t size; /* bytes */
} qrt_reshape_params;

/* The state is `outer` rows of `kept` and `added` bytes; the input has `added` for each. */
typedef struct qrt_push_params {
    int32_t outer;
    int32_t kept, added;
} qrt_push_params;

/* inputs: x, feature weights, time weights, and the state, which run() updates. */
typedef struct qrt_svdf_params {
    int32_t batch, in_features, units, rank, memory;
    int32_t x_zero_point, state_zero_point;
    int32_t state_int16; /* 1: state and time weights are int16, the zero point is 0 */
    qrt_requant feature; /* step 0, no bias; y_zero_point is 0, the state's is added behind it */
    qrt_requant requant; /* step 0, bias for each unit; acc may be any int32 */
} qrt_svdf_params;

/* inputs: x, weights and recurrent weights, each for 4 * units channels, and the states h and c, which run() updates.
 * lstm16: x, h and the output are int16. */
typedef struct qrt_lstm_params {
    int32_t batch, steps, in_features, units;
    int32_t time_major; /* 1: x is [steps, batch, in_features] */
    int32_t x_zero_point, h_zero_point;
    int32_t x_int16;
    int32_t cell_power; /* -29 to 1 */
    int32_t cell_clip;  /* 0: none */
    int32_t output_multiplier, output_shift;
    qrt_requant input,
        recurrent; /* to int16; step 0: one entry for each gate; input may have a bias for each channel */
} qrt_lstm_params;

/* Room for the parameters of any operator. */
typedef union qrt_params {
    qrt_conv2d_params conv2d; /* and dwconv2d, transpose_conv2d */
    qrt_linear_params linear;
    qrt_add_params add;       /* and squared_difference */
    qrt_unary_params unary;   /* elementwise, of one tensor; `size` is the first member of lut's too */
    qrt_binary_params binary; /* elementwise, of two; `broadcast` is the first member of add's too */
    qrt_pool2d_params pool2d; /* average_pool2d, max_pool2d */
    qrt_mean_params mean;
    qrt_pad_params pad;
    qrt_concat_params concat;
    qrt_transpose_params transpose;
    qrt_softmax_params softmax;
    qrt_lut_params lut;
    qrt_reshape_params reshape; /* and assign */
    qrt_push_params push;
    qrt_slice_params slice;
    qrt_resize2d_params resize2d;
    qrt_arg_max_params arg_max;
    qrt_matmul_params matmul;
    qrt_l2_norm_params l2_norm;
    qrt_requantize_sum_params requantize_sum;
    qrt_layer_norm_params layer_norm;
    qrt_log_softmax_params log_softmax;
    qrt_svdf_params svdf;
    qrt_lstm_params lstm;
    qrt_gate_params gate; /* sigmoid and tanh */
    qrt_leaky_relu_params leaky_relu;
} qrt_params;

/* How a kernel with windows reads its input: what a row of output needs, perhaps while it writes that row; all that a
 * position needs before it writes that position; each row once, before it writes the first row that needs it. */
enum qrt_read_order { QRT_READS_BY_ROW = 0, QRT_READS_BY_POSITION = 1, QRT_READS_ONCE = 2 };

/* One operator of one set. `params` is the operator's structure above. inputs[0], inputs[1], ... are the
 * activations, without weights. The output may be the very memory of an input where SPEC.md allows it
 * ("In place", "Over a dying
 * input": rows are written in order, and row r only when no later row needs what lies there); else they do not overlap.
 * `scratch` has scratch_size(params) bytes, aligned to 64; `packed` is set before scratch_size() is asked.
 *
 * Rows of an operator, also a single one, are an operator that run() and scratch_size() take with what pack() wrote for
 * the whole. Where their windows see padding only, in_height is 0. So what is packed does not depend on batch,
 * in_height, out_height, pad_top, rows or a shape, unless run() follows the whole's choice for any number of rows; and
 * rows take at most the scratch of the whole. */
typedef struct qrt_kernel {
    void (*run)(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch);
    size_t (*packed_size)(const void *params);      /* NULL: nothing to pack */
    void (*pack)(const void *params, void *packed); /* `packed` is aligned to 64 */
    size_t (*scratch_size)(const void *params);     /* NULL: none needed */
    int32_t reading;                                /* of input 0, enum qrt_read_order */
    /* 1: weights may be int4, for all rows along `otherwise` too. 0: they are unpacked before pack() and run(), but not
     * before packed_size(), which does not read them. */
    int32_t int4;
    int32_t channel_unit; /* where `packed` is not NULL, parts can begin at its multiples; 0: at none */
    /* One of several kernels that can run an operator: the first row that covers it, along `otherwise`, and whose
     * packed weights leave enough for the other operators. It is asked of whole operators, and reads weights unless
     * they are int4, which it does not. In the sets for devices scratch and `packed` are aligned to 8, scratch_size()
     * does not look at `packed`, and what a row covers does not depend on batch, in_height, out_height, pad_top, rows
     * or a shape, see above. */
    const char *name;                   /* run's name, for generated C; NULL on hosts */
    int (*covers)(const void *params);  /* NULL: all operators */
    const struct qrt_kernel *otherwise; /* the next row, where there is `covers` */
    int32_t packs_all;                  /* 1: run() reads `packed` in place of weights and the arrays of requant */
} qrt_kernel;

/* A kernel set, with a row for each operator, and for each that has 16-bit arithmetic another, which it takes where an
 * activation is int16: conv2d16 has conv2d's parameters. A set is the portable one, overwritten where it can do better.
 */
typedef struct qrt_kernels {
    const char *name;
#define X(name) qrt_kernel name;
#include "qrt_kernel_rows.h"
#undef X
} qrt_kernels;

/* The row with this number: of enum qrt_operator_kind, or of enum qrt_row16. */
static inline const qrt_kernel *qrt_kernel_row(const qrt_kernels *kernels, int32_t number) {
    static const size_t places[] = {
        0,
#define X(name) offsetof(qrt_kernels, name),
#include "qrt_kernel_rows.h"
#undef X
    };
    return (const qrt_kernel *)(const void *)((const char *)kernels + places[number]);
}

/* Of the rows from this one on, the first that covers an operator with these parameters; NULL if there is none. Of a
 * set's rows some row does. */
static inline const qrt_kernel *qrt_kernel_covering(const qrt_kernel *kernel, const void *params) {
    while (kernel != NULL && kernel->covers != NULL && !kernel->covers(params)) kernel = kernel->otherwise;
    return kernel;
}

/* Fills `kernels` with plain C99 for every operator, for another set to overwrite. It packs nothing. */
void qrt_kernels_portable(qrt_kernels *kernels);

/* Portable kernels, overwritten where the processor's instructions do better: Cortex-M with the DSP extension; with
 * Helium (MVE). */
void qrt_kernels_dsp(qrt_kernels *kernels);
void qrt_kernels_mve(qrt_kernels *kernels);

#ifdef __cplusplus
}
#endif
#endif
