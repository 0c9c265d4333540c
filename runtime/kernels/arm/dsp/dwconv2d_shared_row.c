/* SPDX-License-Identifier: Apache-2.0 */
/* dwconv2d_shared_row.c: a dwconv2d of one input channel is a conv2d, whose weights lie in another order. */
#include "arm/dsp/conv2d.h"
#include "arm/dsp/conv2d_row.h"
#include "arm/dsp/depthwise.h"
#include "arm/dsp/dsp.h"
#include "portable/portable.h"

static int covers(const void *params, int32_t kind) {
    const qrt_conv2d_params *p = params;
    return p->in_channels == 1 && qrt_dsp_conv2d_covers(p, kind, 1);
}
static size_t packed_size(const void *params, int32_t kind) { return qrt_dsp_conv2d_packed_size(params, kind); }
static void pack(const void *params, int32_t kind, void *packed) { qrt_dsp_conv2d_pack(params, kind, 1, packed); }

QRT_DSP_TILED(by_general, QRT_DSP_GENERAL)
QRT_DSP_TILED(by_single, QRT_DSP_SINGLE)
QRT_DSP_TILED(by_double, QRT_DSP_DOUBLE)

#define ROW(kind_name, function, next)                                                                                 \
    QRT_DSP_TILED_ROW(kind_name, function, qrt_dsp_conv2d_scratch, QRT_READS_BY_POSITION, next)
static const qrt_kernel general = ROW(by_general, qrt_conv2d_s8_dsp_general, &qrt_dwconv2d_portable);
static const qrt_kernel single = ROW(by_single, qrt_conv2d_s8_dsp_single, &general);
const qrt_kernel qrt_dsp_dwconv2d_shared = ROW(by_double, qrt_conv2d_s8_dsp, &single);
