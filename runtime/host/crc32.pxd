# Declarations of crc32.h for Cython; documented in that header.

from libc.stdint cimport uint32_t

cdef extern from "host/crc32.h" nogil:
    uint32_t qrt_crc32_quick(uint32_t crc, const void *bytes, size_t size)
