# Declarations of reads.h for Cython; documented in that header.

from libc.stdint cimport int64_t

cdef extern from "host/reads.h" nogil:
    enum:
        QRT_READS_UNIT

    void qrt_reads(const void *bytes, size_t size, int64_t rounds)
