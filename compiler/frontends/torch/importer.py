"""Shared by the translators of PyTorch's operators: the current node, and how operators are added."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from qrt.compiler.errors import CompileError, Problem
from qrt.compiler.frontends.importer import Unsupported, add_dequantize, check_scales
from qrt.compiler.frontends.torch.averages import state_averages
from qrt.compiler.frontends.torch.refusals import REFUSED
from qrt.compiler.ir import Edge, Graph, Op, Quantization, Tensor, unique_name

# Numbers of element types in PyTorch's files (torch.export) -> numpy's names.
DTYPES = {
    1: "uint8",
    2: "int8",
    3: "int16",
    4: "int32",
    5: "int64",
    6: "float16",
    7: "float32",
    8: "float64",
    12: "bool",
}


@dataclass
class Node:
    """One call of the source.

    Attributes
    ----------
    name : str
        The name in the source, used in messages.
    target : str
        The operator, such as ``"conv2d"``.
    args, kwargs
        Its arguments: `Tensor` for values of the graph, otherwise plain Python.
    label : str
        The operator as the source spells it, for messages; by default `target`.
    """

    name: str
    target: str
    args: Sequence[Any] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    label: str = ""


def constant_array(value: Any, what: str) -> np.ndarray:
    if isinstance(value, Tensor):
        if value.data is None:
            raise Unsupported(f"its {what} is not constant")
        return value.data
    return np.asarray(value)


def _moved(kind: str, inputs: list[Tensor], shape: Sequence[int], attrs: dict[str, Any]) -> np.ndarray | None:
    """The result of data movement of plain constants, or None for other operators and operands."""
    if any(tensor.data is None or tensor.quantization is not None for tensor in inputs):
        return None
    arrays = [np.asarray(tensor.data) for tensor in inputs]
    x = arrays[0]
    if kind == "reshape":
        return x.reshape(shape)
    if kind == "transpose":
        return x.transpose(attrs["permutation"])
    if kind == "concat":
        return np.concatenate(arrays, attrs["axis"])
    if kind == "gather":
        return np.asarray(x.take(attrs["indices"], attrs["axis"]))
    if kind == "slice":
        places = zip(attrs["begin"], attrs["stride"], shape, strict=True)
        return x[np.ix_(*(begin + step * np.arange(count) for begin, step, count in places))]
    return None


class Refused:
    """The value of a node that is not supported. Nodes that read it are not reported, unless there is a `reason`."""

    def __init__(self, reason: str = "") -> None:
        self.reason = reason


def nested(values: Any) -> Iterator[Any]:
    """What lists and tuples hold."""
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from nested(value)
        else:
            yield value


class Importer:
    """A source graph under construction.

    Attributes
    ----------
    graph : Graph
    problems : list of Problem
        Unsupported nodes.
    node : Node
        The node that is being translated.
    on_codes : bool
        Whether the operators that are added run on codes in PyTorch, not on floats between codes.
    """

    def __init__(self, name: str) -> None:
        self.graph = Graph(name)
        self.problems: list[Problem] = []
        self.node = Node("", "")
        self.on_codes = False
        self._names: set[str] = set()
        self._real: dict[Tensor, Tensor] = {}

    def unique(self, name: str) -> str:
        return unique_name(name, self._names)

    def translate(self, translators: dict[str, Callable[..., Any]], node: Node) -> Any:
        """The result of `node`; `Refused` for an unsupported node and for those that read one."""
        name = node.target.rstrip("_")
        translator = translators.get(node.target) or translators.get(name)
        read = [v for v in nested((*node.args, *node.kwargs.values())) if isinstance(v, Refused)]
        if translator is not None and read:
            self._report(node, *[value.reason for value in read if value.reason][:1])
            return Refused()
        self.node = node
        try:
            if translator is None:
                raise Unsupported(REFUSED.get(name, "this operator is not supported"))
            return translator(self, *node.args, **node.kwargs)
        except Unsupported as reason:
            self._report(node, str(reason))
        except (AttributeError, AssertionError, LookupError, TypeError, ValueError, ArithmeticError) as error:
            self._report(node, f"cannot be read: {type(error).__name__}: {error}")
        return Refused()

    def _report(self, node: Node, *reasons: str) -> None:
        self.problems += [Problem(node.name, node.label or node.target, reason) for reason in reasons]

    # Values

    def add_input(self, name: str, shape: tuple[int, ...], dtype: str = "float32") -> Tensor:
        tensor = Tensor(self.unique(name), shape, dtype)
        self.graph.inputs.append(Edge(tensor, "MULTIPLY_RECIPROCAL"))
        return tensor

    def constant(self, array: np.ndarray, name: str = "", quantization: Quantization | None = None) -> Tensor:
        array = np.asarray(array)
        return Tensor(
            self.unique(name or f"{self.node.name}_constant"), array.shape, str(array.dtype), quantization, array
        )

    def value(self, x: Any) -> Tensor:
        """`x` itself, or a constant made from a Python number."""
        return x if isinstance(x, Tensor) else self.constant(np.array(x, np.float32))

    def constant_value(self, x: Tensor, what: str) -> np.ndarray:
        """The real values of a constant, which may be dequantized."""
        producer = None if x.is_constant else self.graph.producer(x)
        codes = producer.inputs[0] if producer is not None and producer.kind == "dequantize" else x
        if codes.data is None:
            raise Unsupported(f"its {what} is not constant")
        return codes.real()

    # Operators

    def emit(
        self,
        kind: str,
        inputs: list[Tensor],
        shape: Sequence[int],
        name: str = "",
        dtype: str = "float32",
        **attrs: Any,
    ) -> Tensor:
        """Adds an operator whose output is called `name` or like the node; of rank 0, it has rank 1 here.

        Constants that are only moved are moved at once: masks and indices must be known while reading.
        """
        moved = _moved(kind, inputs, shape, attrs)
        if moved is not None:
            return self.constant(moved, name or self.node.name)
        output = Tensor(self.unique(name or self.node.name), tuple(int(n) for n in shape) or (1,), dtype)
        attrs["source"] = self.node.label or self.node.target
        if self.on_codes:
            attrs["on_codes"] = True
        self.graph.ops.append(Op(kind, self.node.name, inputs, output, attrs))
        return output

    def image(self, x: Tensor) -> Tensor:
        """A rank-3 tensor [N, C, L] as an image of height 1."""
        return self.emit("reshape", [x], (x.shape[0], x.shape[1], 1, x.shape[2]), f"{self.node.name}_image")

    def quantize(
        self, x: Tensor, quantization: Quantization, dtype: str, low: int, high: int, name: str = ""
    ) -> Tensor:
        """Codes of the float `x`; `low` and `high` are their minimum and maximum."""
        limits = np.iinfo(dtype)
        output = Tensor(self.unique(name or self.node.name), x.shape, dtype, quantization)
        attrs: dict[str, Any] = {"source": self.node.label or self.node.target}
        if low > limits.min or high < limits.max:
            attrs.update(quant_min=max(low, limits.min), quant_max=min(high, limits.max))
        self.graph.ops.append(Op("quantize", self.node.name, [x], output, attrs))
        return output

    def dequantize(self, codes: Tensor, quantization: Quantization, name: str = "") -> Tensor:
        """The real values of `codes`; codes without quantization get `quantization`.

        All readers of codes get the same tensor, although PT2E writes one dequantize for each.
        """
        if codes in self._real and quantization.same_as(codes.quantization):
            return self._real[codes]
        called = self.unique(name or f"{codes.name}_real")
        source = self.node.label or self.node.target
        real = add_dequantize(self.graph, self.node.name, source, codes, quantization, called)
        return self._real.setdefault(codes, real)

    def real(self, codes: Tensor) -> Tensor:
        """The real values of codes with quantization; float values are returned as they are."""
        if codes.dtype == "float32":
            return codes
        if codes.quantization is None:
            raise Unsupported(f"reads the integers {codes.name!r}, whose scale is unknown")
        return self.dequantize(codes, codes.quantization)

    def finish(self, outputs: Sequence[Any], match: str) -> Graph:
        """The graph, after every node has been translated.

        `match` is the engine to match bit for bit: one of `qrt.compiler.integers.thresholds.TORCH`, or
        ``"pytorch"``, which runs quantize, dequantize and float operators as they are written. It determines whether
        biases are rounded to int32, the precision of real multipliers, and how average pools round ties.

        Raises
        ------
        CompileError
            Lists all unsupported nodes.
        """
        for index, output in enumerate(outputs):
            if isinstance(output, Refused) and output.reason:
                self.problems.append(Problem(f"output {index}", "output", output.reason))
            elif not isinstance(output, (Tensor, Refused)):
                reason = f"is {type(output).__name__}, not a tensor; let forward return tensors only"
                self.problems.append(Problem(f"output {index}", "output", reason))
        if self.problems:
            raise CompileError(self.problems)
        producers = {op.output: op for op in self.graph.ops}
        for op in self.graph.ops:
            if match == "pytorch" and op.kind in ("add", "sub", "mul"):
                op.attrs["float32"] = "RECIPROCAL"
            if op.kind in ("conv2d", "transpose_conv2d", "linear"):
                source = producers.get(op.inputs[2]) if len(op.inputs) > 2 else None
                int32 = source is not None and source.kind == "dequantize"
                op.attrs["float_bias"] = not int32 if match == "pytorch" else match != "qnnpack"
                if match != "pytorch":
                    op.attrs["engine"] = match
            elif op.kind == "add" and match == "qnnpack" and op.inputs[0].shape == op.inputs[1].shape:
                op.attrs["engine"] = match  # PyTorch adds other shapes in float
            elif op.kind in ("add", "mul") and match != "pytorch":
                op.attrs["float32"] = "QUANTIZED"
        state_averages(self.graph.ops, match)
        self.graph.outputs = [Edge(tensor) for tensor in outputs]
        self.graph.engine = match
        return self.graph


def quantization(scale: Any, zero_point: Any, axis: int | None = None) -> Quantization:
    """From numbers or arrays of the source; `axis` if they are per channel."""
    scales = np.asarray(scale, np.float64)
    zeros = np.asarray(np.round(zero_point), np.int32)
    check_scales(scales)
    if axis is None:
        scales, zeros = scales.reshape(()), zeros.reshape(())
    else:
        scales, zeros = scales.reshape(-1), np.broadcast_to(zeros.reshape(-1), scales.size).copy()
    single = scales.astype(np.float32)
    return Quantization(single if np.array_equal(single, scales) else scales, zeros, axis)
