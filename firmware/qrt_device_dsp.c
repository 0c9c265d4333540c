/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_device_dsp.c: the operators of the dsp set, for the interpreter. */
#include "arm/dsp/dsp.h"
#include "qrt_device.h"

#define X(name) const qrt_device_operator qrt_device_##name##_dsp = {&qrt_##name##_filler, &qrt_##name##_dsp};
#include "arm/dsp/rows.h"
#undef X

const qrt_device_operator *const qrt_device_operators_dsp[QRT_DEVICE_DSP_COUNT] = {
#define X(name) &qrt_device_##name##_dsp,
#include "arm/dsp/rows.h"
#undef X
#define X(name) &qrt_device_##name,
#include "qrt_kernel_rows.h"
#undef X
};
