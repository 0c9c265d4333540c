/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_prepare_band.h: from a band of a validated model to the tables that qrt_run_band() runs.
 *
 * All memory is the caller's: ask for the size, hand over that many bytes aligned to 8. Then set each operator's
 * kernel.
 */
#ifndef QRT_PREPARE_BAND_H
#define QRT_PREPARE_BAND_H

#include "engine/qrt_run_band.h"
#include "qrt_bands.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The most turns that can be run together. */
#define QRT_MOST_TOGETHER 32767u

/* Bytes that qrt_band_init() needs. */
size_t qrt_band_size(const qrt_model *model, const qrt_band *band);

/* A band whose tensors lie in `arena`, or, where that is not NULL, tensor i of the model at places[i]. With `together`
 * above 1 as many turns run at once: then there must be places, with qrt_band_capacity() rows for what the band makes,
 * and for what it is fed all. */
qrt_band_run *qrt_band_init(const qrt_model *model, const qrt_band *band, uint32_t together, int8_t *arena,
                            int8_t *const *places, void *memory);

/* Sets how operator `op`, counted in the band, runs. `params` are those of the whole operator, `size` their bytes. */
void qrt_band_kernel(qrt_band_run *run, uint32_t op, const qrt_kernel *kernel, const void *params, size_t size);

/* The most scratch that operator `op` of the band needs for the rows of any turn. */
size_t qrt_band_scratch(const qrt_model *model, const qrt_band *band, uint32_t together, uint32_t op,
                        const qrt_kernel *kernel, const void *params, size_t size);

/* Rows of the output of operator `op` of the band that lie in memory at once. */
int32_t qrt_band_capacity(const qrt_model *model, const qrt_band *band, uint32_t together, uint32_t op);

#ifdef __cplusplus
}
#endif
#endif
