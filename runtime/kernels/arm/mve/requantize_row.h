/* SPDX-License-Identifier: Apache-2.0 */
/* requantize_row.h: what is done for requantize.h before. */
#ifndef QRT_MVE_REQUANTIZE_ROW_H
#define QRT_MVE_REQUANTIZE_ROW_H

#include "qrt_kernels.h"

/* Whether requantize.h can do what `requant` asks for; taps is how many products are summed. */
int qrt_mve_covers(const qrt_requant *requant, int32_t channels, int32_t taps);

/* Writes the constants of a channel into its lane, of which `constants` is the first word; offset is a number to be
 * added to the accumulator. A channel beyond the last is -1. */
void qrt_mve_pack_channel(const qrt_requant *requant, int32_t channel, int32_t offset, int32_t *constants);

#endif
