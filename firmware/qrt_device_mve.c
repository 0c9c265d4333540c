/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_device_mve.c: the operators of the mve set, for the interpreter. */
#include "arm/mve/mve.h"
#include "qrt_device.h"

#define X(name) const qrt_device_operator qrt_device_##name##_mve = {&qrt_##name##_filler, &qrt_##name##_mve};
#include "arm/mve/rows.h"
#undef X

const qrt_device_operator *const qrt_device_operators_mve[QRT_DEVICE_MVE_COUNT] = {
#define X(name) &qrt_device_##name##_mve,
#include "arm/mve/rows.h"
#undef X
#define X(name) &qrt_device_##name,
#include "qrt_kernel_rows.h"
#undef X
};
