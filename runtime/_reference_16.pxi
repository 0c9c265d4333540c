"""Reference kernels of 16-bit arithmetic; a part of _reference.pyx."""


cdef int32_t code16(const int8_t *codes, bint int16, int64_t at) noexcept nogil:
    cdef short code
    if not int16:
        return codes[at]
    memcpy(&code, codes + 2 * at, 2)
    return code


cdef int32_t clamp16(int64_t v, int32_t output_min, int32_t output_max) noexcept nogil:
    # SPEC: clamp(v) = min(max(v, output_min), output_max)
    return <int32_t>min(max(v, <int64_t>output_min), <int64_t>output_max)


cdef int32_t requantize_int64(int64_t acc, const qrt_requant *r, int32_t channel) noexcept nogil:
    cdef int64_t multiplier = r.multiplier[channel * r.step]
    cdef int32_t shift = r.shift[channel * r.step]
    cdef int64_t bias = r.bias[channel] if r.bias != NULL else 0
    cdef int64_t addend
    if r.rounding != SINGLE:
        # SPEC: y = clamp(rounding_shift(high, right) + y_zero_point)
        return clamp16(doubly_rounded(acc, multiplier, shift, bias) + r.y_zero_point, r.output_min, r.output_max)
    if r.addend != NULL:
        addend = r.addend[channel * r.step]
    else:
        # SPEC: addend = bias * multiplier + round + y_zero_point * 2^shift
        addend = bias * multiplier + round_of(shift) + r.y_zero_point * power_of_two(shift)
    # SPEC: y = clamp((acc * multiplier + addend) >> shift)                       int64
    return clamp16((acc * multiplier + addend) >> shift, r.output_min, r.output_max)


cdef void put_code16(int32_t code, bint int16, int8_t *output, int64_t at) noexcept nogil:
    cdef short y = <short>code
    if int16:
        memcpy(output + 2 * at, &y, 2)
    else:
        output[at] = <int8_t>code


cdef void put16(int64_t acc, const qrt_requant *r, int32_t channel, int8_t *output, int64_t at) noexcept nogil:
    put_code16(requantize_int64(acc, r, channel), r.y_int16, output, at)


cdef void requantize16(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) noexcept nogil:
    cdef const qrt_unary_params *p = <const qrt_unary_params *>params
    cdef int32_t i
    # SPEC: acc = x - x_zero_point; y = requantize(acc), per tensor, without bias
    for i in range(p.size):
        put16(code16(inputs[0], p.x_int16, i) - p.x_zero_point, &p.requant, 0, output, i)


reference.requantize16.run = requantize16
