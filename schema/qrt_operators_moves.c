/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_operators_moves.c: proves of operators that move codes that their shapes agree. SPEC.md, section 2, has them. */
#include "qrt_checked.h"

int32_t qrt_check_pad(qrt_check *check, const qrt_checked *n) {
    uint32_t rank = n->x.rank;
    RULE(35, n->y.rank == rank);
    RULE(35, option_count(check, n, PAD_BEFORE) == rank && option_count(check, n, PAD_AFTER) == rank);
    for (uint32_t i = 0; i < rank; i++) {
        int64_t before = n->op.pad_before[i];
        int64_t after = n->op.pad_after[i];
        RULE(35, before >= 0 && after >= 0 && n->y.shape[i] == before + n->x.shape[i] + after);
    }
    RULE(35, n->op.pad_value == 0 || n->x.dtype == QRT_INT8);
    return QRT_OK;
}

int32_t qrt_check_concat(qrt_check *check, const qrt_checked *n) {
    uint32_t axis = (uint32_t)n->op.axis;
    int64_t length = 0;
    qrt_tensor x;
    RULE(36, axis < n->y.rank);
    for (uint32_t i = 0; i < n->op.input_count; i++) {
        qrt_model_tensor(check->model, n->op.inputs[i], &x);
        RULE(36, x.rank == n->y.rank);
        for (uint32_t k = 0; k < x.rank; k++) RULE(36, k == axis || x.shape[k] == n->y.shape[k]);
        length += x.shape[axis];
    }
    RULE(36, length == n->y.shape[axis]);
    return QRT_OK;
}

/* V69 */
int32_t qrt_check_push(qrt_check *check, const qrt_checked *n) {
    uint32_t axis = (uint32_t)n->op.axis;
    RULE(69, n->x.rank == n->y.rank && axis < n->y.rank);
    for (uint32_t i = 0; i < n->y.rank; i++) {
        RULE(69, i == axis ? n->x.shape[i] <= n->y.shape[i] : n->x.shape[i] == n->y.shape[i]);
    }
    return QRT_OK;
}

int32_t qrt_check_assign(qrt_check *check, const qrt_checked *n) {
    RULE(39, same_shape(&n->x, &n->y));
    return QRT_OK;
}

int32_t qrt_check_reshape(qrt_check *check, const qrt_checked *n) {
    RULE(37, n->x.size == n->y.size);
    return QRT_OK;
}

int32_t qrt_check_transpose(qrt_check *check, const qrt_checked *n) {
    uint32_t rank = n->x.rank;
    uint32_t seen = 0;
    RULE(38, n->y.rank == rank && option_count(check, n, TRANSPOSE_PERMUTATION) == rank);
    for (uint32_t i = 0; i < rank; i++) {
        uint32_t axis = n->op.permutation[i];
        RULE(38, axis < rank && (seen >> axis & 1) == 0);
        RULE(38, n->y.shape[i] == n->x.shape[axis]);
        seen |= 1u << axis;
    }
    return QRT_OK;
}

int32_t qrt_check_slice(qrt_check *check, const qrt_checked *n) {
    uint32_t rank = n->x.rank;
    RULE(55, n->y.rank == rank);
    RULE(55, option_count(check, n, SLICE_BEGIN) == rank && option_count(check, n, SLICE_STRIDE) == rank);
    for (uint32_t i = 0; i < rank; i++) {
        int64_t first = n->op.begin[i];
        int64_t last = first + (int64_t)(n->y.shape[i] - 1) * n->op.stride[i];
        RULE(55, n->op.stride[i] != 0 && first >= 0 && first < n->x.shape[i] && last >= 0 && last < n->x.shape[i]);
    }
    return QRT_OK;
}

static int32_t check_resize2d_axis(qrt_check *check, const qrt_checked *n, int32_t axis, const uint16_t *places,
                                   uint32_t number) {
    int32_t in = n->x.shape[axis];
    uint32_t out = (uint32_t)n->y.shape[axis];
    RULE(56, option_count(check, n, number) == out);
    for (uint32_t i = 0; i < out; i++) RULE(56, places[i] < in);
    return QRT_OK;
}

static int32_t check_resize2d_weights(qrt_check *check, const qrt_checked *n, int32_t axis, const uint16_t *weights,
                                      uint32_t number) {
    uint32_t out = (uint32_t)n->y.shape[axis];
    if (weights == NULL) return QRT_OK;
    RULE(56, option_count(check, n, number) == out);
    for (uint32_t i = 0; i < out; i++) RULE(56, weights[i] < 1024);
    return QRT_OK;
}

int32_t qrt_check_resize2d(qrt_check *check, const qrt_checked *n) {
    RULE(56, n->x.rank == 4 && n->y.rank == 4);
    RULE(56, n->x.shape[0] == n->y.shape[0] && n->x.shape[3] == n->y.shape[3]);
    TRY(check_resize2d_axis(check, n, 1, n->op.rows, RESIZE2D_ROWS));
    TRY(check_resize2d_axis(check, n, 2, n->op.columns, RESIZE2D_COLUMNS));
    TRY(check_resize2d_weights(check, n, 1, n->op.row_weight, RESIZE2D_ROW_WEIGHT));
    TRY(check_resize2d_weights(check, n, 2, n->op.column_weight, RESIZE2D_COLUMN_WEIGHT));
    return QRT_OK;
}
