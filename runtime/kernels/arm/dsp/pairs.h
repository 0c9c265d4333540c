/* SPDX-License-Identifier: Apache-2.0 */
/* pairs.h: channels as a tile takes them, two at a time. For packing, which no kernel does when it runs. */
#ifndef QRT_DSP_PAIRS_H
#define QRT_DSP_PAIRS_H

#include "arm/dsp/channels.h"

/* How the channels of an operator end, which is also which tile runs it; and, added, that their weights stay int4. */
enum { QRT_DSP_DOUBLE, QRT_DSP_SINGLE, QRT_DSP_GENERAL, QRT_DSP_INT4 };

/* Weights of int4 stay so where many channels share a column and many places a tile, which both take more work to
 * begin with, and where 16 times a sum has room in 32 bits. Elsewhere they are few. */
#define QRT_DSP_INT4_CHANNELS 24
#define QRT_DSP_INT4_LEAST 32
#define QRT_DSP_INT4_MOST (1 << 14)

/* Whether the tile of this kind can run them. */
int qrt_dsp_pairs_cover(const qrt_dsp_channels *channels, int32_t kind);

/* Words of all pairs when a column has `places`. */
size_t qrt_dsp_pairs_words(int32_t channels, int32_t places, int32_t kind);

/* Packs pair `pair` and returns what follows it. `order` is the place in the channel's weights for each place of a
 * column, -1 for one that is padding. */
uint32_t *qrt_dsp_pack_pair(const qrt_dsp_channels *channels, int32_t pair, int32_t kind, int32_t places,
                            int32_t (*order)(const void *window, int32_t place), const void *window, uint32_t *packed);

/* For the row of an operator that tiles run, with channels of one kind: its functions, out of covers(), packed_size()
 * and pack() of the file, which take the operator's parameters and the kind; and the row. */
#define QRT_DSP_TILED(name, kind)                                                                                      \
    static int covers_##name(const void *params) { return covers(params, kind); }                                      \
    static size_t packed_size_##name(const void *params) { return packed_size(params, kind); }                         \
    static void pack_##name(const void *params, void *packed) { pack(params, kind, packed); }
#define QRT_DSP_TILED_ROW(kind_name, function, scratch, reads, next)                                                   \
    {.run = function,                                                                                                  \
     .packed_size = packed_size_##kind_name,                                                                           \
     .pack = pack_##kind_name,                                                                                         \
     .scratch_size = scratch,                                                                                          \
     .reading = reads,                                                                                                 \
     .name = #function,                                                                                                \
     .covers = covers_##kind_name,                                                                                     \
     .otherwise = next,                                                                                                \
     .int4 = 1,                                                                                                        \
     .packs_all = 1}

#endif
