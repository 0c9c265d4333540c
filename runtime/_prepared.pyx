# cython: language_level=3, boundscheck=False, wraparound=False
"""What the engine makes of a file for a device: each operator's kernel, parameters, packed weights and scratch.

Read by `qrt.firmware`, which writes it as C; so a device gets the very numbers that the engine works with.
"""

import numpy as np

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t, uintptr_t

from qrt_kernels cimport (
    qrt_kernel, qrt_kernel_covering, qrt_kernels, qrt_kernels_dsp, qrt_kernels_mve, qrt_kernels_portable, qrt_params)
from qrt_model cimport QRT_OK, qrt_crc32, qrt_model, qrt_model_open, qrt_problem
from qrt_prepare cimport qrt_packed_limit, qrt_prepared, qrt_program, qrt_program_init, qrt_program_size
from qrt_rows cimport qrt_take_rows

cdef qrt_kernels portable, dsp, mve
qrt_kernels_portable(&portable)
qrt_kernels_dsp(&dsp)
qrt_kernels_mve(&mve)


cdef const qrt_kernels *find_kernels(str name) except NULL:
    if name == "portable":
        return &portable
    if name == "dsp":
        return &dsp
    if name == "mve":
        return &mve
    raise ValueError(f"there is no kernel set {name!r} for devices")


cdef aligned(size_t size):
    """`size` bytes that start at a multiple of 64."""
    memory = np.zeros(size + 63, np.uint8)
    skip = -memory.ctypes.data % 64
    return memory[skip:skip + size]


cdef class Prepared:
    """A file's operators, prepared for a kernel set of a device.

    Parameters
    ----------
    content : bytes
        A valid .qfb file.
    kernels : str
        The set.

    Raises
    ------
    ValueError
        The file is not valid, or there is no such set.
    """

    cdef qrt_model model
    cdef qrt_program program
    cdef object content
    cdef object memory
    cdef list repacked

    def __cinit__(self, const uint8_t[::1] content not None, str kernels not None):
        cdef qrt_problem problem
        cdef uintptr_t start
        cdef const qrt_kernels *table = find_kernels(kernels)
        self.content = aligned(content.shape[0])
        self.content[:] = content
        start = self.content.ctypes.data
        if qrt_model_open(&self.model, <const void *>start, content.shape[0], qrt_crc32, &problem) != QRT_OK:
            raise ValueError(f"not a valid .qfb file: rule V{problem.rule}")
        cdef uint64_t limit = qrt_packed_limit(&self.model)
        self.memory = aligned(qrt_program_size(&self.model, table, limit))
        start = self.memory.ctypes.data
        qrt_program_init(&self.program, &self.model, table, limit, <void *>start)
        self.repacked = []

    cdef const qrt_prepared *_operator(self, uint32_t index) except NULL:
        if index >= self.model.operator_count:
            raise IndexError(index)
        return &self.program.operators[index]

    def params(self, index):
        """Address of the operator's parameters, the structure that qrt_kernels.h defines for its kind."""
        return <uintptr_t>&self._operator(index).params

    def scratch_size(self, index):
        """Bytes of temporary memory that its kernel needs."""
        cdef const qrt_prepared *prepared = self._operator(index)
        return 0 if prepared.kernel.scratch_size == NULL else prepared.kernel.scratch_size(&prepared.params)

    def scratch_size_of_rows(self, index, kind, height, begin, end):
        """The same for rows `begin` to `end` - 1 of an operator of that number in qrt.fbs, which makes `height` rows."""
        cdef const qrt_prepared *prepared = self._operator(index)
        cdef qrt_params params = prepared.params
        cdef int32_t first[2]
        if prepared.kernel.scratch_size == NULL:
            return 0
        qrt_take_rows(kind, &params, height, begin, end, first)
        return prepared.kernel.scratch_size(&params)

    def take_less_scratch(self, index):
        """Has a dwconv2d run by the next kernel of its set that covers it, where that one needs less scratch."""
        cdef qrt_prepared *prepared = <qrt_prepared *>self._operator(index)
        cdef const qrt_kernel *kernel = prepared.kernel
        cdef const qrt_kernel *other = kernel
        cdef uintptr_t start
        while other != NULL and other.run == kernel.run:
            other = qrt_kernel_covering(other.otherwise, &prepared.params)
        if other == NULL or other.packed_size == NULL or other.scratch_size == NULL:
            return
        if other.scratch_size(&prepared.params) >= kernel.scratch_size(&prepared.params):
            return
        memory = aligned(other.packed_size(&prepared.params))
        self.repacked.append(memory)
        start = memory.ctypes.data
        prepared.params.conv2d.packed = NULL
        other.pack(&prepared.params, <void *>start)
        prepared.params.conv2d.packed = <const void *>start
        prepared.kernel = other

    def packed_size(self, index):
        """Bytes of its packed weights."""
        cdef const qrt_prepared *prepared = self._operator(index)
        return 0 if prepared.kernel.packed_size == NULL else prepared.kernel.packed_size(&prepared.params)

    def function(self, index):
        """The name in C of its kernel."""
        return self._operator(index).kernel.name.decode("ascii")

    def packs_all(self, index):
        """Whether its kernel reads the packed weights alone, not what they are made of."""
        return bool(self._operator(index).kernel.packs_all)

    def reading(self, index):
        """How its kernel reads its input: enum qrt_read_order of qrt_kernels.h."""
        return self._operator(index).kernel.reading
