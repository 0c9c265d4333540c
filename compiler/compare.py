"""Integers beside floats, layer by layer: how far each result of a .qfb file is from what its source means."""

from __future__ import annotations

from collections.abc import Sequence
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
        Of one code, the unit of the errors below.
    sqnr : float
        Signal to quantization noise, dB: 10 log10(sum float^2 / sum (float - integer)^2); infinite where equal.
    cosine : float
        Of the angle between floats and integers as vectors.
    max_error, mean_error : float
        Largest and mean |float - integer|, in codes (LSB).
    histogram : list of int
        How many differences round to -4 or less, -3, ..., 3, 4 or more codes.
    differing : int or None
        Codes that are not those of the quantized source; None where the source is float.
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
        Results that the source has not under that name.
    first_differing : str or None
        The first layer whose codes are not those of the quantized source.
    accuracy : dict
        By what ran: ``"qrt"``, ``"float"``, ``"quantized source"``; empty without labels.
    samples : int
    """

    layers: list[Layer] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    first_differing: str | None = None
    accuracy: dict[str, float] = field(default_factory=dict)
    samples: int = 0

    def worst(self) -> list[Layer]:
        """Layers, the worst SQNR first."""
        return sorted(self.layers, key=lambda layer: layer.sqnr)

    def as_dict(self) -> dict[str, Any]:
        """Plain types only, for JSON; an infinite SQNR is None."""
        document = asdict(self)
        for layer in document["layers"]:
            layer["sqnr"] = layer["sqnr"] if np.isfinite(layer["sqnr"]) else None
        return document


def compare(
    graph: Graph,
    codes: Sequence[Array],
    real: dict[str, Array],
    written: dict[str, Array] | None,
    outputs: Sequence[str],
) -> Comparison:
    """Every operator's codes against the source's values of the same name.

    Parameters
    ----------
    graph : Graph
        The lowered graph of the file.
    codes : sequence of numpy.ndarray
        What each operator gave, in order (`qrt.compiler.layers.exposed`).
    real : dict
        The source's real values by name, unquantized (`qrt.compiler.evaluate`).
    written : dict or None
        The same with quantize and dequantize as they are written.
    outputs : sequence of str
        The source's names of the outputs, in order; the file may call them otherwise.
    """
    result = Comparison()
    names = {edge.tensor: name for edge, name in zip(graph.outputs, outputs, strict=False)}
    for index, (op, q) in enumerate(zip(graph.ops, codes, strict=True)):
        name = _source_name(op.output, names, real)
        theirs = None if name is None else _as_nhwc(real[name], op.output, q)
        if name is None or theirs is None or not op.output.scale:
            result.missing.append(op.output.name)
            continue
        exact = None if written is None or name not in written else _as_nhwc(written[name], op.output, q)
        layer = _layer(index, op, name, q, theirs, exact)
        result.layers.append(layer)
        if layer.differing and result.first_differing is None:
            result.first_differing = op.name
    return result


def _source_name(tensor: Tensor, outputs: dict[Tensor, str], real: dict[str, Array]) -> str | None:
    for name in (outputs.get(tensor, ""), tensor.name, tensor.name.removesuffix("_nhwc")):
        if name in real:
            return name
    return None


def _as_nhwc(values: Array, tensor: Tensor, codes: Array) -> Array | None:
    """The source's values as the file lays them out; None where their shapes cannot be told apart or do not fit."""
    turned = values.ndim == 4 and tensor.name.endswith("_nhwc")
    if values.shape == codes.shape and not turned:
        return values
    if values.ndim == 4 and values.transpose(0, 2, 3, 1).shape == codes.shape:
        return values.transpose(0, 2, 3, 1)
    return values.reshape(codes.shape) if values.size == codes.size and max(values.shape[1:]) == values[0].size else None


def _layer(index: int, op: Op, name: str, q: Array, theirs: Array, written: Array | None) -> Layer:
    scale, zero = op.output.scale, op.output.zero_point
    ours = (q.astype(np.float64) - zero) * scale
    theirs = theirs.astype(np.float64)
    error = (theirs - ours) / scale
    noise, signal = float(((theirs - ours) ** 2).sum()), float((theirs**2).sum())
    norms = float(np.sqrt((ours**2).sum() * signal))
    steps = np.clip(np.rint(error), -HISTOGRAM, HISTOGRAM).astype(int).reshape(-1) + HISTOGRAM
    differing = None
    if written is not None:
        codes = np.clip(np.rint(written.astype(np.float64) / scale) + zero, -128, 127)
        differing = int((codes != q).sum())
    return Layer(
        index=index,
        name=op.name,
        kind=op.kind,
        tensor=name,
        scale=scale,
        sqnr=float("inf") if noise == 0 else 10 * float(np.log10(max(signal, 1e-300) / noise)),
        cosine=float((ours * theirs).sum() / norms) if norms else 1.0,
        max_error=float(np.abs(error).max()),
        mean_error=float(np.abs(error).mean()),
        histogram=np.bincount(steps, minlength=2 * HISTOGRAM + 1).tolist(),
        differing=differing,
        size=q.size,
    )


def accuracy(outputs: Array, labels: Array) -> float:
    """Share of samples whose largest entry of the last axis is at the label."""
    return float((outputs.reshape(len(labels), -1).argmax(axis=1) == labels).mean())
