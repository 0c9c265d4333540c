/* SPDX-License-Identifier: Apache-2.0 */
/* tile_double.h: tiles with the DOUBLE requantization of requant.h. */
#ifndef QRT_DSP_TILE_DOUBLE_H
#define QRT_DSP_TILE_DOUBLE_H

#include "arm/dsp/requant.h"
#include "arm/dsp/tile.h"

/* The words at the end of a pair: multiplier and power of channel 0, of channel 1, and the zero point. */
#define QRT_DSP_DOUBLE_END 5

extern const qrt_dsp_tiles qrt_dsp_tiles_double;

#if QRT_DSP_ASSEMBLY

#define QRT_DSP_CODE(a, m, p, zero_point)                                                                              \
    "smmlar " #a ", " #a ", " #m ", " #a "\n"                                                                          \
    "smmlar " #a ", " #a ", " #p ", " #zero_point "\n"                                                                 \
    "ssat " #a ", #8, " #a "\n"

/* Ends of tiles whose sums of second channels are 2^scale times what they are. */
#define QRT_DSP_DOUBLE_FOUR(scale)                                                                                     \
    "asr r8, r8, #" scale "\n"                                                                                         \
    "asr r9, r9, #" scale "\n"                                                                                         \
    "asr r10, r10, #" scale "\n"                                                                                       \
    "asr r11, r11, #" scale "\n"                                                                                       \
    "ldm lr!, {r0-r3, r12}\n" QRT_DSP_CODE(r4, r0, r1, r12) QRT_DSP_CODE(r5, r0, r1, r12)                              \
        QRT_DSP_CODE(r6, r0, r1, r12) QRT_DSP_CODE(r7, r0, r1, r12) QRT_DSP_CODE(r8, r2, r3, r12)                      \
            QRT_DSP_CODE(r9, r2, r3, r12) QRT_DSP_CODE(r10, r2, r3, r12) QRT_DSP_CODE(r11, r2, r3, r12)
#define QRT_DSP_DOUBLE_ONE(scale)                                                                                      \
    "asr r5, r5, #" scale "\n"                                                                                         \
    "asr r7, r7, #" scale "\n"                                                                                         \
    "ldm r12, {r0-r3, r8}\n" QRT_DSP_CODE(r4, r0, r1, r8)                                                              \
        QRT_DSP_CODE(r5, r2, r3, r8) "ldm lr!, {r0-r3, r8}\n" QRT_DSP_CODE(r6, r0, r1, r8)                             \
            QRT_DSP_CODE(r7, r2, r3, r8)

#else

/* A code of a sum that is 2^scale times what it is. */
static inline int8_t qrt_dsp_double_code(int32_t sum, int32_t scale, int32_t second, const uint32_t *end) {
    const uint32_t *own = end + 2 * second;
    return qrt_dsp_double(sum >> scale, (int32_t)own[0], (int32_t)own[1], (int32_t)end[4]);
}

#endif
#endif
