"""Reference kernels of the pools and of mean; a part of _reference.pyx."""


cdef int32_t half_away(int32_t s, int32_t n) noexcept nogil:
    # SPEC: s / n rounded to nearest, ties away from zero
    if s < 0:
        return -half_away(-s, n)
    return s / n + (1 if 2 * <int64_t>(s % n) >= n else 0)


cdef int32_t half_even(int32_t s, int32_t n) noexcept nogil:
    # SPEC: s / n rounded to nearest, ties to even
    if s < 0:
        return -half_even(-s, n)
    cdef int32_t quotient = s / n
    cdef int64_t twice_rest = 2 * <int64_t>(s % n)
    if twice_rest > n or (twice_rest == n and quotient % 2 == 1):
        quotient += 1
    return quotient


cdef void average_pool2d(const void *params, const int8_t *const *inputs, int8_t *output,
                         void *scratch) noexcept nogil:
    cdef const qrt_pool2d_params *p = <const qrt_pool2d_params *>params
    cdef int32_t n, out_y, out_x, channel, filter_y, filter_x, in_y, in_x, code, s, count, mean
    cdef int64_t at_x
    cdef int64_t at_y = 0
    for n in range(p.batch):
        for out_y in range(p.out_height):
            for out_x in range(p.out_width):
                for channel in range(p.channels):
                    # SPEC: n is the number of positions of the window that are not padding, s the sum over them
                    count = 0
                    s = 0
                    for filter_y in range(p.filter_height):
                        for filter_x in range(p.filter_width):
                            in_y = out_y * p.stride_y - p.pad_top + filter_y
                            in_x = out_x * p.stride_x - p.pad_left + filter_x
                            if in_y < 0 or in_y >= p.in_height or in_x < 0 or in_x >= p.in_width:
                                continue
                            at_x = ((<int64_t>n * p.in_height + in_y) * p.in_width + in_x) * p.channels + channel
                            code = code_at(inputs[0], p.x_int16, at_x)
                            # SPEC: of x for HALF_AWAY and HALF_EVEN_RAW, of x - x_zero_point for HALF_EVEN
                            s += code - p.x_zero_point if p.rounding == HALF_EVEN else code
                            count += 1
                    if p.rounding == HALF_AWAY:
                        # SPEC: HALF_AWAY      y = clamp(s / n rounded to nearest, ties away from zero)
                        mean = half_away(s, count)
                    elif p.rounding == HALF_EVEN:
                        # SPEC: HALF_EVEN      y = clamp((s / n rounded to nearest, ties to even) + x_zero_point)
                        mean = half_even(s, count) + p.x_zero_point
                    else:
                        # SPEC: HALF_EVEN_RAW  y = clamp(s / n rounded to nearest, ties to even)
                        mean = half_even(s, count)
                    put_code(clamp(mean, p.output_min, p.output_max), p.x_int16, output, at_y)
                    at_y += 1


reference.average_pool2d.run = average_pool2d
reference.average_pool2d16.run = average_pool2d


cdef void max_pool2d(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) noexcept nogil:
    cdef const qrt_pool2d_params *p = <const qrt_pool2d_params *>params
    cdef int32_t n, out_y, out_x, channel, filter_y, filter_x, in_y, in_x, code, largest
    cdef int64_t at_x
    cdef int64_t at_y = 0
    for n in range(p.batch):
        for out_y in range(p.out_height):
            for out_x in range(p.out_width):
                for channel in range(p.channels):
                    # SPEC: the largest code of the window that is not padding, clamped
                    largest = -32768
                    for filter_y in range(p.filter_height):
                        for filter_x in range(p.filter_width):
                            in_y = out_y * p.stride_y - p.pad_top + filter_y
                            in_x = out_x * p.stride_x - p.pad_left + filter_x
                            if in_y < 0 or in_y >= p.in_height or in_x < 0 or in_x >= p.in_width:
                                continue
                            at_x = ((<int64_t>n * p.in_height + in_y) * p.in_width + in_x) * p.channels + channel
                            code = code_at(inputs[0], p.x_int16, at_x)
                            largest = max(largest, code)
                    put_code(clamp(largest, p.output_min, p.output_max), p.x_int16, output, at_y)
                    at_y += 1


reference.max_pool2d.run = max_pool2d
reference.max_pool2d16.run = max_pool2d


cdef void mean(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) noexcept nogil:
    cdef const qrt_mean_params *p = <const qrt_mean_params *>params
    cdef int32_t n, position, channel
    cdef int64_t at_x, acc
    for n in range(p.batch):
        for channel in range(p.channels):
            # SPEC: acc = sum over H and W of x - x_zero_point; y = requantize(acc), per tensor, without bias
            acc = 0
            for position in range(p.positions):
                at_x = (<int64_t>n * p.positions + position) * p.channels + channel
                acc += code_at(inputs[0], p.x_int16, at_x) - p.x_zero_point
            put(acc, &p.requant, 0, output, <int64_t>n * p.channels + channel)


reference.mean.run = mean
reference.mean16.run = mean
