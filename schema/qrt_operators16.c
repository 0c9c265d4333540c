/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_operators16.c: proves what 16-bit arithmetic needs beside the rules for all: types, and the operators that have
 * no other arithmetic. SPEC.md, section 2, has the formulas.
 */
#include "qrt_checked.h"

/* The sum of so many codes less a zero point fits into an int32, as does that of so many exponentials. */
#define MAX_POOL_POSITIONS16 (1 << 15)
#define MAX_SOFTMAX_CHANNELS16 (1 << 16)

int32_t qrt_check_operand_types(qrt_check *check, const qrt_checked *n) {
    RULE(76, n->x.dtype == n->b.dtype);
    if (n->op.kind != QRT_ADD || n->op.add.form != QRT_TFLITE) return QRT_OK;
    RULE(76, n->x.dtype == n->y.dtype);
    RULE(76, n->x.dtype != QRT_INT16 || (n->x.zero_point == 0 && n->b.zero_point == 0 && n->y.zero_point == 0));
    return QRT_OK;
}

int32_t qrt_check_pool16(qrt_check *check, const qrt_checked *n) {
    int64_t positions = (int64_t)n->op.window.filter_height * n->op.window.filter_width;
    RULE(77, n->x.dtype != QRT_INT16 || positions <= MAX_POOL_POSITIONS16);
    return QRT_OK;
}

int32_t qrt_check_gate(qrt_check *check, const qrt_checked *n) {
    RULE(78, n->x.dtype == QRT_INT16 && n->y.dtype == QRT_INT16 && n->x.zero_point == 0 && n->y.zero_point == 0);
    RULE(78, n->op.activation.multiplier >= 0 && n->op.activation.multiplier <= INT16_MAX);
    RULE(78, n->op.activation.shift <= 31);
    return QRT_OK;
}

/* Whether `most` can be multiplied in DOUBLE with this shift. */
static int double_fits(uint64_t most, int32_t shift) {
    return shift <= MAX_SHIFT && most << (shift < 31 ? 31 - shift : 0) <= DOUBLE_LIMIT16;
}

int32_t qrt_check_leaky_relu(qrt_check *check, const qrt_checked *n) {
    const qrt_activation_data *p = &n->op.activation;
    RULE(79, n->x.dtype == QRT_INT16 && n->y.dtype == QRT_INT16);
    RULE(79, p->multiplier >= 0 && p->negative_multiplier != INT32_MIN);
    RULE(79, double_fits((uint64_t)(INT16_MAX - n->x.zero_point), p->shift));
    RULE(79, double_fits((uint64_t)(n->x.zero_point - INT16_MIN), p->negative_shift));
    return QRT_OK;
}

int32_t qrt_check_softmax16(qrt_check *check, const qrt_checked *n) {
    RULE(80, n->op.softmax_form == QRT_SOFTMAX_TFLITE && n->op.exponential_count == 0);
    RULE(80, n->y.dtype == QRT_INT16 && n->y.zero_point == 0);
    RULE(80, n->op.activation.multiplier >= 0 && double_fits(65535, n->op.shift));
    RULE(80, n->y.shape[n->y.rank - 1] <= MAX_SOFTMAX_CHANNELS16);
    return QRT_OK;
}
