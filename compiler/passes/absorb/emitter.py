"""Emitter: builds the quantized graph of absorb_qdq, operator by operator."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from qrt.compiler.integers.singles import WRITTEN
from qrt.compiler.ir import Graph, Op, Quantization, Tensor, unique_name
from qrt.schema.operators import OPERATORS

NCHW_TO_NHWC = (0, 2, 3, 1)
NHWC_TO_NCHW = (0, 3, 1, 2)
Shape = tuple[int, ...]
# Codes of int16 for one of int8.
FINER = 256


class Emitter:
    """The graph under construction, and the unsupported source operators with the reasons."""

    def __init__(self, graph: Graph) -> None:
        self.source = graph
        self.producers = {op.output: op for op in graph.ops}
        self.result = Graph(graph.name)
        self.problems: dict[Op, str] = {}
        self.names = {tensor.name for tensor in graph.tensors()}
        # For each result of gathers: what they gather from, and the entries of each axis.
        self.gathered: dict[Tensor, tuple[Tensor, dict[int, np.ndarray]]] = {}
        self.made: dict[Tensor, Op] = {}
        # For int8 codes, the same values in int16.
        self.fine: dict[Tensor, Tensor] = {}
        # The type of the codes that are being made.
        self.dtype = "int8"

    def emit(
        self,
        kind: str,
        name: str,
        inputs: list[Tensor],
        shape: tuple[int, ...],
        quantization: Quantization | None,
        attrs: dict[str, Any],
        source: Op | None = None,
    ) -> Tensor:
        """Appends an operator and returns its output: codes, or accumulators if there is no quantization."""
        dtype = "int32" if quantization is None else inputs[0].dtype if OPERATORS[kind].keeps_numbers else self.dtype
        output = Tensor(name, shape, dtype, quantization)
        op = Op(kind, source.name if source is not None and source.name else name, inputs, output, attrs)
        if "int16" in (inputs[0].dtype, dtype) and not (OPERATORS[kind].int16 or OPERATORS[kind].moves):
            self.refuse(source or op, f"needs {kind}, which has no arithmetic of int16 codes; use 8 bits for it")
        self.result.ops.append(op)
        self.made[output] = op
        return output

    def fresh(self, name: str) -> str:
        """A name that no tensor has yet."""
        return unique_name(name, self.names)

    def transposed(self, tensor: Tensor, permutation: tuple[int, ...], name: str = "") -> Tensor:
        shape = tuple(tensor.shape[k] for k in permutation)
        name = name or self.fresh(f"{tensor.name}_transposed")
        return self.emit("transpose", name, [tensor], shape, tensor.quantization, {"permutation": permutation})

    def reshaped(self, tensor: Tensor, shape: Shape) -> Tensor:
        """`tensor` with `shape`, which has as many entries."""
        if tensor.shape == shape:
            return tensor
        if tensor.data is not None:
            return replace(tensor, name=self.fresh(tensor.name), shape=shape, data=tensor.data.reshape(shape))
        return self.emit("reshape", self.fresh(tensor.name), [tensor], shape, tensor.quantization, {})

    def finer(self, x: Tensor) -> Tensor:
        """int8 codes as int16, 256 times as fine: the same real values."""
        if x not in self.fine:
            assert x.quantization is not None
            quantization = Quantization(x.quantization.scale / FINER, x.quantization.zero_point * FINER)
            data = None if x.data is None else x.data.astype(np.int16) * np.int16(FINER)
            y = Tensor(self.fresh(f"{x.name}_int16"), x.shape, "int16", quantization, data)
            if data is None:
                self.made[y] = Op("requantize", y.name, [x], y, {})
                self.result.ops.append(self.made[y])
            self.fine[x] = y
        return self.fine[x]

    def ranked(self, tensor: Tensor, rank: int) -> Tensor:
        """`tensor` with leading axes of length 1, as for broadcasting."""
        return self.reshaped(tensor, (1,) * (rank - len(tensor.shape)) + tensor.shape)

    def is_image(self, tensor: Tensor) -> bool:
        """Whether rank-4 codes come from an operator on NHWC images, transposed to the source's NCHW."""
        op = self.made.get(tensor)
        while op is not None and op.kind in ("clamp", "lut", "requantize"):
            op = self.made.get(op.inputs[0])
        return op is not None and op.kind == "transpose" and op.attrs["permutation"] == NHWC_TO_NCHW

    def together(self, x: Tensor, axes: Shape) -> Tensor:
        """`x` as [outer, reduced, 1, inner] for an operator that reduces `axes`; the others keep their order."""
        if self.is_image(x):
            x = self.transposed(x, NCHW_TO_NHWC)
            axes = tuple(sorted(NCHW_TO_NHWC.index(k) for k in axes))
        if axes != tuple(range(axes[0], axes[-1] + 1)):
            others = [k for k in range(len(x.shape)) if k not in axes]
            order = (*(k for k in others if k < axes[-1]), *axes, *(k for k in others if k > axes[-1]))
            x = self.transposed(x, order)
            axes = tuple(range(axes[-1] + 1 - len(axes), axes[-1] + 1))
        outer, inner = math.prod(x.shape[: axes[0]]), math.prod(x.shape[axes[-1] + 1 :])
        return self.reshaped(x, (outer, math.prod(x.shape[k] for k in axes), 1, inner))

    def apart(self, y: Tensor, x: Tensor, axes: Shape, shape: Shape) -> Tensor:
        """The result of reducing `axes` of `x` as `together` has it, with the shape of the source's result."""
        kept = [1 if k in axes else n for k, n in enumerate(x.shape)]
        if self.is_image(x):
            y = self.reshaped(y, tuple(kept[k] for k in NCHW_TO_NHWC))
            y = self.transposed(y, NHWC_TO_NCHW)
        return self.reshaped(y, shape)

    def called(self, tensor: Tensor, name: str) -> Tensor:
        """`tensor`, called `name` if it is one that was just made."""
        if self.result.ops and self.result.ops[-1].output is tensor:
            tensor.name = name
        return tensor

    def image(
        self,
        kind: str,
        op: Op,
        inputs: list[Tensor],
        quantization: Quantization | None,
        attrs: dict[str, Any],
        name: str,
    ) -> Tensor:
        """Emits an operator on images; `op` has the source's layout and the output's shape.

        Accumulators stay NHWC.
        """
        shape = op.output.shape
        if op.attrs.get("layout", "NHWC") == "NHWC":
            return self.emit(kind, name, inputs, shape, quantization, attrs, op)
        inputs = [self.transposed(inputs[0], NCHW_TO_NHWC), *inputs[1:]]
        shape = tuple(shape[k] for k in NCHW_TO_NHWC)
        y = self.emit(kind, self.fresh(f"{name}_nhwc"), inputs, shape, quantization, attrs, op)
        return y if quantization is None else self.transposed(y, NHWC_TO_NCHW, name)

    def unmodeled(self) -> dict[str, str]:
        """Attributes of an operator that sums in float32, if the engine runs operators as they are written."""
        return {"float32": "SUMMED"} if self.source.engine in WRITTEN else {}

    def refuse(self, op: Op, reason: str) -> None:
        self.problems[op] = reason
