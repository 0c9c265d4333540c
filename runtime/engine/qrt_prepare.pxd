# Declarations of qrt_prepare.h for Cython; that header says what they do.

from libc.stdint cimport int8_t, int32_t, uint32_t, uint64_t
from qrt_kernels cimport qrt_kernel, qrt_kernels, qrt_params
from qrt_model cimport qrt_model

cdef extern from "engine/qrt_prepare.h" nogil:
    ctypedef struct qrt_prepared:
        const qrt_kernel *kernel
        int32_t row
        qrt_params params

    ctypedef struct qrt_program:
        const qrt_prepared *operators
        size_t scratch_size

    ctypedef struct qrt_step:
        void (*run)(const void *, const int8_t *const *, int8_t *, void *) noexcept nogil
        const void *params
        const int8_t *const *inputs
        int8_t *output
        uint32_t op, count

    uint64_t qrt_packed_limit(const qrt_model *model)
    size_t qrt_program_size(const qrt_model *model, const qrt_kernels *kernels, uint64_t packed_limit)
    void qrt_program_init(
        qrt_program *program, const qrt_model *model, const qrt_kernels *kernels, uint64_t packed_limit, void *memory)
    size_t qrt_steps_size(const qrt_model *model, uint32_t together)
    size_t qrt_steps_scratch(const qrt_program *program, uint32_t together)
    uint32_t qrt_steps_init(
        const qrt_program *program, uint32_t together, void *arena, int8_t *const *places, void *memory,
        const qrt_step **steps)
