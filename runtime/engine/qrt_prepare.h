/* SPDX-License-Identifier: Apache-2.0 */
/* qrt_prepare.h: from a validated model to a list of steps that a loop can run.
 *
 * Two stages, so that forks share what does not change. A qrt_program holds each operator's parameters
 * and packed weights for one kernel set; it is read-only once made. Steps bind a program to one arena.
 * All memory is the caller's: ask for the size, hand over that many bytes aligned to 64.
 *
 *     for (i = 0; i < count; i++) steps[i].run(steps[i].params, steps[i].inputs, steps[i].output, scratch);
 *
 * Freestanding C99; the host runtime and firmware use the same file.
 */
#ifndef QRT_PREPARE_H
#define QRT_PREPARE_H

#include "engine/qrt_places.h"
#include "qrt_kernels.h"
#include "qrt_model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Arena, scratch, program and step memory start at a multiple of this. */
#define QRT_MEMORY_ALIGNMENT 64u

typedef struct qrt_prepared {
    const qrt_kernel *kernel;
    int32_t row; /* of the kernel set: enum qrt_operator_kind or qrt_row16 */
    qrt_params params;
} qrt_prepared;

typedef struct qrt_program {
    const qrt_model *model;
    const qrt_prepared *operators; /* [model->operator_count] */
    size_t scratch_size;           /* bytes, the largest of any operator */
} qrt_program;

typedef struct qrt_step {
    void (*run)(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch);
    const void *params;
    const int8_t *const *inputs;
    int8_t *output;
    uint32_t op;    /* index of the operator in the model; of a band that runs in turns its first one */
    uint32_t count; /* of operators */
} qrt_step;

/* What all packed weights, and those unpacked from int4, may take together unless the caller says otherwise. */
uint64_t qrt_packed_limit(const qrt_model *model);

/* Bytes that qrt_program_init() needs for `model` under `kernels`, with at most `packed_limit` bytes of packed weights.
 */
size_t qrt_program_size(const qrt_model *model, const qrt_kernels *kernels, uint64_t packed_limit);

/* `model` and `kernels` must outlive the program. `packed_limit` is what qrt_program_size() got. */
void qrt_program_init(qrt_program *program, const qrt_model *model, const qrt_kernels *kernels, uint64_t packed_limit,
                      void *memory);

/* Bytes that qrt_steps_init() needs. `together` is how many turns of a band run at once, as in qrt_places.h. */
size_t qrt_steps_size(const qrt_model *model, uint32_t together);

/* Bytes of scratch, the most that any call of a kernel needs. */
size_t qrt_steps_scratch(const qrt_program *program, uint32_t together);

/* Fills *steps, which lies in `memory`, and returns their count: at most one for each operator, none for
 * a reshape that stays where it is, one for a band that runs in turns. `arena` has model->arena_size bytes;
 * qrt_model_reset() writes its states. Tensor i lies at places[i], see qrt_places_init(); where
 * `places` is NULL, all do in the arena. */
uint32_t qrt_steps_init(const qrt_program *program, uint32_t together, void *arena, int8_t *const *places, void *memory,
                        const qrt_step **steps);

#ifdef __cplusplus
}
#endif
#endif
