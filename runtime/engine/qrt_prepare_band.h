/* qrt_prepare_band.h: from a band of a validated model to the tables that qrt_run_band() runs.
 *
 * All memory is the caller's: ask for the size, hand over that many bytes aligned to 8. Then set each operator's kernel.
 */
#ifndef QRT_PREPARE_BAND_H
#define QRT_PREPARE_BAND_H

#include "engine/qrt_run_band.h"
#include "qrt_bands.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes that qrt_band_init() needs. */
size_t qrt_band_size(const qrt_model *model, const qrt_band *band);

/* The band with its tensors in `arena`, which is aligned to QRT_ALIGNMENT. With `together` above 1 as many turns run at
 * once; buffers then need more rows, so that each tensor that the band makes or is fed belongs into qrt_band_room()
 * bytes elsewhere, which qrt_band_place() says. */
qrt_band_run *qrt_band_init(const qrt_model *model, const qrt_band *band, uint32_t together, int8_t *arena,
                            void *memory);

/* Sets how operator `op`, counted in the band, runs. `params` are those of the whole operator, `size` their bytes. */
void qrt_band_kernel(qrt_band_run *run, uint32_t op, const qrt_kernel *kernel, const void *params, size_t size);

/* The most scratch that any call of the operator needs, once its kernel is set. */
size_t qrt_band_scratch(const qrt_band_run *run, uint32_t op, const qrt_kernel *kernel);

/* Bytes of the memory of tensor `number` of qrt_band_table.rows; and another place for it. */
uint64_t qrt_band_room(const qrt_band_run *run, uint32_t number);
void qrt_band_place(qrt_band_run *run, uint32_t number, int8_t *memory);

#ifdef __cplusplus
}
#endif
#endif
