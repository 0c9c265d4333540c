/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_check.h: how the validator's parts report a broken rule.
 *
 * Internal to the reader. The parts run in this order, and each relies on the ones before it:
 * qrt_structure.c (V1 to V12), qrt_graph.c (V13 to V26, V68 and V81), qrt_operators*.c (V28 on), qrt_turns.c (V82 to
 * V87), qrt_overlaps.c (V27).
 */
#ifndef QRT_CHECK_H
#define QRT_CHECK_H

#include "qrt_model.h"

typedef struct qrt_check {
    qrt_model *model;
    qrt_problem *problem;
    qrt_checksum *crc32;
    int32_t place; /* what is being checked: enum qrt_place */
    uint32_t index;
    uint64_t budget;     /* bytes that may still be referenced (V12) */
    uint64_t references; /* inputs of operators and codes of test vectors so far (V12) */
    uint64_t edges;      /* bytes of names, labels and scales so far (V12) */
    uint64_t walked;     /* turns of bands, and rows that lie over others, so far (V84) */
} qrt_check;

/* Where the model's vectors lie (qrt_decode.c); the structure must hold. */
void qrt_read_model(qrt_model *model);

/* Which tensors an operator reads and writes; a qrt_operator holds six times as much. */
typedef struct qrt_operands {
    int32_t kind;           /* enum qrt_operator_kind */
    const uint32_t *inputs; /* [input_count] */
    uint32_t input_count;
    uint32_t output;
} qrt_operands;

/* The index must be below model->operator_count (qrt_decode.c); the structure must hold. */
void qrt_read_operands(const qrt_model *model, uint32_t index, qrt_operands *operands);

/* Each returns QRT_OK or an error. */
int32_t qrt_check_structure(qrt_check *check);
int32_t qrt_check_graph(qrt_check *check);
int32_t qrt_check_operators(qrt_check *check);
int32_t qrt_check_turns(qrt_check *check);
int32_t qrt_check_overlaps(qrt_check *check);

static inline void qrt_check_at(qrt_check *check, int32_t place, uint32_t index) {
    check->place = place;
    check->index = index;
}

static inline int32_t qrt_broken(qrt_check *check, int32_t rule) {
    check->problem->rule = rule;
    check->problem->place = check->place;
    check->problem->index = check->index;
    return QRT_ERR_INVALID;
}

/* Both leave the calling function, which has a `qrt_check *check`, with the error. */
#define RULE(number, holds)                                                                                            \
    do {                                                                                                               \
        if (!(holds)) return qrt_broken(check, number);                                                                \
    } while (0)
#define TRY(call)                                                                                                      \
    do {                                                                                                               \
        int32_t error = (call);                                                                                        \
        if (error != QRT_OK) return error;                                                                             \
    } while (0)

/* Counts `bytes` that a reference leads to against V12. */
static inline int32_t qrt_spend(qrt_check *check, uint64_t bytes) {
    RULE(12, bytes <= check->budget);
    check->budget -= bytes;
    return QRT_OK;
}

#endif
