/* qrt_read.h: finds fields in flatbuffer tables. Nothing here checks; qrt_structure.c does, first.
 *
 * Internal to the reader. A position is a byte's distance from the start of the file.
 */
#ifndef QRT_READ_H
#define QRT_READ_H

#include <stdint.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the file is little-endian and read in place, so the machine must be little-endian too"
#endif

/* The fields' numbers, in the order of qrt.fbs. */
enum {
    MODEL_FORMAT_VERSION,
    MODEL_SEAL,
    MODEL_PRODUCER,
    MODEL_NAME,
    MODEL_TENSORS,
    MODEL_OPERATORS,
    MODEL_INPUTS,
    MODEL_OUTPUTS,
    MODEL_ARENA_SIZE,
    MODEL_TEST_VECTORS
};
enum {
    TENSOR_NAME,
    TENSOR_SHAPE,
    TENSOR_DTYPE,
    TENSOR_ZERO_POINT,
    TENSOR_SCALE,
    TENSOR_ARENA_OFFSET,
    TENSOR_LIFETIME,
    TENSOR_DATA
};
enum {
    REQUANT_MULTIPLIER,
    REQUANT_SHIFT,
    REQUANT_BIAS,
    REQUANT_ADDEND,
    REQUANT_ROUNDING,
    REQUANT_OUTPUT_MIN,
    REQUANT_OUTPUT_MAX
};
enum { OPERATOR_NAME, OPERATOR_INPUTS, OPERATOR_OUTPUT, OPERATOR_OPTIONS_TYPE, OPERATOR_OPTIONS, OPERATOR_OVERLAP };
enum { CONV2D_WINDOW, CONV2D_GROUPS, CONV2D_REQUANT };
enum { DWCONV2D_WINDOW, DWCONV2D_REQUANT };
enum {
    ADD_FORM,
    ADD_A_MULTIPLIER,
    ADD_B_MULTIPLIER,
    ADD_SHIFT,
    ADD_A_SHIFT,
    ADD_B_SHIFT,
    ADD_Y_MULTIPLIER,
    ADD_Y_SHIFT,
    ADD_OUTPUT_MIN,
    ADD_OUTPUT_MAX,
    ADD_SUBTRACT
};
enum { AVERAGE_POOL2D_WINDOW, AVERAGE_POOL2D_ROUNDING, AVERAGE_POOL2D_OUTPUT_MIN, AVERAGE_POOL2D_OUTPUT_MAX };
enum { MAX_POOL2D_WINDOW, MAX_POOL2D_OUTPUT_MIN, MAX_POOL2D_OUTPUT_MAX };
enum { PAD_BEFORE, PAD_AFTER, PAD_VALUE };
enum { CLAMP_OUTPUT_MIN, CLAMP_OUTPUT_MAX };
enum { SOFTMAX_EXPONENTIAL, SOFTMAX_NUMERATOR, SOFTMAX_SHIFT, SOFTMAX_FORM };
enum { SLICE_BEGIN, SLICE_STRIDE };
enum { RESIZE2D_ROWS, RESIZE2D_COLUMNS, RESIZE2D_ROW_WEIGHT, RESIZE2D_COLUMN_WEIGHT };
enum { TRANSPOSE_CONV2D_WINDOW, TRANSPOSE_CONV2D_REQUANT };
enum { REQUANTIZE_SUM_REQUANT, REQUANTIZE_SUM_B_MULTIPLIER };
enum { EDGE_TENSOR, EDGE_QUANTIZE_RULE, EDGE_SOURCE_LAYOUT, EDGE_LABELS, EDGE_SOURCE_DTYPE, EDGE_REQUANT, EDGE_SCALES };
enum { TEST_VECTOR_INPUTS, TEST_VECTOR_OUTPUTS };
/* The only field of Linear, Mul, Mean, Requantize and MatMul; of Concat, Transpose, Lut and Codes. */
enum { ONLY_FIELD };

static inline uint16_t qrt_read_u16(const uint8_t *bytes, uint32_t position) {
    return (uint16_t)(bytes[position] | bytes[position + 1] << 8);
}

static inline uint32_t qrt_read_u32(const uint8_t *bytes, uint32_t position) {
    return qrt_read_u16(bytes, position) | (uint32_t)qrt_read_u16(bytes, position + 2) << 16;
}

/* Position of a table's field; 0 where the table leaves it out. */
static inline uint32_t qrt_field(const uint8_t *bytes, uint32_t table, uint32_t number) {
    uint32_t vtable = table - qrt_read_u32(bytes, table); /* a signed distance; the sum wraps to the same */
    uint32_t entry = 4 + 2 * number;
    if (entry >= qrt_read_u16(bytes, vtable)) return 0;
    uint32_t offset = qrt_read_u16(bytes, vtable + entry);
    return offset == 0 ? 0 : table + offset;
}

/* The table, vector or text that the offset at `position` leads to. */
static inline uint32_t qrt_follow(const uint8_t *bytes, uint32_t position) {
    return position + qrt_read_u32(bytes, position);
}

typedef struct qrt_vector {
    uint32_t first; /* position of element 0; 0 where the field is left out */
    uint32_t count;
} qrt_vector;

static inline qrt_vector qrt_vector_field(const uint8_t *bytes, uint32_t table, uint32_t number) {
    qrt_vector vector = {0, 0};
    uint32_t field = qrt_field(bytes, table, number);
    if (field != 0) {
        uint32_t start = qrt_follow(bytes, field);
        vector.first = start + 4;
        vector.count = qrt_read_u32(bytes, start);
    }
    return vector;
}

#endif
