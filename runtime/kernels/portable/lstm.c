/* SPDX-License-Identifier: Apache-2.0 */
/* lstm.c: lstm of 8-bit codes in plain C99. */
#include <string.h>

#include "portable/dot_four.h"
#include "portable/portable.h"
#include "portable/recurrent.h"
#include "qrt_math16.h"

/* The input, forget, cell and output gate of a unit. */
static void gates_of(const qrt_lstm_params *p, const int8_t *const *inputs, const int8_t *x, const int8_t *h,
                     int32_t unit, int32_t gate[4]) {
    int32_t of_x[4] = {0}, of_h[4] = {0}, features = p->in_features, units = p->units;
    dot_four(x, p->x_zero_point, inputs[1] + (ptrdiff_t)unit * features, (ptrdiff_t)units * features, features, of_x);
    dot_four(h, p->h_zero_point, inputs[2] + (ptrdiff_t)unit * units, (ptrdiff_t)units * units, units, of_h);
    for (int32_t i = 0, channel = unit; i < 4; i++, channel += units) {
        gate[i] = lstm_sat16(qrt_requantize16(&p->input, lstm_channel(p, &p->input, channel), of_x[i]) +
                             qrt_requantize16(&p->recurrent, lstm_channel(p, &p->recurrent, channel), of_h[i]));
    }
}

/* One step of one sequence: `c` is updated, `y` is the next h. */
static void advance(const qrt_lstm_params *p, const int8_t *const *inputs, const int8_t *x, const int8_t *h, int16_t *c,
                    int8_t *y) {
    for (int32_t unit = 0; unit < p->units; unit++) {
        int32_t gate[4];
        gates_of(p, inputs, x, h, unit, gate);
        c[unit] = (int16_t)lstm_cell(p, gate, c[unit]);
        y[unit] = (int8_t)qrt_clamp(lstm_hidden(p, gate, c[unit]) + p->h_zero_point, INT8_MIN, INT8_MAX);
    }
}

void qrt_lstm_s8(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_lstm_params *p = params;
    int8_t *h = (int8_t *)(uintptr_t)inputs[3]; /* these two are updated in place */
    int16_t *c = (int16_t *)(uintptr_t)inputs[4];
    (void)scratch;
    for (int32_t b = 0; b < p->batch; b++, h += p->units, c += p->units) {
        const int8_t *last = h;
        for (int32_t t = 0; t < p->steps; t++) {
            int8_t *y = output + lstm_place(p, b, t, p->units);
            advance(p, inputs, inputs[0] + lstm_place(p, b, t, p->in_features), last, c, y);
            last = y;
        }
        memcpy(h, last, (size_t)p->units);
    }
}
