# Declarations of qrt_rows.h for Cython; that header says what they do.

from libc.stdint cimport int32_t
from qrt_kernels cimport qrt_params

cdef extern from "engine/qrt_rows.h" nogil:
    void qrt_take_rows(int32_t kind, qrt_params *params, int32_t height, int32_t begin, int32_t end, int32_t *first)
