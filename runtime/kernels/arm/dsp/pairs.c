/* SPDX-License-Identifier: Apache-2.0 */
/* pairs.c: channels as a tile takes them, two at a time. */
#include "arm/dsp/pairs.h"

#include "arm/dsp/tile_double.h"
#include "arm/dsp/tile_general.h"
#include "arm/dsp/tile_single.h"

/* Whether the weight of channel `odd`, less a borrow for the channel before it, is always a byte. */
static int combines(const qrt_dsp_channels *c, int32_t odd) {
    for (int32_t i = 0; i < c->size; i++) {
        if (qrt_dsp_weight(c, odd, i) == -128 && qrt_dsp_weight(c, odd - 1, i) < 0) return 0;
    }
    return 1;
}

/* Of a kind, without whether it is int4; and that. */
static int32_t end_of(int32_t kind) { return kind % QRT_DSP_INT4; }
static int32_t is_int4(int32_t kind) { return kind >= QRT_DSP_INT4; }

/* The scale of a channel's sums: those of int4 need room in 32 bits for 16 times what they are, odd ones for 256 times
 * as much. */
static int32_t scale_of(int32_t channel, int32_t kind) {
    return (is_int4(kind) ? 4 : 0) + (end_of(kind) == QRT_DSP_GENERAL ? 0 : channel % 2 * 8);
}

static int double_covers(const qrt_dsp_channels *c, int32_t channel, int32_t kind, qrt_dsp_bounds b) {
    const int64_t limit = (int64_t)1 << (31 - scale_of(channel, kind)), bias = qrt_dsp_bias(c, channel);
    return b.least + bias >= -limit && b.most + bias < limit && qrt_dsp_power_of(c, channel, b) != 0;
}

static int stays_int4(const qrt_dsp_channels *c) {
    return c->int4 && c->count >= QRT_DSP_INT4_CHANNELS && c->size >= QRT_DSP_INT4_LEAST &&
           c->size <= QRT_DSP_INT4_MOST;
}

int qrt_dsp_pairs_cover(const qrt_dsp_channels *c, int32_t kind) {
    const int32_t end = end_of(kind);
    if (is_int4(kind) && !stays_int4(c)) return 0;
    if (end == QRT_DSP_GENERAL) return 1;
    if (c->requant->wide || c->requant->rounding != (end == QRT_DSP_DOUBLE)) return 0;
    for (int32_t i = 0; i < c->count; i++) {
        qrt_dsp_bounds b = qrt_dsp_bounds_of(c, i);
        if (end == QRT_DSP_DOUBLE && !double_covers(c, i, kind, b)) return 0;
        if (end == QRT_DSP_SINGLE && !qrt_dsp_single_covers(c->requant, i, b.least, b.most, scale_of(i, kind))) {
            return 0;
        }
        if (i % 2 == 1 && !combines(c, i)) return 0;
    }
    return 1;
}

static int32_t end_words(int32_t kind) {
    return end_of(kind) == QRT_DSP_DOUBLE   ? QRT_DSP_DOUBLE_END
           : end_of(kind) == QRT_DSP_SINGLE ? QRT_DSP_SINGLE_END
                                            : QRT_DSP_GENERAL_END;
}

static int32_t weight_words(int32_t places, int32_t kind) { return places / (is_int4(kind) ? 4 : 2); }

size_t qrt_dsp_pairs_words(int32_t channels, int32_t places, int32_t kind) {
    return (size_t)(channels + 1) / 2 * (size_t)(2 + weight_words(places, kind) + end_words(kind));
}

/* What a sum begins with. */
static uint32_t first_sum(const qrt_dsp_channels *c, int32_t channel, int32_t kind) {
    int32_t scale = scale_of(channel, kind), end = end_of(kind);
    uint32_t sum = qrt_dsp_zero_point_part(c, channel);
    if (end == QRT_DSP_DOUBLE) sum += (uint32_t)qrt_dsp_bias(c, channel);
    sum <<= scale;
    if (end == QRT_DSP_SINGLE) sum += (uint32_t)qrt_dsp_single_of(c->requant, channel, scale).bias;
    return sum;
}

/* The end of channel `channel` of a pair, that with this place in it. */
static void pack_end(const qrt_dsp_channels *c, int32_t channel, int32_t place, int32_t kind, uint32_t *end) {
    const qrt_requant *r = c->requant;
    if (end_of(kind) == QRT_DSP_DOUBLE) {
        end[2 * place] = (uint32_t)qrt_dsp_double_multiplier(r, channel);
        end[2 * place + 1] = (uint32_t)qrt_dsp_power_of(c, channel, qrt_dsp_bounds_of(c, channel));
        end[4] = (uint32_t)r->y_zero_point;
    } else if (end_of(kind) == QRT_DSP_SINGLE) {
        qrt_dsp_single_constants constants = qrt_dsp_single_of(r, channel, scale_of(channel, kind));
        end[3 * place] = (uint32_t)constants.multiplier;
        end[3 * place + 1] = constants.rest;
        end[3 * place + 2] = (uint32_t)constants.shift;
    } else {
        qrt_channel own = qrt_requant_channel(r, channel);
        memcpy(end + place * QRT_DSP_GENERAL_END / 2, &own, sizeof own);
    }
}

/* A channel's weight for one place of the column; 0 where there is none. */
static int32_t weight_at(const qrt_dsp_channels *c, int32_t channel, int32_t at) {
    return at < 0 || channel == c->count ? 0 : qrt_dsp_weight(c, channel, at);
}

/* The weights of both channels for one place: 256 * w1 + w0, or the two bytes. */
static uint32_t both(const qrt_dsp_channels *c, int32_t channel, int32_t kind, int32_t at) {
    int32_t w0 = weight_at(c, channel, at), w1 = weight_at(c, channel + 1, at);
    return (uint16_t)(256 * w1 + (kind == QRT_DSP_GENERAL ? (uint8_t)w0 : w0));
}

/* The weights of int4 of both channels for two places. */
static uint32_t both_int4(const qrt_dsp_channels *c, int32_t channel, int32_t at, int32_t next) {
    int32_t low = 16 * (weight_at(c, channel, at) + 8) + weight_at(c, channel, next) + 8;
    int32_t high = 16 * weight_at(c, channel + 1, at) + weight_at(c, channel + 1, next) + 8;
    return (uint16_t)(256 * high + low);
}

uint32_t *qrt_dsp_pack_pair(const qrt_dsp_channels *c, int32_t pair, int32_t kind, int32_t places,
                            int32_t (*order)(const void *window, int32_t place), const void *window, uint32_t *packed) {
    int32_t channel = 2 * pair, count = c->count - channel < 2 ? 1 : 2;
    uint32_t *end = packed + 2 + weight_words(places, kind);
    memset(packed, 0, (size_t)(2 + weight_words(places, kind) + end_words(kind)) * sizeof *packed);
    for (int32_t i = 0; i < count; i++) {
        packed[i] = first_sum(c, channel + i, kind);
        pack_end(c, channel + i, i, kind, end);
    }
    if (end_of(kind) != QRT_DSP_GENERAL) packed[1] += packed[0];
    packed += 2;
    for (int32_t k = 0; k < places; k += 4) {
        int32_t at[4];
        for (int32_t i = 0; i < 4; i++) at[i] = order(window, k + i);
        if (is_int4(kind)) {
            *packed++ = both_int4(c, channel, at[0], at[1]) | both_int4(c, channel, at[2], at[3]) << 16;
            continue;
        }
        *packed++ = both(c, channel, kind, at[0]) | both(c, channel, kind, at[2]) << 16;
        *packed++ = both(c, channel, kind, at[1]) | both(c, channel, kind, at[3]) << 16;
    }
    return end + end_words(kind);
}
