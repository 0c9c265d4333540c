"""The compiler's intermediate representation: Tensor, Op, Graph.

One representation serves two stages. A *source* graph, as a frontend delivers it, holds float tensors,
``quantize`` and ``dequantize`` operators and float operators in the source's layout. The passes turn it
into a *quantized* graph: every tensor int8 with a quantization, NHWC, and only the operators of
SPEC.md. Lowering then gives each operator its integers (``attrs["requant"]`` and the like).
`verify` states what holds in each stage.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from qrt.schema.operators import OPERATORS


def unique_name(name: str, taken: set[str]) -> str:
    """`name`, or with a number behind it the first that is not in `taken`, to which it is added."""
    unique, number = name, 1
    while unique in taken:
        number += 1
        unique = f"{name}_{number}"
    taken.add(unique)
    return unique


@dataclass(frozen=True)
class Quantization:
    """What codes mean: ``real = scale * (code - zero_point)``.

    Attributes
    ----------
    scale : numpy.ndarray
        float32 (float64 where the source has it), shape ``()`` per tensor or ``(channels,)`` per channel; positive.
    zero_point : numpy.ndarray
        int32, same shape as `scale`.
    axis : int or None
        The channel axis of the tensor when per channel, else None.
    """

    scale: np.ndarray
    zero_point: np.ndarray
    axis: int | None = None

    @property
    def per_channel(self) -> bool:
        return self.axis is not None

    def same_as(self, other: Quantization | None) -> bool:
        """Whether codes mean exactly the same under both."""
        return (
            other is not None
            and self.axis == other.axis
            and np.array_equal(self.scale, other.scale)
            and np.array_equal(self.zero_point, other.zero_point)
        )


@dataclass(eq=False)
class Tensor:
    """A value of the graph; compared by identity.

    Attributes
    ----------
    name : str
        Unique within a graph; frontends keep the source's names.
    shape : tuple of int
    dtype : str
        ``"float32"``, ``"int8"``, ``"int16"``, ``"uint8"``, ``"int32"``, ``"int64"``, or ``"int4"``, of constants whose
        `data` are int8.
    quantization : Quantization or None
        Of integer codes; None for float tensors, plain integers, and int32 activations, which are accumulators.
    data : numpy.ndarray or None
        The value of a constant, shape `shape`; None for activations.
    initial : numpy.ndarray or None
        Of a state, which keeps its codes from one run to the next: those before the first run, shape `shape`. It is the
        output of one push or assign, or one of the last inputs of one operator that has states. Operators in front of
        that one read the codes that the last run left.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "int8"
    quantization: Quantization | None = None
    data: np.ndarray | None = None
    initial: np.ndarray | None = None

    @property
    def is_constant(self) -> bool:
        return self.data is not None

    @property
    def is_state(self) -> bool:
        return self.initial is not None

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Bytes of an activation in the arena, or of a constant of integer codes in the file."""
        if self.dtype == "int4":
            return -(-self.size // 2)
        return self.size * {"int32": 4, "int16": 2}.get(self.dtype, 1)

    @property
    def scale(self) -> float:
        """Scale of a per-tensor quantization."""
        assert self.quantization is not None and not self.quantization.per_channel, self.name
        return float(self.quantization.scale)

    @property
    def zero_point(self) -> int:
        """Zero point of a per-tensor quantization."""
        assert self.quantization is not None and not self.quantization.per_channel, self.name
        return int(self.quantization.zero_point)

    def real(self) -> np.ndarray:
        """The constant's real values, float64."""
        assert self.data is not None, self.name
        if self.quantization is None:
            return self.data.astype(np.float64)
        q = self.quantization
        shape = [1] * len(self.shape)
        if q.axis is not None:
            shape[q.axis] = -1
        scale = np.asarray(q.scale, dtype=np.float64).reshape(shape)
        real: np.ndarray = scale * (self.data.astype(np.float64) - np.asarray(q.zero_point).reshape(shape))
        return real

    def __str__(self) -> str:
        text = f"{self.name}: {'state ' if self.is_state else ''}{self.dtype}{list(self.shape)}"
        if self.quantization is not None and not self.quantization.per_channel:
            text += f" scale {self.scale:.6g} zero_point {self.zero_point}"
        elif self.quantization is not None:
            text += " per channel"
        return text + (" constant" if self.is_constant else "")


@dataclass(eq=False)
class Op:
    """One operator; compared by identity.

    Attributes
    ----------
    kind : str
        An operator of SPEC.md, or a source-stage kind that a pass removes (`verify` lists them).
    name : str
        The source's name of the node; what messages to the user call it.
    inputs : list of Tensor
    output : Tensor
    attrs : dict
        By kind; `verify` lists them with their types.
    """

    kind: str
    name: str
    inputs: list[Tensor]
    output: Tensor
    attrs: dict[str, Any] = field(default_factory=dict)

    @property
    def states(self) -> list[Tensor]:
        """Those of its inputs that are states which it updates."""
        count = OPERATORS[self.kind].states if self.kind in OPERATORS else 0
        return self.inputs[len(self.inputs) - count :]

    def __str__(self) -> str:
        attrs = ", ".join(f"{k}={v}" for k, v in self.attrs.items() if not isinstance(v, np.ndarray))
        return f"{self.output} = {self.kind}({', '.join(t.name for t in self.inputs)}; {attrs})  # {self.name}"


@dataclass(eq=False)
class Edge:
    """One input or output of a graph.

    Attributes
    ----------
    tensor : Tensor
    quantize_rule : str
        ``"DIVIDE"``, ``"MULTIPLY_RECIPROCAL"`` or ``"DIVIDE_HALF_AWAY"`` (SPEC.md, section 3).
    source_layout : str
        ``"NHWC"`` or ``"NCHW"``: how the source model had this rank-4 tensor.
    source_dtype : str
        The source's codes: ``"INT8"``, which stands for those of an int16 tensor as well, ``"UINT8"`` and ``"UINT16"``,
        which are 128 or 32768 higher, or ``"INT16"`` of an int8 input, with `requant`.
    requant : qrt.compiler.integers.channels.Requant or None
        Of an int16 input: how its numbers become codes.
    scales : numpy.ndarray or None
        Of an int32 output, once lowered: the real value of 1 for each entry of the last axis, float32.
    labels : list of str
        Outputs: one name for each entry of the last axis, or empty.
    state : str
        Name of a state: what the output of this name has after a run, the input has in the next. Until the pass
        `to_states` a state is such a pair, so that a run of the graph alone defines what every operator computes.
    initial : numpy.ndarray or None
        Of an input with a `state`: its codes in the first run, in the source's layout; None for real zeros.
    """

    tensor: Tensor
    quantize_rule: str = "DIVIDE"
    source_layout: str = "NHWC"
    source_dtype: str = "INT8"
    labels: list[str] = field(default_factory=list)
    requant: Any = None
    scales: np.ndarray | None = None
    state: str = ""
    initial: np.ndarray | None = None


@dataclass(eq=False)
class Graph:
    """Operators in an order in which they can run, between inputs and outputs.

    `engine` is the one whose bytes a frontend made the graph for, where there is one; `int4` says that the source has
    weights of 4 bits, which are int8 in the graph until it is lowered. `preprocessing` is for those who
    run the file (SPEC.md, section 3).
    """

    name: str = ""
    ops: list[Op] = field(default_factory=list)
    inputs: list[Edge] = field(default_factory=list)
    outputs: list[Edge] = field(default_factory=list)
    engine: str = ""
    int4: bool = False
    preprocessing: str = ""

    def copy(self) -> Graph:
        """The same graph in new objects; constants' data is shared."""
        twin = {tensor: replace(tensor) for tensor in self.tensors()}
        ops = [
            Op(op.kind, op.name, [twin[tensor] for tensor in op.inputs], twin[op.output], dict(op.attrs))
            for op in self.ops
        ]
        inputs, outputs = (
            [replace(edge, tensor=twin[edge.tensor], labels=list(edge.labels)) for edge in edges]
            for edges in (self.inputs, self.outputs)
        )
        return Graph(self.name, ops, inputs, outputs, self.engine, self.int4, self.preprocessing)

    def tensors(self) -> Iterator[Tensor]:
        """Every tensor once: inputs, then each operator's constants and output."""
        seen: set[Tensor] = set()
        ordered = [edge.tensor for edge in self.inputs]
        for op in self.ops:
            ordered += [*op.inputs, op.output]
        ordered += [edge.tensor for edge in self.outputs]
        for tensor in ordered:
            if tensor not in seen:
                seen.add(tensor)
                yield tensor

    def producer(self, tensor: Tensor) -> Op | None:
        """The operator that writes `tensor`; None for inputs, constants, and states that an operator has as inputs."""
        return next((op for op in self.ops if op.output is tensor), None)

    def states(self) -> list[Tensor]:
        """The states, in the order of their first use."""
        return [tensor for tensor in self.tensors() if tensor.is_state]

    def consumers(self, tensor: Tensor) -> list[Op]:
        """The operators that read `tensor`, in order."""
        return [op for op in self.ops if any(t is tensor for t in op.inputs)]

    def is_output(self, tensor: Tensor) -> bool:
        return any(edge.tensor is tensor for edge in self.outputs)

    def redirect(self, old: Tensor, new: Tensor) -> None:
        """Makes every reader of `old`, model outputs included, read `new`."""
        for op in self.ops:
            op.inputs = [new if t is old else t for t in op.inputs]
        for edge in self.outputs:
            if edge.tensor is old:
                edge.tensor = new

    def __str__(self) -> str:
        lines = [f"graph {self.name}"]
        lines += [f"  input  {edge.tensor}" for edge in self.inputs]
        lines += [f"  {op}" for op in self.ops]
        lines += [f"  output {edge.tensor.name}" for edge in self.outputs]
        return "\n".join(lines)
