/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_read.h: finds fields in flatbuffer tables. Nothing here checks; qrt_structure.c does, first.
 *
 * Internal to the reader. A position is a byte's distance from the start of the file.
 */
#ifndef QRT_READ_H
#define QRT_READ_H

#include <stdint.h>

#include "qrt_fields.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the file is little-endian and read in place, so the machine must be little-endian too"
#endif

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
