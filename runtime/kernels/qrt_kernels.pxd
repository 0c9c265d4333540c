# qrt_kernels.h for Cython. Written by schema/generate.py (make generate) from that header, which says what the fields mean.

from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "qrt_kernels.h" nogil:
    enum:
        QRT_KERNEL_MAX_RANK
        QRT_ADDRESS_SIZE

    ctypedef struct qrt_requant:
        const int32_t *multiplier
        const uint8_t *shift
        const int32_t *bias
        const int64_t *addend
        int32_t step
        int32_t rounding
        int32_t y_zero_point
        int32_t output_min, output_max
        int32_t wide
        int32_t y_int16

    ctypedef struct qrt_part:
        int32_t begin, end

    ctypedef struct qrt_conv2d_params:
        int32_t batch
        int32_t in_height, in_width, in_channels
        int32_t out_height, out_width, out_channels
        int32_t filter_height, filter_width
        int32_t stride_y, stride_x
        int32_t dilation_y, dilation_x
        int32_t pad_top, pad_left
        int32_t groups
        int32_t x_zero_point
        int16_t x_int16
        int16_t int4
        const int8_t *weights
        qrt_requant requant
        const void *packed
        qrt_part part
        uint32_t file_size

    ctypedef struct qrt_linear_params:
        int32_t rows, in_features, out_features
        int32_t x_zero_point
        int16_t x_int16
        int16_t int4
        const int8_t *weights
        qrt_requant requant
        const void *packed
        qrt_part part

    ctypedef struct qrt_broadcast:
        int32_t rank
        int32_t shape[QRT_KERNEL_MAX_RANK]
        int32_t a_stride[QRT_KERNEL_MAX_RANK]
        int32_t b_stride[QRT_KERNEL_MAX_RANK]

    ctypedef struct qrt_add_params:
        qrt_broadcast broadcast
        int32_t form
        int32_t a_zero_point, b_zero_point, y_zero_point
        int32_t a_multiplier, b_multiplier, y_multiplier
        int32_t shift
        int64_t addend
        int32_t a_shift, b_shift, y_shift
        int32_t b_sign
        int32_t output_min, output_max
        int32_t x_int16, y_int16
        const void *packed

    ctypedef struct qrt_unary_params:
        int32_t size
        int32_t x_zero_point
        int32_t x_int16
        qrt_requant requant

    ctypedef struct qrt_binary_params:
        qrt_broadcast broadcast
        int32_t a_zero_point, b_zero_point
        int32_t x_int16
        qrt_requant requant

    ctypedef struct qrt_pool2d_params:
        int32_t batch
        int32_t in_height, in_width, channels
        int32_t out_height, out_width
        int32_t filter_height, filter_width
        int32_t stride_y, stride_x
        int32_t pad_top, pad_left
        int32_t rounding
        int32_t x_zero_point
        int32_t output_min, output_max
        int32_t x_int16

    ctypedef struct qrt_mean_params:
        int32_t batch, positions, channels
        int32_t x_zero_point
        int32_t x_int16
        qrt_requant requant

    ctypedef struct qrt_pad_params:
        int32_t rank
        int32_t in_shape[QRT_KERNEL_MAX_RANK]
        int32_t before[QRT_KERNEL_MAX_RANK]
        int32_t out_shape[QRT_KERNEL_MAX_RANK]
        int32_t value

    ctypedef struct qrt_concat_params:
        int32_t outer
        int32_t input_count
        const int32_t *run_size

    ctypedef struct qrt_transpose_params:
        int32_t rank
        int32_t out_shape[QRT_KERNEL_MAX_RANK]
        int32_t in_stride[QRT_KERNEL_MAX_RANK]

    ctypedef struct qrt_softmax_params:
        int32_t rows, channels
        int32_t y_zero_point
        int32_t shift
        uint64_t numerator
        const uint32_t *exponential
        int32_t exponential_count
        int32_t form
        int32_t x_int16
        int32_t y_int16
        int32_t multiplier

    ctypedef struct qrt_lut_params:
        int32_t size
        const int8_t *table

    ctypedef struct qrt_slice_params:
        int32_t rank
        int32_t out_shape[QRT_KERNEL_MAX_RANK]
        int32_t in_stride[QRT_KERNEL_MAX_RANK]
        int32_t first

    ctypedef struct qrt_resize2d_params:
        int32_t batch
        int32_t in_height, in_width, channels
        int32_t out_height, out_width
        const uint16_t *rows
        const uint16_t *columns
        const uint16_t *row_weight
        const uint16_t *column_weight
        int32_t first_row

    ctypedef struct qrt_arg_max_params:
        int32_t rows, channels

    ctypedef struct qrt_matmul_params:
        int32_t batch, rows, columns, depth
        int32_t b_step
        int32_t a_zero_point, b_zero_point
        int32_t x_int16
        qrt_requant requant

    ctypedef struct qrt_l2_norm_params:
        int32_t rows, channels
        int32_t x_zero_point

    ctypedef struct qrt_layer_norm_params:
        int32_t rows, channels
        int32_t epsilon_bits
        int32_t shift
        uint64_t epsilon
        const int32_t *multiplier
        const int64_t *addend

    ctypedef struct qrt_requantize_sum_params:
        int32_t rows, channels
        const int64_t *b_multiplier
        qrt_requant requant

    ctypedef struct qrt_log_softmax_params:
        int32_t rows, channels
        int32_t form
        int32_t shift
        int64_t multiplier
        int64_t addend
        const uint32_t *exponential
        int32_t exponential_count
        int32_t log_multiplier

    ctypedef struct qrt_gate_params:
        int32_t size
        int32_t multiplier, shift

    ctypedef struct qrt_leaky_relu_params:
        int32_t size
        int32_t x_zero_point, y_zero_point
        int32_t multiplier, shift
        int32_t negative_multiplier, negative_shift
        int32_t negate

    ctypedef struct qrt_reshape_params:
        int32_t size

    ctypedef struct qrt_push_params:
        int32_t outer
        int32_t kept, added

    ctypedef struct qrt_svdf_params:
        int32_t batch, in_features, units, rank, memory
        int32_t x_zero_point, state_zero_point
        int32_t state_int16
        qrt_requant feature
        qrt_requant requant

    ctypedef struct qrt_lstm_params:
        int32_t batch, steps, in_features, units
        int32_t time_major
        int32_t x_zero_point, h_zero_point
        int32_t x_int16
        int32_t cell_power
        int32_t cell_clip
        int32_t output_multiplier, output_shift
        qrt_requant input, recurrent

    ctypedef union qrt_params:
        qrt_conv2d_params conv2d
        qrt_linear_params linear
        qrt_add_params add
        qrt_unary_params unary
        qrt_binary_params binary
        qrt_pool2d_params pool2d
        qrt_mean_params mean
        qrt_pad_params pad
        qrt_concat_params concat
        qrt_transpose_params transpose
        qrt_softmax_params softmax
        qrt_lut_params lut
        qrt_reshape_params reshape
        qrt_push_params push
        qrt_slice_params slice
        qrt_resize2d_params resize2d
        qrt_arg_max_params arg_max
        qrt_matmul_params matmul
        qrt_l2_norm_params l2_norm
        qrt_requantize_sum_params requantize_sum
        qrt_layer_norm_params layer_norm
        qrt_log_softmax_params log_softmax
        qrt_svdf_params svdf
        qrt_lstm_params lstm
        qrt_gate_params gate
        qrt_leaky_relu_params leaky_relu

    ctypedef struct qrt_kernel:
        void (*run)(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) noexcept nogil
        size_t (*packed_size)(const void *params) noexcept nogil
        void (*pack)(const void *params, void *packed) noexcept nogil
        size_t (*scratch_size)(const void *params) noexcept nogil
        int32_t reading
        int32_t int4
        int32_t channel_unit
        const char *name
        int (*covers)(const void *params) noexcept nogil
        const qrt_kernel *otherwise
        int32_t packs_all

    ctypedef struct qrt_kernels:
        const char *name
        qrt_kernel conv2d
        qrt_kernel dwconv2d
        qrt_kernel linear
        qrt_kernel add
        qrt_kernel mul
        qrt_kernel average_pool2d
        qrt_kernel max_pool2d
        qrt_kernel mean
        qrt_kernel pad
        qrt_kernel concat
        qrt_kernel reshape
        qrt_kernel transpose
        qrt_kernel requantize
        qrt_kernel clamp
        qrt_kernel softmax
        qrt_kernel lut
        qrt_kernel slice
        qrt_kernel resize2d
        qrt_kernel transpose_conv2d
        qrt_kernel maximum
        qrt_kernel minimum
        qrt_kernel arg_max
        qrt_kernel matmul
        qrt_kernel l2_norm
        qrt_kernel requantize_sum
        qrt_kernel squared_difference
        qrt_kernel layer_norm
        qrt_kernel log_softmax
        qrt_kernel push
        qrt_kernel assign
        qrt_kernel svdf
        qrt_kernel lstm
        qrt_kernel sigmoid
        qrt_kernel tanh
        qrt_kernel leaky_relu
        qrt_kernel conv2d16
        qrt_kernel dwconv2d16
        qrt_kernel linear16
        qrt_kernel add16
        qrt_kernel mul16
        qrt_kernel average_pool2d16
        qrt_kernel max_pool2d16
        qrt_kernel mean16
        qrt_kernel requantize16
        qrt_kernel clamp16
        qrt_kernel softmax16
        qrt_kernel transpose_conv2d16
        qrt_kernel maximum16
        qrt_kernel minimum16
        qrt_kernel matmul16
        qrt_kernel lstm16

    const qrt_kernel *qrt_kernel_row(const qrt_kernels *kernels, int32_t number)
    const qrt_kernel *qrt_kernel_covering(const qrt_kernel *kernel, const void *params)
    void qrt_kernels_portable(qrt_kernels *kernels)
    void qrt_kernels_dsp(qrt_kernels *kernels)
    void qrt_kernels_mve(qrt_kernels *kernels)
