/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_bands.h: operators that take turns, a few rows at a time (SPEC.md, "Bands"), as closed forms.
 *
 * Freestanding, like qrt_model.h. The validator, the planner's proof and every executor compute with these functions.
 */
#ifndef QRT_BANDS_H
#define QRT_BANDS_H

#include "qrt_model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Readers of a tensor in one band, at most. */
#define QRT_MAX_READERS 8

enum qrt_slide { QRT_LEFT = 0, QRT_RIGHT = 1 };

typedef struct qrt_pace {
    int32_t lead, rows, per;
    int32_t capacity; /* rows that the output's buffer holds */
    int32_t kept;     /* of these, what later turns read at most */
    int32_t slide;    /* enum qrt_slide */
} qrt_pace;

typedef struct qrt_band {
    uint32_t first; /* operators first to first + count - 1 */
    uint32_t count;
    uint32_t turns;
    int32_t is_fed; /* 1: the model's first input comes row by row, at the pace `feed` */
    qrt_pace feed;
    uint32_t paces; /* their byte position in the file */
} qrt_band;

/* How an operator reads the rows (axis 1 of [1, H, W, C]) of one input: row r of what it makes reads the rows from
 * r * stride - pad on, `reach` of them; with a table, rows table[r] to table[r] + reach - 1. */
typedef struct qrt_reading {
    int32_t height;    /* rows that the operator makes; of a global average those of its input, which it adds up */
    int32_t in_height; /* rows of the input */
    int32_t stride, pad, reach;
    const uint16_t *table; /* RESIZE2D, else NULL */
} qrt_reading;

/* `index` must be below model->band_count. */
void qrt_model_band(const qrt_model *model, uint32_t index, qrt_band *band);

/* The pace of the band's operator `i`, which is below band->count. */
void qrt_band_pace(const qrt_model *model, const qrt_band *band, uint32_t i, qrt_pace *pace);

/* Whether operator `op` is in a band, and in which. */
int qrt_find_band(const qrt_model *model, uint32_t op, qrt_band *band);

/* Whether tensor `index` is the model's first input and comes row by row, and in which band. */
int qrt_find_feed(const qrt_model *model, uint32_t index, qrt_band *band);

/* The rows made after a turn; before the first one, which is turn 0, none. */
int32_t qrt_rows_made(const qrt_pace *pace, int64_t turn, int32_t height);

/* The first turn after which `rows` are made; `rows` is at least 1 and not above the height. */
int64_t qrt_turn_of(const qrt_pace *pace, int32_t rows);

/* Whether an operator can take part in a band, as far as its input `i` says, which is no constant; and how it reads it.
 * That the rows of a RESIZE2D never decrease is for the caller to see to; in a band they do not (V82). */
int qrt_read_rows(const qrt_model *model, const qrt_operator *op, uint32_t i, qrt_reading *reading);

/* Whether an operator is an average over a whole int8 image: in a band it keeps an int32 sum of each channel, and its
 * output becomes codes in the last turn. */
int qrt_is_global_average(const qrt_model *model, const qrt_operator *op);

/* How many of the input's first rows must be there before `made` rows of the output are. */
int32_t qrt_rows_needed(const qrt_reading *reading, int32_t made);

/* The first row of the input that is still read once `made` rows of the output are made. */
int32_t qrt_rows_low(const qrt_reading *reading, int32_t made);

/* How many rows of the output must be made until row `row` of the input is not read any more. */
int32_t qrt_rows_until(const qrt_reading *reading, int32_t row);

/* Bytes of a row of a tensor [1, H, W, C]; fewer than 2^32, since those of an accumulator are of the arena. */
uint32_t qrt_row_bytes(const qrt_tensor *tensor);

/* The bytes of the arena that are an arena tensor's. */
uint64_t qrt_model_room(const qrt_model *model, uint32_t index);

#ifdef __cplusplus
}
#endif
#endif
