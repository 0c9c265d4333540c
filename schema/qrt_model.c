/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_model.c: opens a .qfb file, which proves it valid; the rules' sentences; the checksum. */
#include "qrt_model.h"

#include <string.h>

#include "qrt_check.h"

int32_t qrt_model_open(qrt_model *model, const void *bytes, size_t size, qrt_checksum *crc32, qrt_problem *problem) {
    qrt_check check = {model, problem, crc32, QRT_IN_FILE, 0, 0, 0, 0, 0};
    memset(model, 0, sizeof *model);
    memset(problem, 0, sizeof *problem);
    if ((uintptr_t)bytes % QRT_ALIGNMENT != 0) return QRT_ERR_ALIGNMENT;
    if (size < 8 || memcmp((const uint8_t *)bytes + 4, "QRT1", 4) != 0) return QRT_ERR_NOT_QFB;
    if (size > INT32_MAX) return qrt_broken(&check, 1);
    model->bytes = bytes;
    model->size = (uint32_t)size;
    int32_t error = qrt_check_structure(&check);
    if (error != QRT_OK) return error;
    qrt_read_model(model);
    error = qrt_check_graph(&check);
    if (error == QRT_OK) error = qrt_check_operators(&check);
    if (error == QRT_OK) error = qrt_check_turns(&check);
    return error != QRT_OK ? error : qrt_check_overlaps(&check);
}

const char *qrt_rule_text(int32_t rule) {
    switch (rule) {
#define X(number, sentence)                                                                                            \
    case number:                                                                                                       \
        return sentence;
#include "qrt_rules.h"
#undef X
    default:
        return "";
    }
}

/* Four bits at a time: a table of 64 bytes instead of 1024, for small flash memories. */
#define NIBBLE(crc) ((crc) >> 4 ^ table[(crc) & 15])
#define CRC_BYTE(crc) crc = NIBBLE(crc), crc = NIBBLE(crc)

/* Whole words where they are aligned, which saves a third of the instructions; the loops are unrolled by hand since a
 * compiler that is asked for small code does not. */
uint32_t qrt_crc32(uint32_t crc, const void *bytes, size_t size) {
    static const uint32_t table[16] = {
        0x00000000u, 0x1db71064u, 0x3b6e20c8u, 0x26d930acu, 0x76dc4190u, 0x6b6b51f4u, 0x4db26158u, 0x5005713cu,
        0xedb88320u, 0xf00f9344u, 0xd6d6a3e8u, 0xcb61b38cu, 0x9b64c2b0u, 0x86d3d2d4u, 0xa00ae278u, 0xbdbdf21cu,
    };
    const uint8_t *byte = bytes;
    crc = ~crc;
    for (; size > 0 && (uintptr_t)byte % sizeof(uint32_t) != 0; size--) {
        crc ^= *byte++;
        CRC_BYTE(crc);
    }
    for (; size >= sizeof(uint32_t); size -= sizeof(uint32_t), byte += sizeof(uint32_t)) {
        crc ^= *(const uint32_t *)(const void *)byte;
        CRC_BYTE(crc);
        CRC_BYTE(crc);
        CRC_BYTE(crc);
        CRC_BYTE(crc);
    }
    for (; size > 0; size--) {
        crc ^= *byte++;
        CRC_BYTE(crc);
    }
    return ~crc;
}
