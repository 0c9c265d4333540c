/* SPDX-License-Identifier: Apache-2.0 */
/* dwconv2d_single.c: dwconv2d with any window and SINGLE requantization. */
#include "arm/dsp/depthwise_taps.h"
#include "arm/dsp/dsp.h"

#if QRT_DSP_ASSEMBLY

#define CODE(a) "ldm r2!, {r1, r3, r8}\n" QRT_DSP_SINGLE(a, r1, r3, r8)

__attribute__((naked, noinline)) static void run(__attribute__((unused)) const qrt_dsp_taps *taps) {
    __asm__(QRT_DSP_TAPS_RUN(CODE(r4) CODE(r5) CODE(r6) CODE(r7)));
}

#else

static int8_t code(const qrt_dsp_taps *taps, int32_t acc, const uint32_t *constants) {
    (void)taps;
    return qrt_dsp_single(acc, (int32_t)constants[0], constants[1], (int32_t)constants[2]);
}

static void run(const qrt_dsp_taps *taps) { qrt_dsp_taps_run(taps, 3, code); }

#endif

void qrt_dwconv2d_s8_dsp_single(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    qrt_dsp_depthwise_taps(params, inputs[0], output, scratch, run);
}
