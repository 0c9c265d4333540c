"""fold_affine: factors and summands of each channel, as of batch normalization, go into the layer before them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qrt.compiler.errors import CompileError, Problem
from qrt.compiler.integers.lines import KINDS, Line, Reals, constant_values, line_of
from qrt.compiler.ir import Graph, Op, Tensor
from qrt.compiler.report import Report

LAYERS = ("conv2d", "linear")
NOT_CONSTANT = "its parameters are not constant"


def fold_affine(graph: Graph, report: Report) -> Graph:
    """Folds batch normalization, and add, sub, mul and div with a constant of each channel, into the layer before them.

    With ``f = gamma / sqrt(var + epsilon)`` per channel, ``batch_norm(conv2d(x, w, b))`` equals the layer with weights
    ``f * w`` and bias ``(b - mean) * f + beta``. Quantized weights keep their codes: only their scale is multiplied by
    |f|, and codes are mirrored where f is negative, which is exact. All are float operators here, with one rounding
    after them.

    After anything else, batch normalization and constants of several entries become one ``affine``.
    """
    pass_ = _Folding(graph)
    for op in [op for op in graph.ops if op.output.dtype == "float32"]:
        pass_.visit(op)
    if pass_.problems:
        raise CompileError(pass_.problems)
    for name, layer in pass_.folded:
        report.note("fold_affine", f"folded {name} into {layer}")
    return graph


class _Folding:
    """One run over a graph, which is changed."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.problems: list[Problem] = []
        self.folded: list[tuple[str, str]] = []

    def visit(self, op: Op) -> None:
        is_norm = op.kind == "batch_norm"
        found = self._norm(op) if is_norm else self._constant(op)
        if found is None:
            if is_norm:
                self._refuse(op, NOT_CONSTANT)
            return
        x, line = found
        readers = self.graph.consumers(x)
        is_alone = len(readers) == 1 and not self.graph.is_output(x)
        producer = self.graph.producer(x)
        layer = self._layer(producer, line)
        if layer is not None:
            reason = _fold(self.graph, layer, line, op.name) if is_alone else self._shared(layer)
            if reason is None and producer is not None:
                producer.output = op.output
                self.graph.ops.remove(op)
                self.folded.append((op.name, layer.name))
                return
            if is_norm:
                self._refuse(op, str(reason))
            return
        self._join(op, x, line, producer if is_alone else None)

    def _refuse(self, op: Op, reason: str) -> None:
        self.problems.append(Problem(op.name, op.attrs.get("source", op.kind), reason))

    @staticmethod
    def _shared(layer: Op) -> str:
        return f"{layer.name} before it has other readers; give it a layer of its own"

    def _join(self, op: Op, x: Tensor, line: Line, before: Op | None) -> None:
        """Makes `op` an affine, together with the one before it; a lone number stays what it is."""
        before_found = None if before is None else self._constant(before)
        lines = [line] if before_found is None else [before_found[1], line]
        if op.kind != "batch_norm" and (len(lines) == 1 or all(part.size == 1 for one in lines for part in one)):
            return  # absorb_qdq knows a single constant, quantized or not, and functions of one code
        if before_found is not None and before is not None:
            (first, shift), (second, add) = lines
            x, line = before_found[0], (first * second, shift * second + add)
            self.graph.ops.remove(before)
        attrs = {"factor": line[0], "summand": line[1], "source": op.attrs.get("source", op.kind)}
        op.kind, op.inputs, op.attrs = "affine", [x], attrs

    # What an operator computes

    def _values(self, tensor: Tensor) -> Reals | None:
        return constant_values(tensor, None if tensor.is_constant else self.graph.producer(tensor))

    def _norm(self, op: Op) -> tuple[Tensor, Line] | None:
        """factor and summand of a batch normalization, along its channel axis."""
        values = [self._values(tensor) for tensor in op.inputs[1:5]]
        known = [one for one in values if one is not None]
        if len(known) < len(values):
            return None
        gamma, beta, mean, variance = known
        x = op.inputs[0]
        axis = 1 if op.attrs["layout"] == "NCHW" else len(x.shape) - 1
        shape = tuple(-1 if k == axis else 1 for k in range(len(x.shape)))
        factor = gamma / np.sqrt(variance + op.attrs["epsilon"])
        return x, (factor.reshape(shape), (beta - mean * factor).reshape(shape))

    def _constant(self, op: Op) -> tuple[Tensor, Line] | None:
        """The same of add, sub, mul and div with a constant operand, and of an affine."""
        if op.kind == "affine":
            return op.inputs[0], (op.attrs["factor"], op.attrs["summand"])
        if op.kind not in KINDS:
            return None
        found = line_of(op, [self._values(tensor) for tensor in op.inputs])
        if found is None:
            return None
        x, line = found
        if not all(np.isfinite(part).all() for part in line):
            return None
        factor, summand = (part.reshape((1,) * (len(x.shape) - part.ndim) + part.shape) for part in line)
        return x, (factor, summand)

    def _layer(self, producer: Op | None, line: Line) -> Op | None:
        """The layer that a line can go into: the producer, or before a reshape of a 1-D convolution's result."""
        layer = producer
        if producer is not None and producer.kind == "reshape":
            shape, image = producer.output.shape, producer.inputs[0].shape
            source = self.graph.producer(producer.inputs[0])
            if len(self.graph.consumers(producer.inputs[0])) == 1 and image == (*shape[:2], 1, *shape[2:]):
                layer = source
        if layer is None or producer is None or layer.kind not in LAYERS:
            return None
        rank = len(producer.output.shape)
        axis = rank - 1 if layer.kind == "linear" or layer.attrs.get("layout", "NHWC") == "NHWC" else 1
        long = {k for part in line for k in range(rank) if part.shape[k] != 1}
        return layer if long <= {axis} else None


def _fold(graph: Graph, layer: Op, line: Line, name: str) -> str | None:
    """Folds a line into `layer`; returns the reason if that is impossible."""
    source = graph.producer(layer.inputs[1])
    weights = source.inputs[0] if source is not None and source.kind == "dequantize" else layer.inputs[1]
    if weights.data is None:
        return f"the weights of {layer.name} are not constant"
    count = weights.shape[0]
    factor, summand = (np.broadcast_to(part.reshape(-1), (count,)) for part in line)
    bias_source = graph.producer(layer.inputs[2]) if len(layer.inputs) > 2 else None
    stated = bias_source.inputs[0] if bias_source is not None else layer.inputs[2] if len(layer.inputs) > 2 else None
    if stated is not None and stated.data is None:
        return f"the bias of {layer.name} is not constant"
    old_bias = np.zeros(count) if stated is None else stated.real()
    if not (factor == 1).all():
        scaled = _scaled(weights, factor)
        if scaled is None:
            return f"the weights of {layer.name} are quantized per input channel; quantize them per output channel"
        if scaled.quantization is not None:
            real = Tensor(scaled.name + "_real", scaled.shape, "float32")
            graph.ops.insert(graph.ops.index(layer), Op("dequantize", layer.name, [scaled], real))
            scaled = real
        layer.inputs = [layer.inputs[0], scaled, *layer.inputs[2:]]
    bias = old_bias * factor + summand
    if stated is not None or bias.any():
        layer.inputs = [*layer.inputs[:2], Tensor(f"{name}_bias", bias.shape, "float32", None, bias)]
    return None


def _scaled(weights: Tensor, factor: Reals) -> Tensor | None:
    """`weights` times `factor` along its first axis; None if they are quantized along another one.

    Where the factor is negative, codes and zero point are mirrored, ``-1 - code``: every difference of the two changes
    its sign, also that of the least code.
    """
    assert weights.data is not None
    column = factor.reshape(-1, *[1] * (weights.data.ndim - 1))
    quantization = weights.quantization
    name = weights.name + "_folded"
    if quantization is None:
        return Tensor(name, weights.shape, weights.dtype, None, weights.data * column)
    if quantization.axis not in (0, None):
        return None
    zero = np.broadcast_to(quantization.zero_point, factor.shape)
    zero = np.where(factor < 0, -1 - zero, zero)
    scale = np.asarray(quantization.scale, np.float64) * np.abs(factor)
    scale = np.where(scale == 0, 1.0, scale)
    codes = np.where(column < 0, -1 - weights.data.astype(np.int16), weights.data)
    codes = np.where(column == 0, zero.reshape(column.shape), codes).astype(weights.data.dtype)
    return Tensor(
        name, weights.shape, weights.dtype, replace(quantization, scale=scale, zero_point=zero, axis=0), codes
    )
