"""open_dataset: finds out what a path is, and opens it for the inputs of a network."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qrt.data import arrays, images, sounds, tables
from qrt.data.arrays import Array, Given
from qrt.data.dataset import Arrays, Dataset, Entry, Files, digest_of
from qrt.data.errors import DataError
from qrt.data.folders import kind_of as kind_of
from qrt.data.folders import same_kind, scan_folder
from qrt.data.preprocess import Preprocess
from qrt.edges import TensorInfo

# A name of a class that is a number; pandas writes those of a column with gaps as 3.0.
NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?")

Labels = tuple[NDArray[np.int64] | None, tuple[str, ...] | None]


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
        An .npz or .npy file; an image or a recording; a folder of .npy files, images or recordings, or of folders of
        them that are named for their classes; a .csv or .parquet of paths and labels.
    inputs : sequence of qrt.TensorInfo
        Of the network. One of dtype float32 takes floats only.
    preprocess : Preprocess, optional
        How images and recordings become inputs; arrays are taken as they are.
    layout : {None, "NHWC", "NCHW"}
        Of images in arrays, if their shape fits both.
    classes : sequence of str
        Names of the network's outputs: they say which number a label has that is a name. Without them, names are
        numbered as they are sorted.

    Raises
    ------
    DataError
        Data that cannot be used.
    OSError
        The path cannot be read.
    """
    place = Path(path)
    opening = _Opening(place, tuple(inputs), preprocess, layout, tuple(classes))
    if place.is_dir():
        return opening.files(scan_folder(place))
    if is_table(place):
        return opening.files(tables.scan_table(place))
    if kind_of(place) in ("images", "recordings"):
        return opening.files([Entry(place, place.name, str(place))])
    return opening.arrays(None)


def open_content(
    content: bytes,
    name: str,
    inputs: Sequence[TensorInfo],
    preprocess: Preprocess | None = None,
    layout: str | None = None,
    classes: Sequence[str] = (),
) -> Dataset:
    """As `open_dataset`, for the content of a file: an .npz, an .npy, an image or a recording, told by its first bytes.

    `name` is what errors call it.
    """
    opening = _Opening(Path(name), tuple(inputs), preprocess, layout, tuple(classes))
    if kind_of_content(content) != "arrays":
        return opening.files([Entry(Path(name), name, name, content=content)])
    return opening.arrays(content)


def open_files(
    paths: Sequence[Path],
    inputs: Sequence[TensorInfo],
    preprocess: Preprocess | None = None,
    layout: str | None = None,
    classes: Sequence[str] = (),
) -> Dataset:
    """As `open_dataset`, for files of a sample each, in this order."""
    opening = _Opening(paths[0], tuple(inputs), preprocess, layout, tuple(classes))
    return opening.files([Entry(path, str(path), str(path)) for path in paths])


def is_table(path: Path) -> bool:
    """Whether a file is a table of paths, by its name."""
    return path.suffix.lower() in tables.SUFFIXES


def kind_of_content(content: bytes) -> str:
    """What kind of sample the content of a file is: images, recordings, or else arrays."""
    if content.startswith(images.MAGICS):
        return "images"
    return "recordings" if content.startswith(sounds.MAGICS) else "arrays"


@dataclass(frozen=True)
class _Opening:
    """What a path is opened for; as the parameters of `open_dataset`."""

    path: Path
    inputs: tuple[TensorInfo, ...]
    preprocess: Preprocess | None
    layout: str | None
    classes: tuple[str, ...]

    def _digest(self, *parts: object) -> str:
        stated = None if self.preprocess is None else self.preprocess.text
        return digest_of(*parts, self.inputs, stated, self.layout, self.classes)

    def arrays(self, content: bytes | None) -> Dataset:
        source = Arrays(self.path, content, self.inputs, self.layout)
        labels, names = None, self.classes or None
        if source.labels is not None:
            labels, names = numbered_labels(source.labels, source.count, self.classes)
        return Dataset(str(self.path), source.count, labels, names, self._digest(source.digest), "", source)

    def files(self, entries: list[Entry]) -> Dataset:
        if len(self.inputs) != 1:
            inputs = ", ".join(info.name for info in self.inputs)
            reason = f"has samples for one input; the inputs are {inputs}"
            raise DataError(f"{self.path}: {reason}; give an .npz with arrays of these names")
        decode, each, assumed = self._decoder(entries)
        source = Files(entries, decode, each)
        labels, names = numbered(self.path, [entry.label for entry in entries], self.classes)
        if names and self.classes and names != self.classes:
            order = "classes in the order of their names, none of which is a label of the network (--labels names them)"
            assumed = f"{assumed}, {order}" if assumed else order
        digest = self._digest([entry.identity() for entry in entries])
        if labels is not None:
            labels = labels.repeat(each)
        return Dataset(str(self.path), source.count, labels, names, digest, assumed, source)

    def _decoder(self, entries: list[Entry]) -> tuple[Callable[[Entry], Array], int, str]:
        """What reads a file, the number of samples in each, and what was assumed."""
        info, steps = self.inputs[0], self.preprocess
        content = entries[0].content
        kind = same_kind(self.path, entries) if content is None else kind_of_content(content)
        if kind == "images":
            image, assumed = images.image_file(info, steps.image if steps else None, str(self.path))
            return image, 1, assumed
        if kind == "recordings":
            return sounds.sound_file(info, steps.audio if steps else None, str(self.path)), 1, ""
        decode = _ArrayFile(info, self.layout)
        first = len(decode(entries[0]))
        return decode, first if first == info.shape[0] else 1, ""


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


def numbered_labels(item: Given, count: int, classes: Sequence[str]) -> Labels:
    """Numbers of the labels in an array, integers or names, one for each of `count` samples; and the names of these."""
    labels = item.array
    if labels.ndim != 1 or not (np.issubdtype(labels.dtype, np.integer) or labels.dtype.kind == "U"):
        raise DataError(f"{item.path}: labels are {labels.dtype} {labels.shape}; give one integer for each sample")
    if len(labels) != count:
        raise DataError(f"{item.path}: contains {len(labels)} labels for {count} samples; give one for each")
    if labels.dtype.kind != "U":
        return labels.astype(np.int64), tuple(classes) or None
    return numbered(item.path, labels.tolist(), tuple(classes))


def numbered(path: Path, labels: Sequence[int | str | None], classes: tuple[str, ...]) -> Labels:
    """Numbers of labels and the names of these."""
    names = {label for label in labels if isinstance(label, str)}
    numbers = [label for label in labels if isinstance(label, int)]
    if numbers or not names:
        return (np.array(numbers, np.int64) if numbers else None), classes or None
    known = names & set(classes)
    if known and known != names:
        strange = min(names - known)
        close = difflib.get_close_matches(strange, classes, 1)
        hint = f"did you mean {close[0]}?" if close else f"these are {', '.join(classes[:3])}, ..."
        raise DataError(f"{path}: class {strange} is none of the network's labels; {hint}")
    ordered = classes if known else tuple(sorted(names))
    numeric = all(NUMBER.fullmatch(name) for name in ordered)
    if not known and numeric and [float(name) for name in ordered] != list(range(len(ordered))):
        reason = f"its classes are numbers, but not those from 0 to {len(ordered) - 1} in the order of their names"
        raise DataError(f"{path}: {reason}; give the names of the network's outputs with --labels")
    number = {name: index for index, name in reversed(list(enumerate(ordered)))}
    return np.array([number[label] for label in labels if isinstance(label, str)], np.int64), ordered
