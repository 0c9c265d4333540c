/* SPDX-License-Identifier: Apache-2.0 */
/* add.c: add by two multiplications and one saturating shift for a code, where add_row.c has proved that exact. */
#include "arm/dsp/add.h"
#include "arm/dsp/broadcast.h"
#include "arm/dsp/dsp.h"
#include "arm/dsp/words.h"

/* Codes 0 and 2 of a word, and 1 and 3, each 2^8 times in its half. */
static inline uint32_t even_codes(uint32_t word) { return and_lsl8(0xff00ff00u, word); }
static inline uint32_t odd_codes(uint32_t word) { return word & 0xff00ff00u; }

static inline int8_t sum_of(const qrt_dsp_add *p, int8_t a, int8_t b) {
    int32_t sum = smlawb(p->a_factor, (uint32_t)a << 8, p->start);
    return (int8_t)ssat8_asr20(smlawb(p->b_factor, (uint32_t)b << 8, sum));
}

QRT_DSP_LOOP static void add_codes(const void *packed, const int8_t *a, const int8_t *b, int8_t *y, int32_t size) {
    const qrt_dsp_add *p = packed;
    int32_t start = p->start, a_factor = p->a_factor, b_factor = p->b_factor;
    for (const int8_t *end = y + size / 4 * 4; y != end; a += 4, b += 4, y += 4) {
        uint32_t a_word = load_word(a), a_even = even_codes(a_word), a_odd = odd_codes(a_word);
        uint32_t b_word = load_word(b), b_even = even_codes(b_word), b_odd = odd_codes(b_word);
        y[0] = (int8_t)ssat8_asr20(smlawb(b_factor, b_even, smlawb(a_factor, a_even, start)));
        y[1] = (int8_t)ssat8_asr20(smlawb(b_factor, b_odd, smlawb(a_factor, a_odd, start)));
        y[2] = (int8_t)ssat8_asr20(smlawt(b_factor, b_even, smlawt(a_factor, a_even, start)));
        y[3] = (int8_t)ssat8_asr20(smlawt(b_factor, b_odd, smlawt(a_factor, a_odd, start)));
    }
    for (int32_t i = 0; i < size % 4; i++) y[i] = sum_of(p, a[i], b[i]);
}

void qrt_add_s8_dsp(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_add_params *p = params;
    (void)scratch;
    run_broadcast(&p->broadcast, inputs, output, add_codes, p->packed);
    if (p->output_min > -128 || p->output_max < 127) {
        qrt_dsp_clamp_codes(output, output, broadcast_count(&p->broadcast), p->output_min, p->output_max);
    }
}
