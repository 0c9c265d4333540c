/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_model.h: reads and proves a .qfb file in place.
 *
 * Freestanding C99: no malloc, no recursion, no float arithmetic, nothing but stdint, stddef and
 * string.h. qrt_model_open() takes untrusted bytes and checks every validity rule of SPEC.md; once it
 * has returned QRT_OK, the functions below it and every kernel run without checks of their own.
 *
 * The bytes must stay where they are, unchanged, for as long as the qrt_model is used.
 * Structures that are read out point into them.
 */
#ifndef QRT_MODEL_H
#define QRT_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "qrt_kinds.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The newest format version that this reader understands. */
#define QRT_FORMAT_VERSION 1u

#define QRT_MAX_RANK 6
#define QRT_MAX_TENSORS 8192u
#define QRT_MAX_OPERATORS 8192u
#define QRT_MAX_INPUTS 256u /* of an operator, and of a model; of outputs as many */
/* The bytes given to qrt_model_open() must start at a multiple of this, as must the arena. */
#define QRT_ALIGNMENT 16u

#define QRT_OK 0
#define QRT_ERR_ALIGNMENT (-1) /* the caller's pointer is not a multiple of QRT_ALIGNMENT */
#define QRT_ERR_NOT_QFB (-2)   /* not a .qfb file at all */
#define QRT_ERR_VERSION (-3)   /* a .qfb file of a newer format version */
#define QRT_ERR_INVALID (-4)   /* a validity rule is broken; qrt_problem says which */

/* The values of these enumerations are those of qrt.fbs. */
enum qrt_dtype { QRT_INT8 = 0, QRT_INT32 = 1, QRT_INT16 = 2, QRT_INT4 = 3 };
enum qrt_rounding { QRT_SINGLE = 0, QRT_DOUBLE = 1 };
enum qrt_add_form { QRT_COMMON_SHIFT = 0, QRT_TFLITE = 1 };
enum qrt_softmax_form { QRT_SOFTMAX_EXACT = 0, QRT_SOFTMAX_TFLITE = 1 };
enum qrt_pool_rounding { QRT_HALF_AWAY = 0, QRT_HALF_EVEN = 1, QRT_HALF_EVEN_RAW = 2 };

enum qrt_source_dtype { QRT_SOURCE_INT8 = 0, QRT_SOURCE_UINT8 = 1, QRT_SOURCE_INT16 = 2, QRT_SOURCE_UINT16 = 3 };

/* The accumulator of an elementwise operator with a requant. */
enum qrt_acc { QRT_NO_ACC = 0, QRT_ACC_OF_X = 1, QRT_ACC_OF_PRODUCT = 2 };

/* What qrt.fbs says of an operator, which explains the terms; the last four are numbers of fields, plus 1. */
typedef struct qrt_facts {
    uint16_t least_inputs, most_inputs;
    uint8_t elementwise;
    uint8_t keeps_numbers;
    uint8_t in_place;
    uint8_t over_input;
    uint8_t accumulates;
    uint8_t has_weights;
    uint8_t acc; /* enum qrt_acc */
    uint8_t moves;
    uint8_t writes_state;
    uint8_t states;
    uint8_t row16; /* enum qrt_row16; 0: it has no 16-bit arithmetic */
    uint8_t requant, window, output_min, output_min16;
} qrt_facts;

/* By enum qrt_operator_kind. */
extern const qrt_facts qrt_operator_facts[QRT_OPERATOR_KIND_END];
extern const char *const qrt_operator_names[QRT_OPERATOR_KIND_END];

/* What qrt_problem.index counts. */
enum qrt_place {
    QRT_IN_FILE = 0, /* index is a byte position */
    QRT_IN_TENSOR,
    QRT_IN_OPERATOR,
    QRT_IN_INPUT,
    QRT_IN_OUTPUT,
    QRT_IN_TEST_VECTOR,
    QRT_IN_BAND
};

/* The first broken rule and where. */
typedef struct qrt_problem {
    int32_t rule; /* n of SPEC.md's Vn; 0 when none is broken */
    int32_t place;
    uint32_t index;
} qrt_problem;

/* Text in the file, UTF-8, not terminated; {NULL, 0} when absent. */
typedef struct qrt_text {
    const char *text;
    uint32_t length;
} qrt_text;

typedef struct qrt_model {
    const uint8_t *bytes;
    uint32_t size;
    uint32_t format_version;
    uint32_t arena_size; /* up to 2^32 - 1: compare it with what there is before you allocate */
    uint32_t state_size; /* of which the first bytes hold the states */
    uint32_t tensor_count;
    uint32_t operator_count;
    uint32_t input_count;
    uint32_t output_count;
    uint32_t test_vector_count;
    uint32_t band_count;
    qrt_text producer;
    qrt_text name;
    /* Byte positions of the offset vectors' first elements, for the functions below. */
    uint32_t tensors, operators, inputs, outputs, test_vectors, bands;
} qrt_model;

typedef struct qrt_tensor {
    qrt_text name;
    uint32_t rank;               /* 1 to QRT_MAX_RANK */
    int32_t shape[QRT_MAX_RANK]; /* each at least 1 */
    uint32_t size;               /* elements */
    int32_t dtype;               /* enum qrt_dtype */
    int32_t zero_point;          /* -128 to 127, of INT16 -32768 to 32767 */
    uint32_t scale_bits;         /* IEEE 754 binary32, so that no float is needed to carry it */
    const int8_t *data;          /* constant; NULL when the tensor lives in the arena */
    uint32_t arena_offset;       /* bytes, when data is NULL */
    uint32_t first, last;        /* lifetime, when data is NULL; a state's is 0 to operator_count + 1 */
    const int8_t *initial;       /* of a state; else NULL */
    uint32_t initial_count;      /* its bytes, or 1, which all of them are */
} qrt_tensor;

typedef struct qrt_requant_data {
    const int32_t *multiplier; /* [count] */
    const uint8_t *shift;      /* [count] */
    const int32_t *bias;       /* [channels], or NULL */
    const int64_t *addend;     /* [count], or NULL; then bias is NULL and rounding SINGLE */
    uint32_t count;            /* 1 or the channels */
    int32_t rounding;          /* enum qrt_rounding */
    int32_t output_min, output_max;
} qrt_requant_data;

typedef struct qrt_window {
    int32_t filter_height, filter_width;
    int32_t stride_y, stride_x;
    int32_t dilation_y, dilation_x;
    int32_t pad_top, pad_bottom, pad_left, pad_right;
} qrt_window;

typedef struct qrt_add_data {
    int32_t form; /* enum qrt_add_form */
    int32_t a_multiplier, b_multiplier, y_multiplier;
    int32_t shift, a_shift, b_shift, y_shift;
    int32_t subtract; /* 1: a - b */
} qrt_add_data;

typedef struct qrt_activation_data {
    int32_t multiplier, shift;
    int32_t negative_multiplier, negative_shift, negate; /* LEAKY_RELU */
} qrt_activation_data;

/* One operator; which of the fields below `output` mean something follows from its kind and its facts. */
typedef struct qrt_operator {
    int32_t kind; /* enum qrt_operator_kind */
    qrt_text name;
    const uint32_t *inputs; /* indices of tensors */
    uint32_t input_count;
    uint32_t output; /* index of a tensor */
    int32_t overlap; /* 1: the output may lie partly over the first input */

    qrt_requant_data requant; /* these three where the kind's options have such fields */
    qrt_window window;
    int32_t output_min, output_max;
    int32_t groups;                        /* CONV2D */
    int32_t pool_rounding;                 /* AVERAGE_POOL2D: enum qrt_pool_rounding */
    qrt_add_data add;                      /* ADD, SQUARED_DIFFERENCE */
    const int32_t *pad_before, *pad_after; /* PAD: [rank] */
    int32_t pad_value;                     /* PAD */
    int32_t axis;                          /* CONCAT */
    const uint8_t *permutation;            /* TRANSPOSE: [rank] */
    const uint32_t *exponential;           /* SOFTMAX, LOG_SOFTMAX: [exponential_count] */
    uint32_t exponential_count;            /* 1 to 256; the table goes on with 0 */
    uint64_t numerator;                    /* SOFTMAX */
    int32_t shift;                         /* SOFTMAX, LAYER_NORM, LOG_SOFTMAX */
    int32_t softmax_form;                  /* SOFTMAX, LOG_SOFTMAX: enum qrt_softmax_form */
    int64_t row_multiplier, row_addend;    /* LOG_SOFTMAX: `multiplier` and `addend` */
    int32_t log_multiplier;                /* LOG_SOFTMAX */
    const int8_t *lut;                     /* LUT: [256] */
    qrt_activation_data activation;        /* SIGMOID, TANH, LEAKY_RELU; its multiplier: SOFTMAX of int16 */
    const int64_t *b_multiplier;           /* REQUANTIZE_SUM: [b_multiplier_count] */
    uint32_t b_multiplier_count;
    uint64_t epsilon;          /* LAYER_NORM */
    int32_t epsilon_bits;      /* LAYER_NORM */
    const int32_t *multiplier; /* LAYER_NORM: [channels] */
    const int64_t *addend;     /* LAYER_NORM: [channels] */
    qrt_requant_data of_x;     /* SVDF: feature; LSTM: input */
    qrt_requant_data of_h;     /* LSTM: recurrent */
    uint32_t filter_rank;      /* SVDF */
    int32_t time_major;        /* LSTM, these five */
    int32_t cell_power, cell_clip;
    int32_t output_multiplier, output_shift;
    const int32_t *begin, *stride;  /* SLICE: [rank] */
    const uint16_t *rows, *columns; /* RESIZE2D: [out_height], [out_width] */
    const uint16_t *row_weight;     /* RESIZE2D: [out_height], or NULL */
    const uint16_t *column_weight;  /* RESIZE2D: [out_width], or NULL */
} qrt_operator;

typedef struct qrt_edge {
    uint32_t tensor;
    int32_t quantize_rule; /* 0 divide, 1 multiply by the reciprocal, 2 divide and round half away from zero */
    int32_t source_nchw;   /* 1 when the source file had this tensor in NCHW */
    int32_t source_dtype;  /* enum qrt_source_dtype: the codes in the source file */
    uint32_t label_count;
    qrt_requant_data requant;   /* QRT_SOURCE_INT16; else count is 0 */
    const uint32_t *scale_bits; /* [scale_count], IEEE 754 binary32: of an int32 output; else NULL */
    uint32_t scale_count;
} qrt_edge;

/* CRC-32 (reflected, polynomial 0xEDB88320, as in zlib) of `size` bytes that continue `crc`; start with 0. */
typedef uint32_t qrt_checksum(uint32_t crc, const void *bytes, size_t size);

/* A small one; whoever has a quicker one may hand that to qrt_model_open(). */
qrt_checksum qrt_crc32;

/* Checks all of the rules of SPEC.md, the checksum (V7) by `crc32`. On failure `model` must not be used, and
 * `problem` (may not be NULL) names the first broken rule that was met and its place, or rule 0 for all but
 * QRT_ERR_INVALID.
 * Time is linear in the file's size but for the check of overlapping tensors, which is quadratic in
 * their number (at most QRT_MAX_TENSORS), and of who updates each state, which looks at all operators. */
int32_t qrt_model_open(qrt_model *model, const void *bytes, size_t size, qrt_checksum *crc32, qrt_problem *problem);

/* Bytes of a tensor's elements. */
static inline uint64_t qrt_tensor_bytes(const qrt_tensor *tensor) {
    uint64_t size = tensor->size;
    switch (tensor->dtype) {
    case QRT_INT32:
        return 4 * size;
    case QRT_INT16:
        return 2 * size;
    case QRT_INT4:
        return (size + 1) / 2;
    default:
        return size;
    }
}

/* Indices must be below the counts in `model`. */
void qrt_model_tensor(const qrt_model *model, uint32_t index, qrt_tensor *tensor);
void qrt_model_operator(const qrt_model *model, uint32_t index, qrt_operator *op);
void qrt_model_input(const qrt_model *model, uint32_t index, qrt_edge *edge);
void qrt_model_output(const qrt_model *model, uint32_t index, qrt_edge *edge);
qrt_text qrt_model_output_label(const qrt_model *model, uint32_t index, uint32_t label);
qrt_text qrt_model_preprocessing(const qrt_model *model);
/* Codes of test vector `index` for model input (output) `edge`; as many bytes as that tensor has. */
const int8_t *qrt_model_test_input(const qrt_model *model, uint32_t index, uint32_t edge);
const int8_t *qrt_model_test_output(const qrt_model *model, uint32_t index, uint32_t edge);
/* Whether test vector `index` goes on from the states that the one before it left; else they are reset before it. */
int32_t qrt_model_test_continues(const qrt_model *model, uint32_t index);

/* Writes the initial value of every state into the arena. */
void qrt_model_reset(const qrt_model *model, void *arena);

/* One sentence of SPEC.md for rule n, without its number; "" for a number that is no rule. */
const char *qrt_rule_text(int32_t rule);

#ifdef __cplusplus
}
#endif
#endif
