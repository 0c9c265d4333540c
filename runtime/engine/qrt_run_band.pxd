# Declarations of qrt_run_band.h for Cython; that header says what they do.

from libc.stdint cimport int8_t, int32_t, uint32_t

cdef extern from "engine/qrt_run_band.h" nogil:
    ctypedef struct qrt_band_table:
        uint32_t count, turns
        int32_t is_fed

    ctypedef struct qrt_band_run:
        const qrt_band_table *table
        uint32_t turn

    void qrt_run_band(const void *run, const int8_t *const *inputs, int8_t *output, void *scratch)
    void qrt_begin_band(qrt_band_run *run, void *scratch)
    int8_t *qrt_next_row(const qrt_band_run *run)
    void qrt_take_row(qrt_band_run *run, void *scratch)
    void qrt_start_band(qrt_band_run *run)
    void qrt_begin_turn(qrt_band_run *run, const int8_t *fed)
    void qrt_run_in_turn(qrt_band_run *run, uint32_t op, void *scratch)
    void qrt_end_turn(qrt_band_run *run)
