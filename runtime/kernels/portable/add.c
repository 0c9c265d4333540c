/* SPDX-License-Identifier: Apache-2.0 */
/* add.c: add in plain C99. */
#include "portable/add.h"

#include "portable/portable.h"
#include "portable/walk.h"

static void add_row(const qrt_add_params *params, const int8_t *a, const int8_t *b, int32_t size, int8_t *y) {
    const qrt_add_params own = *params, *p = &own; /* a copy, which no store to `y` can reach */
    int32_t last = p->broadcast.rank - 1, a_step = p->broadcast.a_stride[last], b_step = p->broadcast.b_stride[last];
    if (p->form == 0) {
        for (; size > 0; size--, a += a_step, b += b_step) *y++ = add_common_shift(p, *a, *b);
    } else {
        for (; size > 0; size--, a += a_step, b += b_step) *y++ = add_tflite(p, *a, *b);
    }
}

void qrt_add_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_add_params *p = params;
    const qrt_broadcast *s = &p->broadcast;
    int32_t size = s->shape[s->rank - 1];
    walk at_a = {{0}, 0}, at_b = {{0}, 0};
    (void)scratch;
    for (ptrdiff_t row = row_count(s->rank, s->shape); row > 0; row--, output += size) {
        add_row(p, inputs[0] + at_a.position, inputs[1] + at_b.position, size, output);
        walk_next(&at_a, s->rank, s->shape, s->a_stride);
        walk_next(&at_b, s->rank, s->shape, s->b_stride);
    }
}
