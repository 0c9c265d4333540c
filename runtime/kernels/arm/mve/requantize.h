/* SPDX-License-Identifier: Apache-2.0 */
/* requantize.h: accumulators -> codes, four channels at once.
 *
 * For four channels lie in `packed`, one after another, vectors of int32, a lane for each channel: what is added to the
 * accumulator, its multiplier, with QRT_MVE_ADDEND the rest of the addend, and minus the shift that remains.
 */
#ifndef QRT_MVE_REQUANTIZE_H
#define QRT_MVE_REQUANTIZE_H

#include "arm/mve/vectors.h"
#include "qrt_kernels.h"

/* Rounding DOUBLE; SINGLE; SINGLE with an addend that no bias gives. */
enum { QRT_MVE_DOUBLE, QRT_MVE_SINGLE, QRT_MVE_ADDEND };

static inline int32_t qrt_mve_mode(const qrt_requant *requant) {
    if (requant->rounding == 1) return QRT_MVE_DOUBLE;
    return requant->addend != NULL ? QRT_MVE_ADDEND : QRT_MVE_SINGLE;
}

/* The words that the constants of four channels take. */
static inline int32_t qrt_mve_constants(int32_t mode) { return mode == QRT_MVE_ADDEND ? 16 : 12; }

/* Codes before they are clamped.
 *
 * DOUBLE: ties are rounded away from zero, so a negative number is made smaller by the least bit before ties are
 * rounded up. Its shift is 32 or more, so there is a bit to round. SINGLE: with a shift of 33 or more, half is a
 * multiple of 2^32, and the lower word of the product matters only where adding the rest carries out of it. */
static inline int32x4_t qrt_mve_requantize(int32x4_t acc, const int32_t *constants, int32_t mode, int32_t zero_point) {
    int32x4_t sum = vaddq_s32(acc, vldrwq_s32(constants)), multiplier = vldrwq_s32(constants + 4), y;
    if (mode == QRT_MVE_DOUBLE) {
        y = vqrdmulhq_s32(sum, multiplier);
        y = vaddq_s32(y, vshrq_n_s32(y, 31));
    } else {
        y = vmulhq_s32(sum, multiplier);
        if (mode == QRT_MVE_ADDEND) {
            uint32x4_t rest = vreinterpretq_u32_s32(vldrwq_s32(constants + 8));
            uint32x4_t low = vaddq_u32(vreinterpretq_u32_s32(vmulq_s32(sum, multiplier)), rest);
            y = vaddq_m_n_s32(y, y, 1, vcmphiq_u32(rest, low));
            constants += 4;
        }
    }
    return vaddq_n_s32(vrshlq_s32(y, vldrwq_s32(constants + 8)), zero_point);
}

/* Four vectors of codes as bytes, which saturate: lane 4 i of the result is lane i of `first`, 4 i + 2 of `second`,
 * 4 i + 1 of `third`, 4 i + 3 of `fourth`: as vmullb, vmullt and then vmovlb, vmovlt take lanes apart. */
static inline int8x16_t qrt_mve_narrow(int32x4_t first, int32x4_t second, int32x4_t third, int32x4_t fourth) {
    int16x8_t even = vqmovntq_s32(vqmovnbq_s32(vdupq_n_s16(0), first), second);
    int16x8_t odd = vqmovntq_s32(vqmovnbq_s32(vdupq_n_s16(0), third), fourth);
    return vqmovntq_s16(vqmovnbq_s16(vdupq_n_s8(0), even), odd);
}

#endif
