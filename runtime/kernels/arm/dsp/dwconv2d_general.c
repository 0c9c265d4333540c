/* SPDX-License-Identifier: Apache-2.0 */
/* dwconv2d_general.c: dwconv2d with any window and any requantization to codes. */
#include "arm/dsp/depthwise_taps.h"
#include "arm/dsp/dsp.h"
#include "qrt_math.h"

static int8_t code(const qrt_dsp_taps *taps, int32_t acc, const uint32_t *constants) {
    qrt_channel channel;
    memcpy(&channel, constants, sizeof channel);
    return qrt_requantize(taps->requant, channel, acc);
}

static void run(const qrt_dsp_taps *taps) { qrt_dsp_taps_run(taps, sizeof(qrt_channel) / 4, code); }

void qrt_dwconv2d_s8_dsp_general(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) {
    qrt_dsp_depthwise_taps(params, inputs[0], output, scratch, run);
}
