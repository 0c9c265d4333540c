# Declarations of dispatch.h for Cython; documented in that header.

from libc.stdint cimport int32_t, int64_t
from qrt_kernels cimport qrt_kernels

cdef extern from "host/dispatch.h" nogil:
    enum:
        QRT_SET_COUNT
        QRT_ENCODING_COUNT

    const char *qrt_set_name(int32_t set)
    const char *qrt_set_missing(int32_t set)
    void qrt_set_fill(int32_t set, qrt_kernels *kernels)
    ctypedef int64_t qrt_peak(int64_t rounds) noexcept
    qrt_peak *qrt_set_peak(int32_t set)
    int32_t qrt_set_speed(int32_t set)
