/* SPDX-License-Identifier: Apache-2.0 */
/* state.c: push and assign in plain C99. */
#include <string.h>

#include "portable/portable.h"

void qrt_push_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_push_params *p = params;
    const int8_t *x = inputs[0];
    (void)scratch;
    for (int32_t row = 0; row < p->outer; row++) {
        memmove(output, output + p->added, (size_t)p->kept);
        memcpy(output + p->kept, x, (size_t)p->added);
        output += p->kept + p->added;
        x += p->added;
    }
}

void qrt_assign_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_reshape_params *p = params;
    (void)scratch;
    memcpy(output, inputs[0], (size_t)p->size);
}
