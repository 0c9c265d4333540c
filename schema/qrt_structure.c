/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_structure.c: proves that a file is a well-formed flatbuffer of qrt.fbs (V1 to V12).
 *
 * Each table of the schema is an array of field descriptions (qrt_tables.c), and one function checks them all. The
 * nesting of the schema is fixed, so there is no recursion. Once this has passed, any field can be read without checks.
 */
#include "qrt_check.h"
#include "qrt_read.h"
#include "qrt_tables.h"

/* Whatever its size, a file may refer to this many bytes (V12). */
#define BUDGET_FLOOR ((uint64_t)1 << 28)

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
static int32_t check_vector(qrt_check *check, uint32_t position, const qrt_field_type *type) {
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
    static const qrt_field_type type = TEXT;
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
static int32_t check_table(qrt_check *check, uint32_t position, const qrt_table_type *type) {
    const uint8_t *bytes = check->model->bytes;
    TRY(check_offset(check, position));
    uint32_t table = qrt_follow(bytes, position);
    TRY(check_vtable(check, table));
    uint32_t vtable = table - qrt_read_u32(bytes, table);
    uint32_t table_size = qrt_read_u16(bytes, vtable + 2);
    for (uint32_t i = 0; i < type->field_count; i++) {
        const qrt_field_type *field = &type->fields[i];
        uint32_t value = qrt_field(bytes, table, i);
        RULE(5, value != 0 || !field->required);
        if (value == 0) continue;
        uint32_t size = field->layout == IN_PLACE ? field->size : 4u;
        uint32_t alignment = field->layout == IN_PLACE ? field->alignment : 4u;
        RULE_AT(vtable + 4 + 2 * i, 3,
                value - table >= 4 && value - table + size <= table_size && value % alignment == 0);
        if (field->layout == IN_PLACE) RULE(9, field->size != 1 || bytes[value] <= field->maximum);
        if (field->layout == IN_VECTOR) TRY(check_vector(check, value, field));
        if (field->layout == IN_TEXT) TRY(check_text(check, value));
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
    TRY(check_table(check, position, &qrt_operator_table));
    uint32_t table = qrt_follow(bytes, position);
    TRY(count_references(check, qrt_vector_field(bytes, table, OPERATOR_INPUTS)));
    uint32_t kind_field = qrt_field(bytes, table, OPERATOR_OPTIONS_TYPE);
    uint32_t kind = kind_field == 0 ? 0 : bytes[kind_field];
    RULE(9, kind > 0 && kind < QRT_OPERATOR_KIND_END);
    uint32_t options_field = qrt_field(bytes, table, OPERATOR_OPTIONS);
    const qrt_table_type *type = &qrt_option_tables[kind];
    TRY(check_table(check, options_field, type));
    uint32_t options = qrt_follow(bytes, options_field);
    for (uint32_t i = 0; i < type->field_count; i++) {
        if (type->fields[i].layout != IN_TABLE) continue;
        TRY(check_table(check, qrt_field(bytes, options, i), &qrt_requant_table));
    }
    return QRT_OK;
}

static int32_t check_edge(qrt_check *check, uint32_t position) {
    const uint8_t *bytes = check->model->bytes;
    TRY(check_table(check, position, &qrt_edge_table));
    uint32_t requant = qrt_field(bytes, qrt_follow(bytes, position), EDGE_REQUANT);
    if (requant != 0) TRY(check_table(check, requant, &qrt_requant_table));
    qrt_vector labels = qrt_vector_field(bytes, qrt_follow(bytes, position), EDGE_LABELS);
    for (uint32_t i = 0; i < labels.count; i++) TRY(check_text(check, labels.first + 4 * i));
    return QRT_OK;
}

static int32_t check_test_vector(qrt_check *check, uint32_t position) {
    const uint8_t *bytes = check->model->bytes;
    TRY(check_table(check, position, &qrt_test_vector_table));
    uint32_t table = qrt_follow(bytes, position);
    for (uint32_t side = TEST_VECTOR_INPUTS; side <= TEST_VECTOR_OUTPUTS; side++) {
        qrt_vector codes = qrt_vector_field(bytes, table, side);
        TRY(count_references(check, codes));
        for (uint32_t i = 0; i < codes.count; i++) {
            TRY(check_table(check, codes.first + 4 * i, &qrt_codes_table));
            uint32_t data = qrt_follow(bytes, codes.first + 4 * i);
            TRY(qrt_spend(check, (uint64_t)qrt_vector_field(bytes, data, CODES_DATA).count + 4));
        }
    }
    return QRT_OK;
}

static int32_t check_tensor(qrt_check *check, uint32_t position) {
    return check_table(check, position, &qrt_tensor_table);
}

static int32_t check_band(qrt_check *check, uint32_t position) { return check_table(check, position, &qrt_band_table); }

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
    static const uint32_t zero = 0;
    const uint8_t *bytes = check->model->bytes;
    uint32_t size = check->model->size;
    uint32_t seal = qrt_field(bytes, root, MODEL_SEAL);
    uint32_t crc_start = seal + 4;
    uint32_t crc_end = seal + 8;
    RULE_AT(seal, 6, qrt_read_u32(bytes, seal) == size);
    uint32_t crc = check->crc32(0, bytes, crc_start);
    crc = check->crc32(crc, &zero, sizeof zero);
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
    TRY(check_table(check, 0, &qrt_model_table));
    uint32_t root = qrt_follow(bytes, 0);
    TRY(check_seal(check, root));
    TRY(check_version(check, root));
    TRY(check_counts(check, root));
    TRY(check_tables(check, MODEL_TENSORS, QRT_IN_TENSOR, check_tensor));
    TRY(check_tables(check, MODEL_OPERATORS, QRT_IN_OPERATOR, check_operator));
    TRY(check_tables(check, MODEL_INPUTS, QRT_IN_INPUT, check_edge));
    TRY(check_tables(check, MODEL_OUTPUTS, QRT_IN_OUTPUT, check_edge));
    TRY(check_tables(check, MODEL_TEST_VECTORS, QRT_IN_TEST_VECTOR, check_test_vector));
    return check_tables(check, MODEL_BANDS, QRT_IN_BAND, check_band);
}
