/* SPDX-License-Identifier: Apache-2.0 */
/* pool_rows.c: the rows of average_pool2d, max_pool2d and mean, which pack nothing. */
#include "arm/dsp/dsp.h"
#include "arm/dsp/sums.h"
#include "portable/portable.h"

static int covers_average(const void *params) {
    const qrt_pool2d_params *p = params;
    return p->channels >= 4 && p->filter_height <= SUM16 && p->filter_width <= SUM16 / p->filter_height;
}

const qrt_kernel qrt_average_pool2d_dsp = {
    .run = qrt_average_pool2d_s8_dsp,
    .name = "qrt_average_pool2d_s8_dsp",
    .covers = covers_average,
    .otherwise = &qrt_average_pool2d_portable,
};

static int covers_max(const void *params) {
    const qrt_pool2d_params *p = params;
    return p->channels >= 4;
}

const qrt_kernel qrt_max_pool2d_dsp = {
    .run = qrt_max_pool2d_s8_dsp,
    .name = "qrt_max_pool2d_s8_dsp",
    .covers = covers_max,
    .otherwise = &qrt_max_pool2d_portable,
};

static int covers_mean(const void *params) {
    const qrt_mean_params *p = params;
    return p->channels >= 4;
}

const qrt_kernel qrt_mean_dsp = {
    .run = qrt_mean_s8_dsp,
    .name = "qrt_mean_s8_dsp",
    .covers = covers_mean,
    .otherwise = &qrt_mean_portable,
};
