/* qrt_checked.h: what the files that check operators (V28 on) share, and which operators each of them checks.
 *
 * Internal to the reader.
 */
#ifndef QRT_CHECKED_H
#define QRT_CHECKED_H

#include <string.h>

#include "qrt_check.h"
#include "qrt_read.h"

#define MAX_SHIFT 62
#define INT32_LIMIT ((uint64_t)1 << 31)
#define INT64_LIMIT ((uint64_t)1 << 63)
/* In DOUBLE, y_zero_point is added to a number of this size in int32: that of int8, that of int16. */
#define DOUBLE_LIMIT (INT32_LIMIT - 256)
#define DOUBLE_LIMIT16 (INT32_LIMIT - 65536)

/* An operator with its tensors. */
typedef struct qrt_checked {
    qrt_operator op;
    const qrt_facts *facts;
    uint32_t options; /* position of its options table, for the lengths that `op` does not carry */
    qrt_tensor x;     /* the first input */
    qrt_tensor b;     /* the second: the weights, or b of add and mul */
    qrt_tensor y;
} qrt_checked;

static inline uint64_t magnitude(int64_t value) { return value < 0 ? 0 - (uint64_t)value : (uint64_t)value; }

static inline int same_shape(const qrt_tensor *x, const qrt_tensor *y) {
    return x->rank == y->rank && memcmp(x->shape, y->shape, sizeof x->shape) == 0;
}

static inline uint32_t option_count(const qrt_check *check, const qrt_checked *n, uint32_t number) {
    return qrt_vector_field(check->model->bytes, n->options, number).count;
}

/* qrt_operators.c: V47 to V49 for each of `rows` rows of `size` weights of b, and the part of V48 that needs no weights. */
int32_t qrt_check_rows(qrt_check *check, const qrt_checked *n, uint32_t rows, uint32_t size);
int qrt_single_fits(uint64_t term, int32_t shift, int32_t y_zero_point);

/* qrt_operators_moves.c: operators that move codes. */
int32_t qrt_check_pad(qrt_check *check, const qrt_checked *n);
int32_t qrt_check_concat(qrt_check *check, const qrt_checked *n);
int32_t qrt_check_push(qrt_check *check, const qrt_checked *n);
int32_t qrt_check_assign(qrt_check *check, const qrt_checked *n);
int32_t qrt_check_reshape(qrt_check *check, const qrt_checked *n);
int32_t qrt_check_transpose(qrt_check *check, const qrt_checked *n);
int32_t qrt_check_slice(qrt_check *check, const qrt_checked *n);
int32_t qrt_check_resize2d(qrt_check *check, const qrt_checked *n);

/* qrt_operators_rows.c: operators on the rows of the last axis. */
int32_t qrt_check_arg_max(qrt_check *check, const qrt_checked *n);
int32_t qrt_check_l2_norm(qrt_check *check, const qrt_checked *n);
int32_t qrt_check_layer_norm(qrt_check *check, const qrt_checked *n);
int32_t qrt_check_softmax(qrt_check *check, const qrt_checked *n);
int32_t qrt_check_log_softmax(qrt_check *check, const qrt_checked *n);

/* qrt_operators_recurrent.c: operators that have states. */
int32_t qrt_check_svdf(qrt_check *check, const qrt_checked *n);
int32_t qrt_check_lstm(qrt_check *check, const qrt_checked *n);

/* qrt_operators16.c: what 16-bit arithmetic needs beside that. */
int32_t qrt_check_operand_types(qrt_check *check, const qrt_checked *n);
int32_t qrt_check_pool16(qrt_check *check, const qrt_checked *n);
int32_t qrt_check_gate(qrt_check *check, const qrt_checked *n);
int32_t qrt_check_leaky_relu(qrt_check *check, const qrt_checked *n);
int32_t qrt_check_softmax16(qrt_check *check, const qrt_checked *n);

#endif
