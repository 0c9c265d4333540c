"""The kernel sets of this machine: their tables, why others are absent, and the peaks that their speed is beside."""

cdef qrt_kernels tables[QRT_SET_COUNT + QRT_ENCODING_COUNT]
cdef dict numbers = {}
cdef dict absent = {}
for number in range(QRT_SET_COUNT + QRT_ENCODING_COUNT):
    set_name = qrt_set_name(number).decode("utf-8")
    if qrt_set_missing(number) == NULL:
        qrt_set_fill(number, &tables[number])
        numbers[set_name] = number
    else:
        absent[set_name] = qrt_set_missing(number).decode("utf-8")

# From the slowest to the quickest; the last is the default. Behind them stand the encodings of a set, for tests.
cdef tuple names = tuple([qrt_set_name(number).decode("utf-8") for number in range(QRT_SET_COUNT)])
SETS = ("reference", *[name for name in names if name in numbers])
ENCODINGS = tuple([name for name in numbers if name not in names])
# The sets that this machine lacks: name to reason.
ABSENT = {name: absent[name] for name in names if name in absent}


def refusal(str name):
    """Why there is no kernel set `name` here: a sentence, empty when there is."""
    if name in SETS or name in ENCODINGS:
        return ""
    if reason := ABSENT.get(name) or absent.get(name):
        return f"no kernel set {name!r} here: {reason}; this machine has {', '.join(SETS)}"
    return f"unknown kernel set {name!r}; this machine has {', '.join(SETS)}"


def default_kernels():
    """The kernel set that the environment variable QRT_KERNELS names, otherwise the fastest of this machine.

    Raises
    ------
    ValueError
        QRT_KERNELS names a set that this machine does not support.
    """
    name = os.environ.get("QRT_KERNELS") or SETS[len(SETS) - 1]  # the extension is compiled without negative indices
    if unusable := refusal(name):
        raise ValueError(f"QRT_KERNELS: {unusable}")
    return name


cdef const qrt_kernels *find_kernels(str name) except NULL:
    cdef int number
    if name == "reference":
        from qrt import _reference

        return <const qrt_kernels *>PyCapsule_GetPointer(_reference.kernels(), "qrt.kernels")
    if name not in numbers:
        raise ValueError(refusal(name))
    number = numbers[name]
    return &tables[number]


cdef str owner_of(const qrt_kernel *kernel, int32_t row, str name):
    """The first set that runs this function for a row, of those up to the set `name` that takes it."""
    cdef const qrt_kernel *other
    for other_name in SETS[1:]:
        other = qrt_kernel_row(find_kernels(other_name), row)
        while other != NULL:
            if other.run == kernel.run:
                return other_name
            other = other.otherwise
        if other_name == name:
            break
    return name


def kernel_owners(str name):
    """For each operator, the set whose function the kernel set `name` runs: dict of str to str."""
    cdef const qrt_kernels *kernels = find_kernels(name)
    if name == "reference":
        return dict.fromkeys(OPERATORS, name)
    return {op: owner_of(qrt_kernel_row(kernels, row), row, name) for row, op in enumerate(OPERATORS, start=1)}


def peak(str name, int64_t rounds):
    """What `rounds` rounds of a set's quickest instructions take: multiply-accumulates and nanoseconds.

    Zeros for a set without instructions of its own.
    """
    cdef int number
    cdef int64_t macs, start, end
    cdef qrt_peak *loop
    if name not in numbers:
        return 0, 0
    number = numbers[name]
    with nogil:
        loop = qrt_set_peak(number)
        start = qrt_clock()
        macs = loop(rounds)
        end = qrt_clock()
    return macs, end - start


def reads(int64_t size, int64_t rounds):
    """What reading about `size` bytes of memory `rounds` times takes: bytes and nanoseconds."""
    cdef int64_t start, end
    size = max(size // <int64_t>QRT_READS_UNIT, 1) * QRT_READS_UNIT
    cdef cnp.ndarray memory = aligned(size)
    memory.fill(1)  # else all pages are one
    with nogil:
        qrt_reads(cnp.PyArray_DATA(memory), size, 1)
        start = qrt_clock()
        qrt_reads(cnp.PyArray_DATA(memory), size, rounds)
        end = qrt_clock()
    return size * rounds, end - start
