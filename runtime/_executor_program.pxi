"""Program: a validated file, prepared for one kernel set."""

cdef class Program:
    """A validated file and its operators, prepared for one kernel set; never changes.

    Parameters
    ----------
    source : bytes, str or os.PathLike
        A whole .qfb file, or the path of one.
    kernels : str, optional
        Name of a kernel set; by default `default_kernels()`.
    max_packed : int, optional
        Limit of packed weights in bytes; by default `default_max_packed()`, or qrt_packed_limit() where that is None.

    Raises
    ------
    ModelError
        The file breaks a rule of SPEC.md.
    OSError
        The file cannot be read.
    ValueError
        There is no such kernel set here, or `max_packed` is negative.
    """

    cdef qrt_model model
    cdef qrt_program program
    cdef cnp.ndarray content
    cdef cnp.ndarray memory
    cdef readonly str kernels
    # The kernel set and the limit as they were asked for, None for a default, which another machine may have otherwise.
    cdef tuple asked
    # For each model input and output, what `_edge` says.
    cdef readonly list inputs
    cdef readonly list outputs

    def __cinit__(self, source not None, str kernels=None, max_packed=None):
        self.asked = kernels, max_packed
        self.kernels = default_kernels() if kernels is None else kernels
        cdef const qrt_kernels *table = find_kernels(self.kernels)
        cdef qrt_problem problem
        cdef int32_t status
        cdef uint64_t limit
        stated = default_max_packed() if max_packed is None else max_packed
        if stated is not None and stated < 0:
            raise ValueError(f"max_packed is a number of bytes, got {stated}")
        # Memory of its own, which nobody changes once it is proved.
        self.content = read_file(source) if isinstance(source, (str, os.PathLike)) else copied(source)
        cdef const void *start = address(self.content)
        cdef size_t size = cnp.PyArray_SIZE(self.content)
        with nogil:
            status = qrt_model_open(&self.model, start, size, qrt_crc32_quick, &problem)
        if status != QRT_OK:
            raise self._refusal(status, problem)
        limit = qrt_packed_limit(&self.model) if stated is None else min(stated, 2**63)
        self.memory = aligned(qrt_program_size(&self.model, table, limit))
        qrt_program_init(&self.program, &self.model, table, limit, address(self.memory))
        self.inputs, self.outputs = self._inputs(), self._outputs()

    def __reduce__(self):
        """The content, validated anew where it arrives, and the kernel set only if one was asked for."""
        content = self.content[:]
        content.flags.writeable = False
        return Program, (content, *self.asked)

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    cdef object _refusal(self, int32_t status, qrt_problem problem):
        rule = None if status in (QRT_ERR_NOT_QFB, QRT_ERR_VERSION) else problem.rule
        fault = size_fault(self.content.tobytes(), rule)
        if fault:
            return ModelError(fault, rule)
        if status == QRT_ERR_NOT_QFB:
            return ModelError("not a .qfb file; compile a model with 'qrt compile'")
        if status == QRT_ERR_VERSION:
            return ModelError(f"needs a newer qrt: this one reads format versions up to {FORMAT_VERSION}")
        sentence = qrt_rule_text(rule).decode("utf-8")
        return ModelError(f"breaks rule V{rule} {PLACES[problem.place]} {problem.index}: {sentence}", rule)

    @property
    def header(self):
        """name, producer, format_version, arena_size, state_size."""
        sizes = self.model.arena_size, self.model.state_size
        return text(self.model.name), text(self.model.producer), self.model.format_version, *sizes

    @property
    def preprocessing(self):
        """TOML, or an empty text."""
        return text(qrt_model_preprocessing(&self.model))

    @property
    def prepared_size(self):
        """Bytes of the operators' parameters and packed weights."""
        return cnp.PyArray_SIZE(self.memory)

    @property
    def is_fed(self):
        """Whether the first input may come row by row."""
        cdef qrt_edge edge
        cdef qrt_band band
        qrt_model_input(&self.model, 0, &edge)
        return qrt_find_feed(&self.model, edge.tensor, &band) != 0

    def plan_aside(self, uint32_t together):
        """Where tensors lie beside the arena when so many turns of a band run at once, see qrt_plan_aside().

        Returns
        -------
        numpy.ndarray, int
            uint64 offsets, and the bytes of all.
        """
        cdef cnp.ndarray offsets = np.empty(self.model.tensor_count, dtype=np.uint64)
        cdef cnp.ndarray blocks = aligned(self.model.tensor_count * sizeof(qrt_aside_block))
        cdef uint64_t size = qrt_plan_aside(
            &self.model, together, <uint64_t *>address(offsets), <qrt_aside_block *>address(blocks))
        return offsets, size

    @property
    def operator_count(self):
        return self.model.operator_count

    @property
    def tensors(self):
        """For each tensor (name, shape, name of its dtype, scale, zero_point, bytes of a constant in the file)."""
        cdef qrt_tensor tensor
        result = []
        for i in range(self.model.tensor_count):
            qrt_model_tensor(&self.model, i, &tensor)
            shape = tuple([tensor.shape[k] for k in range(tensor.rank)])
            size = qrt_tensor_bytes(&tensor) if tensor.data != NULL else 0
            dtype = DTYPE_NAMES[tensor.dtype]
            result.append((text(tensor.name), shape, dtype, real(tensor.scale_bits), tensor.zero_point, size))
        return result

    @property
    def operators(self):
        """For each operator (name, kind, indices of its inputs' tensors, index of its output's)."""
        cdef qrt_operator op
        result = []
        for i in range(self.model.operator_count):
            qrt_model_operator(&self.model, i, &op)
            inputs = tuple([op.inputs[k] for k in range(op.input_count)])
            result.append((text(op.name), OPERATORS[op.kind - 1], inputs, op.output))
        return result

    cdef outputs_of(self, uint32_t index, Py_ssize_t count):
        """A new array for what an operator makes of `count` samples, along the first axis."""
        cdef qrt_operator op
        cdef qrt_tensor tensor
        qrt_model_operator(&self.model, index, &op)
        qrt_model_tensor(&self.model, op.output, &tensor)
        shape = [tensor.shape[k] for k in range(tensor.rank)]
        return np.empty((shape[0] * count, *shape[1:]), DTYPES[tensor.dtype])

    @property
    def operator_sets(self):
        """For each operator the set whose kernel runs it, which a limit of memory may have made a slower one."""
        if self.kernels == "reference":
            return ("reference",) * self.model.operator_count
        return tuple([self._owner(index) for index in range(self.model.operator_count)])

    cdef str _owner(self, uint32_t index):
        cdef const qrt_prepared *prepared = &self.program.operators[index]
        return owner_of(prepared.kernel, prepared.row, self.kernels)

    cdef list _inputs(self):
        cdef qrt_edge edge
        result = []
        for i in range(self.model.input_count):
            qrt_model_input(&self.model, i, &edge)
            result.append(self._edge(edge, []))
        return result

    cdef list _outputs(self):
        cdef qrt_edge edge
        result = []
        for i in range(self.model.output_count):
            qrt_model_output(&self.model, i, &edge)
            labels = [text(qrt_model_output_label(&self.model, i, k)) for k in range(edge.label_count)]
            result.append(self._edge(edge, labels))
        return result

    cdef dict _edge(self, qrt_edge edge, list labels):
        cdef qrt_tensor tensor
        qrt_model_tensor(&self.model, edge.tensor, &tensor)
        return {
            "name": text(tensor.name),
            "shape": tuple([tensor.shape[k] for k in range(tensor.rank)]),
            "scale": real(tensor.scale_bits),
            "zero_point": tensor.zero_point,
            "tensor": edge.tensor,
            "arena_offset": tensor.arena_offset,
            "dtype": DTYPES[tensor.dtype],
            "scales": tuple([real(edge.scale_bits[k]) for k in range(edge.scale_count)]),
            "quantize_rule": QUANTIZE_RULES[edge.quantize_rule],
            "source_dtype": SOURCE_DTYPES[edge.source_dtype],
            "requant": edge_requant(edge),
            "source_layout": "NCHW" if edge.source_nchw else "NHWC",
            "labels": tuple(labels),
        }

    def test_vectors(self):
        """The embedded test vectors: list of (inputs, outputs, continues), the first two lists of arrays of codes."""
        vectors = []
        for v in range(self.model.test_vector_count):
            given, expected = [], []
            for i, edge in enumerate(self.inputs):
                given.append(copy_codes(qrt_model_test_input(&self.model, v, i), edge))
            for i, edge in enumerate(self.outputs):
                expected.append(copy_codes(qrt_model_test_output(&self.model, v, i), edge))
            vectors.append((given, expected, qrt_model_test_continues(&self.model, v) != 0))
        return vectors
