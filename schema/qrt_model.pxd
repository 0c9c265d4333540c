# Declarations of qrt_model.h for Cython; that header and SPEC.md say what everything means.

from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

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

    enum qrt_operator_kind:
        QRT_CONV2D
        QRT_DWCONV2D
        QRT_LINEAR
        QRT_ADD
        QRT_MUL
        QRT_AVERAGE_POOL2D
        QRT_MAX_POOL2D
        QRT_MEAN
        QRT_PAD
        QRT_CONCAT
        QRT_RESHAPE
        QRT_TRANSPOSE
        QRT_REQUANTIZE
        QRT_CLAMP
        QRT_SOFTMAX
        QRT_LUT
        QRT_SLICE
        QRT_RESIZE2D
        QRT_TRANSPOSE_CONV2D
        QRT_MAXIMUM
        QRT_MINIMUM
        QRT_ARG_MAX
        QRT_MATMUL
        QRT_L2_NORM
        QRT_REQUANTIZE_SUM
        QRT_OPERATOR_KIND_END

    enum qrt_dtype:
        QRT_INT8
        QRT_INT32

    enum qrt_rounding:
        QRT_SINGLE
        QRT_DOUBLE

    enum qrt_add_form:
        QRT_COMMON_SHIFT
        QRT_TFLITE

    enum qrt_pool_rounding:
        QRT_HALF_AWAY
        QRT_HALF_EVEN
        QRT_HALF_EVEN_RAW

    enum qrt_place:
        QRT_IN_FILE
        QRT_IN_TENSOR
        QRT_IN_OPERATOR
        QRT_IN_INPUT
        QRT_IN_OUTPUT
        QRT_IN_TEST_VECTOR

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
        uint32_t tensor_count, operator_count, input_count, output_count, test_vector_count
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

    ctypedef struct qrt_requant_data:
        const int32_t *multiplier
        const uint8_t *shift
        const int32_t *bias
        const int64_t *addend
        uint32_t count
        int32_t rounding, output_min, output_max

    ctypedef struct qrt_window:
        int32_t filter_height, filter_width
        int32_t stride_y, stride_x
        int32_t dilation_y, dilation_x
        int32_t pad_top, pad_bottom, pad_left, pad_right

    ctypedef struct qrt_add_data:
        int32_t form
        int32_t a_multiplier, b_multiplier, y_multiplier
        int32_t shift, a_shift, b_shift, y_shift
        int32_t subtract

    ctypedef struct qrt_operator:
        int32_t kind
        qrt_text name
        const uint32_t *inputs
        uint32_t input_count
        uint32_t output
        int32_t overlap
        qrt_requant_data requant
        qrt_window window
        int32_t groups
        int32_t pool_rounding
        int32_t output_min, output_max
        qrt_add_data add
        const int32_t *pad_before
        const int32_t *pad_after
        int32_t pad_value
        int32_t axis
        const uint8_t *permutation
        const uint32_t *exponential
        uint32_t exponential_count
        uint64_t numerator
        int32_t shift
        const int8_t *lut
        const int64_t *b_multiplier
        uint32_t b_multiplier_count
        const int32_t *begin
        const int32_t *stride
        const uint16_t *rows
        const uint16_t *columns
        const uint16_t *row_weight
        const uint16_t *column_weight

    ctypedef struct qrt_edge:
        uint32_t tensor
        int32_t quantize_rule, source_nchw, source_dtype
        qrt_requant_data requant
        uint32_t label_count
        const uint32_t *scale_bits
        uint32_t scale_count

    ctypedef uint32_t qrt_checksum(uint32_t crc, const void *bytes, size_t size)
    int32_t qrt_model_open(qrt_model *model, const void *bytes, size_t size, qrt_checksum *crc32,
                           qrt_problem *problem)
    void qrt_model_tensor(const qrt_model *model, uint32_t index, qrt_tensor *tensor)
    void qrt_model_operator(const qrt_model *model, uint32_t index, qrt_operator *op)
    void qrt_model_input(const qrt_model *model, uint32_t index, qrt_edge *edge)
    void qrt_model_output(const qrt_model *model, uint32_t index, qrt_edge *edge)
    qrt_text qrt_model_output_label(const qrt_model *model, uint32_t index, uint32_t label)
    const int8_t *qrt_model_test_input(const qrt_model *model, uint32_t index, uint32_t edge)
    const int8_t *qrt_model_test_output(const qrt_model *model, uint32_t index, uint32_t edge)
    const char *qrt_rule_text(int32_t rule)
