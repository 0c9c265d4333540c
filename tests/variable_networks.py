"""Small .tflite files with variables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import engines
import numpy as np

from qrt.compiler.backends.tflite.file import TfliteFile

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]
SCALE, ZERO_POINT = 0.5, -7


@dataclass
class VariableFile:
    """A .tflite file under construction, whose tensors of codes have one type, scale and zero point if not stated.

    `initial` are the values that CALL_ONCE assigns, by the names of the variables.
    """

    file: TfliteFile = field(default_factory=lambda: TfliteFile("variables"))
    inputs: list[int] = field(default_factory=list)
    initial: dict[str, Array] = field(default_factory=dict)
    dtype: str = "int8"
    zero_point: int = ZERO_POINT

    def __post_init__(self) -> None:
        self.fresh = 0

    def tensor(
        self, shape: Shape, dtype: str | None = None, scale: float = SCALE, zero_point: int | None = None
    ) -> int:
        self.fresh += 1
        dtype, zero_point = dtype or self.dtype, self.zero_point if zero_point is None else zero_point
        numbers = {} if dtype == "resource" or dtype.startswith("float") else {"scale": scale, "zero_point": zero_point}
        return self.file.tensor(f"t{self.fresh}", shape, dtype, **numbers)

    def constant(self, values: Any, dtype: str = "int32") -> int:
        self.fresh += 1
        array = np.asarray(values, dtype)
        numbers = {"scale": SCALE, "zero_point": ZERO_POINT} if dtype == "int8" else {}
        return self.file.tensor(f"c{self.fresh}", array.shape, dtype, data=array, **numbers)

    def x(self, shape: Shape) -> int:
        self.inputs.append(self.tensor(shape))
        return self.inputs[-1]

    def call_once(self, subgraph: int = 1) -> None:
        self.file.operator("CALL_ONCE", [], [], "CallOnceOptions", init_subgraph_index=subgraph)

    def variable(self, name: str = "s", container: str = "") -> int:
        """A handle."""
        handle = self.tensor((), "resource")
        text = {"container": container, "shared_name": name}
        positions = {key: self.file.builder.CreateString(value) for key, value in text.items()}
        self.file.operator("VAR_HANDLE", [], [handle], "VarHandleOptions", **positions)
        return handle

    def read(self, handle: int, shape: Shape, **options: Any) -> int:
        y = self.tensor(shape, **options)
        self.file.operator("READ_VARIABLE", [handle], [y])
        return y

    def assign(self, handle: int, x: int) -> None:
        self.file.operator("ASSIGN_VARIABLE", [handle, x], [])

    def concat(self, *parts: int, axis: int, shape: Shape) -> int:
        y = self.tensor(shape)
        self.file.operator("CONCATENATION", list(parts), [y], "ConcatenationOptions", axis=axis)
        return y

    def slice(self, x: int, begin: Shape, shape: Shape) -> int:
        y = self.tensor(shape)
        self.file.operator("SLICE", [x, self.constant(begin), self.constant(shape)], [y], "SliceOptions")
        return y

    def add(self, a: int, b: int, shape: Shape) -> int:
        y = self.tensor(shape)
        self.file.operator("ADD", [a, b], [y], "AddOptions")
        return y

    def to_bytes(self, *outputs: int) -> bytes:
        content = self.file.to_bytes(self.inputs, outputs)
        if not self.initial:
            return content
        constants = VariableFile()
        for name, value in self.initial.items():
            constants.assign(constants.variable(name), constants.constant(value, value.dtype.name))
        return with_subgraph(content, constants.to_bytes())


def with_subgraph(content: bytes, other: bytes) -> bytes:
    """A .tflite file with the subgraph of another one behind its own."""

    def change(schema: Any, model: Any) -> None:
        added = schema.ModelT.InitFromPackedBuf(other, 0)
        (subgraph,) = added.subgraphs
        for tensor in subgraph.tensors:
            tensor.buffer += len(model.buffers)
        for op in subgraph.operators:
            op.opcodeIndex += len(model.operatorCodes)
        model.buffers += added.buffers
        model.operatorCodes += added.operatorCodes
        model.subgraphs.append(subgraph)

    return engines.repacked(content, change)


def window(f: VariableFile, handle: int, length: int, x: int, added: int, *, is_cut_first: bool) -> tuple[int, int]:
    """Appends `added` rows to a variable of so many, and drops its oldest ones; the concatenation with its rows."""
    old = f.read(handle, (1, length, 2))
    if is_cut_first and added < length:
        kept = f.slice(old, (0, added, 0), (1, length - added, 2))
        whole = f.concat(kept, x, axis=1, shape=(1, length, 2))
        f.assign(handle, whole)
        return whole, length
    whole = f.concat(old, x, axis=1, shape=(1, length + added, 2))
    f.assign(handle, f.slice(whole, (0, added, 0), (1, length, 2)))
    return whole, length + added


def drawn(rng: np.random.Generator) -> bytes:
    """A file of operators drawn at random, between reads and assignments of up to three variables."""
    names = ["a", "b", "c"][: rng.integers(1, 4)]
    lengths = {name: int(rng.integers(1, 5)) for name in names}
    f = VariableFile()
    for name in names:
        if rng.random() < 0.5:
            f.initial[name] = rng.integers(-128, 128, (1, lengths[name], 2)).astype(np.int8)
    if f.initial:
        f.call_once()
    # Each tensor with its length along axis 1.
    known = [(f.x((1, n, 2)), n) for n in (int(rng.integers(1, 4)),)]
    handles = {name: f.variable(name) for name in names}
    assigned: set[str] = set()

    def picked(length: int | None = None) -> tuple[int, int]:
        fitting = [one for one in known if length in (None, one[1])]
        return fitting[rng.integers(len(fitting))]

    def with_length(length: int) -> int:
        """A tensor of this length, made of what is known."""
        if any(n == length for _, n in known) and rng.random() < 0.7:
            return picked(length)[0]
        parts, total = [], 0
        while total < length or rng.random() < 0.3:
            parts.append(picked())
            total += parts[-1][1]
        whole = parts[0][0]
        if len(parts) > 1:
            whole = f.concat(*(tensor for tensor, _ in parts), axis=1, shape=(1, total, 2))
        begin = int(rng.integers(total - length + 1)) if rng.random() < 0.4 else total - length
        return f.slice(whole, (0, begin, 0), (1, length, 2))

    for _ in range(rng.integers(4, 12)):
        name, what = names[rng.integers(len(names))], rng.random()
        length = lengths[name]
        if what < 0.35:
            known.append((f.read(handles[name], (1, length, 2)), length))
        elif what < 0.5:
            f.assign(handles[name], with_length(length))
            assigned.add(name)
        elif what < 0.75:
            known.append(window(f, handles[name], length, *picked(), is_cut_first=bool(rng.random() < 0.5)))
            assigned.add(name)
        else:
            a, n = picked()
            known.append((f.add(a, picked(n)[0], (1, n, 2)), n))
    for name in set(names) - assigned:
        f.assign(handles[name], with_length(lengths[name]))
    last, n = picked()
    outputs = [f.add(last, last, (1, n, 2))]
    read = [tensor for tensor, _ in known[1:]]
    if read and rng.random() < 0.5:
        outputs.append(read[rng.integers(len(read))])
    return f.to_bytes(*outputs)
