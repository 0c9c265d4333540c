"""Samples for calibrating and comparing: arrays for the inputs, and labels where the data has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import qrt
from qrt.cli import arrays
from qrt.cli.arrays import Array, Given
from qrt.cli.console import printable
from qrt.cli.failure import Failure
from qrt.edges import NCHW_TO_NHWC

LABEL_NAMES = ("labels", "label", "targets", "target", "y")


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
) -> Samples:
    """Samples from an .npz or .npy file, or from a folder of .npy files with one sample each.

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
    """
    given = _folder(path) if path.is_dir() else arrays.read(path)
    labels = next((item.array for name in LABEL_NAMES for item in given if item.name == name), None)
    rest = [item for item in given if item.name not in LABEL_NAMES or item.name in names]
    by_name = {item.name: item for item in rest}
    chosen = [by_name[name] for name in names] if all(name in by_name for name in names) else rest
    if len(chosen) != len(names):
        raise Failure(
            f"{path}: contains {', '.join(map(str, rest)) or 'no samples'}; the inputs are {_listed(names)}; "
            "name the arrays of an .npz after them"
        )
    infos: Sequence[qrt.TensorInfo | None] = meanings or [None] * len(names)
    inputs = [_rows(*one, layout) for one in zip(chosen, names, shapes, infos, strict=True)]
    if labels is not None and (labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer)):
        raise Failure(f"{path}: labels are {labels.dtype} {labels.shape}; give one integer for each sample")
    leading = [shape[0] for shape in shapes]
    runs = [len(x) / size for x, size in zip(inputs, leading, strict=True)]
    if len(set(runs)) != 1:
        counts = ", ".join(f"{printable(name)} {len(x)}" for name, x in zip(names, inputs, strict=True))
        raise Failure(f"{path}: its arrays have different numbers of samples, {counts}; give the same for every input")
    if meanings is not None and runs[0] % 1:
        many = f"{len(inputs[0])} samples for a network that takes {leading[0]} at a time"
        raise Failure(f"{path}: contains {many}; give a multiple of {leading[0]}, or compile it with --batch 1")
    size = leading[0] if len(set(leading)) == 1 else 1
    count = len(inputs[0]) * size // leading[0]
    if labels is not None and len(labels) != count:
        raise Failure(f"{path}: contains {len(labels)} labels for {count} samples; give one for each")
    whole = -(-len(inputs[0]) // leading[0])
    filled = [np.resize(x, (whole, size, *x.shape[1:])) for x, size in zip(inputs, leading, strict=True)]
    return Samples(filled, None if labels is None else labels.astype(np.int64), count, size, path)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(printable, names))


def _folder(path: Path) -> list[Given]:
    """The .npy files of a folder, in the order of their names, as one array."""
    files = sorted(path.glob("*.npy"))
    if not files:
        raise Failure(f"{path}: contains no .npy files; give a folder of samples or one .npz")
    read = [arrays.read(file) for file in files]
    for file, given in zip(files, read, strict=True):
        if len(given) != 1:
            raise Failure(f"{file}: contains {len(given)} arrays; give one sample in each file")
    samples = [given.array for (given,) in read]
    if len({(sample.shape, sample.dtype) for sample in samples}) != 1:
        raise Failure(f"{path}: its .npy files differ in shape or type; give samples of one shape")
    return [Given(path, "", np.stack(samples))]


def _rows(item: Given, name: str, shape: tuple[int, ...], info: qrt.TensorInfo | None, layout: str | None) -> Array:
    """The samples of an input along the first axis, as float32 in the network's layout."""
    x, called = item.array, f"{item.path}: input {printable(name)}"
    if info is not None and x.dtype == np.uint8 and info.source_dtype == "UINT8":
        x = (x.astype(np.int16) - 128).astype(np.int8)
    codes = info is not None and x.dtype == info.dtype
    if not codes and not np.issubdtype(x.dtype, np.floating):
        kinds = "floats" if info is None else f"floats or {info.dtype} codes"
        raise Failure(f"{called} takes {kinds}, got {item}; convert them with astype(numpy.float32)")
    layouts = arrays.layouts(shape, "NHWC" if info is None else info.source_layout, layout)
    found = {name: rows for name, known in layouts.items() if (rows := _as_rows(x, known)) is not None}
    if not found:
        fitting = " or ".join(f"(n, {', '.join(map(str, known[1:]))})" for known in layouts.values())
        raise Failure(f"{called} takes samples of shape {fitting}, got {item}; give n samples, at least one")
    arrays.refuse_ambiguous(item, name, layouts)
    x = found.get("NHWC", next(iter(found.values())))
    if "NHWC" not in found:
        x = x.transpose(NCHW_TO_NHWC)
    if codes and info is not None:
        if info.scale == 0:
            raise Failure(f"{called}: the model states no scale for this input, so codes cannot be used; give floats")
        x = info.dequantize(x)
    with np.errstate(over="ignore"):
        values: Array = x.astype(np.float32)
    if not np.isfinite(values).all():
        raise Failure(f"{called}: {item} contains NaN or infinity, in float32; give finite numbers")
    return values


def _as_rows(x: Array, shape: tuple[int, ...]) -> Array | None:
    """`x` with all samples along the first axis; None if it does not fit an input of this shape."""
    rows = shape[1:]
    if x.shape == rows:
        return x[np.newaxis]
    if x.ndim == len(shape) + 1 and x.shape[1] == shape[0]:
        x = x.reshape(-1, *x.shape[2:])
    return x if x.ndim == len(shape) and x.shape[1:] == rows and x.shape[0] > 0 else None
