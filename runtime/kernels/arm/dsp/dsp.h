/* SPDX-License-Identifier: Apache-2.0 */
/* dsp.h: the kernels of the dsp set, for Cortex-M with the DSP extension: M4, M7, M33: qrt_<operator>_s8_dsp, in
 * <operator>.c.
 *
 * Such a file needs headers alone, so that firmware takes those that its network uses. <operator>_row.c has what is
 * done before: which operators it covers, and how weights are packed.
 */
#ifndef QRT_DSP_H
#define QRT_DSP_H

#include "qrt_kernels.h"

#define X(name)                                                                                                        \
    void qrt_##name##_s8_dsp(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch);          \
    extern const qrt_kernel qrt_##name##_dsp;
#include "arm/dsp/rows.h"
#undef X

/* For operators that qrt_<operator>_dsp does not cover. */
#define RUN(name) void name(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch);
RUN(qrt_conv2d_s8_dsp_single)
RUN(qrt_conv2d_s8_dsp_general)
RUN(qrt_conv2d_s8_dsp_int4)
RUN(qrt_conv2d_s8_dsp_single_int4)
RUN(qrt_conv2d_s8_dsp_general_int4)
RUN(qrt_dwconv2d_s8_dsp)
RUN(qrt_dwconv2d_s8_dsp_single)
RUN(qrt_dwconv2d_s8_dsp_general)
RUN(qrt_dwconv2d_s8_dsp_3x3)
RUN(qrt_dwconv2d_s8_dsp_3x3_single)
RUN(qrt_linear_s8_dsp)
RUN(qrt_linear_s8_dsp_one)
RUN(qrt_linear_s8_dsp_single)
RUN(qrt_linear_s8_dsp_general)
RUN(qrt_linear_s8_dsp_int4)
RUN(qrt_linear_s8_dsp_single_int4)
RUN(qrt_linear_s8_dsp_general_int4)
#undef RUN

#endif
