# Declarations of qrt_model.h for Cython; that header and SPEC.md say what everything means.

from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t

cdef extern from "qrt_model.h" nogil:
    enum:
        QRT_FORMAT_VERSION
        QRT_MAX_RANK
        QRT_MAX_TENSORS
        QRT_MAX_OPERATORS
        QRT_MAX_INPUTS
        QRT_ALIGNMENT

    enum:
        QRT_OK
        QRT_ERR_ALIGNMENT
        QRT_ERR_NOT_QFB
        QRT_ERR_VERSION
        QRT_ERR_INVALID

    enum:
        QRT_OPERATOR_KIND_END

    const char *const qrt_operator_names[QRT_OPERATOR_KIND_END]

    enum qrt_dtype:
        QRT_INT8
        QRT_INT32
        QRT_INT16
        QRT_INT4

    enum qrt_rounding:
        QRT_SINGLE
        QRT_DOUBLE

    enum qrt_place:
        QRT_IN_FILE
        QRT_IN_TENSOR
        QRT_IN_OPERATOR
        QRT_IN_INPUT
        QRT_IN_OUTPUT
        QRT_IN_TEST_VECTOR
        QRT_IN_BAND

    ctypedef struct qrt_problem:
        int32_t rule, place
        uint32_t index

    ctypedef struct qrt_text:
        const char *text
        uint32_t length

    ctypedef struct qrt_model:
        const uint8_t *bytes
        uint32_t size
        uint32_t format_version
        uint32_t arena_size
        uint32_t state_size
        uint32_t tensor_count, operator_count, input_count, output_count, test_vector_count, band_count
        qrt_text producer
        qrt_text name

    ctypedef struct qrt_tensor:
        qrt_text name
        uint32_t rank
        int32_t shape[QRT_MAX_RANK]
        uint32_t size
        int32_t dtype
        int32_t zero_point
        uint32_t scale_bits
        const int8_t *data
        uint32_t arena_offset
        uint32_t first, last
        const int8_t *initial
        uint32_t initial_count

    ctypedef struct qrt_requant_data:
        const int32_t *multiplier
        const uint8_t *shift
        const int32_t *bias
        const int64_t *addend
        uint32_t count
        int32_t rounding, output_min, output_max

    ctypedef struct qrt_edge:
        uint32_t tensor
        int32_t quantize_rule, source_nchw, source_dtype
        qrt_requant_data requant
        uint32_t label_count
        const uint32_t *scale_bits
        uint32_t scale_count

    ctypedef struct qrt_operator:
        int32_t kind
        qrt_text name
        const uint32_t *inputs
        uint32_t input_count
        uint32_t output

    ctypedef uint32_t qrt_checksum(uint32_t crc, const void *bytes, size_t size)
    uint32_t qrt_crc32(uint32_t crc, const void *bytes, size_t size)
    int32_t qrt_model_open(qrt_model *model, const void *bytes, size_t size, qrt_checksum *crc32,
                           qrt_problem *problem)
    void qrt_model_tensor(const qrt_model *model, uint32_t index, qrt_tensor *tensor)
    uint64_t qrt_tensor_bytes(const qrt_tensor *tensor)
    void qrt_model_operator(const qrt_model *model, uint32_t index, qrt_operator *op)
    void qrt_model_input(const qrt_model *model, uint32_t index, qrt_edge *edge)
    void qrt_model_output(const qrt_model *model, uint32_t index, qrt_edge *edge)
    qrt_text qrt_model_output_label(const qrt_model *model, uint32_t index, uint32_t label)
    qrt_text qrt_model_preprocessing(const qrt_model *model)
    const int8_t *qrt_model_test_input(const qrt_model *model, uint32_t index, uint32_t edge)
    const int8_t *qrt_model_test_output(const qrt_model *model, uint32_t index, uint32_t edge)
    int32_t qrt_model_test_continues(const qrt_model *model, uint32_t index)
    void qrt_model_reset(const qrt_model *model, void *arena)
    const char *qrt_rule_text(int32_t rule)

cdef extern from "qrt_bands.h" nogil:
    ctypedef struct qrt_band:
        pass

    int qrt_find_feed(const qrt_model *model, uint32_t index, qrt_band *band)
