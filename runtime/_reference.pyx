# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The reference kernels: SPEC.md in code, written to be read.

One function for each operator, loops in the order of the formula, nothing precomputed, packed or
skipped. The lines that begin with `SPEC:` quote the sentence that the code below them obeys. Every
other kernel set is held to these bytes.

SPEC.md divides by floor or by trunc, always saying which. C's `/` is trunc, its `>>` is floor.
"""

from cpython.pycapsule cimport PyCapsule_New
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from qrt_kernels cimport (
    QRT_KERNEL_MAX_RANK,
    qrt_add_params,
    qrt_arg_max_params,
    qrt_binary_params,
    qrt_broadcast,
    qrt_concat_params,
    qrt_conv2d_params,
    qrt_gate_params,
    qrt_kernels,
    qrt_l2_norm_params,
    qrt_layer_norm_params,
    qrt_leaky_relu_params,
    qrt_linear_params,
    qrt_log_softmax_params,
    qrt_lstm_params,
    qrt_lut_params,
    qrt_matmul_params,
    qrt_mean_params,
    qrt_pad_params,
    qrt_pool2d_params,
    qrt_push_params,
    qrt_requant,
    qrt_requantize_sum_params,
    qrt_reshape_params,
    qrt_resize2d_params,
    qrt_slice_params,
    qrt_softmax_params,
    qrt_svdf_params,
    qrt_transpose_params,
    qrt_unary_params,
)

cdef enum:
    SINGLE = 0
    COMMON_SHIFT = 0
    EXACT = 0
    HALF_AWAY = 0
    HALF_EVEN = 1


# The kernels below enter themselves.
cdef qrt_kernels reference

memset(&reference, 0, sizeof(reference))
reference.name = "reference"


# ---------------------------------------------------------------------------------------------- 1. Numbers


cdef int64_t power_of_two(int32_t exponent) noexcept nogil:
    return (<int64_t>1) << exponent


cdef int32_t clamp(int64_t v, int32_t output_min, int32_t output_max) noexcept nogil:
    # SPEC: clamp(v) = min(max(v, output_min), output_max)
    if v < output_min:
        return output_min
    if v > output_max:
        return output_max
    return <int32_t>v


cdef int32_t code_at(const int8_t *codes, int32_t int16, int64_t at) noexcept nogil:
    """Entry `at` of a tensor of int16, or of int8."""
    cdef int16_t code
    if not int16:
        return codes[at]
    memcpy(&code, codes + 2 * at, 2)
    return code


cdef void put_code(int32_t y, int32_t int16, int8_t *output, int64_t at) noexcept nogil:
    cdef int16_t code = <int16_t>y
    if int16:
        memcpy(output + 2 * at, &code, 2)
    else:
        output[at] = <int8_t>y


cdef int64_t round_of(int32_t shift) noexcept nogil:
    # SPEC: round = 2^(shift - 1), or 0 when shift is 0
    return power_of_two(shift - 1) if shift > 0 else 0


cdef int64_t high_mul(int64_t a, int64_t m) noexcept nogil:
    # SPEC: high_mul(a, m) = trunc((a * m + (2^30 when a * m >= 0, else 1 - 2^30)) / 2^31)
    cdef int64_t nudge = power_of_two(30) if a * m >= 0 else 1 - power_of_two(30)
    return (a * m + nudge) / power_of_two(31)


cdef int64_t rounding_shift(int64_t v, int32_t n) noexcept nogil:
    # SPEC: rounding_shift(v, n) = (v >> n) + (1 when v mod 2^n > t, else 0)      v mod 2^n in [0, 2^n)
    # SPEC: t = floor((2^n - 1) / 2) + (1 when v < 0, else 0)
    cdef int64_t rest = v & (power_of_two(n) - 1)
    cdef int64_t t = (power_of_two(n) - 1) / 2 + (1 if v < 0 else 0)
    return (v >> n) + (1 if rest > t else 0)


cdef int32_t requantize_single(int64_t acc, int64_t multiplier, int32_t shift, int64_t addend,
                               const qrt_requant *r) noexcept nogil:
    # SPEC: y = clamp((acc * multiplier + addend) >> shift)                       int64
    return clamp((acc * multiplier + addend) >> shift, r.output_min, r.output_max)


cdef int64_t doubly_rounded(int64_t acc, int64_t multiplier, int32_t shift, int64_t bias) noexcept nogil:
    # SPEC: left = 31 - shift when shift < 31, else 0
    # SPEC: right = shift - 31 when shift > 31, else 0
    cdef int32_t left = 31 - shift if shift < 31 else 0
    cdef int32_t right = shift - 31 if shift > 31 else 0
    # SPEC: high = high_mul((acc + bias) * 2^left, multiplier)
    cdef int64_t high = high_mul((acc + bias) * power_of_two(left), multiplier)
    return rounding_shift(high, right)


cdef int32_t requantize_double(int64_t acc, int64_t multiplier, int32_t shift, int64_t bias,
                               const qrt_requant *r) noexcept nogil:
    # SPEC: y = clamp(rounding_shift(high, right) + y_zero_point)
    return clamp(doubly_rounded(acc, multiplier, shift, bias) + r.y_zero_point, r.output_min, r.output_max)


cdef int32_t requantize(int64_t acc, const qrt_requant *r, int32_t channel) noexcept nogil:
    # SPEC: multiplier and shift have one entry for each channel, or a single one that serves all
    cdef int64_t multiplier = r.multiplier[channel * r.step]
    cdef int32_t shift = r.shift[channel * r.step]
    # SPEC: bias, when present, has one for each channel and is 0 otherwise
    cdef int64_t bias = r.bias[channel] if r.bias != NULL else 0
    cdef int64_t addend
    if r.rounding != SINGLE:
        return requantize_double(acc, multiplier, shift, bias, r)
    if r.addend != NULL:
        # SPEC: When the file gives addend (as many entries as multiplier), it is used as it stands
        addend = r.addend[channel * r.step]
    else:
        # SPEC: addend = bias * multiplier + round + y_zero_point * 2^shift
        addend = bias * multiplier + round_of(shift) + r.y_zero_point * power_of_two(shift)
    return requantize_single(acc, multiplier, shift, addend, r)


cdef void put(int64_t acc, const qrt_requant *r, int32_t channel, int8_t *output, int64_t at) noexcept nogil:
    cdef int32_t y
    if r.wide:
        # SPEC: Where y is int32, y = acc + bias.
        y = <int32_t>acc + (r.bias[channel] if r.bias != NULL else 0)
        memcpy(output + 4 * at, &y, 4)
    else:
        put_code(requantize(acc, r, channel), r.y_int16, output, at)


# -------------------------------------------------------------------------------------------- 2. Operators


cdef void conv2d(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) noexcept nogil:
    cdef const qrt_conv2d_params *p = <const qrt_conv2d_params *>params
    cdef const int8_t *x = inputs[0]
    # SPEC: output channel c belongs to group g = floor(c / (out_channels / groups))
    cdef int32_t group_outputs = p.out_channels / p.groups
    cdef int32_t group_inputs = p.in_channels / p.groups
    cdef int32_t n, out_y, out_x, out_channel, filter_y, filter_x, i, in_y, in_x, in_channel
    cdef int64_t at_x, at_weights, acc
    cdef int64_t at_y = 0
    for n in range(p.batch):
        for out_y in range(p.out_height):
            for out_x in range(p.out_width):
                for out_channel in range(p.out_channels):
                    acc = 0
                    for filter_y in range(p.filter_height):
                        for filter_x in range(p.filter_width):
                            # SPEC: in_y = out_y * stride_y - pad_top + filter_y * dilation_y
                            in_y = out_y * p.stride_y - p.pad_top + filter_y * p.dilation_y
                            in_x = out_x * p.stride_x - p.pad_left + filter_x * p.dilation_x
                            # SPEC: A position outside of the image is padding: it contributes nothing.
                            if in_y < 0 or in_y >= p.in_height or in_x < 0 or in_x >= p.in_width:
                                continue
                            for i in range(group_inputs):
                                in_channel = out_channel / group_outputs * group_inputs + i
                                at_x = ((<int64_t>n * p.in_height + in_y) * p.in_width + in_x) * p.in_channels
                                at_weights = ((<int64_t>out_channel * p.filter_height + filter_y) * p.filter_width
                                              + filter_x) * group_inputs
                                # SPEC: acc = sum over filter_y, filter_x, i in [0, in_channels / groups) of
                                # SPEC: (x[n, in_y, in_x, g * in_channels / groups + i] - x_zero_point)
                                # SPEC: * weights[c, filter_y, filter_x, i]
                                acc += ((code_at(x, p.x_int16, at_x + in_channel) - p.x_zero_point)
                                        * p.weights[at_weights + i])
                    # SPEC: y = requantize(acc), per channel c
                    put(acc, &p.requant, out_channel, output, at_y)
                    at_y += 1


reference.conv2d.run = conv2d
reference.conv2d16.run = conv2d


cdef void dwconv2d(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) noexcept nogil:
    cdef const qrt_conv2d_params *p = <const qrt_conv2d_params *>params
    cdef const int8_t *x = inputs[0]
    # SPEC: out_channels = in_channels * depth_multiplier
    cdef int32_t depth_multiplier = p.out_channels / p.in_channels
    cdef int32_t n, out_y, out_x, out_channel, filter_y, filter_x, in_y, in_x, in_channel
    cdef int64_t at_x, at_weights, acc
    cdef int64_t at_y = 0
    for n in range(p.batch):
        for out_y in range(p.out_height):
            for out_x in range(p.out_width):
                for out_channel in range(p.out_channels):
                    acc = 0
                    in_channel = out_channel / depth_multiplier
                    for filter_y in range(p.filter_height):
                        for filter_x in range(p.filter_width):
                            # SPEC: in_y = out_y * stride_y - pad_top + filter_y * dilation_y
                            in_y = out_y * p.stride_y - p.pad_top + filter_y * p.dilation_y
                            in_x = out_x * p.stride_x - p.pad_left + filter_x * p.dilation_x
                            # SPEC: A position outside of the image is padding: it contributes nothing.
                            if in_y < 0 or in_y >= p.in_height or in_x < 0 or in_x >= p.in_width:
                                continue
                            at_x = ((<int64_t>n * p.in_height + in_y) * p.in_width + in_x) * p.in_channels
                            at_weights = (<int64_t>filter_y * p.filter_width + filter_x) * p.out_channels
                            # SPEC: acc = sum over filter_y, filter_x of
                            # SPEC: (x[n, in_y, in_x, floor(c / depth_multiplier)] - x_zero_point)
                            # SPEC: * weights[0, filter_y, filter_x, c]
                            acc += ((code_at(x, p.x_int16, at_x + in_channel) - p.x_zero_point)
                                    * p.weights[at_weights + out_channel])
                    # SPEC: y = requantize(acc), per channel c
                    put(acc, &p.requant, out_channel, output, at_y)
                    at_y += 1


reference.dwconv2d.run = dwconv2d
reference.dwconv2d16.run = dwconv2d


cdef void linear(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) noexcept nogil:
    cdef const qrt_linear_params *p = <const qrt_linear_params *>params
    cdef const int8_t *x = inputs[0]
    cdef int32_t row, o, i
    cdef int64_t at_x, at_weights, acc
    for row in range(p.rows):
        for o in range(p.out_features):
            acc = 0
            at_x = <int64_t>row * p.in_features
            at_weights = <int64_t>o * p.in_features
            # SPEC: acc = sum over i of (x[..., i] - x_zero_point) * weights[o, i]
            for i in range(p.in_features):
                acc += (code_at(x, p.x_int16, at_x + i) - p.x_zero_point) * p.weights[at_weights + i]
            # SPEC: y = requantize(acc), per channel o
            put(acc, &p.requant, o, output, <int64_t>row * p.out_features + o)


reference.linear.run = linear
reference.linear16.run = linear


cdef int64_t scale_down(int64_t v, int32_t multiplier, int32_t shift) noexcept nogil:
    # SPEC: scale_down(v, multiplier, shift) = rounding_shift(high_mul(v, multiplier), shift - 31)
    return rounding_shift(high_mul(v, multiplier), shift - 31)


cdef int32_t add_codes(int64_t a, int64_t b, const qrt_add_params *p) noexcept nogil:
    cdef int64_t v, unit
    if p.form == COMMON_SHIFT:
        # SPEC: y = clamp((a * a_multiplier + sign * b * b_multiplier + addend) >> shift)     int64
        # SPEC: addend = round + y_zero_point * 2^shift - a_zero_point * a_multiplier
        # SPEC: - sign * b_zero_point * b_multiplier
        # The parameters hold this addend, and sign * b_multiplier in b_multiplier.
        v = (a * p.a_multiplier + b * p.b_multiplier + p.addend) >> p.shift
    else:
        # SPEC: y = clamp(scale_down(scale_down((a - a_zero_point) * unit, a_multiplier, a_shift)
        # SPEC:   + sign * scale_down((b - b_zero_point) * unit, b_multiplier, b_shift), y_multiplier, y_shift)
        # SPEC:   + y_zero_point)
        # SPEC: unit = 2^20, or 2^15 where they are int16
        unit = power_of_two(15 if p.x_int16 else 20)
        v = scale_down((a - p.a_zero_point) * unit, p.a_multiplier, p.a_shift)
        v += p.b_sign * scale_down((b - p.b_zero_point) * unit, p.b_multiplier, p.b_shift)
        v = scale_down(v, p.y_multiplier, p.y_shift) + p.y_zero_point
    return clamp(v, p.output_min, p.output_max)


cdef int64_t broadcast_size(const qrt_broadcast *s) noexcept nogil:
    cdef int64_t size = 1
    cdef int32_t axis
    for axis in range(s.rank):
        size *= s.shape[axis]
    return size


cdef int64_t source_of(int64_t flat, int32_t rank, const int32_t *shape, const int32_t *stride) noexcept nogil:
    """Where an operand has what index `flat` of a tensor of that shape needs: sum(index * stride)."""
    cdef int64_t source = 0
    cdef int32_t axis
    for axis in range(rank - 1, -1, -1):
        source += flat % shape[axis] * stride[axis]
        flat /= shape[axis]
    return source


cdef void add(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) noexcept nogil:
    cdef const qrt_add_params *p = <const qrt_add_params *>params
    cdef const qrt_broadcast *s = &p.broadcast
    cdef int64_t i, at_a, at_b
    # SPEC: along each axis an operand has the output's length or 1, in which case its only entry serves every index
    for i in range(broadcast_size(s)):
        at_a = source_of(i, s.rank, s.shape, s.a_stride)
        at_b = source_of(i, s.rank, s.shape, s.b_stride)
        put_code(add_codes(code_at(inputs[0], p.x_int16, at_a), code_at(inputs[1], p.x_int16, at_b), p),
                 p.y_int16, output, i)


reference.add.run = add
reference.add16.run = add


cdef void squared_difference(const void *params, const int8_t *const *inputs, int8_t *output,
                             void *scratch) noexcept nogil:
    cdef const qrt_add_params *p = <const qrt_add_params *>params
    cdef const qrt_broadcast *s = &p.broadcast
    cdef int64_t i, a, b, d
    for i in range(broadcast_size(s)):
        a = inputs[0][source_of(i, s.rank, s.shape, s.a_stride)]
        b = inputs[1][source_of(i, s.rank, s.shape, s.b_stride)]
        # SPEC: d = scale_down((a - a_zero_point) * 2^7, a_multiplier, a_shift)
        # SPEC: - scale_down((b - b_zero_point) * 2^7, b_multiplier, b_shift)
        d = scale_down((a - p.a_zero_point) * power_of_two(7), p.a_multiplier, p.a_shift)
        d -= scale_down((b - p.b_zero_point) * power_of_two(7), p.b_multiplier, p.b_shift)
        # SPEC: y = clamp(scale_down(d * d, y_multiplier, y_shift) + y_zero_point)
        d = scale_down(d * d, p.y_multiplier, p.y_shift) + p.y_zero_point
        output[i] = <int8_t>clamp(d, p.output_min, p.output_max)


reference.squared_difference.run = squared_difference


cdef void mul(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) noexcept nogil:
    cdef const qrt_binary_params *p = <const qrt_binary_params *>params
    cdef const qrt_broadcast *s = &p.broadcast
    cdef int64_t i, at_a, at_b, acc
    for i in range(broadcast_size(s)):
        at_a = source_of(i, s.rank, s.shape, s.a_stride)
        at_b = source_of(i, s.rank, s.shape, s.b_stride)
        # SPEC: acc = (a - a_zero_point) * (b - b_zero_point), y = requantize(acc), per tensor, without bias
        acc = code_at(inputs[0], p.x_int16, at_a) - p.a_zero_point
        acc *= code_at(inputs[1], p.x_int16, at_b) - p.b_zero_point
        put(acc, &p.requant, 0, output, i)


reference.mul.run = mul
reference.mul16.run = mul


cdef void requantize_operator(const void *params, const int8_t *const *inputs, int8_t *output,
                              void *scratch) noexcept nogil:
    cdef const qrt_unary_params *p = <const qrt_unary_params *>params
    cdef int32_t i
    # SPEC: acc = x - x_zero_point; y = requantize(acc), per tensor, without bias
    for i in range(p.size):
        put(code_at(inputs[0], p.x_int16, i) - p.x_zero_point, &p.requant, 0, output, i)


reference.requantize.run = requantize_operator
reference.requantize16.run = requantize_operator


cdef void clamp_operator(const void *params, const int8_t *const *inputs, int8_t *output,
                         void *scratch) noexcept nogil:
    cdef const qrt_unary_params *p = <const qrt_unary_params *>params
    cdef int32_t i
    # SPEC: y = clamp(x)
    for i in range(p.size):
        put_code(clamp(code_at(inputs[0], p.x_int16, i), p.requant.output_min, p.requant.output_max),
                 p.x_int16, output, i)


reference.clamp.run = clamp_operator
reference.clamp16.run = clamp_operator


cdef void lut(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) noexcept nogil:
    cdef const qrt_lut_params *p = <const qrt_lut_params *>params
    cdef int32_t i
    # SPEC: y = table[x + 128]
    for i in range(p.size):
        output[i] = p.table[inputs[0][i] + 128]


reference.lut.run = lut


cdef void transpose_conv2d(const void *params, const int8_t *const *inputs, int8_t *output,
                           void *scratch) noexcept nogil:
    cdef const qrt_conv2d_params *p = <const qrt_conv2d_params *>params
    cdef int32_t n, out_y, out_x, c, filter_y, filter_x, in_y, in_x, i
    cdef int64_t at_x, at_weights, acc
    cdef int64_t at_y = 0
    for n in range(p.batch):
        for out_y in range(p.out_height):
            for out_x in range(p.out_width):
                for c in range(p.out_channels):
                    acc = 0
                    # SPEC: acc = sum over filter_y, filter_x, in_y, in_x, i with
                    for filter_y in range(p.filter_height):
                        for filter_x in range(p.filter_width):
                            for in_y in range(p.in_height):
                                for in_x in range(p.in_width):
                                    # SPEC: out_y = in_y * stride_y - pad_top + filter_y
                                    # SPEC: and out_x = in_x * stride_x - pad_left + filter_x of
                                    if out_y != in_y * p.stride_y - p.pad_top + filter_y:
                                        continue
                                    if out_x != in_x * p.stride_x - p.pad_left + filter_x:
                                        continue
                                    at_x = ((<int64_t>n * p.in_height + in_y) * p.in_width + in_x) * p.in_channels
                                    at_weights = ((<int64_t>c * p.filter_height + filter_y) * p.filter_width
                                                  + filter_x) * p.in_channels
                                    # SPEC: (x[n, in_y, in_x, i] - x_zero_point) * weights[c, filter_y, filter_x, i]
                                    for i in range(p.in_channels):
                                        acc += ((code_at(inputs[0], p.x_int16, at_x + i) - p.x_zero_point)
                                                * p.weights[at_weights + i])
                    # SPEC: y = requantize(acc), per channel c
                    put(acc, &p.requant, c, output, at_y)
                    at_y += 1


reference.transpose_conv2d.run = transpose_conv2d
reference.transpose_conv2d16.run = transpose_conv2d


cdef void maximum(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) noexcept nogil:
    cdef const qrt_binary_params *p = <const qrt_binary_params *>params
    cdef const qrt_broadcast *s = &p.broadcast
    cdef int64_t i, at_a, at_b
    cdef int32_t code
    # SPEC: maximum (a, b) -> y, with broadcasting, same numbers: the larger code.
    for i in range(broadcast_size(s)):
        at_a = source_of(i, s.rank, s.shape, s.a_stride)
        at_b = source_of(i, s.rank, s.shape, s.b_stride)
        code = max(code_at(inputs[0], p.x_int16, at_a), code_at(inputs[1], p.x_int16, at_b))
        put_code(code, p.x_int16, output, i)


reference.maximum.run = maximum
reference.maximum16.run = maximum


cdef void minimum(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) noexcept nogil:
    cdef const qrt_binary_params *p = <const qrt_binary_params *>params
    cdef const qrt_broadcast *s = &p.broadcast
    cdef int64_t i, at_a, at_b
    cdef int32_t code
    # SPEC: minimum: the smaller code.
    for i in range(broadcast_size(s)):
        at_a = source_of(i, s.rank, s.shape, s.a_stride)
        at_b = source_of(i, s.rank, s.shape, s.b_stride)
        code = min(code_at(inputs[0], p.x_int16, at_a), code_at(inputs[1], p.x_int16, at_b))
        put_code(code, p.x_int16, output, i)


reference.minimum.run = minimum
reference.minimum16.run = minimum


cdef void matmul(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) noexcept nogil:
    cdef const qrt_matmul_params *p = <const qrt_matmul_params *>params
    cdef int32_t batch, m, n, k
    cdef int64_t at_a, at_b, a, b, acc
    cdef int64_t at_y = 0
    for batch in range(p.batch):
        for m in range(p.rows):
            for n in range(p.columns):
                at_a = (<int64_t>batch * p.rows + m) * p.depth
                # SPEC: the only b serves all where its leading axes are 1
                at_b = <int64_t>batch * p.b_step + <int64_t>n * p.depth
                # SPEC: acc = sum over k of (a[..., m, k] - a_zero_point) * (b[..., n, k] - b_zero_point)
                acc = 0
                for k in range(p.depth):
                    a = code_at(inputs[0], p.x_int16, at_a + k) - p.a_zero_point
                    b = code_at(inputs[1], p.x_int16, at_b + k) - p.b_zero_point
                    acc += a * b
                # SPEC: y = requantize(acc), per tensor, without bias
                put(acc, &p.requant, 0, output, at_y)
                at_y += 1


reference.matmul.run = matmul
reference.matmul16.run = matmul


cdef void requantize_sum(const void *params, const int8_t *const *inputs, int8_t *output,
                         void *scratch) noexcept nogil:
    cdef const qrt_requantize_sum_params *p = <const qrt_requantize_sum_params *>params
    cdef const qrt_requant *r = &p.requant
    cdef int32_t row, c, a
    cdef int64_t at, sum
    for row in range(p.rows):
        for c in range(p.channels):
            at = <int64_t>row * p.channels + c
            memcpy(&a, inputs[0] + 4 * at, 4)
            # SPEC: y = clamp((a * multiplier + b * b_multiplier + addend) >> shift), per channel
            sum = <int64_t>a * r.multiplier[c * r.step] + inputs[1][at] * p.b_multiplier[c * r.step]
            output[at] = <int8_t>clamp((sum + r.addend[c * r.step]) >> r.shift[c * r.step], r.output_min, r.output_max)


reference.requantize_sum.run = requantize_sum


include "_reference_pools.pxi"
include "_reference_move.pxi"
include "_reference_state.pxi"
include "_reference_gates.pxi"
include "_reference_16.pxi"
include "_reference_recurrent.pxi"
include "_reference_rows.pxi"


# ------------------------------------------------------------------------------------------------ The table


def kernels():
    """The table of the reference kernels.

    Returns
    -------
    capsule
        Named ``qrt.kernels``; holds a pointer to a ``struct qrt_kernels`` that lives as long as the process.
    """
    return PyCapsule_New(&reference, "qrt.kernels", NULL)
