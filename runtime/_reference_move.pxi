"""Reference kernels that move codes, and resize2d; a part of _reference.pyx."""


cdef void pad(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) noexcept nogil:
    cdef const qrt_pad_params *p = <const qrt_pad_params *>params
    cdef int64_t in_size = 1
    cdef int64_t out_size = 1
    cdef int64_t first = 0
    cdef int32_t[QRT_KERNEL_MAX_RANK] out_stride
    cdef int64_t i
    cdef int32_t axis
    for axis in range(p.rank - 1, -1, -1):
        out_stride[axis] = <int32_t>out_size
        first += <int64_t>p.before[axis] * out_stride[axis]
        in_size *= p.in_shape[axis]
        out_size *= p.out_shape[axis]
    # SPEC: along axis k, before[k] entries of the code value, x, after[k] entries of value
    memset(output, p.value, out_size)
    for i in range(in_size):
        output[first + source_of(i, p.rank, p.in_shape, out_stride)] = inputs[0][i]


reference.pad.run = pad


cdef void concat(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) noexcept nogil:
    cdef const qrt_concat_params *p = <const qrt_concat_params *>params
    cdef int32_t row, i
    cdef int64_t at_y = 0
    # SPEC: the inputs one after another along axis
    for row in range(p.outer):
        for i in range(p.input_count):
            memcpy(output + at_y, inputs[i] + <int64_t>row * p.run_size[i], p.run_size[i])
            at_y += p.run_size[i]


reference.concat.run = concat


cdef void reshape(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) noexcept nogil:
    cdef const qrt_reshape_params *p = <const qrt_reshape_params *>params
    cdef int32_t i
    # SPEC: the same codes in the same order, another shape
    for i in range(p.size):
        output[i] = inputs[0][i]


reference.reshape.run = reshape


cdef void transpose(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) noexcept nogil:
    cdef const qrt_transpose_params *p = <const qrt_transpose_params *>params
    cdef int64_t size = 1
    cdef int64_t i
    cdef int32_t axis
    for axis in range(p.rank):
        size *= p.out_shape[axis]
    # SPEC: axis k of y is axis permutation[k] of x
    for i in range(size):
        output[i] = inputs[0][source_of(i, p.rank, p.out_shape, p.in_stride)]


reference.transpose.run = transpose


cdef void slice_operator(const void *params, const int8_t *const *inputs, int8_t *output,
                         void *scratch) noexcept nogil:
    cdef const qrt_slice_params *p = <const qrt_slice_params *>params
    cdef int64_t size = 1
    cdef int64_t i
    cdef int32_t axis
    for axis in range(p.rank):
        size *= p.out_shape[axis]
    # SPEC: y[i0, i1, ...] = x[begin[0] + i0 * stride[0], begin[1] + i1 * stride[1], ...]
    # `first` is the place of x[begin[0], begin[1], ...].
    for i in range(size):
        output[i] = inputs[0][p.first + source_of(i, p.rank, p.out_shape, p.in_stride)]


reference.slice.run = slice_operator


cdef int32_t weight_at(const uint16_t *weights, int32_t index) noexcept nogil:
    # SPEC: Weights that are left out are 0
    return weights[index] if weights != NULL else 0


cdef void resize2d(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) noexcept nogil:
    cdef const qrt_resize2d_params *p = <const qrt_resize2d_params *>params
    cdef const int8_t *x
    cdef int32_t n, out_y, out_x, c, top, bottom, left, right, v, u, s
    cdef int64_t row = <int64_t>p.in_width * p.channels
    cdef int64_t at_y = 0
    for n in range(p.batch):
        x = inputs[0] + n * p.in_height * row
        for out_y in range(p.out_height):
            for out_x in range(p.out_width):
                # SPEC: top = rows[out_y], bottom = min(top + 1, in_height - 1), v = row_weight[out_y]
                top = p.rows[out_y]
                bottom = min(top + 1, p.in_height - 1)
                v = weight_at(p.row_weight, out_y)
                # A row that weighs nothing need not be there, nor need rows in front of the first.
                bottom = (bottom if v > 0 else top) - p.first_row
                top -= p.first_row
                # SPEC: left = columns[out_x], right = min(left + 1, in_width - 1), u = column_weight[out_x]
                left = p.columns[out_x]
                right = min(left + 1, p.in_width - 1)
                u = weight_at(p.column_weight, out_x)
                for c in range(p.channels):
                    # SPEC: s = (x[n, top, left, c] * (1024 - u) + x[n, top, right, c] * u) * (1024 - v)
                    s = (x[top * row + left * p.channels + c] * (1024 - u)
                         + x[top * row + right * p.channels + c] * u) * (1024 - v)
                    # SPEC: + (x[n, bottom, left, c] * (1024 - u) + x[n, bottom, right, c] * u) * v
                    s += (x[bottom * row + left * p.channels + c] * (1024 - u)
                          + x[bottom * row + right * p.channels + c] * u) * v
                    # SPEC: y = rounding_shift(s, 20)
                    output[at_y] = <int8_t>rounding_shift(s, 20)
                    at_y += 1


reference.resize2d.run = resize2d
