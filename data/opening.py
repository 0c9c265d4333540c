"""open_dataset: finds out what a path is, and opens it for the inputs of a network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qrt.data import arrays
from qrt.data.arrays import Array
from qrt.data.dataset import Arrays, Dataset, Entry, Files, digest_of
from qrt.data.errors import DataError
from qrt.data.preprocess import Preprocess
from qrt.edges import TensorInfo


def open_dataset(
    path: str | os.PathLike[str],
    inputs: Sequence[TensorInfo],
    preprocess: Preprocess | None = None,
    layout: str | None = None,
    classes: Sequence[str] = (),
) -> Dataset:
    """Opens samples for the inputs of a network.

    Parameters
    ----------
    path : path
        An .npz or .npy file, or a folder of .npy files.
    inputs : sequence of qrt.TensorInfo
        Of the network. One of dtype float32 takes floats only.
    preprocess : Preprocess, optional
        How images and recordings become inputs; arrays are taken as they are.
    layout : {None, "NHWC", "NCHW"}
        Of images in arrays, if their shape fits both.
    classes : sequence of str
        Names of the network's outputs: they say which number a label has that is a name.

    Raises
    ------
    DataError
        Data that cannot be used.
    OSError
        The path cannot be read.
    """
    place = Path(path)
    stated = (tuple(inputs), layout, tuple(classes))
    if place.is_dir():
        entries = _folder(place)
        files = _array_files(place, entries, inputs, layout)
        labels, names = numbered(place, [entry.label for entry in entries], classes)
        digest = digest_of(_identity(entries), *stated)
        return Dataset(str(place), files.count, labels, names, digest, "", files)
    source = Arrays(place, None, inputs, layout)
    labels, found = source.labels, source.names
    if labels is not None and found is not None:
        labels, found = numbered(place, [found[label] for label in labels], classes)
    names = found or tuple(classes) or None
    return Dataset(str(place), source.count, labels, names, digest_of(source.digest, *stated), "", source)


def _folder(path: Path) -> list[Entry]:
    entries = [Entry(file, file.name, str(file)) for file in sorted(path.glob("*.npy"))]
    if not entries:
        raise DataError(f"{path}: contains no .npy files; give a folder of samples or one .npz")
    return entries


def _identity(entries: Sequence[Entry]) -> list[tuple[str, int, int, int | str | None]]:
    """What tells whether files are the same without reading them."""
    stats = [(entry, entry.path.stat()) for entry in entries]
    return [(entry.name, stat.st_size, stat.st_mtime_ns, entry.label) for entry, stat in stats]


@dataclass(frozen=True)
class _ArrayFile:
    """Reads an .npy file of one sample, or of one run."""

    info: TensorInfo
    layout: str | None

    def __call__(self, entry: Entry) -> Array:
        given = arrays.read(entry.path)
        if len(given) != 1:
            raise DataError(f"{entry.where}: contains {len(given)} arrays; give one sample in each file")
        samples = arrays.rows(given[0], self.info, self.layout)
        return arrays.values(samples, self.info, entry.where)


def _array_files(path: Path, entries: Sequence[Entry], inputs: Sequence[TensorInfo], layout: str | None) -> Files:
    if len(inputs) != 1:
        names = ", ".join(info.name for info in inputs)
        raise DataError(
            f"{path}: is a folder, for one input; the inputs are {names}; give an .npz with arrays of these names"
        )
    decode = _ArrayFile(inputs[0], layout)
    each = len(decode(entries[0]))
    return Files(entries, decode, each if each == inputs[0].shape[0] else 1)


def numbered(
    path: Path, labels: Sequence[int | str | None], classes: Sequence[str]
) -> tuple[NDArray[np.int64] | None, tuple[str, ...] | None]:
    """Numbers of labels and the names of these: as the network's, if it has all of the names, else sorted by name."""
    if not labels or labels[0] is None:
        return None, tuple(classes) or None
    found = {label for label in labels if isinstance(label, str)}
    if not found:
        return np.array(labels, np.int64), tuple(classes) or None
    names = tuple(classes) if found <= set(classes) else tuple(sorted(found))
    number = {name: index for index, name in reversed(list(enumerate(names)))}
    return np.array([number[label] for label in labels if isinstance(label, str)], np.int64), names
