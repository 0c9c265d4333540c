/* SPDX-License-Identifier: Apache-2.0 */
/* elementwise_rows.c: the rows of elementwise operators and of push, which pack nothing. */
#include "arm/dsp/dsp.h"
#include "arm/dsp/per_tensor.h"
#include "portable/portable.h"

static int covers_mul(const void *params) {
    const qrt_binary_params *p = params;
    return per_tensor_covers(&p->requant);
}

const qrt_kernel qrt_mul_dsp = {
    .run = qrt_mul_s8_dsp,
    .name = "qrt_mul_s8_dsp",
    .covers = covers_mul,
    .otherwise = &qrt_mul_portable,
};

static size_t requantize_scratch(const void *params) {
    (void)params;
    return 256;
}

const qrt_kernel qrt_requantize_dsp = {
    .run = qrt_requantize_s8_dsp, .name = "qrt_requantize_s8_dsp", .scratch_size = requantize_scratch};

const qrt_kernel qrt_lut_dsp = {.run = qrt_lut_s8_dsp, .name = "qrt_lut_s8_dsp"};
const qrt_kernel qrt_push_dsp = {.run = qrt_push_s8_dsp, .name = "qrt_push_s8_dsp"};
const qrt_kernel qrt_maximum_dsp = {.run = qrt_maximum_s8_dsp, .name = "qrt_maximum_s8_dsp"};
const qrt_kernel qrt_minimum_dsp = {.run = qrt_minimum_s8_dsp, .name = "qrt_minimum_s8_dsp"};
const qrt_kernel qrt_clamp_dsp = {.run = qrt_clamp_s8_dsp, .name = "qrt_clamp_s8_dsp"};

static int covers_requantize_sum(const void *params) {
    const qrt_requantize_sum_params *p = params;
    int32_t entries = p->requant.step ? p->channels : 1;
    for (int32_t i = 0; i < entries; i++) {
        if (p->requant.shift[i] < 32) return 0;
    }
    return 1;
}

const qrt_kernel qrt_requantize_sum_dsp = {
    .run = qrt_requantize_sum_s8_dsp,
    .name = "qrt_requantize_sum_s8_dsp",
    .covers = covers_requantize_sum,
    .otherwise = &qrt_requantize_sum_portable,
};
