"""Reference kernels over the rows of the last axis: softmax, arg_max, l2_norm, layer_norm, log_softmax; a part of _reference.pyx."""


cdef int64_t inverse(int64_t a) noexcept nogil:
    cdef int32_t step
    # SPEC: h = (a + 2^31) >> 1
    cdef int64_t h = (a + power_of_two(31)) >> 1
    # SPEC: v = 1515870810 + high_mul(h, -1010580540)
    cdef int64_t v = 1515870810 + high_mul(h, -1010580540)
    # SPEC: three times: v = v + 4 * high_mul(v, 2^29 - high_mul(h, v))
    for step in range(3):
        v = v + 4 * high_mul(v, power_of_two(29) - high_mul(h, v))
    # SPEC: min(2 * v, 2^31 - 1)
    return min(2 * v, power_of_two(31) - 1)


cdef uint32_t exponential(const uint32_t *table, int32_t count, int32_t d) noexcept nogil:
    # SPEC: and is 0 beyond the table's end
    return table[d] if d < count else 0


cdef void softmax_tflite(const qrt_softmax_params *p, const int8_t *x, int32_t largest, int8_t *output,
                         int64_t first) noexcept nogil:
    cdef int64_t e, v, sum = 0
    cdef int32_t i, bits = 0
    # SPEC: sum = sum of rounding_shift(e[i], 12)
    for i in range(p.channels):
        sum += rounding_shift(exponential(p.exponential, p.exponential_count, largest - x[i]), 12)
    # SPEC: bits = number of zero bits in front of the highest one of sum, as a 32-bit number
    while sum * power_of_two(bits) < power_of_two(31):
        bits += 1
    cdef int64_t r = inverse(sum * power_of_two(bits) - power_of_two(31))
    for i in range(p.channels):
        # SPEC: y[i] = min(rounding_shift(high_mul(inverse(sum * 2^bits - 2^31), e[i]), 35 - bits) - 128, 127)
        # SPEC: Where y is int16: 27 - bits, -32768 and 32767
        e = exponential(p.exponential, p.exponential_count, largest - x[i])
        v = rounding_shift(high_mul(r, e), (27 if p.y_int16 else 35) - bits) - (32768 if p.y_int16 else 128)
        put_code(<int32_t>min(v, <int64_t>(32767 if p.y_int16 else 127)), p.y_int16, output, first + i)


cdef void softmax_exact(const qrt_softmax_params *p, const int8_t *x, int32_t largest, int8_t *output,
                        int64_t first) noexcept nogil:
    cdef uint64_t sum = 0, reciprocal, product
    cdef int32_t i, code
    # SPEC: e[i] = exponential[max - x[i]]
    # SPEC: reciprocal = floor(numerator / sum of e)
    for i in range(p.channels):
        sum += exponential(p.exponential, p.exponential_count, largest - x[i])
    reciprocal = p.numerator / sum
    for i in range(p.channels):
        # SPEC: y[i] = min(max(y_zero_point + ((e[i] * reciprocal + round) >> shift), -128), 127)     uint64 product
        # SPEC: -32768 and 32767 take the place of -128 and 127 in the formulas
        product = exponential(p.exponential, p.exponential_count, largest - x[i]) * reciprocal
        product = (product + <uint64_t>round_of(p.shift)) >> p.shift
        code = <int32_t>min(product, <uint64_t>65536) + p.y_zero_point
        code = clamp(code, -32768 if p.y_int16 else -128, 32767 if p.y_int16 else 127)
        put_code(code, p.y_int16, output, first + i)


cdef void softmax(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) noexcept nogil:
    cdef const qrt_softmax_params *p = <const qrt_softmax_params *>params
    cdef const int8_t *x
    cdef int32_t row, i, largest
    cdef int64_t first
    for row in range(p.rows):
        first = <int64_t>row * p.channels
        if p.x_int16:
            softmax_of_int16(p, inputs[0], output, first)
            continue
        x = inputs[0] + first
        # SPEC: max: the row's largest code
        largest = -128
        for i in range(p.channels):
            largest = max(largest, x[i])
        if p.form == EXACT:
            softmax_exact(p, x, largest, output, first)
        else:
            softmax_tflite(p, x, largest, output, first)


reference.softmax.run = softmax
reference.softmax16.run = softmax


cdef void arg_max(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) noexcept nogil:
    cdef const qrt_arg_max_params *p = <const qrt_arg_max_params *>params
    cdef const int8_t *x
    cdef int32_t row, i, best
    for row in range(p.rows):
        x = inputs[0] + <int64_t>row * p.channels
        # SPEC: the index of the first of the largest codes, less 128
        best = 0
        for i in range(p.channels):
            if x[i] > x[best]:
                best = i
        output[row] = <int8_t>(best - 128)


reference.arg_max.run = arg_max


cdef int64_t sat(int64_t v) noexcept nogil:
    # SPEC: sat(v) = min(max(v, -2^31), 2^31 - 1)
    return min(max(v, -power_of_two(31)), power_of_two(31) - 1)


cdef int64_t inverse_root(int64_t s, int32_t *e) noexcept nogil:
    cdef int32_t zeros = 0
    cdef int32_t pairs, step
    cdef int64_t t, h, v, m
    # SPEC: s <= 1: m = 2^31 - 1, e = 0
    e[0] = 0
    if s <= 1:
        return power_of_two(31) - 1
    # SPEC: else: e = 11; while s >= 2^29: s = floor(s / 4), e = e + 1
    e[0] = 11
    while s >= power_of_two(29):
        s = s / 4
        e[0] = e[0] + 1
    # SPEC: pairs = floor((zero bits in front of the highest one of s, as a 32-bit number, - 1) / 2) - 1
    while s * power_of_two(zeros) < power_of_two(31):
        zeros += 1
    pairs = (zeros - 1) / 2 - 1
    # SPEC: t = s * 2^(2 * pairs), e = e - pairs
    t = s * power_of_two(2 * pairs)
    e[0] = e[0] - pairs
    # SPEC: h = rounding_shift(t >> 1, 1), v = 2^28
    h = rounding_shift(t >> 1, 1)
    v = power_of_two(28)
    for step in range(5):
        # SPEC: v = sat(8 * (high_mul(402653184, v) - high_mul(h, sat(64 * high_mul(high_mul(v, v), v)))))
        v = sat(8 * (high_mul(402653184, v) - high_mul(h, sat(64 * high_mul(high_mul(v, v), v)))))
    # SPEC: m = high_mul(v, 1518500250); while e < 0: m = 2 * m, e = e + 1
    m = high_mul(v, 1518500250)
    while e[0] < 0:
        m = 2 * m
        e[0] = e[0] + 1
    return m


cdef void l2_norm(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) noexcept nogil:
    cdef const qrt_l2_norm_params *p = <const qrt_l2_norm_params *>params
    cdef int32_t row, i, d, e
    cdef int64_t s, m, v, first
    for row in range(p.rows):
        first = <int64_t>row * p.channels
        s = 0
        # SPEC: d[i] = x[i] - x_zero_point
        # SPEC: m, e = inverse_root(sum of d[i]^2)
        for i in range(p.channels):
            d = inputs[0][first + i] - p.x_zero_point
            s += d * d
        m = inverse_root(s, &e)
        for i in range(p.channels):
            d = inputs[0][first + i] - p.x_zero_point
            # SPEC: y[i] = min(max(rounding_shift(high_mul(d[i] * 2^max(7 - e, 0), m), max(e - 7, 0)), -128), 127)
            v = rounding_shift(high_mul(d * power_of_two(max(7 - e, 0)), m), max(e - 7, 0))
            output[first + i] = <int8_t>clamp(v, -128, 127)


reference.l2_norm.run = l2_norm


cdef uint64_t square_root(uint64_t t) noexcept nogil:
    """floor(sqrt(t)), a bit at a time."""
    cdef uint64_t q = 0, bit
    cdef int32_t place
    for place in range(31, -1, -1):
        bit = <uint64_t>power_of_two(place)
        if (q + bit) * (q + bit) <= t:
            q += bit
    return q


cdef void layer_norm(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) noexcept nogil:
    cdef const qrt_layer_norm_params *p = <const qrt_layer_norm_params *>params
    cdef int32_t row, i, h, k
    cdef int64_t first, sum, d, n, r
    cdef uint64_t t
    for row in range(p.rows):
        first = <int64_t>row * p.channels
        sum = 0
        for i in range(p.channels):
            sum += inputs[0][first + i]
        # SPEC: d[i] = C * x[i] - sum of x
        # SPEC: t = max(2^epsilon_bits * sum of d[i]^2 + epsilon, 2^epsilon_bits)
        t = 0
        for i in range(p.channels):
            d = <int64_t>p.channels * inputs[0][first + i] - sum
            t += <uint64_t>(d * d)
        t = max(t * <uint64_t>power_of_two(p.epsilon_bits) + p.epsilon, <uint64_t>power_of_two(p.epsilon_bits))
        # SPEC: h = the number for which 2^62 <= t * 4^h < 2^64
        h = 0
        while t < <uint64_t>power_of_two(62):
            t *= 4
            h += 1
        # SPEC: r = floor(2^62 / floor(sqrt(t * 4^h)))
        r = power_of_two(62) / <int64_t>square_root(t)
        # SPEC: k = 32 - h - epsilon_bits / 2
        k = 32 - h - p.epsilon_bits / 2
        for i in range(p.channels):
            d = <int64_t>p.channels * inputs[0][first + i] - sum
            # SPEC: n[i] = (d[i] * r + 2^(k - 1)) >> k
            n = (d * r + power_of_two(k - 1)) >> k
            # SPEC: y[i] = min(max((n[i] * multiplier[i] + addend[i]) >> shift, -128), 127)          int64
            output[first + i] = <int8_t>clamp((n * p.multiplier[i] + p.addend[i]) >> p.shift, -128, 127)


reference.layer_norm.run = layer_norm


cdef int64_t log2_of(uint64_t s) noexcept nogil:
    cdef int64_t l = 0
    cdef int32_t place
    # SPEC: l = 0, v = s
    cdef uint64_t v = s
    # SPEC: while v >= 2^32: v = floor(v / 2), l = l + 2^26
    while v >= <uint64_t>power_of_two(32):
        v = v / 2
        l += power_of_two(26)
    for place in range(25, -1, -1):
        # SPEC: v = floor(v * v / 2^31); if v >= 2^32: v = floor(v / 2), l = l + bit
        v = v * v / <uint64_t>power_of_two(31)
        if v >= <uint64_t>power_of_two(32):
            v = v / 2
            l += power_of_two(place)
    return l


cdef int32_t zeros_of(int64_t v) noexcept nogil:
    # SPEC: zeros(v): the zero bits in front of the highest one of v, as a 32-bit number
    cdef int32_t zeros = 0
    while v * power_of_two(zeros) < power_of_two(31):
        zeros += 1
    return zeros


cdef int64_t log_of(int64_t s) noexcept nogil:
    # SPEC: a = zeros(s) - 1, v = min(2 * high_mul(s * 2^a, 1518500250), 2^31 - 1)
    cdef int32_t a = zeros_of(s) - 1
    cdef int64_t v = min(2 * high_mul(s * power_of_two(a), 1518500250), power_of_two(31) - 1)
    # SPEC: b = zeros(high_mul(s, 1518500250)) - 1, w = min(s * 2^b, 2^31 - 1)
    cdef int32_t b = zeros_of(high_mul(s, 1518500250)) - 1
    cdef int64_t w = min(s * power_of_two(b), power_of_two(31) - 1)
    # SPEC: r = min(v, w), z = max((11 - a) * 2^25 + 2^23, (12 - b) * 2^25 - 2^23)
    cdef int64_t r = min(v, w)
    cdef int64_t z = max((11 - a) * power_of_two(25) + power_of_two(23), (12 - b) * power_of_two(25) - power_of_two(23))
    # SPEC: p = (r + 1805811302) >> 1, q = 2 * (r - 1805811301), c = high_mul(q, q)
    cdef int64_t p = (r + 1805811302) >> 1
    cdef int64_t q = 2 * (r - 1805811301)
    cdef int64_t c = high_mul(q, q)
    # SPEC: n = high_mul(q, r) + high_mul(high_mul(q, c), 117049297)
    cdef int64_t n = high_mul(q, r) + high_mul(high_mul(q, c), 117049297)
    # SPEC: d = high_mul(p, 1057819769 + q + high_mul(127690142, c)) + high_mul(638450708, q)
    cdef int64_t d = high_mul(p, 1057819769 + q + high_mul(127690142, c)) + high_mul(638450708, q)
    # SPEC: log = 2 * (high_mul(z, 1488522236) + high_mul(rounding_shift(n, 6), inverse(d)))
    return 2 * (high_mul(z, 1488522236) + high_mul(rounding_shift(n, 6), inverse(d)))


cdef void log_softmax_exact(const qrt_log_softmax_params *p, const int8_t *x, int32_t largest,
                            int8_t *y) noexcept nogil:
    cdef uint64_t sum = 0
    cdef int64_t l
    cdef int32_t i
    for i in range(p.channels):
        sum += exponential(p.exponential, p.exponential_count, largest - x[i])
    l = log2_of(sum)
    for i in range(p.channels):
        # SPEC: y[i] = min(max((addend - (max - x[i]) * multiplier
        # SPEC: - log2(sum of e) * log_multiplier) >> shift, -128), 127)      int64
        y[i] = <int8_t>clamp((p.addend - (largest - x[i]) * p.multiplier - l * p.log_multiplier) >> p.shift, -128, 127)


cdef void log_softmax_tflite(const qrt_log_softmax_params *p, const int8_t *x, int32_t largest,
                             int8_t *y) noexcept nogil:
    cdef int64_t l, v, sum = 0
    cdef int32_t i
    for i in range(p.channels):
        sum += rounding_shift(exponential(p.exponential, p.exponential_count, largest - x[i]), 12)
    l = log_of(sum)
    for i in range(p.channels):
        # SPEC: y[i] is -128 where max - x[i] is beyond the table's end
        if largest - x[i] >= p.exponential_count:
            y[i] = -128
            continue
        # SPEC: v[i] = max(high_mul(-(max - x[i]) * 2^(31 - shift), multiplier), -2^30)
        # SPEC: - log(sum of rounding_shift(e[i], 12))
        v = max(high_mul(-(largest - x[i]) * power_of_two(31 - p.shift), p.multiplier), -power_of_two(30)) - l
        # SPEC: y[i] = min(max(rounding_shift(v[i], 22) + 127, -128), 127)
        y[i] = <int8_t>clamp(rounding_shift(v, 22) + 127, -128, 127)


cdef void log_softmax(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) noexcept nogil:
    cdef const qrt_log_softmax_params *p = <const qrt_log_softmax_params *>params
    cdef const int8_t *x
    cdef int32_t row, i, largest
    for row in range(p.rows):
        x = inputs[0] + <int64_t>row * p.channels
        largest = -128
        for i in range(p.channels):
            largest = max(largest, x[i])
        if p.form == EXACT:
            log_softmax_exact(p, x, largest, output + <int64_t>row * p.channels)
        else:
            log_softmax_tflite(p, x, largest, output + <int64_t>row * p.channels)


reference.log_softmax.run = log_softmax
