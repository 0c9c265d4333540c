/* SPDX-License-Identifier: Apache-2.0 */
/* depthwise.h: what the kernels of dwconv2d have in common. */
#ifndef QRT_DSP_DEPTHWISE_H
#define QRT_DSP_DEPTHWISE_H

#include "qrt_kernels.h"

/* The rows for one input channel. */
extern const qrt_kernel qrt_dsp_dwconv2d_shared;

#endif
