/* SPDX-License-Identifier: Apache-2.0 */
/* extremum.c: maximum, minimum and clamp, four codes at a time. */
#include "arm/dsp/broadcast.h"
#include "arm/dsp/dsp.h"
#include "arm/dsp/words.h"

static void maximum_codes(const void *constants, const int8_t *a, const int8_t *b, int8_t *y, int32_t size) {
    (void)constants;
    for (const int8_t *end = y + size / 4 * 4; y != end; a += 4, b += 4, y += 4) {
        store_word(y, smax8(load_word(a), load_word(b)));
    }
    for (int32_t i = 0; i < size % 4; i++) y[i] = a[i] > b[i] ? a[i] : b[i];
}

static void minimum_codes(const void *constants, const int8_t *a, const int8_t *b, int8_t *y, int32_t size) {
    (void)constants;
    for (const int8_t *end = y + size / 4 * 4; y != end; a += 4, b += 4, y += 4) {
        store_word(y, smin8(load_word(a), load_word(b)));
    }
    for (int32_t i = 0; i < size % 4; i++) y[i] = a[i] < b[i] ? a[i] : b[i];
}

void qrt_maximum_s8_dsp(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_binary_params *p = params;
    (void)scratch;
    run_broadcast(&p->broadcast, inputs, output, maximum_codes, NULL);
}

void qrt_minimum_s8_dsp(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_binary_params *p = params;
    (void)scratch;
    run_broadcast(&p->broadcast, inputs, output, minimum_codes, NULL);
}

void qrt_clamp_s8_dsp(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    const qrt_unary_params *p = params;
    (void)scratch;
    qrt_dsp_clamp_codes(inputs[0], output, p->size, p->requant.output_min, p->requant.output_max);
}
