/* SPDX-License-Identifier: Apache-2.0 */
/* add.h: what add_row.c packs for add.c. */
#ifndef QRT_DSP_ADD_H
#define QRT_DSP_ADD_H

#include <stdint.h>

/* y = clamp((start + (a * a_factor >> 8) + (b * b_factor >> 8)) >> 20), in 32 bits. */
typedef struct qrt_dsp_add {
    int32_t start, a_factor, b_factor;
} qrt_dsp_add;

#endif
