/* SPDX-License-Identifier: Apache-2.0 */
/* tile_general.c: tiles with any requantization and any weights. */
#include "arm/dsp/tile_general.h"

#include "arm/dsp/tile_sums.h"

static void qrt_dsp_general_four(const qrt_dsp_tile *t) {
    qrt_dsp_general_tile(t, QRT_DSP_POSITIONS, 0, qrt_dsp_sums_of_four);
}
static void qrt_dsp_general_one(const qrt_dsp_tile *t) { qrt_dsp_general_tile(t, 1, 0, qrt_dsp_sums_of_one); }

const qrt_dsp_tiles qrt_dsp_tiles_general = {qrt_dsp_general_four, qrt_dsp_general_one, NULL};
