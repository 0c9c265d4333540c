/* SPDX-License-Identifier: Apache-2.0 */
/* recurrent.h: what lstm does with the gates of a unit, for codes of 8 and of 16 bits. */
#ifndef QRT_PORTABLE_RECURRENT_H
#define QRT_PORTABLE_RECURRENT_H

#include "portable/gates.h"

static inline int32_t lstm_sat16(int32_t v) { return qrt_clamp(v, INT16_MIN, INT16_MAX); }

/* The numbers of a channel of one of the gates' two requantizations. */
static inline qrt_channel lstm_channel(const qrt_lstm_params *p, const qrt_requant *requant, int32_t channel) {
    qrt_requant of_gate = *requant;
    if (of_gate.step == 0) {
        of_gate.multiplier += channel / p->units;
        of_gate.shift += channel / p->units;
    }
    return qrt_requant_channel(&of_gate, channel);
}

/* The new cell of a unit, from the sums of its input, forget, cell and output gate. */
static inline int32_t lstm_cell(const qrt_lstm_params *p, const int32_t gate[4], int32_t c) {
    int32_t i = qrt_sigmoid16(3 * gate[0]), f = qrt_sigmoid16(3 * gate[1]), g = qrt_tanh16(3 * gate[2]);
    int32_t kept = lstm_sat16(qrt_scale_down(f * c, 1 << 30, 45));
    int32_t fresh = lstm_sat16(qrt_scale_down(i * g, 1 << 30, 60 + p->cell_power));
    c = lstm_sat16(kept + fresh);
    return p->cell_clip > 0 ? qrt_clamp(c, -p->cell_clip, p->cell_clip) : c;
}

/* The new hidden number, without its zero point. */
static inline int32_t lstm_hidden(const qrt_lstm_params *p, const int32_t gate[4], int32_t c) {
    int32_t k = 12 + p->cell_power, o = qrt_sigmoid16(3 * gate[3]);
    int32_t d = k < 0 ? qrt_gate_scaled(c, 3, -k) : qrt_gate_scaled(c, 3 << k, 0);
    return qrt_scale_down(qrt_tanh16(d) * o, p->output_multiplier, p->output_shift);
}

/* Where a step of a sequence lies in x or y, of which an entry has `size` numbers. */
static inline ptrdiff_t lstm_place(const qrt_lstm_params *p, int32_t b, int32_t t, int32_t size) {
    return (ptrdiff_t)(p->time_major ? t * p->batch + b : b * p->steps + t) * size;
}

#endif
