/* SPDX-License-Identifier: Apache-2.0 */
/* lstm16.c: lstm of 16-bit codes in plain C99. */
#include <string.h>

#include "portable/dot16.h"
#include "portable/portable.h"
#include "portable/recurrent.h"

/* A channel of the gates: of `units` channels each, input, forget, cell and output gate. */
static int32_t gate_sum(const qrt_lstm_params *p, const int8_t *const *inputs, const int16_t *x, const int16_t *h,
                        int32_t channel) {
    int64_t of_x = dot16(x, 0, inputs[1] + (ptrdiff_t)channel * p->in_features, p->in_features);
    int64_t of_h = dot16(h, 0, inputs[2] + (ptrdiff_t)channel * p->units, p->units);
    return lstm_sat16(qrt_requantize16(&p->input, lstm_channel(p, &p->input, channel), of_x) +
                      qrt_requantize16(&p->recurrent, lstm_channel(p, &p->recurrent, channel), of_h));
}

/* One step of one sequence: `c` is updated, `y` is the next h. */
static void advance(const qrt_lstm_params *p, const int8_t *const *inputs, const int16_t *x, const int16_t *h,
                    int16_t *c, int16_t *y) {
    for (int32_t unit = 0; unit < p->units; unit++) {
        int32_t gate[4];
        for (int32_t i = 0; i < 4; i++) gate[i] = gate_sum(p, inputs, x, h, i * p->units + unit);
        c[unit] = (int16_t)lstm_cell(p, gate, c[unit]);
        y[unit] = (int16_t)lstm_sat16(lstm_hidden(p, gate, c[unit]));
    }
}

void qrt_lstm16_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_lstm_params *p = params;
    const int16_t *x = qrt_codes16(inputs[0]);
    int16_t *h = (int16_t *)(uintptr_t)inputs[3]; /* these two are updated in place */
    int16_t *c = (int16_t *)(uintptr_t)inputs[4];
    (void)scratch;
    for (int32_t b = 0; b < p->batch; b++, h += p->units, c += p->units) {
        const int16_t *last = h;
        for (int32_t t = 0; t < p->steps; t++) {
            int16_t *y = qrt_output16(output) + lstm_place(p, b, t, p->units);
            advance(p, inputs, x + lstm_place(p, b, t, p->in_features), last, c, y);
            last = y;
        }
        memcpy(h, last, (size_t)p->units * sizeof *h);
    }
}
