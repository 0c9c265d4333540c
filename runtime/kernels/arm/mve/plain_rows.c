/* SPDX-License-Identifier: Apache-2.0 */
/* plain_rows.c: the rows of operators that pack nothing and cover all, or nearly all, that there is. */
#include "arm/mve/factor.h"
#include "arm/mve/mve.h"
#include "portable/portable.h"

#define ROW(row) const qrt_kernel qrt_##row##_mve = {.run = qrt_##row##_s8_mve, .name = "qrt_" #row "_s8_mve"};
ROW(max_pool2d)
ROW(clamp)
ROW(lut)
ROW(maximum)
ROW(minimum)

#define ROW_THAT(row)                                                                                                  \
    const qrt_kernel qrt_##row##_mve = {.run = qrt_##row##_s8_mve,                                                     \
                                        .name = "qrt_" #row "_s8_mve",                                                 \
                                        .covers = covers_##row,                                                        \
                                        .otherwise = &qrt_##row##_portable};

/* The reciprocal of a larger window is not exact enough. */
static int covers_average_pool2d(const void *params) {
    const qrt_pool2d_params *p = params;
    return p->filter_height <= 2900 / p->filter_width;
}
static int covers_mean(const void *params) { return mve_is_factor(&((const qrt_mean_params *)params)->requant); }
static int covers_requantize(const void *params) { return mve_is_factor(&((const qrt_unary_params *)params)->requant); }
static int covers_mul(const void *params) { return mve_is_factor(&((const qrt_binary_params *)params)->requant); }
ROW_THAT(average_pool2d)
ROW_THAT(mean)
ROW_THAT(requantize)
ROW_THAT(mul)
