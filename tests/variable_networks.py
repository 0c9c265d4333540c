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
    """A .tflite file under construction, whose int8 tensors all have the same scale and zero point.

    `initial` are the values that CALL_ONCE assigns, by the names of the variables.
    """

    file: TfliteFile = field(default_factory=lambda: TfliteFile("variables"))
    inputs: list[int] = field(default_factory=list)
    initial: dict[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.fresh = 0

    def tensor(self, shape: Shape, dtype: str = "int8", scale: float = SCALE, zero_point: int = ZERO_POINT) -> int:
        self.fresh += 1
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
