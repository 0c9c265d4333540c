# Declarations of qrt_kernels.h for Cython; SPEC.md and that header say what the fields mean.

from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "qrt_kernels.h" nogil:
    enum: QRT_KERNEL_MAX_RANK

    ctypedef struct qrt_requant:
        const int32_t *multiplier
        const uint8_t *shift
        const int32_t *bias
        const int64_t *addend
        int32_t step, rounding, y_zero_point, output_min, output_max
        int32_t wide

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
        const int8_t *weights
        qrt_requant requant
        const void *packed

    ctypedef struct qrt_linear_params:
        int32_t rows, in_features, out_features
        int32_t x_zero_point
        const int8_t *weights
        qrt_requant requant
        const void *packed

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

    ctypedef struct qrt_mul_params:
        qrt_broadcast broadcast
        int32_t a_zero_point, b_zero_point
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

    ctypedef struct qrt_mean_params:
        int32_t batch, positions, channels
        int32_t x_zero_point
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

    ctypedef struct qrt_requantize_params:
        int32_t size
        int32_t x_zero_point
        qrt_requant requant

    ctypedef struct qrt_clamp_params:
        int32_t size
        int32_t output_min, output_max

    ctypedef struct qrt_softmax_params:
        int32_t rows, channels
        int32_t y_zero_point
        int32_t shift
        uint64_t numerator
        const uint32_t *exponential
        int32_t exponential_count
        int32_t form

    ctypedef struct qrt_lut_params:
        int32_t size
        const int8_t *table

    ctypedef struct qrt_copy_params:
        int32_t size

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

    ctypedef struct qrt_extremum_params:
        qrt_broadcast broadcast

    ctypedef struct qrt_arg_max_params:
        int32_t rows, channels

    ctypedef struct qrt_matmul_params:
        int32_t batch, rows, columns, depth
        int32_t b_step
        int32_t a_zero_point, b_zero_point
        qrt_requant requant

    ctypedef struct qrt_l2_norm_params:
        int32_t rows, channels
        int32_t x_zero_point

    ctypedef struct qrt_requantize_sum_params:
        int32_t rows, channels
        const int64_t *b_multiplier
        qrt_requant requant

    ctypedef union qrt_params:
        qrt_conv2d_params conv2d
        qrt_linear_params linear
        qrt_add_params add
        qrt_mul_params mul
        qrt_pool2d_params pool2d
        qrt_mean_params mean
        qrt_pad_params pad
        qrt_concat_params concat
        qrt_transpose_params transpose
        qrt_requantize_params requantize
        qrt_clamp_params clamp
        qrt_softmax_params softmax
        qrt_lut_params lut
        qrt_copy_params copy
        qrt_slice_params slice
        qrt_resize2d_params resize2d
        qrt_extremum_params extremum
        qrt_arg_max_params arg_max
        qrt_matmul_params matmul
        qrt_l2_norm_params l2_norm
        qrt_requantize_sum_params requantize_sum

    ctypedef void (*qrt_run)(const void *, const int8_t *const *, int8_t *, void *) noexcept nogil
    ctypedef size_t (*qrt_size)(const void *) noexcept nogil
    ctypedef void (*qrt_pack)(const void *, void *) noexcept nogil

    ctypedef struct qrt_kernel:
        qrt_run run
        qrt_size packed_size
        qrt_pack pack
        qrt_size scratch_size

    ctypedef struct qrt_kernels:
        const char *name
        qrt_kernel conv2d, dwconv2d, linear, add, mul, average_pool2d, max_pool2d, mean, pad
        qrt_kernel concat, copy, transpose, requantize, clamp, softmax, lut
        qrt_kernel slice, resize2d, transpose_conv2d, maximum, minimum, arg_max, matmul, l2_norm
        qrt_kernel requantize_sum

    void qrt_kernels_portable(qrt_kernels *kernels)
