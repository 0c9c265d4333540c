"""Emitter: builds the quantized graph of absorb_qdq, operator by operator."""

from __future__ import annotations

from typing import Any

from qrt.compiler.integers.singles import WRITTEN
from qrt.compiler.ir import Graph, Op, Quantization, Tensor, unique_name

NCHW_TO_NHWC = (0, 2, 3, 1)
NHWC_TO_NCHW = (0, 3, 1, 2)


class Emitter:
    """The graph under construction, and the unsupported source operators with the reasons."""

    def __init__(self, graph: Graph) -> None:
        self.source = graph
        self.producers = {op.output: op for op in graph.ops}
        self.result = Graph(graph.name)
        self.problems: dict[Op, str] = {}
        self.names = {tensor.name for tensor in graph.tensors()}

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
        output = Tensor(name, shape, "int8" if quantization is not None else "int32", quantization)
        self.result.ops.append(
            Op(kind, source.name if source is not None and source.name else name, inputs, output, attrs)
        )
        return output

    def fresh(self, name: str) -> str:
        """A name that no tensor has yet."""
        return unique_name(name, self.names)

    def transposed(self, tensor: Tensor, permutation: tuple[int, ...], name: str = "") -> Tensor:
        shape = tuple(tensor.shape[k] for k in permutation)
        name = name or self.fresh(f"{tensor.name}_transposed")
        return self.emit("transpose", name, [tensor], shape, tensor.quantization, {"permutation": permutation})

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
