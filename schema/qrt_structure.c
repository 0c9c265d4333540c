/* qrt_structure.c: proves that a file is a well-formed flatbuffer of qrt.fbs (V1 to V12).
 *
 * Each table of the schema is an array of field descriptions here, and one function checks them all. The nesting of the
 * schema is fixed, so there is no recursion. Once this has passed, any field can be read without checks.
 */
#include "qrt_check.h"
#include "qrt_read.h"

/* Whatever its size, a file may refer to this many bytes (V12). */
#define BUDGET_FLOOR ((uint64_t)1 << 28)

enum layout { IN_PLACE, IN_VECTOR, IN_TEXT, IN_TABLE };

typedef struct field {
    uint8_t layout;    /* enum layout */
    uint8_t size;      /* bytes: of the value in place, of an element in a vector */
    uint8_t alignment; /* of the value or of the vector's first element */
    uint8_t required;
    uint8_t maximum; /* of a value of one byte */
} field;

#define SCALAR(size) {IN_PLACE, size, size, 0, 255}
#define ENUMERATION(maximum) {IN_PLACE, 1, 1, 0, maximum}
#define STRUCTURE(size, alignment, required) {IN_PLACE, size, alignment, required, 255}
#define VECTOR(size, required) {IN_VECTOR, size, (size) > 4 ? (size) : 4, required, 255}
#define CODES(required) {IN_VECTOR, 1, QRT_ALIGNMENT, required, 255}
#define TEXT {IN_TEXT, 1, 4, 0, 255}
#define TABLE {IN_TABLE, 4, 4, 1, 255}
#define WINDOW STRUCTURE(20, 2, 1)

static const field model_fields[] = {[MODEL_FORMAT_VERSION] = SCALAR(2),
                                     [MODEL_SEAL] = STRUCTURE(8, 4, 1),
                                     [MODEL_PRODUCER] = TEXT,
                                     [MODEL_NAME] = TEXT,
                                     [MODEL_TENSORS] = VECTOR(4, 1),
                                     [MODEL_OPERATORS] = VECTOR(4, 1),
                                     [MODEL_INPUTS] = VECTOR(4, 1),
                                     [MODEL_OUTPUTS] = VECTOR(4, 1),
                                     [MODEL_ARENA_SIZE] = SCALAR(4),
                                     [MODEL_TEST_VECTORS] = VECTOR(4, 0)};
static const field tensor_fields[] = {[TENSOR_NAME] = TEXT,
                                      [TENSOR_SHAPE] = VECTOR(4, 1),
                                      [TENSOR_DTYPE] = ENUMERATION(1),
                                      [TENSOR_ZERO_POINT] = SCALAR(1),
                                      [TENSOR_SCALE] = SCALAR(4),
                                      [TENSOR_ARENA_OFFSET] = SCALAR(4),
                                      [TENSOR_LIFETIME] = STRUCTURE(4, 2, 0),
                                      [TENSOR_DATA] = CODES(0)};
static const field requant_fields[] = {
    [REQUANT_MULTIPLIER] = VECTOR(4, 1), [REQUANT_SHIFT] = VECTOR(1, 1),      [REQUANT_BIAS] = VECTOR(4, 0),
    [REQUANT_ADDEND] = VECTOR(8, 0),     [REQUANT_ROUNDING] = ENUMERATION(1), [REQUANT_OUTPUT_MIN] = SCALAR(1),
    [REQUANT_OUTPUT_MAX] = SCALAR(1)};
static const field operator_fields[] = {[OPERATOR_NAME] = TEXT,        [OPERATOR_INPUTS] = VECTOR(4, 1),
                                        [OPERATOR_OUTPUT] = SCALAR(4), [OPERATOR_OPTIONS_TYPE] = SCALAR(1),
                                        [OPERATOR_OPTIONS] = TABLE,    [OPERATOR_OVERLAP] = ENUMERATION(1)};
static const field edge_fields[] = {
    [EDGE_TENSOR] = SCALAR(4),    [EDGE_QUANTIZE_RULE] = ENUMERATION(2), [EDGE_SOURCE_LAYOUT] = ENUMERATION(1),
    [EDGE_LABELS] = VECTOR(4, 0), [EDGE_SOURCE_DTYPE] = ENUMERATION(2),  [EDGE_REQUANT] = {IN_TABLE, 4, 4, 0, 255},
    [EDGE_SCALES] = VECTOR(4, 0)};
static const field test_vector_fields[] = {[TEST_VECTOR_INPUTS] = VECTOR(4, 1), [TEST_VECTOR_OUTPUTS] = VECTOR(4, 1)};
static const field codes_fields[] = {[ONLY_FIELD] = CODES(1)};

static const field conv2d_fields[] = {[CONV2D_WINDOW] = WINDOW, [CONV2D_GROUPS] = SCALAR(4), [CONV2D_REQUANT] = TABLE};
static const field dwconv2d_fields[] = {[DWCONV2D_WINDOW] = WINDOW, [DWCONV2D_REQUANT] = TABLE};
static const field requant_only_fields[] = {[ONLY_FIELD] = TABLE};
static const field add_fields[] = {
    [ADD_FORM] = ENUMERATION(1),    [ADD_A_MULTIPLIER] = SCALAR(4), [ADD_B_MULTIPLIER] = SCALAR(4),
    [ADD_SHIFT] = SCALAR(1),        [ADD_A_SHIFT] = SCALAR(1),      [ADD_B_SHIFT] = SCALAR(1),
    [ADD_Y_MULTIPLIER] = SCALAR(4), [ADD_Y_SHIFT] = SCALAR(1),      [ADD_OUTPUT_MIN] = SCALAR(1),
    [ADD_OUTPUT_MAX] = SCALAR(1),   [ADD_SUBTRACT] = ENUMERATION(1)};
static const field average_pool2d_fields[] = {[AVERAGE_POOL2D_WINDOW] = WINDOW,
                                              [AVERAGE_POOL2D_ROUNDING] = ENUMERATION(2),
                                              [AVERAGE_POOL2D_OUTPUT_MIN] = SCALAR(1),
                                              [AVERAGE_POOL2D_OUTPUT_MAX] = SCALAR(1)};
static const field max_pool2d_fields[] = {
    [MAX_POOL2D_WINDOW] = WINDOW, [MAX_POOL2D_OUTPUT_MIN] = SCALAR(1), [MAX_POOL2D_OUTPUT_MAX] = SCALAR(1)};
static const field pad_fields[] = {[PAD_BEFORE] = VECTOR(4, 1), [PAD_AFTER] = VECTOR(4, 1), [PAD_VALUE] = SCALAR(1)};
static const field concat_fields[] = {[ONLY_FIELD] = SCALAR(1)};
static const field transpose_fields[] = {[ONLY_FIELD] = VECTOR(1, 1)};
static const field clamp_fields[] = {[CLAMP_OUTPUT_MIN] = SCALAR(1), [CLAMP_OUTPUT_MAX] = SCALAR(1)};
static const field softmax_fields[] = {[SOFTMAX_EXPONENTIAL] = VECTOR(4, 1),
                                       [SOFTMAX_NUMERATOR] = SCALAR(8),
                                       [SOFTMAX_SHIFT] = SCALAR(1),
                                       [SOFTMAX_FORM] = ENUMERATION(1)};
static const field lut_fields[] = {[ONLY_FIELD] = VECTOR(1, 1)};
static const field slice_fields[] = {[SLICE_BEGIN] = VECTOR(4, 1), [SLICE_STRIDE] = VECTOR(4, 1)};
static const field resize2d_fields[] = {[RESIZE2D_ROWS] = VECTOR(2, 1),
                                        [RESIZE2D_COLUMNS] = VECTOR(2, 1),
                                        [RESIZE2D_ROW_WEIGHT] = VECTOR(2, 0),
                                        [RESIZE2D_COLUMN_WEIGHT] = VECTOR(2, 0)};
static const field requantize_sum_fields[] = {
    [REQUANTIZE_SUM_REQUANT] = TABLE, [REQUANTIZE_SUM_B_MULTIPLIER] = VECTOR(8, 1)};
static const field transpose_conv2d_fields[] = {[TRANSPOSE_CONV2D_WINDOW] = WINDOW, [TRANSPOSE_CONV2D_REQUANT] = TABLE};

typedef struct table_type {
    const field *fields;
    uint32_t field_count;
    uint32_t requant; /* number of the field that is a Requant */
} table_type;

#define NO_REQUANT UINT32_MAX
#define FIELDS(fields) fields, sizeof(fields) / sizeof(field)

static const table_type option_types[QRT_OPERATOR_KIND_END] = {
    [QRT_CONV2D] = {FIELDS(conv2d_fields), CONV2D_REQUANT},
    [QRT_DWCONV2D] = {FIELDS(dwconv2d_fields), DWCONV2D_REQUANT},
    [QRT_LINEAR] = {FIELDS(requant_only_fields), ONLY_FIELD},
    [QRT_ADD] = {FIELDS(add_fields), NO_REQUANT},
    [QRT_MUL] = {FIELDS(requant_only_fields), ONLY_FIELD},
    [QRT_AVERAGE_POOL2D] = {FIELDS(average_pool2d_fields), NO_REQUANT},
    [QRT_MAX_POOL2D] = {FIELDS(max_pool2d_fields), NO_REQUANT},
    [QRT_MEAN] = {FIELDS(requant_only_fields), ONLY_FIELD},
    [QRT_PAD] = {FIELDS(pad_fields), NO_REQUANT},
    [QRT_CONCAT] = {FIELDS(concat_fields), NO_REQUANT},
    [QRT_RESHAPE] = {NULL, 0, NO_REQUANT},
    [QRT_TRANSPOSE] = {FIELDS(transpose_fields), NO_REQUANT},
    [QRT_REQUANTIZE] = {FIELDS(requant_only_fields), ONLY_FIELD},
    [QRT_CLAMP] = {FIELDS(clamp_fields), NO_REQUANT},
    [QRT_SOFTMAX] = {FIELDS(softmax_fields), NO_REQUANT},
    [QRT_LUT] = {FIELDS(lut_fields), NO_REQUANT},
    [QRT_SLICE] = {FIELDS(slice_fields), NO_REQUANT},
    [QRT_RESIZE2D] = {FIELDS(resize2d_fields), NO_REQUANT},
    [QRT_TRANSPOSE_CONV2D] = {FIELDS(transpose_conv2d_fields), TRANSPOSE_CONV2D_REQUANT},
    [QRT_MAXIMUM] = {NULL, 0, NO_REQUANT},
    [QRT_MINIMUM] = {NULL, 0, NO_REQUANT},
    [QRT_ARG_MAX] = {NULL, 0, NO_REQUANT},
    [QRT_MATMUL] = {FIELDS(requant_only_fields), ONLY_FIELD},
    [QRT_L2_NORM] = {NULL, 0, NO_REQUANT},
    [QRT_REQUANTIZE_SUM] = {FIELDS(requantize_sum_fields), REQUANTIZE_SUM_REQUANT},
};

/* As RULE(), for a fault whose place is a byte. */
#define RULE_AT(position, number, holds)                                                                               \
    do {                                                                                                               \
        if (!(holds)) {                                                                                                \
            qrt_check_at(check, QRT_IN_FILE, (uint32_t)(position));                                                    \
            return qrt_broken(check, number);                                                                          \
        }                                                                                                              \
    } while (0)

/* V1 for the offset at `position`, whose four bytes lie in the file. */
static int32_t check_offset(qrt_check *check, uint32_t position) {
    uint64_t target = (uint64_t)position + qrt_read_u32(check->model->bytes, position);
    RULE_AT(position, 1, target % 4 == 0 && target + 4 <= check->model->size);
    return QRT_OK;
}

/* V1 and V4 for the offset at `position` that leads to a vector. */
static int32_t check_vector(qrt_check *check, uint32_t position, const field *type) {
    const uint8_t *bytes = check->model->bytes;
    TRY(check_offset(check, position));
    uint32_t start = qrt_follow(bytes, position);
    uint64_t end = (uint64_t)start + 4 + (uint64_t)qrt_read_u32(bytes, start) * type->size;
    RULE_AT(start, 4, (start + 4) % type->alignment == 0 && end <= check->model->size);
    return QRT_OK;
}

/* Length of the UTF-8 sequence that `text` starts with, in at most `length` bytes; 0 if it is malformed. */
static uint32_t utf8_sequence(const uint8_t *text, uint32_t length) {
    uint8_t lead = text[0];
    uint32_t count = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
    if (count > length) return 0;
    for (uint32_t i = 1; i < count; i++) {
        if ((text[i] & 0xc0) != 0x80) return 0;
    }
    /* Overlong forms, surrogates, and code points above U+10FFFF show in the second byte. */
    if ((lead == 0xe0 && text[1] < 0xa0) || (lead == 0xed && text[1] > 0x9f)) return 0;
    if ((lead == 0xf0 && text[1] < 0x90) || (lead == 0xf4 && text[1] > 0x8f)) return 0;
    return count;
}

static int32_t check_text(qrt_check *check, uint32_t position) {
    static const field type = TEXT;
    const uint8_t *bytes = check->model->bytes;
    TRY(check_vector(check, position, &type));
    uint32_t start = qrt_follow(bytes, position);
    uint32_t length = qrt_read_u32(bytes, start);
    TRY(qrt_spend(check, (uint64_t)length + 4));
    for (uint32_t i = 0; i < length;) {
        uint32_t count = utf8_sequence(bytes + start + 4 + i, length - i);
        RULE_AT(start + 4 + i, 10, count > 0);
        i += count;
    }
    return QRT_OK;
}

/* V2, and V3 for the extent of the table itself. */
static int32_t check_vtable(qrt_check *check, uint32_t table) {
    const uint8_t *bytes = check->model->bytes;
    int64_t size = check->model->size;
    int64_t vtable = (int64_t)table - (int32_t)qrt_read_u32(bytes, table);
    RULE_AT(table, 2, vtable >= 0 && vtable % 2 == 0 && vtable + 4 <= size);
    int64_t vtable_size = qrt_read_u16(bytes, (uint32_t)vtable);
    int64_t table_size = qrt_read_u16(bytes, (uint32_t)vtable + 2);
    RULE_AT(vtable, 2, vtable_size >= 4 && vtable_size % 2 == 0 && vtable + vtable_size <= size);
    RULE_AT(table, 3, table_size >= 4 && table + table_size <= size);
    return QRT_OK;
}

/* The table that the offset at `position` leads to, its fields, and what they lead to but for tables. */
static int32_t check_table(qrt_check *check, uint32_t position, const field *fields, uint32_t count) {
    const uint8_t *bytes = check->model->bytes;
    TRY(check_offset(check, position));
    uint32_t table = qrt_follow(bytes, position);
    TRY(check_vtable(check, table));
    uint32_t vtable = table - qrt_read_u32(bytes, table);
    uint32_t table_size = qrt_read_u16(bytes, vtable + 2);
    for (uint32_t i = 0; i < count; i++) {
        const field *type = &fields[i];
        uint32_t value = qrt_field(bytes, table, i);
        RULE(5, value != 0 || !type->required);
        if (value == 0) continue;
        uint32_t size = type->layout == IN_PLACE ? type->size : 4u;
        uint32_t alignment = type->layout == IN_PLACE ? type->alignment : 4u;
        RULE_AT(vtable + 4 + 2 * i, 3,
                value - table >= 4 && value - table + size <= table_size && value % alignment == 0);
        if (type->layout == IN_PLACE) RULE(9, type->size != 1 || bytes[value] <= type->maximum);
        if (type->layout == IN_VECTOR) TRY(check_vector(check, value, type));
        if (type->layout == IN_TEXT) TRY(check_text(check, value));
    }
    return QRT_OK;
}

/* V12 for what a runtime keeps a number or an object of. */
static int32_t count_references(qrt_check *check, qrt_vector vector) {
    check->references += vector.count;
    RULE(12, 4 * check->references <= check->model->size);
    return QRT_OK;
}

static int32_t check_operator(qrt_check *check, uint32_t position) {
    const uint8_t *bytes = check->model->bytes;
    TRY(check_table(check, position, FIELDS(operator_fields)));
    uint32_t table = qrt_follow(bytes, position);
    TRY(count_references(check, qrt_vector_field(bytes, table, OPERATOR_INPUTS)));
    uint32_t kind_field = qrt_field(bytes, table, OPERATOR_OPTIONS_TYPE);
    uint32_t kind = kind_field == 0 ? 0 : bytes[kind_field];
    RULE(9, kind > 0 && kind < QRT_OPERATOR_KIND_END);
    const table_type *type = &option_types[kind];
    uint32_t options_field = qrt_field(bytes, table, OPERATOR_OPTIONS);
    TRY(check_table(check, options_field, type->fields, type->field_count));
    if (type->requant == NO_REQUANT) return QRT_OK;
    uint32_t requant_field = qrt_field(bytes, qrt_follow(bytes, options_field), type->requant);
    return check_table(check, requant_field, FIELDS(requant_fields));
}

static int32_t check_edge(qrt_check *check, uint32_t position) {
    const uint8_t *bytes = check->model->bytes;
    TRY(check_table(check, position, FIELDS(edge_fields)));
    uint32_t requant = qrt_field(bytes, qrt_follow(bytes, position), EDGE_REQUANT);
    if (requant != 0) TRY(check_table(check, requant, FIELDS(requant_fields)));
    qrt_vector labels = qrt_vector_field(bytes, qrt_follow(bytes, position), EDGE_LABELS);
    for (uint32_t i = 0; i < labels.count; i++) TRY(check_text(check, labels.first + 4 * i));
    return QRT_OK;
}

static int32_t check_test_vector(qrt_check *check, uint32_t position) {
    const uint8_t *bytes = check->model->bytes;
    TRY(check_table(check, position, FIELDS(test_vector_fields)));
    uint32_t table = qrt_follow(bytes, position);
    for (uint32_t side = TEST_VECTOR_INPUTS; side <= TEST_VECTOR_OUTPUTS; side++) {
        qrt_vector codes = qrt_vector_field(bytes, table, side);
        TRY(count_references(check, codes));
        for (uint32_t i = 0; i < codes.count; i++) {
            TRY(check_table(check, codes.first + 4 * i, FIELDS(codes_fields)));
            uint32_t data = qrt_follow(bytes, codes.first + 4 * i);
            TRY(qrt_spend(check, (uint64_t)qrt_vector_field(bytes, data, ONLY_FIELD).count + 4));
        }
    }
    return QRT_OK;
}

static int32_t check_tensor(qrt_check *check, uint32_t position) {
    return check_table(check, position, FIELDS(tensor_fields));
}

/* Every table of one of the model's vectors of tables. */
static int32_t check_tables(qrt_check *check, uint32_t number, int32_t place,
                            int32_t (*check_one)(qrt_check *, uint32_t)) {
    const uint8_t *bytes = check->model->bytes;
    qrt_vector tables = qrt_vector_field(bytes, qrt_follow(bytes, 0), number);
    for (uint32_t i = 0; i < tables.count; i++) {
        qrt_check_at(check, place, i);
        TRY(check_one(check, tables.first + 4 * i));
    }
    return QRT_OK;
}

static int32_t check_seal(qrt_check *check, uint32_t root) {
    static const uint8_t zeros[4] = {0, 0, 0, 0};
    const uint8_t *bytes = check->model->bytes;
    uint32_t size = check->model->size;
    uint32_t seal = qrt_field(bytes, root, MODEL_SEAL);
    uint32_t crc_start = seal + 4;
    uint32_t crc_end = seal + 8;
    RULE_AT(seal, 6, qrt_read_u32(bytes, seal) == size);
    uint32_t crc = check->crc32(0, bytes, crc_start);
    crc = check->crc32(crc, zeros, sizeof zeros);
    crc = check->crc32(crc, bytes + crc_end, size - crc_end);
    RULE_AT(crc_start, 7, qrt_read_u32(bytes, crc_start) == crc);
    return QRT_OK;
}

static int32_t check_version(qrt_check *check, uint32_t root) {
    const uint8_t *bytes = check->model->bytes;
    uint32_t version_field = qrt_field(bytes, root, MODEL_FORMAT_VERSION);
    uint32_t version = version_field == 0 ? 0 : qrt_read_u16(bytes, version_field);
    RULE(8, version >= 1);
    check->model->format_version = version;
    return version > QRT_FORMAT_VERSION ? QRT_ERR_VERSION : QRT_OK;
}

static int32_t check_counts(qrt_check *check, uint32_t root) {
    const uint8_t *bytes = check->model->bytes;
    uint32_t tensors = qrt_vector_field(bytes, root, MODEL_TENSORS).count;
    uint32_t inputs = qrt_vector_field(bytes, root, MODEL_INPUTS).count;
    uint32_t outputs = qrt_vector_field(bytes, root, MODEL_OUTPUTS).count;
    RULE(11, tensors <= QRT_MAX_TENSORS);
    RULE(11, qrt_vector_field(bytes, root, MODEL_OPERATORS).count <= QRT_MAX_OPERATORS);
    RULE(11, inputs >= 1 && inputs <= QRT_MAX_INPUTS);
    RULE(11, outputs >= 1 && outputs <= QRT_MAX_INPUTS);
    return QRT_OK;
}

int32_t qrt_check_structure(qrt_check *check) {
    const uint8_t *bytes = check->model->bytes;
    uint64_t four_times = (uint64_t)check->model->size * 4;
    check->budget = four_times > BUDGET_FLOOR ? four_times : BUDGET_FLOOR;
    qrt_check_at(check, QRT_IN_FILE, 0);
    TRY(check_table(check, 0, FIELDS(model_fields)));
    uint32_t root = qrt_follow(bytes, 0);
    TRY(check_seal(check, root));
    TRY(check_version(check, root));
    TRY(check_counts(check, root));
    TRY(check_tables(check, MODEL_TENSORS, QRT_IN_TENSOR, check_tensor));
    TRY(check_tables(check, MODEL_OPERATORS, QRT_IN_OPERATOR, check_operator));
    TRY(check_tables(check, MODEL_INPUTS, QRT_IN_INPUT, check_edge));
    TRY(check_tables(check, MODEL_OUTPUTS, QRT_IN_OUTPUT, check_edge));
    return check_tables(check, MODEL_TEST_VECTORS, QRT_IN_TEST_VECTOR, check_test_vector);
}
