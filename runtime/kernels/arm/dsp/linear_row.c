/* linear_row.c: the rows of linear: what they cover, and packing. */
#include "arm/dsp/dsp.h"
#include "arm/dsp/linear.h"
#include "arm/dsp/pairs.h"

static qrt_dsp_channels channels_of(const qrt_linear_params *p) {
    qrt_dsp_channels channels = {.weights = p->weights,
                                 .requant = &p->requant,
                                 .count = p->out_features,
                                 .size = p->in_features,
                                 .x_zero_point = p->x_zero_point};
    return channels;
}

static int covers(const qrt_linear_params *p, int32_t kind) {
    qrt_dsp_channels channels = channels_of(p);
    return qrt_dsp_pairs_cover(&channels, kind);
}

static size_t packed_size(const qrt_linear_params *p, int32_t kind) {
    return qrt_dsp_pairs_words(p->out_features, qrt_dsp_linear_places(p), kind) * sizeof(uint32_t);
}

static int32_t order(const void *params, int32_t place) {
    return place < ((const qrt_linear_params *)params)->in_features ? place : -1;
}

static void pack(const qrt_linear_params *p, int32_t kind, uint32_t *packed) {
    qrt_dsp_channels channels = channels_of(p);
    for (int32_t pair = 0; 2 * pair < p->out_features; pair++) {
        packed = qrt_dsp_pack_pair(&channels, pair, kind, qrt_dsp_linear_places(p), order, p, packed);
    }
}

static size_t scratch_size(const void *params) {
    const qrt_linear_params *p = params;
    return (size_t)(p->rows < QRT_DSP_POSITIONS ? 1 : QRT_DSP_POSITIONS) * 2 * (size_t)qrt_dsp_linear_places(p);
}

static size_t packed_size_general(const void *params) { return packed_size(params, QRT_DSP_GENERAL); }
static void pack_general(const void *params, void *packed) { pack(params, QRT_DSP_GENERAL, packed); }

static const qrt_kernel general = {.run = qrt_linear_s8_dsp_general,
                                   .packed_size = packed_size_general,
                                   .pack = pack_general,
                                   .scratch_size = scratch_size,
                                   .name = "qrt_linear_s8_dsp_general",
                                   .packs_all = 1};

static int covers_single(const void *params) { return covers(params, QRT_DSP_SINGLE); }
static size_t packed_size_single(const void *params) { return packed_size(params, QRT_DSP_SINGLE); }
static void pack_single(const void *params, void *packed) { pack(params, QRT_DSP_SINGLE, packed); }

static const qrt_kernel single = {.run = qrt_linear_s8_dsp_single,
                                  .packed_size = packed_size_single,
                                  .pack = pack_single,
                                  .scratch_size = scratch_size,
                                  .name = "qrt_linear_s8_dsp_single",
                                  .covers = covers_single,
                                  .otherwise = &general,
                                  .packs_all = 1};

static int covers_double(const void *params) { return covers(params, QRT_DSP_DOUBLE); }
static size_t packed_size_double(const void *params) { return packed_size(params, QRT_DSP_DOUBLE); }
static void pack_double(const void *params, void *packed) { pack(params, QRT_DSP_DOUBLE, packed); }

const qrt_kernel qrt_linear_dsp = {.run = qrt_linear_s8_dsp,
                                   .packed_size = packed_size_double,
                                   .pack = pack_double,
                                   .scratch_size = scratch_size,
                                   .name = "qrt_linear_s8_dsp",
                                   .covers = covers_double,
                                   .otherwise = &single,
                                   .packs_all = 1};
