# Declarations of qrt_pool.h for Cython; documented in that header.

from libc.stdint cimport int64_t, uint32_t
from qrt_split cimport qrt_split

cdef extern from "host/qrt_pool.h" nogil:
    ctypedef struct qrt_pool:
        pass

    size_t qrt_pool_size(const qrt_split *split)
    qrt_pool *qrt_pool_init(const qrt_split *split, void *memory)
    void qrt_pool_run(qrt_pool *pool, int64_t *ends)
    uint32_t qrt_pool_parts(const qrt_pool *pool, uint32_t stage)
    void qrt_pool_end(qrt_pool *pool)
