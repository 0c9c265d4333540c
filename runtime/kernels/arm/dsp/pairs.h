/* pairs.h: channels as a tile takes them, two at a time. For packing, which no kernel does when it runs. */
#ifndef QRT_DSP_PAIRS_H
#define QRT_DSP_PAIRS_H

#include "qrt_kernels.h"

/* How the channels of an operator end, which is also which tile runs it. */
enum { QRT_DSP_DOUBLE, QRT_DSP_SINGLE, QRT_DSP_GENERAL };

/* Channels whose weights have `size` places each, one channel after another or, by_place, one place after another. */
typedef struct qrt_dsp_channels {
    const int8_t *weights;
    const qrt_requant *requant;
    int32_t count, size, x_zero_point;
    int32_t by_place;
} qrt_dsp_channels;

/* Whether the tile of this kind can run them. */
int qrt_dsp_pairs_cover(const qrt_dsp_channels *channels, int32_t kind);

/* Words of all pairs when a column has `places`. */
size_t qrt_dsp_pairs_words(int32_t channels, int32_t places, int32_t kind);

/* Packs pair `pair` and returns what follows it. `order` is the place in the channel's weights for each place of a
 * column, -1 for one that is padding. */
uint32_t *qrt_dsp_pack_pair(const qrt_dsp_channels *channels, int32_t pair, int32_t kind, int32_t places,
                            int32_t (*order)(const void *window, int32_t place), const void *window, uint32_t *packed);

#endif
