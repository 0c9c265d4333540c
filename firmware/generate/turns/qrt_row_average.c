/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_row_average.c: averages over a whole image whose rows come one after another. */
#include <string.h>

#include "portable/average_rows.h"
#include "turns/qrt_row_turns.h"

static void add_rows(const qrt_row_average *rows, const int8_t *x, int32_t width, int32_t channels, int8_t *sums) {
    if (rows->begin == 0) memset(sums, 0, (size_t)channels * sizeof(int32_t));
    rows->add(x, (rows->end - rows->begin) * width, channels, sums);
}

void qrt_mean_rows(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_row_average *rows = params;
    const qrt_mean_params *p = rows->params;
    (void)scratch;
    add_rows(rows, inputs[0], p->positions / rows->height, p->channels, output);
    if (rows->end == rows->height) qrt_mean_of_sums(p, output);
}

void qrt_average_pool2d_rows(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_row_average *rows = params;
    const qrt_pool2d_params *p = rows->params;
    (void)scratch;
    add_rows(rows, inputs[0], p->in_width, p->channels, output);
    if (rows->end == rows->height) qrt_average_of_sums(p, output);
}
