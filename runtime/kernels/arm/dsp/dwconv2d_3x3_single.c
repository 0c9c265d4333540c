/* SPDX-License-Identifier: Apache-2.0 */
/* dwconv2d_3x3_single.c: dwconv2d with a window of 3 x 3, stride 1 and SINGLE requantization. */
#include "arm/dsp/depthwise_planes.h"
#include "arm/dsp/dsp.h"

#if QRT_DSP_ASSEMBLY

#define LOAD                                                                                                           \
    "ldm r12!, {r0, r1, r5}\n"                                                                                         \
    "ldm sp, {r2-r4}\n"
#define PAIR LOAD "mov r8, r1\n" QRT_DSP_SINGLE(r6, r0, r8, r5) QRT_DSP_SINGLE(r7, r0, r1, r5)
#define ONE LOAD QRT_DSP_SINGLE(r6, r0, r1, r5)

__attribute__((naked, noinline)) static void run(__attribute__((unused)) const qrt_dsp_planes *planes) {
    __asm__(QRT_DSP_PLANES_RUN(PAIR, ONE));
}

#else

static int8_t code(int32_t acc, const uint32_t *constants, int32_t zero_point) {
    (void)zero_point;
    return qrt_dsp_single(acc, (int32_t)constants[0], constants[1], (int32_t)constants[2]);
}

static void run(const qrt_dsp_planes *planes) { qrt_dsp_planes_run(planes, 3, code); }

#endif

void qrt_dwconv2d_s8_dsp_3x3_single(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    qrt_dsp_depthwise_planes(params, inputs[0], output, scratch, run, 3);
}
