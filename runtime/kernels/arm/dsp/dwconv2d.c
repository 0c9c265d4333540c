/* SPDX-License-Identifier: Apache-2.0 */
/* dwconv2d.c: dwconv2d with any window and DOUBLE requantization. */
#include "arm/dsp/depthwise_taps.h"
#include "arm/dsp/dsp.h"

#if QRT_DSP_ASSEMBLY

#define END                                                                                                            \
    "ldm r2!, {r1, r3, r8-r12, lr}\n"                                                                                  \
    "smmlar r4, r4, r1, r4\n"                                                                                          \
    "ldr r1, [sp, #32]\n"                                                                                              \
    "smmlar r5, r5, r8, r5\n"                                                                                          \
    "smmlar r6, r6, r10, r6\n"                                                                                         \
    "smmlar r7, r7, r12, r7\n"                                                                                         \
    "smmlar r4, r4, r3, r1\n"                                                                                          \
    "smmlar r5, r5, r9, r1\n"                                                                                          \
    "smmlar r6, r6, r11, r1\n"                                                                                         \
    "smmlar r7, r7, lr, r1\n"                                                                                          \
    "ssat r4, #8, r4\n"                                                                                                \
    "ssat r5, #8, r5\n"                                                                                                \
    "ssat r6, #8, r6\n"                                                                                                \
    "ssat r7, #8, r7\n"

__attribute__((naked, noinline)) static void run(__attribute__((unused)) const qrt_dsp_taps *taps) {
    __asm__(QRT_DSP_TAPS_RUN(END));
}

#else

static int8_t code(const qrt_dsp_taps *taps, int32_t acc, const uint32_t *constants) {
    return qrt_dsp_double(acc, (int32_t)constants[0], (int32_t)constants[1], taps->zero_point);
}

static void run(const qrt_dsp_taps *taps) { qrt_dsp_taps_run(taps, 2, code); }

#endif

void qrt_dwconv2d_s8_dsp(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    qrt_dsp_depthwise_taps(params, inputs[0], output, scratch, run);
}
