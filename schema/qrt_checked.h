/* SPDX-License-Identifier: Apache-2.0 */
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

/* The smallest and the largest q - zero_point of any code. */
static inline int32_t lowest(const qrt_tensor *x) {
    return (x->dtype == QRT_INT16 ? INT16_MIN : INT8_MIN) - x->zero_point;
}

static inline int32_t highest(const qrt_tensor *x) {
    return (x->dtype == QRT_INT16 ? INT16_MAX : INT8_MAX) - x->zero_point;
}

/* The larger of their magnitudes. */
static inline uint64_t reach(const qrt_tensor *x) {
    int32_t below = -lowest(x);
    int32_t above = highest(x);
    return (uint64_t)(below > above ? below : above);
}

static inline uint32_t option_count(const qrt_check *check, const qrt_checked *n, uint32_t number) {
    return qrt_vector_field(check->model->bytes, n->options, number).count;
}

/* qrt_sums.c: V42, V41, V42 to V46 */
int32_t qrt_check_output_range(qrt_check *check, int32_t output_min, int32_t output_max);
int32_t qrt_check_weights(qrt_check *check, const qrt_checked *n);
int32_t qrt_check_requant(qrt_check *check, const qrt_checked *n, uint32_t channels);
/* |term| + round + |y_zero_point| * 2^shift < 2^63, for a term below 2^63: the part of V48 that needs no weights. */
int qrt_single_fits(uint64_t term, int32_t shift, int32_t y_zero_point);
/* V47 to V49 for a channel of which |acc| is at most `acc`; for a channel of `count` weights, `stride` apart; for
 * `rows` of them, of `size` weights each; and V41 to V49 for weights whose first axis is the channels. */
int32_t qrt_check_acc(qrt_check *check, const qrt_checked *n, uint32_t channel, uint64_t acc);
int32_t qrt_check_channel(qrt_check *check, const qrt_checked *n, uint32_t channel, size_t first, uint32_t count,
                          uint32_t stride);
int32_t qrt_check_rows(qrt_check *check, const qrt_checked *n, uint32_t rows, uint32_t size);
int32_t qrt_check_channels(qrt_check *check, const qrt_checked *n);

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
