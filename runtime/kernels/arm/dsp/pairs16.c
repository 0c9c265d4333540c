/* SPDX-License-Identifier: Apache-2.0 */
/* pairs16.c: channels as a tile with int16 codes takes them, two at a time. */
#include "arm/dsp/pairs16.h"

#include "arm/dsp/pairs.h"
#include "arm/dsp/tile16.h"
#include "arm/dsp/words16.h"

/* A bound of a channel's |acc|; sums wrap around on the way to it. */
static int64_t largest_of(const qrt_dsp_channels *c, int32_t channel) {
    int64_t largest = 0, reach = c->x_zero_point < 0 ? INT16_MAX - c->x_zero_point : c->x_zero_point - INT16_MIN;
    for (int32_t i = 0; i < c->size; i++) {
        int32_t w = qrt_dsp_weight(c, channel, i);
        largest += w < 0 ? -w : w;
    }
    return largest * reach;
}

/* What the tile needs of a channel: SINGLE with the result in the upper half of 64 bits, the multiplier and the addend
 * doubled as often as there is room for that. */
static qrt_channel channel_of(const qrt_requant *requant, int32_t channel) {
    qrt_channel own = qrt_requant_channel(requant, channel);
    int64_t limit = (int64_t)1 << 60;
    if (requant->rounding != 0) return own;
    for (; own.shift < 32 && own.multiplier < 1 << 30 && own.addend < limit && own.addend > -limit; own.shift++) {
        own.multiplier *= 2;
        own.addend *= 2;
    }
    return own;
}

int qrt_dsp_pairs16_cover(const qrt_dsp_channels *c) {
    for (int32_t i = 0; i < c->count; i++) {
        if (largest_of(c, i) > INT32_MAX) return 0;
        if (c->requant->rounding == 0 && channel_of(c->requant, i).shift < 32) return 0;
    }
    return c->requant->y_int16;
}

size_t qrt_dsp_pairs16_size(int32_t channels, int32_t words) {
    return (size_t)(channels + 1) / 2 * (size_t)(2 + words + QRT_DSP_GENERAL_END) * sizeof(uint32_t);
}

/* Where the codes of a column come from. */
typedef struct layout {
    int32_t runs, run;
} layout;

/* Which weight meets place `place`. A tile takes places 0 and 2, then 1 and 3; codes lie 0 and 1, then 2 and 3. */
static int32_t order(const void *columns, int32_t place) {
    const layout *l = columns;
    int32_t padded = (l->run + 1) / 2 * 2;
    place = (place & ~3) | (place & 1) << 1 | (place & 2) >> 1;
    return place / padded < l->runs && place % padded < l->run ? place / padded * l->run + place % padded : -1;
}

void qrt_dsp_pairs16_pack(const qrt_dsp_channels *c, int32_t runs, int32_t run, uint32_t *packed) {
    layout columns = {runs, run};
    int32_t places = 2 * qrt_dsp_words16(runs, run);
    for (int32_t pair = 0; 2 * pair < c->count; pair++) {
        packed = qrt_dsp_pack_pair(c, pair, QRT_DSP_GENERAL, places, order, &columns, packed);
        uint32_t *end = packed - QRT_DSP_GENERAL_END;
        for (int32_t i = 0; i < 2 && 2 * pair + i < c->count; i++) {
            qrt_channel own = channel_of(c->requant, 2 * pair + i);
            memcpy(end + i * QRT_DSP_GENERAL_END / 2, &own, sizeof own);
        }
    }
}
