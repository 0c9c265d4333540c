# Declarations of clock.h for Cython; documented in that header.

from libc.stdint cimport int64_t

cdef extern from "host/clock.h" nogil:
    int64_t qrt_clock()
