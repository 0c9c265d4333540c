/* lstm.c: lstm of 8-bit codes in plain C99. */
#include <string.h>

#include "portable/portable.h"
#include "portable/recurrent.h"
#include "qrt_math16.h"

/* The dot products of `x` and of the weights of one unit, whose gates are `step` apart: each code is read and
 * widened once for all four. */
QRT_ALONE static void dot_gates(const int8_t *restrict x, int32_t zero_point, const int8_t *restrict weights,
                                ptrdiff_t step, int32_t size, int32_t acc[4]) {
    const int8_t *restrict w0 = weights, *restrict w1 = w0 + step, *restrict w2 = w1 + step, *restrict w3 = w2 + step;
    const int8_t *end = x + size;
    int32_t acc0 = 0, acc1 = 0, acc2 = 0, acc3 = 0;
    int16_t zero = (int16_t)zero_point;
    QRT_BY_FOUR
    while (x != end) {
        int16_t value = (int16_t)(*x++ - zero), v0 = *w0++, v1 = *w1++, v2 = *w2++, v3 = *w3++;
        acc0 += value * v0;
        acc1 += value * v1;
        acc2 += value * v2;
        acc3 += value * v3;
    }
    acc[0] = acc0;
    acc[1] = acc1;
    acc[2] = acc2;
    acc[3] = acc3;
}

/* The input, forget, cell and output gate of a unit. */
static void gates_of(const qrt_lstm_params *p, const int8_t *const *inputs, const int8_t *x, const int8_t *h,
                     int32_t unit, int32_t gate[4]) {
    int32_t of_x[4], of_h[4], features = p->in_features, units = p->units;
    dot_gates(x, p->x_zero_point, inputs[1] + (ptrdiff_t)unit * features, (ptrdiff_t)units * features, features, of_x);
    dot_gates(h, p->h_zero_point, inputs[2] + (ptrdiff_t)unit * units, (ptrdiff_t)units * units, units, of_h);
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
