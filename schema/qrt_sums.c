/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_sums.c: proves of sums of products, and of what rounds them to codes, that nothing overflows (V41 to V49).
 * SPEC.md, 1.1, has the formulas.
 */
#include "qrt_checked.h"

int32_t qrt_check_output_range(qrt_check *check, int32_t output_min, int32_t output_max) {
    RULE(42, output_min <= output_max);
    return QRT_OK;
}

int32_t qrt_check_weights(qrt_check *check, const qrt_checked *n) {
    RULE(41, n->b.data != NULL && n->b.zero_point == 0);
    RULE(70, n->b.dtype != QRT_INT4 || (n->x.dtype == QRT_INT8 && n->y.dtype != QRT_INT16));
    return qrt_spend(check, (uint32_t)qrt_tensor_bytes(&n->b));
}

static int32_t weight_at(const qrt_tensor *weights, size_t index) {
    if (weights->dtype != QRT_INT4) return weights->data[index];
    uint8_t two = (uint8_t)weights->data[index / 2];
    int32_t code = index % 2 == 0 ? two & 15 : two >> 4;
    return code < 8 ? code : code - 16;
}

/* V42 to V46. */
int32_t qrt_check_requant(qrt_check *check, const qrt_checked *n, uint32_t channels) {
    const uint8_t *bytes = check->model->bytes;
    const qrt_requant_data *requant = &n->op.requant;
    uint32_t table = qrt_follow(bytes, qrt_field(bytes, n->options, n->facts->requant - 1u));
    TRY(qrt_check_output_range(check, requant->output_min, requant->output_max));
    RULE(43, requant->count == 1 || requant->count == channels);
    RULE(43, qrt_vector_field(bytes, table, REQUANT_SHIFT).count == requant->count);
    if (requant->bias != NULL) {
        RULE(44, n->facts->has_weights && qrt_vector_field(bytes, table, REQUANT_BIAS).count == channels);
    }
    if (requant->addend != NULL) {
        RULE(45, requant->rounding == QRT_SINGLE && requant->bias == NULL);
        RULE(45, qrt_vector_field(bytes, table, REQUANT_ADDEND).count == requant->count);
    }
    for (uint32_t i = 0; i < requant->count; i++) {
        RULE(46, requant->multiplier[i] >= 0 && requant->shift[i] <= MAX_SHIFT);
    }
    if (n->y.dtype == QRT_INT32) {
        RULE(63, requant->rounding == QRT_SINGLE && requant->addend == NULL && requant->count == 1);
        RULE(63, requant->multiplier[0] == 1 && requant->shift[0] == 0);
    }
    return QRT_OK;
}

/* |term| + round + |y_zero_point| * 2^shift < 2^63, for a term below 2^63: V48 and V50. */
int qrt_single_fits(uint64_t term, int32_t shift, int32_t y_zero_point) {
    uint64_t round = shift > 0 ? (uint64_t)1 << (shift - 1) : 0;
    uint64_t zero_point = magnitude(y_zero_point);
    if (zero_point > (INT64_LIMIT - 1) >> shift) return 0;
    return term + round < INT64_LIMIT - (zero_point << shift);
}

/* V47 to V49 for one channel, of which |acc| is at most `acc`. */
int32_t qrt_check_acc(qrt_check *check, const qrt_checked *n, uint32_t channel, uint64_t acc) {
    const qrt_requant_data *requant = &n->op.requant;
    uint32_t entry = requant->count == 1 ? 0 : channel;
    uint64_t multiplier = (uint64_t)requant->multiplier[entry];
    int32_t shift = requant->shift[entry];
    uint64_t biased = acc + (requant->bias != NULL ? magnitude(requant->bias[channel]) : 0);
    int wide = n->x.dtype == QRT_INT16 && requant->rounding == QRT_SINGLE;
    RULE(47, biased < INT32_LIMIT || wide);
    RULE(48, (biased >> 32) * multiplier < INT32_LIMIT); /* so that their product is below 2^64 */
    uint64_t product = biased * multiplier;
    if (requant->rounding == QRT_DOUBLE) {
        uint64_t limit = n->y.dtype == QRT_INT16 ? DOUBLE_LIMIT16 : DOUBLE_LIMIT;
        RULE(49, biased << (shift < 31 ? 31 - shift : 0) <= limit);
    } else if (requant->addend != NULL) {
        RULE(48, product < INT64_LIMIT && product + magnitude(requant->addend[entry]) < INT64_LIMIT);
    } else {
        RULE(48, product < INT64_LIMIT && qrt_single_fits(product, shift, n->y.zero_point));
    }
    return QRT_OK;
}

/* qrt_check_acc() for the weights of one channel: `count` of them from `first` on, `stride` apart. A sum over any part
 * of them (at the padding, or while it is being formed) lies in the same range, since x - zero_point can be 0. */
int32_t qrt_check_channel(qrt_check *check, const qrt_checked *n, uint32_t channel, size_t first, uint32_t count,
                          uint32_t stride) {
    int64_t positive = 0;
    int64_t negative = 0;
    int64_t x_min = lowest(&n->x);
    int64_t x_max = highest(&n->x);
    /* Most channels are so small that no weights could break a rule; theirs need not be read. */
    qrt_problem nobodys;
    qrt_check trial = *check;
    trial.problem = &nobodys;
    if (qrt_check_acc(&trial, n, channel, (uint64_t)count * 128 * reach(&n->x)) == QRT_OK) return QRT_OK;
    for (uint32_t i = 0; i < count; i++) {
        int32_t w = weight_at(&n->b, first + (size_t)i * stride);
        positive += w > 0 ? w : 0;
        negative += w < 0 ? w : 0;
    }
    uint64_t below = magnitude(positive * x_min + negative * x_max);
    uint64_t above = magnitude(positive * x_max + negative * x_min);
    return qrt_check_acc(check, n, channel, below > above ? below : above);
}

int32_t qrt_check_rows(qrt_check *check, const qrt_checked *n, uint32_t rows, uint32_t size) {
    for (uint32_t i = 0; i < rows; i++) TRY(qrt_check_channel(check, n, i, (size_t)i * size, size, 1));
    return QRT_OK;
}

/* For weights whose first axis is the channels. */
int32_t qrt_check_channels(qrt_check *check, const qrt_checked *n) {
    uint32_t channels = (uint32_t)n->b.shape[0];
    TRY(qrt_check_weights(check, n));
    TRY(qrt_check_requant(check, n, channels));
    return qrt_check_rows(check, n, channels, n->b.size / channels);
}
