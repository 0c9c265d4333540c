/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_tables.h: how qrt_tables.c, which is generated, describes the tables of qrt.fbs.
 *
 * Internal to the reader. What is known of each operator is public: qrt_operator_facts in qrt_model.h.
 */
#ifndef QRT_TABLES_H
#define QRT_TABLES_H

#include "qrt_fields.h"
#include "qrt_model.h"

enum qrt_layout { IN_PLACE, IN_VECTOR, IN_TEXT, IN_TABLE };

typedef struct qrt_field_type {
    uint8_t layout;    /* enum qrt_layout */
    uint8_t size;      /* bytes: of the value in place, of an element in a vector */
    uint8_t alignment; /* of the value or of the vector's first element */
    uint8_t required;
    uint8_t maximum; /* of a value of one byte */
} qrt_field_type;

#define SCALAR(size) {IN_PLACE, size, size, 0, 255}
#define ENUMERATION(maximum) {IN_PLACE, 1, 1, 0, maximum}
#define STRUCTURE(size, alignment, required) {IN_PLACE, size, alignment, required, 255}
#define VECTOR(size, required) {IN_VECTOR, size, (size) > 4 ? (size) : 4, required, 255}
#define STRUCTURES(size, alignment, required) {IN_VECTOR, size, alignment, required, 255}
#define CODES(required) {IN_VECTOR, 1, QRT_ALIGNMENT, required, 255}
#define TEXT {IN_TEXT, 1, 4, 0, 255}
#define TABLE {IN_TABLE, 4, 4, 1, 255}

typedef struct qrt_table_type {
    const qrt_field_type *fields;
    uint32_t field_count;
} qrt_table_type;

#define FIELDS(fields) {fields, sizeof(fields) / sizeof(qrt_field_type)}
/* The number of a field in qrt_facts, of which 0 says that there is none. */
#define FIELD(number) ((number) + 1)

extern const qrt_table_type qrt_tensor_table, qrt_requant_table, qrt_operator_table, qrt_edge_table, qrt_codes_table;
extern const qrt_table_type qrt_test_vector_table, qrt_band_table, qrt_model_table;
/* The tables of operators' options, by enum qrt_operator_kind. */
extern const qrt_table_type qrt_option_tables[QRT_OPERATOR_KIND_END];

#endif
