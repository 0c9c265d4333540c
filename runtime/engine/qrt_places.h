/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_places.h: where tensors lie when a host runs bands, which it may do in the arena or, faster, beside it.
 *
 * Freestanding C99; all memory is the caller's.
 */
#ifndef QRT_PLACES_H
#define QRT_PLACES_H

#include "qrt_bands.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How many turns of a band run together: 1, in the file's arena, as on a device; more; or all, which is layer by layer,
 * as if there were no bands. What bands make is beside the arena then, and so is always what is fed, as a whole. */
#define QRT_BY_LAYER 0u
#define QRT_AS_ON_DEVICE 1u

/* Whether a band runs in turns; else its operators are steps of their own. */
int qrt_has_turns(const qrt_band *band, uint32_t together);

/* Of a tensor that stays in the arena, or is constant. */
#define QRT_NOT_ASIDE UINT64_MAX

/* Memory beside the arena while it is planned. */
typedef struct qrt_aside_block {
    uint64_t start, end;
    uint32_t last; /* the step, an operator plus 1, behind which it is free */
} qrt_aside_block;

/* Sets offsets[i] of each tensor, in bytes, multiples of 64, and returns the bytes that all take. `blocks` has room for
 * one of each tensor. */
uint64_t qrt_plan_aside(const qrt_model *model, uint32_t together, uint64_t *offsets, qrt_aside_block *blocks);

/* Sets places[i] of each tensor; `aside` has what qrt_plan_aside() returned, aligned to 64. */
void qrt_places_init(const qrt_model *model, const uint64_t *offsets, int8_t *arena, int8_t *aside, int8_t **places);

#ifdef __cplusplus
}
#endif
#endif
