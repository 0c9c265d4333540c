"""What a run of many samples copies: inputs into the arena, and outputs out of it."""


cdef enum:
    # Nanoseconds that a run of many samples takes before other threads' Python and signals get their turn.
    SLICE = 1000000


cdef struct qrt_copy:
    # Bytes of an input or output: in the arena, and of the first sample in the caller's array.
    char *inside
    char *outside
    size_t size


cdef class Copies:
    """The inputs and outputs of a network, where they lie in the arena and in the arrays of a caller."""

    cdef cnp.ndarray memory
    cdef qrt_copy *inputs
    cdef qrt_copy *outputs
    cdef Py_ssize_t input_count
    cdef Py_ssize_t output_count

    def __cinit__(self, list inputs, list outputs):
        cdef Py_ssize_t i
        self.input_count, self.output_count = len(inputs), len(outputs)
        self.memory = aligned((self.input_count + self.output_count) * sizeof(qrt_copy))
        self.inputs = <qrt_copy *>address(self.memory)
        self.outputs = self.inputs + self.input_count
        for i, view in enumerate(inputs + outputs):
            self.inputs[i].inside = cnp.PyArray_BYTES(view)
            self.inputs[i].size = cnp.PyArray_NBYTES(view)

    cdef take_from(self, tuple inputs):
        """Sets the caller's arrays of inputs, which have all samples."""
        cdef Py_ssize_t i
        for i in range(self.input_count):
            self.inputs[i].outside = cnp.PyArray_BYTES(inputs[i])

    cdef give_to(self, list outputs):
        """Sets the caller's arrays of outputs, which have room for all samples."""
        cdef Py_ssize_t i
        for i in range(self.output_count):
            self.outputs[i].outside = cnp.PyArray_BYTES(outputs[i])

    cdef void take(self, Py_ssize_t sample) noexcept nogil:
        cdef Py_ssize_t i
        cdef qrt_copy *copy
        for i in range(self.input_count):
            copy = &self.inputs[i]
            # A caller's array may be a view of the arena.
            memmove(copy.inside, copy.outside + sample * copy.size, copy.size)

    cdef void give(self, Py_ssize_t sample) noexcept nogil:
        cdef Py_ssize_t i
        cdef qrt_copy *copy
        for i in range(self.output_count):
            copy = &self.outputs[i]
            memcpy(copy.outside + sample * copy.size, copy.inside, copy.size)
