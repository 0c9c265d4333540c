/* SPDX-License-Identifier: Apache-2.0 */
/* tile_single.h: tiles with the SINGLE requantization of requant.h. */
#ifndef QRT_DSP_TILE_SINGLE_H
#define QRT_DSP_TILE_SINGLE_H

#include "arm/dsp/requant.h"
#include "arm/dsp/tile.h"

/* The words at the end of a pair: multiplier, rest and shift of channel 0, and of channel 1, for sums as they are in a
 * tile. */
#define QRT_DSP_SINGLE_END 6

extern const qrt_dsp_tiles qrt_dsp_tiles_single;

#if QRT_DSP_ASSEMBLY

#define QRT_DSP_KEEP_REST(a) "mov r3, r1\n" QRT_DSP_SINGLE(a, r0, r3, r2)
#define QRT_DSP_SINGLE_FOUR                                                                                            \
    "ldm lr!, {r0-r2}\n" QRT_DSP_KEEP_REST(r4) QRT_DSP_KEEP_REST(r5) QRT_DSP_KEEP_REST(r6)                             \
        QRT_DSP_SINGLE(r7, r0, r1, r2) "ldm lr!, {r0-r2}\n" QRT_DSP_KEEP_REST(r8) QRT_DSP_KEEP_REST(r9)                \
            QRT_DSP_KEEP_REST(r10) QRT_DSP_SINGLE(r11, r0, r1, r2)
#define QRT_DSP_SINGLE_ONE                                                                                             \
    "ldm r12, {r0-r3, r8, r9}\n" QRT_DSP_SINGLE(r4, r0, r1, r2)                                                        \
        QRT_DSP_SINGLE(r5, r3, r8, r9) "ldm lr!, {r0-r3, r8, r9}\n" QRT_DSP_SINGLE(r6, r0, r1, r2)                     \
            QRT_DSP_SINGLE(r7, r3, r8, r9)

#else

static inline int8_t qrt_dsp_single_code(int32_t sum, int32_t second, const uint32_t *end) {
    const uint32_t *own = end + 3 * second;
    return qrt_dsp_single(sum, (int32_t)own[0], own[1], (int32_t)own[2]);
}

#endif
#endif
