/* SPDX-License-Identifier: Apache-2.0 */
/* tile_general.h: tiles with any requantization and any weights. */
#ifndef QRT_DSP_TILE_GENERAL_H
#define QRT_DSP_TILE_GENERAL_H

#include "arm/dsp/requant.h"
#include "arm/dsp/tile.h"
#include "qrt_math.h"

/* The words at the end of a pair: a qrt_channel for either channel. */
#define QRT_DSP_GENERAL_END ((int32_t)(2 * sizeof(qrt_channel) / sizeof(uint32_t)))

extern const qrt_dsp_tiles qrt_dsp_tiles_general;

#if QRT_DSP_ASSEMBLY

/* 2 places, whose weights LOAD brings to r0, and HIGH and LOW take apart. */
#define QRT_DSP_STEP_GENERAL(LOAD, HIGH, LOW)                                                                          \
    LOAD "ldrd r2, r3, [r12], #8\n" HIGH " lr, r0, ror #8\n" LOW " r0, r0\n"                                           \
         "smlad r4, r2, r0, r4\n"                                                                                      \
         "smlad r8, r2, lr, r8\n"                                                                                      \
         "smlad r5, r3, r0, r5\n"                                                                                      \
         "smlad r9, r3, lr, r9\n"                                                                                      \
         "ldrd r2, r3, [r12], #8\n"                                                                                    \
         "smlad r6, r2, r0, r6\n"                                                                                      \
         "smlad r10, r2, lr, r10\n"                                                                                    \
         "smlad r7, r3, r0, r7\n"                                                                                      \
         "smlad r11, r3, lr, r11\n"

/* The sums of a pair at 4 positions, channel by channel: the tile is in r0, packed in r1, sums in r2. Returns what
 * follows the weights. Compilers take more than twice as many instructions, for want of registers. STEPS do 4 places.
 */
#define QRT_DSP_GENERAL_FOUR(STEPS)                                                                                    \
    "push {r2, r4-r11, lr}\n"                                                                                          \
    "ldrd r12, r3, [r0, #12]\n"                                                                                        \
    "push {r3, r4}\n"                                                                                                  \
    "ldrd r4, r8, [r1], #8\n"                                                                                          \
    "mov r5, r4\n"                                                                                                     \
    "mov r6, r4\n"                                                                                                     \
    "mov r7, r4\n"                                                                                                     \
    "mov r9, r8\n"                                                                                                     \
    "mov r10, r8\n"                                                                                                    \
    "mov r11, r8\n"                                                                                                    \
    "1:\n" STEPS "ldr r0, [sp]\n"                                                                                      \
    "cmp r12, r0\n"                                                                                                    \
    "bne 1b\n"                                                                                                         \
    "pop {r2, r3}\n"                                                                                                   \
    "pop {r2}\n"                                                                                                       \
    "stm r2, {r4-r11}\n"                                                                                               \
    "mov r0, r1\n"                                                                                                     \
    "pop {r4-r11, pc}\n"

#endif

/* The sums of a pair at 1 or 4 positions, channel by channel, in C. Returns what follows the weights. */
static inline const uint32_t *qrt_dsp_general_sums(const qrt_dsp_tile *t, const uint32_t *packed, int32_t positions,
                                                   int32_t int4, int32_t *sums) {
    int32_t index = 0;
    for (int32_t i = 0; i < 2 * positions; i++) sums[i] = (int32_t)packed[i / positions];
    packed += 2;
    for (const uint32_t *x = t->column; x < t->column_end; x += positions) {
        uint32_t both = qrt_dsp_both(packed, index++, int4), low = qrt_dsp_low(both, int4);
        uint32_t high = sxtb16_ror8(both);
        for (int32_t i = 0; i < positions; i++) {
            sums[i] = smlad(x[i], low, sums[i]);
            sums[positions + i] = smlad(x[i], high, sums[positions + i]);
        }
    }
    return qrt_dsp_behind(t, packed, positions, int4);
}

/* Writes a channel's results: `sums` at `stride` bytes from each other. */
static inline void qrt_dsp_general_put(const qrt_requant *requant, qrt_channel own, const int32_t *sums,
                                       int32_t positions, int8_t *output, int32_t stride, int32_t channel) {
    int32_t multiplier = own.multiplier;
    if (!requant->wide && requant->rounding == 0 && own.shift >= 32) {
        for (int32_t i = 0; i < positions; i++, output += stride) {
            int32_t high = (int32_t)(smlal(own.addend, sums[i], multiplier) >> 32);
            output[channel] = (int8_t)ssat8(high >> (own.shift - 32));
        }
    } else if (requant->rounding == 1 && qrt_dsp_double_fits(multiplier, own.shift)) {
        int32_t power = qrt_dsp_double_power_of(own.shift), zero_point = requant->y_zero_point;
        multiplier = qrt_dsp_double_multiplier_of(multiplier);
        for (int32_t i = 0; i < positions; i++, output += stride) {
            int32_t sum = (int32_t)((uint32_t)sums[i] + (uint32_t)own.addend);
            output[channel] = qrt_dsp_double(sum, multiplier, power, zero_point);
        }
    } else {
        for (int32_t i = 0; i < positions; i++, output += stride) qrt_put(requant, own, sums[i], output, channel);
    }
}

/* Of int4 the sums are 16 times what they are. */
static inline void qrt_dsp_general_tile(const qrt_dsp_tile *t, int32_t positions, int32_t int4,
                                        const uint32_t *(*sums_of)(const qrt_dsp_tile *t, const uint32_t *packed,
                                                                   int32_t *sums)) {
    const uint32_t *packed = t->packed;
    const qrt_requant requant = *t->requant; /* a copy, which no store to `output` can reach */
    int32_t channels = (int32_t)(t->end - t->output);
    for (int32_t c = 0; c < channels; c += 2) {
        int32_t sums[2 * QRT_DSP_POSITIONS];
        qrt_channel pair[2];
        packed = sums_of(t, packed, sums);
        if (int4) qrt_dsp_add_offsets(t, positions, 0, sums);
        for (int32_t i = 0; int4 && i < 2 * positions; i++) sums[i] >>= 4;
        memcpy(pair, packed, sizeof pair);
        packed += QRT_DSP_GENERAL_END;
        for (int32_t k = 0; k < 2 && c + k < channels; k++) {
            qrt_dsp_general_put(&requant, pair[k], sums + positions * k, positions, t->output, t->stride, c + k);
        }
    }
}

#endif
