/* conv2d_row.c: the rows of conv2d: what they cover, and packing. */
#include "arm/dsp/conv2d_row.h"

#include "arm/dsp/conv2d.h"
#include "arm/dsp/dsp.h"
#include "arm/dsp/pairs.h"
#include "portable/portable.h"

static qrt_dsp_channels channels_of(const qrt_conv2d_params *p, int32_t by_place) {
    qrt_dsp_channels channels = {.weights = p->weights,
                                 .requant = &p->requant,
                                 .count = p->out_channels,
                                 .size = p->filter_height * p->filter_width * p->in_channels,
                                 .x_zero_point = p->x_zero_point,
                                 .by_place = by_place};
    return channels;
}

int qrt_dsp_conv2d_covers(const qrt_conv2d_params *p, int32_t kind, int32_t by_place) {
    qrt_dsp_channels channels = channels_of(p, by_place);
    return p->groups == 1 && p->dilation_y == 1 && p->dilation_x == 1 && qrt_dsp_window_fits(p) &&
           qrt_dsp_pairs_cover(&channels, kind);
}

size_t qrt_dsp_conv2d_packed_size(const qrt_conv2d_params *p, int32_t kind) {
    qrt_dsp_window w = qrt_dsp_window_of(p);
    return qrt_dsp_pairs_words(p->out_channels, qrt_dsp_window_size(&w), kind) * sizeof(uint32_t);
}

/* Which weight meets place `place` of a column. */
static int32_t order(const void *window, int32_t place) {
    const qrt_dsp_window *w = window;
    if (place < w->rows * w->main) return place / w->main * w->run + place % w->main;
    place -= w->rows * w->main;
    return place < w->rows * w->tail ? place / w->tail * w->run + w->main + place % w->tail : -1;
}

void qrt_dsp_conv2d_pack(const qrt_conv2d_params *p, int32_t kind, int32_t by_place, uint32_t *packed) {
    qrt_dsp_window w = qrt_dsp_window_of(p);
    qrt_dsp_channels channels = channels_of(p, by_place);
    for (int32_t pair = 0; 2 * pair < p->out_channels; pair++) {
        packed = qrt_dsp_pack_pair(&channels, pair, kind, qrt_dsp_window_size(&w), order, &w, packed);
    }
}

static int covers_general(const void *params) { return qrt_dsp_conv2d_covers(params, QRT_DSP_GENERAL, 0); }
static size_t packed_size_general(const void *params) { return qrt_dsp_conv2d_packed_size(params, QRT_DSP_GENERAL); }
static void pack_general(const void *params, void *packed) { qrt_dsp_conv2d_pack(params, QRT_DSP_GENERAL, 0, packed); }

static const qrt_kernel general = {.run = qrt_conv2d_s8_dsp_general,
                                   .packed_size = packed_size_general,
                                   .pack = pack_general,
                                   .scratch_size = qrt_dsp_conv2d_scratch,
                                   .reading = QRT_READS_BY_POSITION,
                                   .name = "qrt_conv2d_s8_dsp_general",
                                   .covers = covers_general,
                                   .otherwise = &qrt_conv2d_portable,
                                   .packs_all = 1};

static int covers_single(const void *params) { return qrt_dsp_conv2d_covers(params, QRT_DSP_SINGLE, 0); }
static size_t packed_size_single(const void *params) { return qrt_dsp_conv2d_packed_size(params, QRT_DSP_SINGLE); }
static void pack_single(const void *params, void *packed) { qrt_dsp_conv2d_pack(params, QRT_DSP_SINGLE, 0, packed); }

static const qrt_kernel single = {.run = qrt_conv2d_s8_dsp_single,
                                  .packed_size = packed_size_single,
                                  .pack = pack_single,
                                  .scratch_size = qrt_dsp_conv2d_scratch,
                                  .reading = QRT_READS_BY_POSITION,
                                  .name = "qrt_conv2d_s8_dsp_single",
                                  .covers = covers_single,
                                  .otherwise = &general,
                                  .packs_all = 1};

static int covers_double(const void *params) { return qrt_dsp_conv2d_covers(params, QRT_DSP_DOUBLE, 0); }
static size_t packed_size_double(const void *params) { return qrt_dsp_conv2d_packed_size(params, QRT_DSP_DOUBLE); }
static void pack_double(const void *params, void *packed) { qrt_dsp_conv2d_pack(params, QRT_DSP_DOUBLE, 0, packed); }

const qrt_kernel qrt_conv2d_dsp = {.run = qrt_conv2d_s8_dsp,
                                   .packed_size = packed_size_double,
                                   .pack = pack_double,
                                   .scratch_size = qrt_dsp_conv2d_scratch,
                                   .reading = QRT_READS_BY_POSITION,
                                   .name = "qrt_conv2d_s8_dsp",
                                   .covers = covers_double,
                                   .otherwise = &single,
                                   .packs_all = 1};
