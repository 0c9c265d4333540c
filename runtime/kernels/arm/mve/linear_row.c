/* SPDX-License-Identifier: Apache-2.0 */
/* linear_row.c: which linear the mve set runs, and what is done before. */
#include "arm/mve/mve.h"
#include "arm/mve/requantize_row.h"
#include "arm/mve/tile_row.h"
#include "portable/portable.h"

static qrt_mve_filter filter_of(const qrt_linear_params *p) {
    qrt_mve_filter filter = {1, 1, p->in_features};
    return filter;
}

static int covers(const void *params) {
    const qrt_linear_params *p = params;
    return qrt_mve_covers(&p->requant, p->out_features, p->in_features);
}

static size_t packed_size(const void *params) {
    const qrt_linear_params *p = params;
    return qrt_mve_packed_size(&p->requant, p->out_features, filter_of(p));
}

static void pack(const void *params, void *packed) {
    const qrt_linear_params *p = params;
    qrt_mve_weights weights = {p->weights, p->int4};
    qrt_mve_pack(&p->requant, p->out_features, filter_of(p), weights, p->x_zero_point, packed);
}

const qrt_kernel qrt_linear_mve = {.run = qrt_linear_s8_mve,
                                   .packed_size = packed_size,
                                   .pack = pack,
                                   .name = "qrt_linear_s8_mve",
                                   .covers = covers,
                                   .otherwise = &qrt_linear_portable,
                                   .int4 = 1,
                                   .packs_all = 1};
