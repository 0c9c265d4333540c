/* SPDX-License-Identifier: Apache-2.0 */
/* dwconv2d_3x3.c: dwconv2d with a window of 3 x 3, stride 1 and DOUBLE requantization. */
#include "arm/dsp/depthwise_planes.h"
#include "arm/dsp/dsp.h"

#if QRT_DSP_ASSEMBLY

#define LOAD                                                                                                           \
    "ldrd r0, r1, [r12], #8\n"                                                                                         \
    "ldm sp, {r2-r5}\n"
#define CODE(a)                                                                                                        \
    "smmlar " #a ", " #a ", r0, " #a "\n"                                                                              \
    "smmlar " #a ", " #a ", r1, r5\n"                                                                                  \
    "ssat " #a ", #8, " #a "\n"

__attribute__((naked, noinline)) static void run(__attribute__((unused)) const qrt_dsp_planes *planes) {
    __asm__(QRT_DSP_PLANES_RUN(LOAD CODE(r6) CODE(r7), LOAD CODE(r6)));
}

#else

static int8_t code(int32_t acc, const uint32_t *constants, int32_t zero_point) {
    return qrt_dsp_double(acc, (int32_t)constants[0], (int32_t)constants[1], zero_point);
}

static void run(const qrt_dsp_planes *planes) { qrt_dsp_planes_run(planes, 2, code); }

#endif

void qrt_dwconv2d_s8_dsp_3x3(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    qrt_dsp_depthwise_planes(params, inputs[0], output, scratch, run, 2);
}
