"""Compares a .qfb file with its source, layer by layer: the error of each result against the float result."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrt.compiler.ir import Graph, Op, Tensor

Array = NDArray[Any]

# Differences in the histogram: -HISTOGRAM and below, ..., 0, ..., HISTOGRAM and above.
HISTOGRAM = 4


@dataclass
class Layer:
    """One operator's result against the source.

    Attributes
    ----------
    index : int
    name, kind : str
        Of the operator.
    tensor : str
        Its output in the source.
    scale : float
        Scale of the output, the unit of the errors below.
    sqnr : float
        Signal to quantization noise, dB: 10 log10(sum float^2 / sum (float - integer)^2); infinite where equal.
    cosine : float
        Cosine of the angle between floats and integers as vectors.
    max_error, mean_error : float
        Largest and mean |float - integer|, in codes (LSB).
    histogram : list of int
        How many differences round to -4 or less, -3, ..., 3, 4 or more codes.
    differing : int or None
        Number of codes that differ from the quantized source; None if the source is float.
    size : int
        Numbers compared.
    """

    index: int
    name: str
    kind: str
    tensor: str
    scale: float
    sqnr: float
    cosine: float
    max_error: float
    mean_error: float
    histogram: list[int]
    differing: int | None
    size: int


@dataclass
class Comparison:
    """A file against its source.

    Attributes
    ----------
    layers : list of Layer
        In the order of the file.
    missing : list of str
        Results that the source does not have under that name.
    first_differing : str or None
        The first layer whose codes differ from the quantized source.
    accuracy : dict
        By what ran: ``"qrt"``, ``"float"``, ``"quantized source"``; empty without labels.
    samples : int
    engine_differing : int or None
        Codes of the outputs that differ from those of the source's engine itself; None if it did not run.
    """

    layers: list[Layer] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    first_differing: str | None = None
    accuracy: dict[str, float] = field(default_factory=dict)
    samples: int = 0
    engine_differing: int | None = None

    def worst(self) -> list[Layer]:
        """Layers, the worst SQNR first."""
        return sorted(self.layers, key=lambda layer: layer.sqnr)

    def as_dict(self) -> dict[str, Any]:
        """Plain types only, for JSON; an infinite SQNR is None."""
        document = asdict(self)
        for layer in document["layers"]:
            layer["sqnr"] = layer["sqnr"] if np.isfinite(layer["sqnr"]) else None
        return document


class Comparer:
    """Accumulates the errors of each operator of a lowered graph over runs of the network.

    Parameters
    ----------
    graph : Graph
        Of the file.
    outputs : sequence of str
        The source's names of the outputs, in order; names in the file may differ.
    """

    def __init__(self, graph: Graph, outputs: Sequence[str]) -> None:
        self.ops = graph.ops
        self.outputs = {edge.tensor: name for edge, name in zip(graph.outputs, outputs, strict=False)}
        self.turned = {edge.tensor for edge in graph.outputs if edge.source_layout == "NCHW"}
        self.meters: dict[Op, _Meter] = {}
        self.missing: list[str] = []

    def add(self, codes: Sequence[Array], real: dict[str, Array], written: dict[str, Array] | None) -> None:
        """Adds one run.

        Parameters
        ----------
        codes : sequence of numpy.ndarray
            The output of each operator, in order (`qrt.compiler.study.layers.exposed`).
        real : dict
            The source's real values by name, unquantized (`qrt.compiler.study.evaluate`).
        written : dict or None
            The same with quantize and dequantize as they are written.
        """
        self.missing = []
        for op, q in zip(self.ops, codes, strict=True):
            # Nothing was rounded; under the name of a state the source has what it was before the run.
            if op.output.dtype == "int32" or op.kind == "assign":
                continue
            name = _source_name(op.output, self.outputs, real)
            turned = op.output in self.turned or op.output.name == f"{name}_nhwc"
            theirs = None if name is None else _as_nhwc(real[name], op, q, turned)
            if name is None or theirs is None or not op.output.scale:
                self.missing.append(op.output.name)
                continue
            exact = None if written is None or name not in written else _as_nhwc(written[name], op, q, turned)
            self.meters.setdefault(op, _Meter(name)).add(op, q, theirs, exact)

    def result(self) -> Comparison:
        layers = [self.meters[op].layer(i, op) for i, op in enumerate(self.ops) if op in self.meters]
        first = next((layer.name for layer in layers if layer.differing), None)
        return Comparison(layers, self.missing, first)


@dataclass
class Kinship:
    """How the layers of a file relate to tensors of a source, by their names and shapes.

    Attributes
    ----------
    same, fewer : list of Op
        With as many numbers as the source has under that name; with fewer channels, as where some were removed.
    other : list of (Op, tuple of int)
        With another shape, and the source's.
    unknown : list of Op
        Without a tensor of that name in the source, or of one that the compiler makes longer.
    """

    same: list[Op] = field(default_factory=list)
    fewer: list[Op] = field(default_factory=list)
    other: list[tuple[Op, tuple[int, ...]]] = field(default_factory=list)
    unknown: list[Op] = field(default_factory=list)

    @staticmethod
    def of(graph: Graph, source: Graph) -> Kinship:
        """Of a lowered graph and the one that it may be compiled from. Its outputs have been found to be alike."""
        shapes = {op.output.name: op.output.shape for op in source.ops}
        begins = tuple(f"{name}_" for name in (*shapes, *(t.name for op in source.ops for t in op.inputs)) if name)
        outputs = {edge.tensor for edge in graph.outputs}
        found = Kinship()
        for op in graph.ops:
            if op.output in outputs or not op.output.name or op.kind == "assign":
                continue
            name = _source_name(op.output, {}, shapes)
            if name is None:
                if not op.output.name.startswith(begins):
                    found.unknown.append(op)
            elif np.prod(shapes[name]) == op.output.size:
                found.same.append(op)
            elif _has_fewer_channels(op.output.shape, shapes[name]):
                found.fewer.append(op)
            else:
                found.other.append((op, shapes[name]))
        return found


def _has_fewer_channels(shape: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    """Whether one axis of the source's shape is longer, in either layout, and no other differs."""
    layouts = [whole, (whole[0], *whole[2:], whole[1])] if len(whole) == 4 else [whole]
    return any(len(shape) == len(known) and shape[:-1] == known[:-1] and shape[-1] < known[-1] for known in layouts)


def _source_name(tensor: Tensor, outputs: dict[Tensor, str], real: Container[str]) -> str | None:
    for name in (outputs.get(tensor, ""), tensor.name, tensor.name.removesuffix("_nhwc")):
        if name in real:
            return name
    return None


def _as_nhwc(values: Array, op: Op, codes: Array, turned: bool) -> Array | None:
    """The source's values in the layout of the file; None if their shape does not match.

    `turned` says that the file has NHWC where the source has NCHW.
    """
    if turned and op.kind == "reshape" and values.ndim == 2 and values.shape == codes.shape:
        # Flattened in the order of NHWC: the weights of the linear layer behind it are permuted.
        n, height, width, channels = op.inputs[0].shape
        return values.reshape(n, channels, height, width).transpose(0, 2, 3, 1).reshape(codes.shape)
    turned = turned and values.ndim == 4
    if values.shape == codes.shape and not turned:
        return values
    if values.ndim == 4 and values.transpose(0, 2, 3, 1).shape == codes.shape:
        return values.transpose(0, 2, 3, 1)
    # In a sample with a single axis longer than 1, all layouts have the same order.
    if values.size == codes.size and max(values.shape[1:], default=1) == values[0].size:
        return values.reshape(codes.shape)
    return None


class _Meter:
    """The sums of one layer."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.signal = self.noise = self.ours = self.product = self.absolute = self.largest = 0.0
        self.steps = np.zeros(2 * HISTOGRAM + 1, np.int64)
        self.size = 0
        self.differing: int | None = None

    def add(self, op: Op, q: Array, theirs: Array, written: Array | None) -> None:
        scale, zero = op.output.scale, op.output.zero_point
        ours, theirs = (q.astype(np.float64) - zero) * scale, theirs.astype(np.float64)
        error = (theirs - ours) / scale
        self.signal += float((theirs**2).sum())
        self.noise += float(((theirs - ours) ** 2).sum())
        self.ours += float((ours**2).sum())
        self.product += float((ours * theirs).sum())
        self.absolute += float(np.abs(error).sum())
        self.largest = max(self.largest, float(np.abs(error).max()))
        steps = np.clip(np.rint(error), -HISTOGRAM, HISTOGRAM).astype(int).reshape(-1) + HISTOGRAM
        self.steps += np.bincount(steps, minlength=2 * HISTOGRAM + 1)
        self.size += q.size
        if written is not None:
            limits = np.iinfo(q.dtype)
            codes = np.clip(np.rint(written.astype(np.float64) / scale) + zero, limits.min, limits.max)
            self.differing = (self.differing or 0) + int((codes != q).sum())

    def layer(self, index: int, op: Op) -> Layer:
        norms = float(np.sqrt(self.ours * self.signal))
        return Layer(
            index=index,
            name=op.name,
            kind=op.kind,
            tensor=self.name,
            scale=op.output.scale,
            sqnr=float("inf") if self.noise == 0 else 10 * float(np.log10(max(self.signal, 1e-300) / self.noise)),
            cosine=self.product / norms if norms else 1.0,
            max_error=self.largest,
            mean_error=self.absolute / self.size,
            histogram=self.steps.tolist(),
            differing=self.differing,
            size=self.size,
        )
