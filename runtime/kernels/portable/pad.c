/* SPDX-License-Identifier: Apache-2.0 */
/* pad.c: pad in plain C99. */
#include <string.h>

#include "portable/portable.h"
#include "portable/walk.h"

void qrt_pad_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_pad_params *p = params;
    const int8_t *x = inputs[0];
    int32_t out_stride[QRT_KERNEL_MAX_RANK] = {0};
    int32_t out_size = 1, last = p->rank - 1;
    walk at = {{0}, 0};
    (void)scratch;
    for (int32_t axis = last; axis >= 0; axis--) {
        out_stride[axis] = out_size;
        out_size *= p->out_shape[axis];
        at.position += (ptrdiff_t)p->before[axis] * out_stride[axis];
    }
    memset(output, p->value, (size_t)out_size);
    /* Axes that are not padded, behind the last that is, are one run with it. */
    while (last > 0 && p->in_shape[last] == p->out_shape[last]) last--;
    int32_t run = p->in_shape[last] * out_stride[last];
    for (ptrdiff_t row = row_count(last + 1, p->in_shape); row > 0; row--) {
        memcpy(output + at.position, x, (size_t)run);
        x += run;
        walk_next(&at, last + 1, p->in_shape, out_stride);
    }
}
