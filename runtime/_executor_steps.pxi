"""A program bound to an arena: where its tensors lie, and the loop over its steps, bands among them."""


# The shortest time between two of so many readings of the clock is that of one reading.
cdef enum:
    CLOCK_READINGS = 4


cdef class Steps:
    """The steps of a Program in memory of their own.

    Parameters
    ----------
    program : Program
    together : int
        How many turns of a band run at once: 1, in the file's arena, just as on a device; more, with what bands make
        beside the arena; 0 is all, layer by layer.
    """

    cdef readonly Program program
    cdef readonly uint32_t together
    cdef const qrt_step *list
    cdef uint32_t count
    cdef cnp.ndarray arena
    cdef cnp.ndarray aside
    cdef cnp.ndarray offsets
    cdef cnp.ndarray places
    cdef cnp.ndarray scratch
    cdef cnp.ndarray memory
    cdef void *scratch_start
    # The step that is fed row by row, and its band; NULL where there is none.
    cdef uint32_t fed_step
    cdef qrt_band_run *fed

    def __cinit__(self, Program program not None, uint32_t together):
        cdef const qrt_model *model = &program.model
        cdef uint64_t aside
        self.program = program
        self.together = together
        self.offsets, aside = program.plan_aside(together)
        self.arena = aligned(model.arena_size)
        self.aside = aligned(aside)
        self.places = aligned(model.tensor_count * sizeof(int8_t *))
        qrt_places_init(
            model, <const uint64_t *>address(self.offsets), <int8_t *>address(self.arena),
            <int8_t *>address(self.aside), self._places())
        self.scratch = aligned(qrt_steps_scratch(&program.program, together))
        self.scratch_start = address(self.scratch)
        self.memory = aligned(qrt_steps_size(model, together))
        self.count = qrt_steps_init(
            &program.program, together, address(self.arena), self._places(), address(self.memory), &self.list)
        self._find_fed()

    cdef int8_t **_places(self):
        return <int8_t **>address(self.places)

    cdef _find_fed(self):
        cdef uint32_t i
        cdef qrt_band_run *band
        self.fed = NULL
        for i in range(self.count):
            if self.list[i].run == qrt_run_band:
                band = <qrt_band_run *>self.list[i].params
                if band.table.is_fed:
                    self.fed_step, self.fed = i, band

    cdef view(self, dict edge):
        """The array of a model's input or output, where it lies."""
        dtype = edge["dtype"]
        size = math.prod(edge["shape"]) * dtype.itemsize
        offset = int(self.offsets[edge["tensor"]])
        if offset == QRT_NOT_ASIDE:
            memory, offset = self.arena, edge["arena_offset"]
        else:
            memory = self.aside
        return memory[offset:offset + size].view(dtype).reshape(edge["shape"])

    cdef void run(self, uint32_t first, uint32_t stop, int64_t *ends) noexcept nogil:
        """Runs steps; `ends` is NULL or gets the nanoseconds at which each operator was done."""
        cdef uint32_t i
        cdef const qrt_step *step
        cdef int64_t lost = 0  # to the clock, and to copying what is fed
        for i in range(first, stop):
            step = &self.list[i]
            if ends == NULL:
                step.run(step.params, step.inputs, step.output, self.scratch_start)
                continue
            if step.run == qrt_run_band:
                self._time_band(step, lost, ends)
                lost = qrt_clock() - ends[step.count - 1]
            else:
                step.run(step.params, step.inputs, step.output, self.scratch_start)
                ends[0] = qrt_clock() - lost
            ends += step.count

    cdef trace(self, dict kept, Py_ssize_t sample, Py_ssize_t count):
        """Runs steps of one operator each; copies what the operators in `kept` make to their array's sample."""
        cdef const qrt_model *model = &self.program.model
        cdef qrt_operator operator
        cdef cnp.ndarray array
        cdef uint32_t op, step = 0
        cdef Py_ssize_t size
        for op in range(model.operator_count):
            # A reshape that stays where it is has no step.
            if step < self.count and self.list[step].op == op:
                with nogil:
                    self.run(step, step + 1, NULL)
                step += 1
            if op in kept:
                array = kept[op]
                size = cnp.PyArray_NBYTES(array) // count
                qrt_model_operator(model, op, &operator)
                memcpy(cnp.PyArray_BYTES(array) + sample * size, self._places()[operator.output], size)

    cdef void _time_band(self, const qrt_step *step, int64_t lost, int64_t *ends) noexcept nogil:
        """Runs a band; `ends` gets the times at which each operator had been done without turns."""
        cdef qrt_band_run *band = <qrt_band_run *>step.params
        cdef int64_t start = qrt_clock(), before = start, now, reading = INT64_MAX
        cdef uint32_t i
        for i in range(<uint32_t>CLOCK_READINGS):
            now = qrt_clock()
            reading = min(reading, now - before)
            before = now
        for i in range(step.count):
            ends[i] = reading
        qrt_start_band(band)
        before = qrt_clock()
        while band.turn < band.table.turns:
            qrt_begin_turn(band, step.inputs[0])
            for i in range(step.count):
                qrt_run_in_turn(band, i, self.scratch_start)
                now = qrt_clock()
                ends[i] += now - before - reading
                before = now
            qrt_end_turn(band)
        start -= lost
        for i in range(step.count):
            start += ends[i]
            ends[i] = start

    cdef void feed(self, const char *rows, Py_ssize_t count, bint is_first, size_t row_bytes) noexcept nogil:
        """Takes rows of the input of a band in turns, and runs what can be run."""
        cdef Py_ssize_t i
        if is_first:
            self.run(0, self.fed_step, NULL)
            qrt_begin_band(self.fed, self.scratch_start)
        for i in range(count):
            memcpy(qrt_next_row(self.fed), rows + i * row_bytes, row_bytes)
            qrt_take_row(self.fed, self.scratch_start)
        if qrt_next_row(self.fed) == NULL:
            self.run(self.fed_step + 1, self.count, NULL)
