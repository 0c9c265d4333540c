/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_turns.h: what the proofs of bands share: who reads a tensor in a band, and the work that this takes.
 *
 * Internal to the reader.
 */
#ifndef QRT_TURNS_H
#define QRT_TURNS_H

#include "qrt_bands.h"
#include "qrt_check.h"

/* An operator of a band that reads a tensor. */
typedef struct qrt_reader {
    qrt_reading reading;
    qrt_pace pace;
    uint32_t position; /* in the band */
} qrt_reader;

typedef struct qrt_readers {
    qrt_reader reader[QRT_MAX_READERS];
    uint32_t count;
} qrt_readers;

/* V81: where bands lie. */
int32_t qrt_check_bands(qrt_check *check);

/* V87: whoever reads tensor `tensor` in the band. */
int32_t qrt_find_readers(qrt_check *check, const qrt_band *band, uint32_t tensor, qrt_readers *readers);

/* Counts what a proof looks at against V84. */
int32_t qrt_walk(qrt_check *check, uint64_t steps);

#endif
