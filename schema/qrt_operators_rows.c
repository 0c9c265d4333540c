/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_operators_rows.c: proves of operators on the rows of the last axis that their parameters are in range and their
 * arithmetic cannot overflow. SPEC.md, section 2, has the formulas.
 */
#include "qrt_checked.h"

#define NUMERATOR_LIMIT ((uint64_t)1 << 62)

int32_t qrt_check_arg_max(qrt_check *check, const qrt_checked *n) {
    uint32_t last = n->x.rank - 1;
    RULE(58, n->y.rank == n->x.rank && n->y.shape[last] == 1);
    RULE(58, memcmp(n->x.shape, n->y.shape, last * sizeof(int32_t)) == 0);
    RULE(58, n->x.shape[last] <= 256 && n->y.zero_point == -128);
    return QRT_OK;
}

int32_t qrt_check_l2_norm(qrt_check *check, const qrt_checked *n) {
    RULE(39, same_shape(&n->x, &n->y));
    RULE(60, n->x.shape[n->x.rank - 1] <= 32768 && n->y.zero_point == 0);
    return QRT_OK;
}

/* The sum of squares of a row of C entries is less than 2^14 * C^3: C^3 times the variance of codes, at most 127.5^2.
 */
int32_t qrt_check_layer_norm(qrt_check *check, const qrt_checked *n) {
    uint64_t channels = (uint64_t)n->x.shape[n->x.rank - 1];
    int32_t bits = n->op.epsilon_bits;
    RULE(39, same_shape(&n->x, &n->y));
    RULE(66, channels <= 32768 && option_count(check, n, LAYER_NORM_MULTIPLIER) == channels);
    RULE(66, option_count(check, n, LAYER_NORM_ADDEND) == channels && n->op.shift <= MAX_SHIFT);
    for (uint64_t i = 0; i < channels; i++) RULE(66, magnitude(n->op.addend[i]) < INT64_LIMIT >> 1);
    RULE(66, bits % 2 == 0 && bits <= MAX_SHIFT);
    uint64_t squares = channels * channels * channels << 14;
    RULE(66, squares <= (INT64_LIMIT - 1) >> bits && n->op.epsilon < INT64_LIMIT - (squares << bits));
    return QRT_OK;
}

/* V54: the sum of at most 4095 terms of at most 2^19 fits into an int32. */
static int32_t check_softmax_tflite(qrt_check *check, const qrt_checked *n) {
    RULE(54, n->op.exponential[0] == INT32_MAX);
    RULE(54, n->y.zero_point == (n->y.dtype == QRT_INT16 ? INT16_MIN : INT8_MIN));
    for (uint32_t i = 0; i < n->op.exponential_count; i++) RULE(54, n->op.exponential[i] <= INT32_MAX);
    RULE(54, n->y.shape[n->y.rank - 1] <= 4095);
    return QRT_OK;
}

int32_t qrt_check_softmax(qrt_check *check, const qrt_checked *n) {
    RULE(39, same_shape(&n->x, &n->y));
    if (n->x.dtype == QRT_INT16) return qrt_check_softmax16(check, n);
    RULE(52, n->op.exponential_count >= 1 && n->op.exponential_count <= 256);
    if (n->op.softmax_form == QRT_SOFTMAX_TFLITE) return check_softmax_tflite(check, n);
    RULE(52, n->op.exponential[0] >= 1);
    RULE(52, n->op.numerator < NUMERATOR_LIMIT && n->op.shift <= MAX_SHIFT);
    return QRT_OK;
}

static int32_t check_log_softmax_tflite(qrt_check *check, const qrt_checked *n) {
    RULE(67, n->op.exponential[0] == INT32_MAX && n->op.row_multiplier <= INT32_MAX && n->op.shift <= 31);
    RULE(67, (uint64_t)(n->op.exponential_count - 1) << (31 - n->op.shift) < INT32_LIMIT);
    RULE(67, n->y.shape[n->y.rank - 1] <= 4095 && n->y.zero_point == 127);
    return QRT_OK;
}

/* The logarithm of a sum of fewer than 2^31 exponentials is below 31 * 2^26. */
int32_t qrt_check_log_softmax(qrt_check *check, const qrt_checked *n) {
    RULE(39, same_shape(&n->x, &n->y));
    RULE(67, n->op.exponential_count >= 1 && n->op.exponential_count <= 256);
    for (uint32_t i = 1; i < n->op.exponential_count; i++) RULE(67, n->op.exponential[i] <= n->op.exponential[0]);
    RULE(67, n->op.row_multiplier >= 0 && n->op.log_multiplier >= 0);
    if (n->op.softmax_form == QRT_SOFTMAX_TFLITE) return check_log_softmax_tflite(check, n);
    RULE(67,
         n->op.exponential[0] == INT32_LIMIT && n->op.shift <= MAX_SHIFT && n->op.row_multiplier < (int64_t)1 << 54);
    uint64_t products = ((uint64_t)n->op.log_multiplier << 31) + ((uint64_t)n->op.row_multiplier << 8);
    RULE(67, products + magnitude(n->op.row_addend) < INT64_LIMIT);
    return QRT_OK;
}
