/* dwconv2d_shared_row.c: a dwconv2d of one input channel is a conv2d, whose weights lie in another order. */
#include "arm/dsp/conv2d.h"
#include "arm/dsp/conv2d_row.h"
#include "arm/dsp/depthwise.h"
#include "arm/dsp/dsp.h"
#include "portable/portable.h"

static int covers(const qrt_conv2d_params *p, int32_t kind) {
    return p->in_channels == 1 && qrt_dsp_conv2d_covers(p, kind, 1);
}

static int covers_general(const void *params) { return covers(params, QRT_DSP_GENERAL); }
static size_t packed_size_general(const void *params) { return qrt_dsp_conv2d_packed_size(params, QRT_DSP_GENERAL); }
static void pack_general(const void *params, void *packed) { qrt_dsp_conv2d_pack(params, QRT_DSP_GENERAL, 1, packed); }

static const qrt_kernel general = {.run = qrt_conv2d_s8_dsp_general,
                                   .packed_size = packed_size_general,
                                   .pack = pack_general,
                                   .scratch_size = qrt_dsp_conv2d_scratch,
                                   .reading = QRT_READS_BY_POSITION,
                                   .name = "qrt_conv2d_s8_dsp_general",
                                   .covers = covers_general,
                                   .otherwise = &qrt_dwconv2d_portable,
                                   .packs_all = 1};

static int covers_single(const void *params) { return covers(params, QRT_DSP_SINGLE); }
static size_t packed_size_single(const void *params) { return qrt_dsp_conv2d_packed_size(params, QRT_DSP_SINGLE); }
static void pack_single(const void *params, void *packed) { qrt_dsp_conv2d_pack(params, QRT_DSP_SINGLE, 1, packed); }

static const qrt_kernel single = {.run = qrt_conv2d_s8_dsp_single,
                                  .packed_size = packed_size_single,
                                  .pack = pack_single,
                                  .scratch_size = qrt_dsp_conv2d_scratch,
                                  .reading = QRT_READS_BY_POSITION,
                                  .name = "qrt_conv2d_s8_dsp_single",
                                  .covers = covers_single,
                                  .otherwise = &general,
                                  .packs_all = 1};

static int covers_double(const void *params) { return covers(params, QRT_DSP_DOUBLE); }
static size_t packed_size_double(const void *params) { return qrt_dsp_conv2d_packed_size(params, QRT_DSP_DOUBLE); }
static void pack_double(const void *params, void *packed) { qrt_dsp_conv2d_pack(params, QRT_DSP_DOUBLE, 1, packed); }

const qrt_kernel qrt_dsp_dwconv2d_shared = {.run = qrt_conv2d_s8_dsp,
                                            .packed_size = packed_size_double,
                                            .pack = pack_double,
                                            .scratch_size = qrt_dsp_conv2d_scratch,
                                            .reading = QRT_READS_BY_POSITION,
                                            .name = "qrt_conv2d_s8_dsp",
                                            .covers = covers_double,
                                            .otherwise = &single,
                                            .packs_all = 1};
