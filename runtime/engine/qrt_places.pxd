# Declarations of qrt_places.h for Cython; that header says what they do.

from libc.stdint cimport int8_t, uint32_t, uint64_t
from qrt_model cimport qrt_model

cdef extern from "engine/qrt_places.h" nogil:
    enum:
        QRT_BY_LAYER
        QRT_AS_ON_DEVICE

    uint64_t QRT_NOT_ASIDE

    ctypedef struct qrt_aside_block:
        pass

    uint64_t qrt_plan_aside(const qrt_model *model, uint32_t together, uint64_t *offsets, qrt_aside_block *blocks)
    void qrt_places_init(
        const qrt_model *model, const uint64_t *offsets, int8_t *arena, int8_t *aside, int8_t **places)
