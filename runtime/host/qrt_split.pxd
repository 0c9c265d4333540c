# Declarations of qrt_split.h for Cython; documented in that header.

from libc.stdint cimport int8_t, int32_t, uint32_t
from qrt_prepare cimport qrt_program

cdef extern from "host/qrt_split.h" nogil:
    ctypedef struct qrt_split:
        uint32_t thread_count

    size_t qrt_split_size(const qrt_program *program, uint32_t threads, int32_t speed)
    void qrt_split_init(qrt_split *split, const qrt_program *program, void *arena, int8_t *const *places,
                        uint32_t threads, int32_t speed, void *memory)
