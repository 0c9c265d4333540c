"""Samples for calibrating and comparing: arrays for the inputs, and labels where the data has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import qrt
from qrt.cli.arrays import Array
from qrt.cli.console import printable
from qrt.cli.failure import Failure
from qrt.cli.stated import note_assumed
from qrt.data import Preprocess, open_dataset
from qrt.edges import NCHW_TO_NHWC


@dataclass(frozen=True, eq=False)
class Samples:
    """Arrays for consecutive runs of the network.

    Attributes
    ----------
    inputs : list of numpy.ndarray
        float32, one for each input of the network, [runs, *the input's shape].
    labels : numpy.ndarray or None
        int64, [count].
    count : int
        Samples, without those that fill up the last run; runs, if inputs have different leading axes.
    size : int
        Samples per run.
    path : pathlib.Path
        The file or folder that they are from.
    """

    inputs: list[Array]
    labels: Array | None
    count: int
    size: int
    path: Path

    @property
    def runs(self) -> int:
        return len(self.inputs[0])

    def first(self, count: int) -> Samples:
        """The first `count` samples, or as many as whole runs of them take."""
        runs = min(-(-count // self.size), self.runs)
        kept = min(runs * self.size, self.count)
        labels = None if self.labels is None else self.labels[:kept]
        return Samples([x[:runs] for x in self.inputs], labels, kept, self.size, self.path)

    def run(self, index: int) -> list[Array]:
        """The inputs of one run."""
        return [x[index] for x in self.inputs]

    def right(self, index: int, outputs: Array) -> int | None:
        """How many samples of a run are classified correctly; None unless there is one output per sample."""
        assert self.labels is not None
        labels = self.labels[index * self.size : (index + 1) * self.size]
        if len(outputs) != self.size:
            return None
        return int((outputs.reshape(self.size, -1).argmax(axis=1)[: len(labels)] == labels).sum())


def read_samples(
    path: Path,
    names: Sequence[str],
    shapes: Sequence[tuple[int, ...]],
    meanings: Sequence[qrt.TensorInfo] | None = None,
    layout: str | None = None,
    preprocess: Preprocess | None = None,
    channels_first: bool = False,
) -> Samples:
    """All samples of data that `qrt.data.open_dataset` opens.

    Parameters
    ----------
    path : pathlib.Path
    names, shapes
        Of the network's inputs; the arrays of an .npz have these names, unless there is one input and one array.
    meanings : sequence of qrt.TensorInfo, optional
        A model's inputs, with the scales of codes and the source's layout; without them, samples are floats in the
        network's own layout, and the last run is filled up with the first samples.
    layout : {None, "NHWC", "NCHW"}
        Of images, if their shape fits both.
    preprocess : qrt.data.Preprocess, optional
        How images and recordings become inputs.
    channels_first : bool
        Whether the layout of a float network is NCHW; samples are then NCHW too.
    """
    turned = meanings is None and channels_first
    infos = meanings or [_float_input(name, shape, turned) for name, shape in zip(names, shapes, strict=True)]
    dataset = open_dataset(path, infos, preprocess, "NCHW" if turned else layout)
    note_assumed(dataset)
    inputs = [_real(x, info, path) for x, info in zip(dataset.read(0, dataset.count), infos, strict=True)]
    if turned:
        inputs = [np.moveaxis(x, -1, -3) if len(shape) == 4 else x for x, shape in zip(inputs, shapes, strict=True)]
    leading = {shape[0] for shape in shapes}
    if len(leading) > 1:
        return Samples(inputs, dataset.labels, dataset.count, 1, path)
    (size,) = leading
    if meanings is not None and dataset.count % size:
        many = f"{dataset.count} samples for a network that takes {size} at a time"
        raise Failure(f"{path}: contains {many}; give a multiple of {size}, or compile it with --batch 1")
    runs = -(-dataset.count // size)
    filled = [np.resize(x, (runs, size, *x.shape[1:])) for x in inputs]
    return Samples(filled, dataset.labels, dataset.count, size, path)


def _float_input(name: str, shape: tuple[int, ...], channels_first: bool) -> qrt.TensorInfo:
    """An input of a float network."""
    layout = "NCHW" if channels_first and len(shape) == 4 else "NHWC"
    if layout == "NCHW":
        shape = tuple(shape[axis] for axis in NCHW_TO_NHWC)
    return qrt.TensorInfo(name, shape, np.dtype(np.float32), 0.0, 0, (), layout, "DIVIDE", "FLOAT32", None)


def _real(x: Array, info: qrt.TensorInfo, path: Path) -> Array:
    """Samples as float32."""
    if np.issubdtype(x.dtype, np.floating):
        return x
    if info.scale == 0:
        reason = "the model states no scale for this input, so codes cannot be used; give floats"
        raise Failure(f"{path}: input {printable(info.name)}: {reason}")
    return info.dequantize(x)
