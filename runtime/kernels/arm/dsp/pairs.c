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

/* The scale of a channel's sums: odd ones need room in 32 bits for 256 times what they are. */
static int32_t scale_of(int32_t channel) { return channel % 2 * 8; }

static int double_covers(const qrt_dsp_channels *c, int32_t channel, qrt_dsp_bounds b) {
    const int64_t limit = (int64_t)1 << (31 - scale_of(channel)), bias = qrt_dsp_bias(c, channel);
    return b.least + bias >= -limit && b.most + bias < limit && qrt_dsp_power_of(c, channel, b) != 0;
}

int qrt_dsp_pairs_cover(const qrt_dsp_channels *c, int32_t kind) {
    if (kind == QRT_DSP_GENERAL) return 1;
    if (c->requant->wide || c->requant->rounding != (kind == QRT_DSP_DOUBLE)) return 0;
    for (int32_t i = 0; i < c->count; i++) {
        qrt_dsp_bounds b = qrt_dsp_bounds_of(c, i);
        if (kind == QRT_DSP_DOUBLE && !double_covers(c, i, b)) return 0;
        if (kind == QRT_DSP_SINGLE && !qrt_dsp_single_covers(c->requant, i, b.least, b.most, scale_of(i))) return 0;
        if (i % 2 == 1 && !combines(c, i)) return 0;
    }
    return 1;
}

static int32_t end_words(int32_t kind) {
    return kind == QRT_DSP_DOUBLE   ? QRT_DSP_DOUBLE_END
           : kind == QRT_DSP_SINGLE ? QRT_DSP_SINGLE_END
                                    : QRT_DSP_GENERAL_END;
}

size_t qrt_dsp_pairs_words(int32_t channels, int32_t places, int32_t kind) {
    return (size_t)(channels + 1) / 2 * (size_t)(2 + places / 2 + end_words(kind));
}

/* What a sum begins with. */
static uint32_t first_sum(const qrt_dsp_channels *c, int32_t channel, int32_t kind) {
    int32_t scale = kind == QRT_DSP_GENERAL ? 0 : scale_of(channel);
    uint32_t sum = qrt_dsp_zero_point_part(c, channel);
    if (kind == QRT_DSP_DOUBLE) sum += (uint32_t)qrt_dsp_bias(c, channel);
    sum <<= scale;
    if (kind == QRT_DSP_SINGLE) sum += (uint32_t)qrt_dsp_single_of(c->requant, channel, scale).bias;
    return sum;
}

/* The end of channel `channel` of a pair, that with this place in it. */
static void pack_end(const qrt_dsp_channels *c, int32_t channel, int32_t place, int32_t kind, uint32_t *end) {
    const qrt_requant *r = c->requant;
    if (kind == QRT_DSP_DOUBLE) {
        end[2 * place] = (uint32_t)qrt_dsp_double_multiplier(r, channel);
        end[2 * place + 1] = (uint32_t)qrt_dsp_power_of(c, channel, qrt_dsp_bounds_of(c, channel));
        end[4] = (uint32_t)r->y_zero_point;
    } else if (kind == QRT_DSP_SINGLE) {
        qrt_dsp_single_constants constants = qrt_dsp_single_of(r, channel, scale_of(channel));
        end[3 * place] = (uint32_t)constants.multiplier;
        end[3 * place + 1] = constants.rest;
        end[3 * place + 2] = (uint32_t)constants.shift;
    } else {
        qrt_channel own = qrt_requant_channel(r, channel);
        memcpy(end + place * QRT_DSP_GENERAL_END / 2, &own, sizeof own);
    }
}

/* The weights of both channels for one place: 256 * w1 + w0, or the two bytes. */
static uint32_t both(const qrt_dsp_channels *c, int32_t channel, int32_t kind, int32_t at) {
    int32_t w0 = at < 0 ? 0 : qrt_dsp_weight(c, channel, at);
    int32_t w1 = at < 0 || channel + 1 == c->count ? 0 : qrt_dsp_weight(c, channel + 1, at);
    return (uint16_t)(256 * w1 + (kind == QRT_DSP_GENERAL ? (uint8_t)w0 : w0));
}

uint32_t *qrt_dsp_pack_pair(const qrt_dsp_channels *c, int32_t pair, int32_t kind, int32_t places,
                            int32_t (*order)(const void *window, int32_t place), const void *window, uint32_t *packed) {
    int32_t channel = 2 * pair, count = c->count - channel < 2 ? 1 : 2;
    uint32_t *end = packed + 2 + places / 2;
    memset(packed, 0, (size_t)(2 + places / 2 + end_words(kind)) * sizeof *packed);
    for (int32_t i = 0; i < count; i++) {
        packed[i] = first_sum(c, channel + i, kind);
        pack_end(c, channel + i, i, kind, end);
    }
    if (kind != QRT_DSP_GENERAL) packed[1] += packed[0];
    packed += 2;
    for (int32_t k = 0; k < places; k += 4) {
        uint32_t words[4];
        for (int32_t i = 0; i < 4; i++) words[i] = both(c, channel, kind, order(window, k + i));
        *packed++ = words[0] | words[2] << 16;
        *packed++ = words[1] | words[3] << 16;
    }
    return end + end_words(kind);
}
