/* pairs.c: channels as a tile takes them, two at a time. */
#include "arm/dsp/pairs.h"

#include "arm/dsp/requant.h"
#include "arm/dsp/tile_double.h"
#include "arm/dsp/tile_general.h"
#include "arm/dsp/tile_single.h"

static int32_t weight_at(const qrt_dsp_channels *c, int32_t channel, int32_t place) {
    return c->weights[c->by_place ? (ptrdiff_t)place * c->count + channel : (ptrdiff_t)channel * c->size + place];
}

/* What the accumulators of a channel lie between, with the bias in. */
typedef struct bounds {
    int64_t least, most;
} bounds;

static bounds bounds_of(const qrt_dsp_channels *c, int32_t channel) {
    int32_t low = -128 - c->x_zero_point, high = 127 - c->x_zero_point;
    int64_t bias = c->requant->bias != NULL ? c->requant->bias[channel] : 0;
    bounds b = {bias, bias};
    for (int32_t i = 0; i < c->size; i++) {
        int32_t w = weight_at(c, channel, i);
        b.least += w * (w > 0 ? low : high);
        b.most += w * (w > 0 ? high : low);
    }
    return b;
}

/* Whether 256 times whatever channel `odd` sums to, beside the channel before it, has room in 32 bits, and its weight
 * less a borrow in a byte. */
static int combines(const qrt_dsp_channels *c, int32_t odd, bounds b) {
    for (int32_t i = 0; i < c->size; i++) {
        if (weight_at(c, odd, i) == -128 && weight_at(c, odd - 1, i) < 0) return 0;
    }
    return b.least >= -(1 << 23) && b.most < 1 << 23;
}

static int32_t double_power(const qrt_dsp_channels *c, int32_t channel, bounds b) {
    return qrt_dsp_double_power_within(c->requant->shift[channel * c->requant->step], b.least, b.most);
}

static int double_covers(const qrt_dsp_channels *c, int32_t channel, bounds b) {
    return c->requant->multiplier[channel * c->requant->step] >= 1 << 30 && double_power(c, channel, b) != 0;
}

int qrt_dsp_pairs_cover(const qrt_dsp_channels *c, int32_t kind) {
    if (kind == QRT_DSP_GENERAL) return 1;
    if (kind == QRT_DSP_DOUBLE && !(qrt_dsp_full(c->requant) && c->requant->rounding == 1)) return 0;
    if (kind == QRT_DSP_SINGLE && !qrt_dsp_single_covers(c->requant, c->count)) return 0;
    for (int32_t i = 0; i < c->count; i++) {
        bounds b = bounds_of(c, i);
        if (kind == QRT_DSP_DOUBLE && !double_covers(c, i, b)) return 0;
        if (i % 2 == 1 && !combines(c, i, b)) return 0;
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

/* What a sum begins with: codes are multiplied as they are, so that the zero point times all weights goes off. */
static uint32_t first_sum(const qrt_dsp_channels *c, int32_t channel, int32_t kind) {
    uint32_t sum = 0;
    for (int32_t i = 0; i < c->size; i++) sum -= (uint32_t)(weight_at(c, channel, i) * c->x_zero_point);
    if (kind != QRT_DSP_GENERAL && c->requant->bias != NULL) sum += (uint32_t)c->requant->bias[channel];
    return sum;
}

/* The end of channel `channel` of a pair, that with this place in it. */
static void pack_end(const qrt_dsp_channels *c, int32_t channel, int32_t place, int32_t kind, uint32_t *end) {
    const qrt_requant *r = c->requant;
    if (kind == QRT_DSP_DOUBLE) {
        end[2 * place] = (uint32_t)qrt_dsp_double_multiplier(r, channel);
        end[2 * place + 1] = (uint32_t)double_power(c, channel, bounds_of(c, channel));
        end[4] = (uint32_t)r->y_zero_point;
    } else if (kind == QRT_DSP_SINGLE) {
        end[3 * place] = (uint32_t)r->multiplier[channel * r->step];
        end[3 * place + 1] = (uint32_t)qrt_dsp_single_addend(r, channel, 8 * place);
        end[3 * place + 2] = (uint32_t)qrt_dsp_single_shift(r, channel, 8 * place);
    } else {
        qrt_channel own = qrt_requant_channel(r, channel);
        memcpy(end + place * QRT_DSP_GENERAL_END / 2, &own, sizeof own);
    }
}

/* The weights of both channels for one place: 256 * w1 + w0, or the two bytes. */
static uint32_t both(const qrt_dsp_channels *c, int32_t channel, int32_t kind, int32_t at) {
    int32_t w0 = at < 0 ? 0 : weight_at(c, channel, at);
    int32_t w1 = at < 0 || channel + 1 == c->count ? 0 : weight_at(c, channel + 1, at);
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
    if (kind != QRT_DSP_GENERAL) packed[1] = 256 * packed[1] + packed[0];
    packed += 2;
    for (int32_t k = 0; k < places; k += 4) {
        uint32_t words[4];
        for (int32_t i = 0; i < 4; i++) words[i] = both(c, channel, kind, order(window, k + i));
        *packed++ = words[0] | words[2] << 16;
        *packed++ = words[1] | words[3] << 16;
    }
    return end + end_words(kind);
}
