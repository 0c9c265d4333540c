"""Reference kernels of svdf and lstm; a part of _reference.pyx."""


cdef int32_t wrap(int64_t v, bint is_int16) noexcept nogil:
    # SPEC: wrap(v) is the number of the state's type that equals v modulo 2^8, or 2^16 where the state is int16
    return <int16_t>v if is_int16 else <int8_t>v


cdef void remember(const qrt_svdf_params *p, const int8_t *x, const int8_t *weights, int8_t *memory) noexcept nogil:
    """Moves the memory of one filter on by one run."""
    cdef int32_t i, m
    cdef int32_t acc = 0
    # SPEC: acc = sum over i of (x[b, i] - x_zero_point) * feature_weights[f, i]
    for i in range(p.in_features):
        acc += (x[i] - p.x_zero_point) * weights[i]
    # SPEC: state[b, f * M + m] = state[b, f * M + m + 1], for m from 0 to M - 2
    for m in range(p.memory - 1):
        put_code(code_at(memory, p.state_int16, m + 1), p.state_int16, memory, m)
    # SPEC: state[b, f * M + M - 1] = wrap(requantize(acc) + state_zero_point)
    m = wrap(requantize(acc, &p.feature, 0) + p.state_zero_point, p.state_int16)
    put_code(m, p.state_int16, memory, p.memory - 1)


cdef void svdf(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) noexcept nogil:
    cdef const qrt_svdf_params *p = <const qrt_svdf_params *>params
    cdef qrt_requant requant = p.requant
    cdef int32_t filters = p.units * p.rank
    cdef int32_t width = 2 if p.state_int16 else 1
    cdef int32_t b, f, u, m
    cdef int64_t at, acc
    cdef int8_t *state = <int8_t *>inputs[3]
    for b in range(p.batch):
        for f in range(filters):
            at = (<int64_t>b * filters + f) * p.memory
            remember(p, inputs[0] + <int64_t>b * p.in_features, inputs[1] + <int64_t>f * p.in_features,
                     state + width * at)
        for u in range(p.units):
            # SPEC: acc = bias[u] + sum over f in [rank * u, rank * u + rank), m in [0, M) of
            # SPEC: (state[b, f * M + m] - state_zero_point) * time_weights[f, m]
            acc = p.requant.bias[u] if p.requant.bias != NULL else 0
            for f in range(p.rank * u, p.rank * u + p.rank):
                for m in range(p.memory):
                    at = (<int64_t>b * filters + f) * p.memory + m
                    acc += <int64_t>(code_at(state, p.state_int16, at) - p.state_zero_point) * code_at(
                        inputs[2], p.state_int16, <int64_t>f * p.memory + m)
            # SPEC: y[b, u] = requantize(acc), whose bias has been added
            # SPEC: That acc is an int32, taken modulo 2^32.
            requant.bias = NULL
            output[<int64_t>b * p.units + u] = <int8_t>requantize(<int32_t>acc, &requant, 0)


reference.svdf.run = svdf


cdef int32_t sat16(int64_t v) noexcept nogil:
    # SPEC: sat16(v) = min(max(v, -32768), 32767)
    return <int32_t>min(max(v, -32768), 32767)


cdef int32_t of_operand(const qrt_lstm_params *p, const qrt_requant *r, const int8_t *x, int64_t at, int32_t zero_point,
                        const int8_t *weights, int32_t size, int32_t row) noexcept nogil:
    """What x or h adds to the gate of one row of weights."""
    cdef qrt_requant its = r[0]
    cdef int64_t acc = 0
    cdef int32_t i
    # SPEC: of_x[r] = sum over i of (x[b, t, i] - x_zero_point) * weights[r, i]
    # SPEC: of_h[r] = sum over k of (h[b, k] - h_zero_point) * recurrent_weights[r, k]
    for i in range(size):
        acc += (code_at(x, p.x_int16, at + i) - zero_point) * weights[<int64_t>row * size + i]
    # SPEC: their multiplier and shift have one entry for each row, or one for each gate
    if r.step == 0:
        its.multiplier += row / p.units
        its.shift += row / p.units
    return requantize(acc, &its, row)


cdef int32_t gate(const qrt_lstm_params *p, const int8_t *const *inputs, int64_t at_x, const int8_t *h, int64_t at_h,
                  int32_t row) noexcept nogil:
    # SPEC: gate[r] = sat16(requantize(of_x[r]) by input + requantize(of_h[r]) by recurrent)
    cdef int64_t v = of_operand(p, &p.input, inputs[0], at_x, p.x_zero_point, inputs[1], p.in_features, row)
    return sat16(v + of_operand(p, &p.recurrent, h, at_h, p.h_zero_point, inputs[2], p.units, row))


cdef int32_t cell(const qrt_lstm_params *p, int64_t i, int64_t f, int64_t g, int64_t c) noexcept nogil:
    # SPEC: v = sat16(sat16(scale_down(f * c[b, j], 2^30, 45)) + sat16(scale_down(i * g, 2^30, 60 + cell_power)))
    cdef int32_t v = sat16(scale_down(f * c, <int32_t>power_of_two(30), 45))
    v = sat16(v + sat16(scale_down(i * g, <int32_t>power_of_two(30), 60 + p.cell_power)))
    # SPEC: c[b, j] = min(max(v, -cell_clip), cell_clip) when cell_clip > 0, else v
    return min(max(v, -p.cell_clip), p.cell_clip) if p.cell_clip > 0 else v


cdef int32_t hidden(const qrt_lstm_params *p, int32_t c, int64_t o) noexcept nogil:
    cdef int32_t n = 12 + p.cell_power
    cdef int32_t least = -32768 if p.x_int16 else -128
    # SPEC: d = scaled(c[b, j], 3 * 2^n, 0) when n >= 0, else scaled(c[b, j], 3, -n)
    cdef int32_t d = scaled(c, <int32_t>(3 * power_of_two(n)), 0) if n >= 0 else scaled(c, 3, -n)
    # SPEC: h[b, j] = the nearest number of h's type to
    # SPEC: scale_down(tanh(d) * o, output_multiplier, output_shift) + h_zero_point
    cdef int64_t v = scale_down(tanh(d) * o, p.output_multiplier, p.output_shift) + p.h_zero_point
    return <int32_t>min(max(v, least), -1 - least)


cdef void lstm(const void *params, const int8_t *const *inputs, int8_t *output, void *scratch) noexcept nogil:
    cdef const qrt_lstm_params *p = <const qrt_lstm_params *>params
    cdef int16_t *c = <int16_t *>inputs[4]
    cdef int8_t *state = <int8_t *>inputs[3]
    cdef const int8_t *h
    cdef int32_t b, t, j, i, f, g, o, value
    cdef int64_t place, at_h
    for b in range(p.batch):
        # The numbers of a step of time are h for the next one, the first of which reads the state.
        h = state
        at_h = <int64_t>b * p.units
        for t in range(p.steps):
            # SPEC: with time_major x is [T, B, I] and y [T, B, H]
            place = <int64_t>t * p.batch + b if p.time_major else <int64_t>b * p.steps + t
            for j in range(p.units):
                # SPEC: i = sigmoid(3 * gate[j]), f = sigmoid(3 * gate[H + j]), g = tanh(3 * gate[2 * H + j]),
                # SPEC: o = sigmoid(3 * gate[3 * H + j])
                i = sigmoid(3 * gate(p, inputs, place * p.in_features, h, at_h, j))
                f = sigmoid(3 * gate(p, inputs, place * p.in_features, h, at_h, p.units + j))
                g = tanh(3 * gate(p, inputs, place * p.in_features, h, at_h, 2 * p.units + j))
                o = sigmoid(3 * gate(p, inputs, place * p.in_features, h, at_h, 3 * p.units + j))
                c[<int64_t>b * p.units + j] = <int16_t>cell(p, i, f, g, c[<int64_t>b * p.units + j])
                # SPEC: y[b, t, j] = h[b, j]
                value = hidden(p, c[<int64_t>b * p.units + j], o)
                put_code(value, p.x_int16, output, place * p.units + j)
            h = output
            at_h = place * p.units
        for j in range(p.units):
            put_code(code_at(h, p.x_int16, at_h + j), p.x_int16, state, <int64_t>b * p.units + j)


reference.lstm.run = lstm
reference.lstm16.run = lstm
