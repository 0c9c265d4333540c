/* depthwise.h: what the kernels of dwconv2d have in common. */
#ifndef QRT_DSP_DEPTHWISE_H
#define QRT_DSP_DEPTHWISE_H

#include "qrt_kernels.h"
#include "qrt_math.h"

/* The rows for one input channel. */
extern const qrt_kernel qrt_dsp_dwconv2d_shared;

/* The requantizations are those of all codes; the few layers that clamp do it here, in a row that is done. */
static inline void qrt_dsp_clamp_row(const qrt_conv2d_params *p, int8_t *row) {
    const qrt_requant *r = &p->requant;
    if (r->output_min == -128 && r->output_max == 127) return;
    for (int32_t i = p->out_width * p->out_channels; i > 0; i--, row++) {
        *row = (int8_t)qrt_clamp(*row, r->output_min, r->output_max);
    }
}

#endif
