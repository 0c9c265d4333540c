/* SPDX-License-Identifier: Apache-2.0 */
/* concat.c: concat in plain C99. */
#include <string.h>

#include "portable/portable.h"

void qrt_concat_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_concat_params *p = params;
    (void)scratch;
    for (ptrdiff_t row = 0; row < p->outer; row++) {
        for (int32_t i = 0; i < p->input_count; i++) {
            memcpy(output, inputs[i] + row * p->run_size[i], (size_t)p->run_size[i]);
            output += p->run_size[i];
        }
    }
}
