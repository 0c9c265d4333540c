# cython: language_level=3, boundscheck=False, wraparound=False
"""The executor: validates a model, owns its memory, runs one loop over its operators.

A Program is what forks share: the file's bytes, and the parameters and packed weights for one kernel
set. An Executor binds a Program to an arena of its own. The loop holds no Python object and no GIL.
"""

import math
import os
from threading import current_thread

import numpy as np

cimport cython
cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals
from cpython.pycapsule cimport PyCapsule_GetPointer
from cpython.pystate cimport PyThreadState, PyThreadState_Get
from cpython.pythread cimport (
    NOWAIT_LOCK,
    PY_LOCK_ACQUIRED,
    PyThread_acquire_lock,
    PyThread_allocate_lock,
    PyThread_free_lock,
    PyThread_release_lock,
    PyThread_type_lock,
)
from libc.stddef cimport size_t
from libc.stdint cimport INT64_MAX, int8_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcpy, memmove

from clock cimport qrt_clock
from crc32 cimport qrt_crc32_quick
from dispatch cimport (
    QRT_ENCODING_COUNT, QRT_SET_COUNT, qrt_peak, qrt_set_fill, qrt_set_missing, qrt_set_name, qrt_set_peak,
    qrt_set_speed
)
from qrt_kernels cimport qrt_kernel, qrt_kernel_row, qrt_kernels
from qrt_model cimport (
    QRT_DOUBLE,
    QRT_ERR_NOT_QFB,
    QRT_ERR_VERSION,
    QRT_FORMAT_VERSION,
    QRT_IN_FILE,
    QRT_IN_INPUT,
    QRT_IN_OPERATOR,
    QRT_IN_OUTPUT,
    QRT_IN_TENSOR,
    QRT_IN_TEST_VECTOR,
    QRT_IN_BAND,
    QRT_MAX_RANK,
    QRT_OK,
    QRT_OPERATOR_KIND_END,
    qrt_band,
    qrt_edge,
    qrt_find_feed,
    qrt_model,
    qrt_model_input,
    qrt_model_open,
    qrt_model_operator,
    qrt_model_output,
    qrt_model_output_label,
    qrt_model_preprocessing,
    qrt_model_reset,
    qrt_model_tensor,
    qrt_model_test_continues,
    qrt_model_test_input,
    qrt_model_test_output,
    qrt_operator,
    qrt_operator_names,
    qrt_problem,
    qrt_rule_text,
    qrt_tensor,
    qrt_tensor_bytes,
    qrt_text,
)
from qrt_places cimport (
    QRT_AS_ON_DEVICE,
    QRT_BY_LAYER,
    QRT_NOT_ASIDE,
    qrt_aside_block,
    qrt_places_init,
    qrt_plan_aside,
)
from qrt_pool cimport qrt_pool, qrt_pool_end, qrt_pool_init, qrt_pool_parts, qrt_pool_run, qrt_pool_size
from qrt_prepare cimport (
    qrt_packed_limit,
    qrt_prepared,
    qrt_program,
    qrt_program_init,
    qrt_program_size,
    qrt_step,
    qrt_steps_init,
    qrt_steps_scratch,
    qrt_steps_size,
)
from qrt_run_band cimport (
    qrt_band_run,
    qrt_begin_band,
    qrt_begin_turn,
    qrt_end_turn,
    qrt_next_row,
    qrt_run_band,
    qrt_run_in_turn,
    qrt_start_band,
    qrt_take_row,
)
from qrt_split cimport qrt_split, qrt_split_init, qrt_split_size
from reads cimport QRT_READS_UNIT, qrt_reads

from qrt.errors import ModelError
from qrt.limits import default_max_packed
from qrt.sizes import size_fault

cdef extern from "Python.h":
    int PyThread_acquire_lock_timed(PyThread_type_lock, long long microseconds, int interruptible) nogil
    uint64_t PyThreadState_GetID(PyThreadState *)

cnp.import_array()

FORMAT_VERSION = QRT_FORMAT_VERSION
REMEDY = "give each thread its own fork()"

# By enum qrt_dtype, of which an input or output has the first three.
DTYPES = (np.dtype(np.int8), np.dtype(np.int32), np.dtype(np.int16))
DTYPE_NAMES = ("int8", "int32", "int16", "int4")
SOURCE_DTYPES = ("INT8", "UINT8", "INT16", "UINT16")
QUANTIZE_RULES = ("DIVIDE", "MULTIPLY_RECIPROCAL", "DIVIDE_HALF_AWAY")

OPERATORS = tuple([qrt_operator_names[i].decode("ascii") for i in range(1, QRT_OPERATOR_KIND_END)])

cdef dict PLACES = {
    QRT_IN_FILE: "at byte",
    QRT_IN_TENSOR: "in tensor",
    QRT_IN_OPERATOR: "in operator",
    QRT_IN_INPUT: "in model input",
    QRT_IN_OUTPUT: "in model output",
    QRT_IN_TEST_VECTOR: "in test vector",
    QRT_IN_BAND: "in band",
}

include "_executor_sets.pxi"


cdef str text(qrt_text value):
    return value.text[:value.length].decode("utf-8") if value.text != NULL else ""


include "_executor_arrays.pxi"


include "_executor_program.pxi"
include "_executor_steps.pxi"
include "_executor_copies.pxi"


@cython.no_gc_clear
cdef class Executor:
    """A Program bound to an arena of its own, and to threads of its own when it has large operators.

    `inputs` and `outputs` are arrays of the model's edges' shapes and dtypes that lie in the arena, or beside it:
    write the inputs, `invoke()`, read the outputs. Inputs must be written anew before every invoke,
    since their memory may serve other tensors meanwhile. States lie in the first bytes of the arena, and keep
    what a run leaves in them. Not for two threads at once: `with executor:` waits until no other thread has it.
    A lock of Python's would take as long as a tiny network.

    Parameters
    ----------
    program : Program
    threads : int
        As many run parts of an operator at once, the caller's among them.
    split_all : bool
        Whether to split also what is quicker whole.
    together : int
        How many turns of a band run at once, 0 for all, layer by layer, as several threads always do; see Steps.

    Raises
    ------
    RuntimeError
        The system gives no more threads.
    """

    cdef readonly Program program
    cdef readonly list inputs
    cdef readonly list outputs
    # Rows that were fed since the last outputs.
    cdef readonly Py_ssize_t fed_rows
    # The thread that has the views, or None, and its state's number, which unlike its own no other will ever have.
    cdef object owner
    cdef uint64_t owner_state
    cdef Steps steps
    cdef PyThread_type_lock lock
    cdef qrt_split split
    cdef cnp.ndarray split_memory
    cdef cnp.ndarray pool_memory
    cdef qrt_pool *pool
    cdef Copies copies

    def __cinit__(self, Program program not None, uint32_t threads=1, bint split_all=False, uint32_t together=0):
        self.lock = PyThread_allocate_lock()
        if self.lock == NULL:
            raise MemoryError
        self.program = program
        self.steps = Steps(program, QRT_BY_LAYER if threads > 1 else together)
        self.reset()
        self.inputs = [self.steps.view(edge) for edge in program.inputs]
        self.outputs = [self.steps.view(edge) for edge in program.outputs]
        self.copies = Copies(self.inputs, self.outputs)
        if threads > 1:
            self._start_threads(threads, split_all)

    @property
    def threads(self):
        """How many threads can be busy at once; 1 when no operator is worth more."""
        return self.split.thread_count if self.pool != NULL else 1

    cdef _start_threads(self, uint32_t threads, bint split_all):
        cdef const qrt_program *program = &self.program.program
        cdef int32_t speed = 0 if split_all else qrt_set_speed(numbers.get(self.program.kernels, 0))
        self.split_memory = aligned(qrt_split_size(program, threads, speed))
        qrt_split_init(
            &self.split, program, address(self.steps.arena), self.steps._places(), threads, speed,
            address(self.split_memory))
        if self.split.thread_count < 2:
            return
        self.pool_memory = aligned(qrt_pool_size(&self.split))
        self.pool = qrt_pool_init(&self.split, address(self.pool_memory))
        if self.pool == NULL:
            raise RuntimeError(f"cannot start {self.split.thread_count - 1} threads; load with fewer")

    def __dealloc__(self):
        qrt_pool_end(self.pool)
        if self.lock != NULL:
            PyThread_free_lock(self.lock)

    def own(self):
        """Makes the executor the calling thread's, for good."""
        with self:
            self.owner, self.owner_state = current_thread(), PyThreadState_GetID(PyThreadState_Get())

    cdef bint _is_anothers(self):
        # The thread itself is asked too: one that Python did not start has another state whenever it calls Python.
        cdef bint is_mine = self.owner is None or self.owner_state == PyThreadState_GetID(PyThreadState_Get())
        return not is_mine and self.owner is not current_thread()

    cdef int _check_owner(self) except -1:
        """Releases the lock and raises when the views are another thread's."""
        if self._is_anothers():
            PyThread_release_lock(self.lock)
            raise RuntimeError(f"the views of {self._model()} belong to thread {self.owner.name!r}; {REMEDY}")
        return 0

    cdef str _model(self):
        return f"model {text(self.program.model.name)!r}"

    def __enter__(self):
        cdef int status = PyThread_acquire_lock(self.lock, NOWAIT_LOCK)
        while status != PY_LOCK_ACQUIRED:
            with nogil:
                status = PyThread_acquire_lock_timed(self.lock, -1, 1)
            if status != PY_LOCK_ACQUIRED:
                PyErr_CheckSignals()
        self._check_owner()

    def __exit__(self, *error):
        PyThread_release_lock(self.lock)

    def reset(self):
        """Gives every state its initial value, and forgets the rows that were fed."""
        qrt_model_reset(&self.program.model, address(self.steps.arena))
        self.fed_rows = 0

    @property
    def state(self):
        """The bytes of all states, as they lie in the arena."""
        self.check_not_fed()
        return cnp.PyArray_BYTES(self.steps.arena)[:self.program.model.state_size]

    @state.setter
    def state(self, bytes content not None):
        """`content` has as many bytes."""
        self.check_not_fed()
        memcpy(address(self.steps.arena), <const char *>content, self.program.model.state_size)

    def run_exact(self, tuple inputs):
        """The outputs for arrays of codes that lie in memory just as the model's inputs do.

        The batch axis may be missing; outputs of one row then lack it too. A list when the model has several outputs.
        None, and nothing was done, when the inputs are something else, the executor is another thread's, or rows were fed.
        """
        cdef Py_ssize_t i, count = len(self.inputs)
        cdef int missing = 0
        if len(inputs) != count:
            return None
        for i in range(count):
            if i == 0:
                missing = missing_axes(inputs[0], self.inputs[0])
            if missing < 0 or missing_axes(inputs[i], self.inputs[i]) != missing:
                return None
        if PyThread_acquire_lock(self.lock, NOWAIT_LOCK) != PY_LOCK_ACQUIRED:
            return None
        try:
            if self._is_anothers() or self.fed_rows > 0:
                return None
            outputs = self._run(inputs, 1)
        finally:
            PyThread_release_lock(self.lock)
        if missing:
            outputs = [output[0] if len(output) == 1 else output for output in outputs]
        return outputs[0] if len(outputs) == 1 else outputs

    def run(self, tuple inputs, Py_ssize_t count):
        """The outputs of `count` samples one after another, joined along the batch axis; list of arrays.

        `inputs` are arrays of codes, C-contiguous, each `count` times as large as the model's input. When a signal's
        handler raises between two samples, the states are again what they were before.
        """
        self.check_not_fed()
        return self._run(inputs, count)

    cdef list _run(self, tuple inputs, Py_ssize_t count):
        cdef cnp.ndarray view
        cdef Py_ssize_t done = 0
        cdef bytes before = self.state if self.program.model.state_size > 0 else None
        outputs = [samples_like(view, count) for view in self.outputs]
        self.copies.take_from(inputs)
        self.copies.give_to(outputs)
        try:
            while done < count:
                with nogil:
                    done = self._run_slice(done, count)
                PyErr_CheckSignals()
        except BaseException:
            if before is not None:
                self.state = before
            raise
        return outputs

    cdef Py_ssize_t _run_slice(self, Py_ssize_t done, Py_ssize_t count) noexcept nogil:
        """Runs samples until all `count` are done or `SLICE` is over; how many are then done."""
        cdef int64_t end = qrt_clock() + SLICE if count - done > 1 else 0
        while True:
            self.copies.take(done)
            self._invoke(NULL)
            self.copies.give(done)
            done += 1
            if done == count or qrt_clock() >= end:
                return done

    def trace(self, tuple inputs, Py_ssize_t count, list operators):
        """What `operators`, numbers of them, make of `count` samples, joined along the first axis; list of arrays.

        For an executor that runs layer by layer; inputs and states are as for `run`. A tensor is copied when it is
        made, since its memory serves others later.
        """
        cdef bytes before = self.state
        cdef Py_ssize_t i
        kept = {op: self.program.outputs_of(op, count) for op in operators}
        self.copies.take_from(inputs)
        try:
            for i in range(count):
                self.copies.take(i)
                self.steps.trace(kept, i, count)
                PyErr_CheckSignals()
        except BaseException:
            self.state = before
            raise
        return [kept[op] for op in operators]

    def invoke(self):
        """Runs every operator once. RuntimeError when another thread has the executor, or rows were fed."""
        self.try_lock()
        try:
            self.check_not_fed()
            with nogil:
                self._invoke(NULL)
        finally:
            PyThread_release_lock(self.lock)

    def try_lock(self):
        """Like `__enter__`, but raises RuntimeError when another thread has the executor."""
        if PyThread_acquire_lock(self.lock, NOWAIT_LOCK) != PY_LOCK_ACQUIRED:
            raise RuntimeError(f"{self._model()} is running in another thread; {REMEDY}")
        self._check_owner()

    def check_not_fed(self):
        """Raises RuntimeError when some rows of an input were fed, and others not."""
        if self.fed_rows > 0:
            raise RuntimeError(
                f"{self._model()} was fed {self.fed_rows} of {self.inputs[0].shape[1]} rows; feed the others, or reset()"
            )

    cdef void _invoke(self, int64_t *ends) noexcept nogil:
        """Runs every step; `ends` is NULL or gets the nanoseconds at which each operator was done."""
        if self.pool != NULL:
            qrt_pool_run(self.pool, ends)
        else:
            self.steps.run(0, self.steps.count, ends)

    def feed(self, cnp.ndarray rows not None, tuple others):
        """Takes rows of the first input, and runs what can be run.

        Parameters
        ----------
        rows : numpy.ndarray
            Codes [n, W, C], C-contiguous, of rows that are still missing.
        others : tuple of numpy.ndarray
            Codes of the other inputs, as they lie in memory; with the first rows.

        Returns
        -------
        list of numpy.ndarray or None
            The outputs; None as long as rows are missing.
        """
        cdef cnp.ndarray view = self.inputs[0]
        cdef Py_ssize_t count = rows.shape[0], at = self.fed_rows, height = view.shape[1]
        cdef size_t row_bytes = cnp.PyArray_NBYTES(view) // height
        cdef const char *first = cnp.PyArray_BYTES(rows)
        if at == 0:
            for other, codes in zip(self.inputs[1:], others):
                other[...] = codes
        with nogil:
            if self.steps.fed != NULL:
                self.steps.feed(first, count, at == 0, row_bytes)
            else:
                memmove(cnp.PyArray_BYTES(view) + at * row_bytes, first, count * row_bytes)
                if at + count == height:
                    self._invoke(NULL)
        self.fed_rows = (at + count) % height
        return [output.copy() for output in self.outputs] if self.fed_rows == 0 else None

    @property
    def shares(self):
        """For each operator that a step runs, its index, and how many threads share it."""
        return [
            (self.steps.list[i].op + k, qrt_pool_parts(self.pool, i))
            for i in range(self.steps.count)
            for k in range(self.steps.list[i].count)
        ]

    def profile(self, list sample, int repeats):
        """Runs every operator `repeats` times on `sample`, and times each. States are the same after it.

        Parameters
        ----------
        sample : list of numpy.ndarray
            Codes for each of `inputs`.

        Returns
        -------
        numpy.ndarray
            int64 nanoseconds, [repeats, operators of `shares` + 1]; the last of each run is that of reading the clock,
            which all contain.
        """
        cdef Py_ssize_t count = len(self.shares)
        times = np.empty((repeats, count + 2), dtype=np.int64)
        cdef int64_t[:, ::1] rows = times
        cdef int64_t *now
        cdef bytes before = self.state
        for r in range(repeats):
            for view, codes in zip(self.inputs, sample):
                view[...] = codes
            now = &rows[r, 0]
            with nogil:
                now[0] = qrt_clock()
                self._invoke(now + 1)
                now[count + 1] = now[count] - qrt_clock()
                now[count + 1] += qrt_clock()
        self.state = before
        return np.diff(times, axis=1)
