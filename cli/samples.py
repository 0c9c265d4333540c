"""Samples for calibrating and comparing: arrays for the inputs, and labels where the data has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import qrt
from qrt.cli import arrays
from qrt.cli.arrays import Array, Given
from qrt.cli.failure import Failure

LABEL_NAMES = ("labels", "label", "targets", "target", "y")


@dataclass(frozen=True, eq=False)
class Samples:
    """Arrays with one sample after another.

    Attributes
    ----------
    inputs : list of numpy.ndarray
        float32, one for each input of the network, [count, ...].
    labels : numpy.ndarray or None
        int64, [count].
    """

    inputs: list[Array]
    labels: Array | None

    @property
    def count(self) -> int:
        return len(self.inputs[0])


def read_samples(
    path: Path,
    names: Sequence[str],
    shapes: Sequence[tuple[int, ...]],
    meanings: Sequence[qrt.TensorInfo] | None = None,
) -> Samples:
    """Samples from an .npz or .npy file, or from a folder of .npy files with one sample each.

    Parameters
    ----------
    path : pathlib.Path
    names, shapes
        Of the network's inputs; an .npz names its arrays after them, unless there is but one of each.
    meanings : sequence of qrt.TensorInfo, optional
        A model's inputs, which say what codes stand for; without them samples are floats.
    """
    given = _folder(path) if path.is_dir() else arrays.read(path)
    labels = next((item.array for name in LABEL_NAMES for item in given if item.name == name), None)
    rest = [item for item in given if item.name not in LABEL_NAMES or item.name in names]
    by_name = {item.name: item for item in rest}
    chosen = [by_name[name] for name in names] if all(name in by_name for name in names) else rest
    if len(chosen) != len(names):
        raise Failure(
            f"{path}: holds {', '.join(map(str, rest)) or 'no samples'}; the inputs are {', '.join(names)}; "
            "name the arrays of an .npz after them"
        )
    infos: Sequence[qrt.TensorInfo | None] = meanings or [None] * len(names)
    inputs = [_batched(*one) for one in zip(chosen, names, shapes, infos, strict=True)]
    if labels is not None and (labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer)):
        raise Failure(f"{path}: labels are integers, one for each sample, got {labels.dtype} {labels.shape}")
    counts = {len(x) for x in inputs} | ({len(labels)} if labels is not None else set())
    if len(counts) != 1:
        raise Failure(f"{path}: its arrays have {sorted(counts)} entries; give one of each for every sample")
    return Samples(inputs, None if labels is None else labels.astype(np.int64))


def _folder(path: Path) -> list[Given]:
    """The .npy files of a folder, in the order of their names, as one array."""
    files = sorted(path.glob("*.npy"))
    if not files:
        raise Failure(f"{path}: holds no .npy files; give a folder of samples or one .npz")
    read = [arrays.read(file) for file in files]
    for file, given in zip(files, read, strict=True):
        if len(given) != 1:
            raise Failure(f"{file}: holds {len(given)} arrays; a folder of samples has one in each file")
    samples = [given.array for (given,) in read]
    if len({(sample.shape, sample.dtype) for sample in samples}) != 1:
        raise Failure(f"{path}: its .npy files differ in shape or type; give samples of one shape")
    return [Given(path, "", np.stack(samples))]


def _batched(item: Given, name: str, shape: tuple[int, ...], info: qrt.TensorInfo | None) -> Array:
    """The array as [count, ...] of the input's shape, whose first axis is the batch."""
    x = item.array
    if info is not None and x.dtype == np.uint8 and info.source_dtype == "UINT8":
        x = (x.astype(np.int16) - 128).astype(np.int8)
    if info is not None and x.dtype == np.int8:
        x = info.dequantize(x)
    if not np.issubdtype(x.dtype, np.floating):
        raise Failure(f"{item.path}: samples are floats, as the float network takes them, got {x.dtype}")
    if x.ndim == len(shape) + 1 and x.shape[1] == 1:
        x = x[:, 0]
    fitting = sorted(x.shape[1:]) == sorted(shape[1:]) and x.ndim == len(shape)
    if not fitting or not len(x):
        raise Failure(f"{item.path}: input {name} takes samples of shape {shape[1:]}, got {item}")
    with np.errstate(over="ignore"):
        values = x.astype(np.float32)
    if not np.isfinite(values).all():
        raise Failure(f"{item.path}: {item} contains NaN or infinity, in float32")
    return values
