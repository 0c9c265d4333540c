/* SPDX-License-Identifier: Apache-2.0 */
/* requantize_row.c: which requantizations the kernels of the mve set do, and the constants for them. */
#include "arm/mve/requantize_row.h"

#include "arm/mve/requantize.h"
#include "qrt_math.h"

/* An addend as bias * multiplier + rest, beside half and the zero point. */
static qrt_parts addend_parts(const qrt_requant *requant, int32_t entry) {
    int32_t multiplier = requant->multiplier[entry], shift = requant->shift[entry];
    int64_t number = requant->addend[entry] - (int64_t)requant->y_zero_point * ((int64_t)1 << shift) - qrt_round(shift);
    return qrt_parts_of(number, multiplier);
}

/* How far a multiplier is below 2^30: so much larger it and its shift may be. */
static int32_t headroom(int32_t multiplier) {
    int32_t bits = 0;
    while (multiplier != 0 && (multiplier << bits) < 1 << 30) bits++;
    return bits;
}

static int covers_channel(const qrt_requant *requant, int32_t entry, int32_t taps) {
    int32_t multiplier = requant->multiplier[entry], shift = requant->shift[entry];
    if (requant->rounding == 1) return shift >= 32;
    if (requant->addend != NULL) {
        const int64_t limit = (int64_t)1 << 30;
        int32_t zero_bits = requant->y_zero_point == 0 ? 0 : 7;
        if (multiplier == 0 || shift + zero_bits > 62 || taps >= 1 << 15) return 0;
        int64_t bias = addend_parts(requant, entry).quotient;
        if (bias <= -limit || bias >= limit) return 0;
    }
    return multiplier == 0 || shift + headroom(multiplier) >= 33;
}

int qrt_mve_covers(const qrt_requant *requant, int32_t channels, int32_t taps) {
    if (requant->wide) return 0;
    for (int32_t entry = 0; entry < (requant->step ? channels : 1); entry++) {
        if (!covers_channel(requant, entry, taps)) return 0;
    }
    return 1;
}

void qrt_mve_pack_channel(const qrt_requant *requant, int32_t channel, int32_t offset, int32_t *constants) {
    int32_t mode = qrt_mve_mode(requant), bias = 0, multiplier = 0, rest = 0, shift = 1;
    if (channel >= 0) {
        int32_t entry = channel * requant->step;
        multiplier = requant->multiplier[entry];
        shift = requant->shift[entry] - 31;
        if (requant->bias != NULL) bias = requant->bias[channel];
        if (mode != QRT_MVE_DOUBLE) {
            int32_t bits = headroom(multiplier);
            if (mode == QRT_MVE_ADDEND) {
                qrt_parts addend = addend_parts(requant, entry);
                bias = (int32_t)addend.quotient;
                rest = (int32_t)addend.rest << bits;
            }
            multiplier <<= bits;
            shift = multiplier == 0 ? 1 : shift - 1 + bits;
        }
    }
    constants[0] = (int32_t)((uint32_t)bias + (uint32_t)offset);
    constants[4] = multiplier;
    if (mode == QRT_MVE_ADDEND) constants[8] = rest;
    constants[qrt_mve_constants(mode) - 4] = -shift;
}
