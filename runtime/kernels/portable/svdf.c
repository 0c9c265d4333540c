/* SPDX-License-Identifier: Apache-2.0 */
/* svdf.c: svdf in plain C99. */
#include <string.h>

#include "portable/dot.h"
#include "portable/portable.h"
#include "qrt_math16.h"

/* Moves a filter's memory by one entry and appends `code`. Returns the sum of its products, modulo 2^32. */
static uint32_t recall8(int8_t *memory, const int8_t *weights, int32_t size, int32_t code, int32_t zero_point) {
    uint32_t sum = 0;
    memmove(memory, memory + 1, (size_t)(size - 1));
    memory[size - 1] = (int8_t)code;
    for (int32_t i = 0; i < size; i++) sum += (uint32_t)((memory[i] - zero_point) * weights[i]);
    return sum;
}

static uint32_t recall16(int16_t *memory, const int16_t *weights, int32_t size, int32_t code) {
    uint32_t sum = 0;
    memmove(memory, memory + 1, (size_t)(size - 1) * sizeof *memory);
    memory[size - 1] = (int16_t)code;
    for (int32_t i = 0; i < size; i++) sum += (uint32_t)(memory[i] * weights[i]);
    return sum;
}

/* What the filters of one unit recall of one row of x; `filter` is the first of them in the state, `row` in the
 * weights. */
static uint32_t unit(const qrt_svdf_params *p, const int8_t *const *inputs, const int8_t *x, int32_t row,
                     ptrdiff_t filter) {
    qrt_channel feature = qrt_requant_channel(&p->feature, 0);
    void *state = (void *)(uintptr_t)inputs[3]; /* updated in place */
    uint32_t sum = 0;
    for (int32_t i = 0; i < p->rank; i++, row++, filter++) {
        int32_t acc = dot(x, p->x_zero_point, inputs[1] + (ptrdiff_t)row * p->in_features, p->in_features);
        int32_t code = qrt_requantize16(&p->feature, feature, acc) + p->state_zero_point;
        ptrdiff_t weights = (ptrdiff_t)row * p->memory, memory = filter * p->memory;
        if (p->state_int16) {
            const int16_t *time = (const int16_t *)(const void *)inputs[2];
            sum += recall16((int16_t *)state + memory, time + weights, p->memory, code);
        } else {
            sum += recall8((int8_t *)state + memory, inputs[2] + weights, p->memory, code, p->state_zero_point);
        }
    }
    return sum;
}

void qrt_svdf_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_svdf_params *p = params;
    const int8_t *x = inputs[0];
    const int32_t *bias = p->requant.bias;
    qrt_requant unbiased = p->requant;
    unbiased.bias = NULL;
    qrt_channel requant = qrt_requant_channel(&unbiased, 0);
    ptrdiff_t filter = 0;
    (void)scratch;
    for (int32_t b = 0; b < p->batch; b++, x += p->in_features) {
        for (int32_t u = 0; u < p->units; u++, filter += p->rank) {
            uint32_t sum = unit(p, inputs, x, u * p->rank, filter);
            if (bias != NULL) sum += (uint32_t)bias[u];
            *output++ = (int8_t)qrt_requantize16(&unbiased, requant, (int32_t)sum);
        }
    }
}
