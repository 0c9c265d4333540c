"""Memory and arrays of the executor: aligned bytes, codes that are copied, shapes that fit."""


cdef cnp.ndarray aligned(size_t size):
    """`size` zeroed bytes that start at a multiple of 64, as an array of uint8."""
    cdef cnp.npy_intp room = size + 63
    cdef cnp.ndarray memory = cnp.PyArray_ZEROS(1, &room, cnp.NPY_UINT8, 0)
    cdef size_t skip = -<uintptr_t>cnp.PyArray_DATA(memory) % 64
    return memory[skip:skip + size]


cdef void *address(cnp.ndarray memory):
    return cnp.PyArray_DATA(memory)


cdef cnp.ndarray read_file(path):
    """The content of a file, aligned, read into the memory that it stays in."""
    cdef Py_ssize_t count = 0
    with open(path, "rb", buffering=0) as stream:
        memory = aligned(os.fstat(stream.fileno()).st_size)
        while read := stream.readinto(memory[count:]):
            count += read
        # Of a pipe, whose size is not known, or of a file that has grown meanwhile.
        rest = stream.readall()
    return copied(memory[:count].tobytes() + rest) if rest else memory[:count]


cdef cnp.ndarray copied(const uint8_t[::1] content):
    """The same bytes, aligned."""
    memory = aligned(content.shape[0])
    if content.shape[0] > 0:
        memcpy(address(memory), &content[0], content.shape[0])
    return memory


cdef copy_codes(const int8_t *codes, dict edge):
    cdef cnp.ndarray array = np.empty(edge["shape"], dtype=edge["dtype"])
    memcpy(address(array), codes, array.nbytes)
    return array


cdef int missing_axes(x, cnp.ndarray view):
    """0 for codes as they lie in `view`, 1 when only the batch axis of length 1 is missing, else -1."""
    cdef int missing, i
    # Contiguous, and in the machine's byte order.
    if not cnp.PyArray_CheckExact(x) or not cnp.PyArray_ISCARRAY_RO(x):
        return -1
    if cnp.PyArray_TYPE(x) != cnp.PyArray_TYPE(view):
        return -1
    missing = cnp.PyArray_NDIM(view) - cnp.PyArray_NDIM(x)
    if missing != 0 and (missing != 1 or cnp.PyArray_DIM(view, 0) != 1):
        return -1
    for i in range(cnp.PyArray_NDIM(x)):
        if cnp.PyArray_DIM(x, i) != cnp.PyArray_DIM(view, i + missing):
            return -1
    return missing


cdef samples_like(cnp.ndarray view, Py_ssize_t count):
    """A new array for `count` times what is in `view`, along the first axis."""
    cdef cnp.npy_intp shape[QRT_MAX_RANK]
    cdef int rank = cnp.PyArray_NDIM(view)
    memcpy(shape, cnp.PyArray_DIMS(view), rank * sizeof(cnp.npy_intp))
    shape[0] *= count
    return cnp.PyArray_SimpleNew(rank, shape, cnp.PyArray_TYPE(view))


cdef double real(uint32_t bits):
    """The float32 of these bits."""
    cdef float value
    memcpy(&value, &bits, sizeof(value))
    return value


cdef edge_requant(qrt_edge edge):
    """(multiplier, shift, whether DOUBLE, output_min, output_max) of an int16 input; None for others."""
    if edge.requant.count == 0:
        return None
    requant = edge.requant
    rounds_twice = requant.rounding == QRT_DOUBLE
    return requant.multiplier[0], requant.shift[0], rounds_twice, requant.output_min, requant.output_max
