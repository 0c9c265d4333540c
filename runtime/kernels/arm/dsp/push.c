/* SPDX-License-Identifier: Apache-2.0 */
/* push.c: push, four words in a turn. The memmove of a small C library moves one byte at a time. */
#include "arm/dsp/dsp.h"
#include "arm/dsp/instructions.h"

/* Also towards the start of memory that overlaps: what a store overwrites has been loaded. */
static void move_forward(int8_t *output, const int8_t *x, int32_t size) {
    const int8_t *end = x + size / 16 * 16;
    for (; x != end; x += 16, output += 16) {
        uint32_t a = load_word(x), b = load_word(x + 4), c = load_word(x + 8), d = load_word(x + 12);
        store_word(output, a);
        store_word(output + 4, b);
        store_word(output + 8, c);
        store_word(output + 12, d);
    }
    end += size % 16;
    for (; end - x >= 4; x += 4, output += 4) store_word(output, load_word(x));
    while (x != end) *output++ = *x++;
}

void qrt_push_s8_dsp(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_push_params *p = params;
    const int8_t *x = inputs[0];
    (void)scratch;
    for (int32_t row = 0; row < p->outer; row++) {
        move_forward(output, output + p->added, p->kept);
        move_forward(output + p->kept, x, p->added);
        output += p->kept + p->added;
        x += p->added;
    }
}
