"""Samples for the inputs of a network, in order, read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from qrt.data import arrays
from qrt.data.arrays import Array, Given
from qrt.data.errors import DataError
from qrt.edges import TensorInfo

LABEL_NAMES = ("labels", "label", "targets", "target", "y")


class Source(Protocol):
    """Where samples come from."""

    count: int

    def read(self, start: int, stop: int) -> list[Array]: ...

    def name(self, index: int) -> str: ...


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples and, where the data has them, their labels. It can be pickled: files are read again where it arrives.

    Attributes
    ----------
    path : str
        The file or folder.
    count : int
        Number of samples. A sample is one row along the first axis of each input; where the inputs have first axes of
        different lengths, it is a whole run.
    labels : numpy.ndarray or None
        int64, [count].
    classes : tuple of str or None
        Names of the labels, if the data or the network has any.
    digest : str
        Of what the data is and how it becomes samples: equal for equal data.
    assumed : str
        What was assumed for lack of a preprocessing, to be shown to the user; empty if nothing was.
    """

    path: str
    count: int
    labels: NDArray[np.int64] | None
    classes: tuple[str, ...] | None
    digest: str
    assumed: str
    source: Source

    def read(self, start: int, stop: int) -> list[Array]:
        """Samples `start` to `stop` - 1: for each input codes of the network or float32, NHWC, `stop - start` of them.

        Raises
        ------
        DataError
            A file cannot be read, or does not fit the network.
        """
        return self.source.read(start, min(stop, self.count))

    def name(self, index: int) -> str:
        """What a sample is called: its file relative to `path`, or its number."""
        return self.source.name(index)

    def __len__(self) -> int:
        return self.count

    def __repr__(self) -> str:
        labelled = "" if self.labels is None else ", labelled"
        return f"<qrt.data.Dataset {self.path!r} of {self.count:,} samples{labelled}>"


def digest_of(*parts: object) -> str:
    """A digest of bytes and of texts of what else there is."""
    state = blake2b(digest_size=16)
    for part in parts:
        content = part if isinstance(part, bytes) else repr(part).encode("utf-8", "surrogatepass")
        state.update(len(content).to_bytes(8, "little"))
        state.update(content)
    return state.hexdigest()


class Arrays:
    """The samples of one .npz or .npy file, or of its content, in memory; a pickle of a file's holds only its name."""

    def __init__(self, path: Path, content: bytes | None, inputs: Sequence[TensorInfo], layout: str | None) -> None:
        self._path, self._content, self._inputs, self._layout = path, content, tuple(inputs), layout
        self._rows: list[Array] | None
        self.digest, self._rows, self.labels = self._load()
        self.count = len(self._rows[0])

    def _load(self) -> tuple[str, list[Array], Given | None]:
        """The file's digest, an array for each input, and the labels."""
        content = arrays.read_bytes(self._path) if self._content is None else self._content
        given = arrays.parse(self._path, content)
        labels = next((item for name in LABEL_NAMES for item in given if item.name == name), None)
        if labels is not None and labels.name in {info.name for info in self._inputs}:
            labels = None
        chosen = self._chosen([item for item in given if item is not labels])
        found = [arrays.rows(item, info, self._layout) for item, info in zip(chosen, self._inputs, strict=True)]
        leading = [info.shape[0] for info in self._inputs]
        if len(set(leading)) > 1:
            found = [arrays.runs(x, item, size) for x, item, size in zip(found, chosen, leading, strict=True)]
        if len({len(x) for x in found}) != 1:
            counts = ", ".join(f"{info.name} {len(x)}" for info, x in zip(self._inputs, found, strict=True))
            reason = f"its arrays have different numbers of samples, {counts}; give the same for every input"
            raise DataError(f"{self._path}: {reason}")
        return digest_of(content), found, labels

    def _chosen(self, given: list[Given]) -> list[Given]:
        names = [info.name for info in self._inputs]
        by_name = {item.name: item for item in given}
        chosen = [by_name[name] for name in names] if all(name in by_name for name in names) else given
        if len(chosen) != len(names):
            raise DataError(
                f"{self._path}: contains {', '.join(map(str, given)) or 'no samples'}; "
                f"the inputs are {', '.join(names)}; name the arrays of an .npz after them"
            )
        return chosen

    def read(self, start: int, stop: int) -> list[Array]:
        if self._rows is None:
            digest, self._rows, *_ = self._load()
            if digest != self.digest:
                raise DataError(f"{self._path}: has changed since it was opened; open it again")
        return [
            arrays.values(x[start:stop], info, str(self._path), start)
            for x, info in zip(self._rows, self._inputs, strict=True)
        ]

    def name(self, index: int) -> str:
        return str(index)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_rows": None, "labels": None}


@dataclass(frozen=True)
class Entry:
    """The file of a sample.

    Attributes
    ----------
    path : pathlib.Path
    name : str
        Relative to the data.
    where : str
        What errors call it: the path, or the row of a table.
    label : int, str or None
    content : bytes or None
        Of a file that has been read, and cannot be read again.
    """

    path: Path
    name: str
    where: str
    label: int | str | None = None
    content: bytes | None = None

    def identity(self) -> tuple[object, ...]:
        """What tells whether a file is the same, without reading it."""
        if self.content is not None:
            return self.name, digest_of(self.content)
        stat = self.path.stat()
        return self.name, stat.st_size, stat.st_mtime_ns, self.label


class Files:
    """Samples that are a file each, or a run of samples each."""

    def __init__(self, entries: Sequence[Entry], decode: Callable[[Entry], Array], each: int = 1) -> None:
        self._entries, self._decode, self._each = tuple(entries), decode, each
        self.count = len(self._entries) * each

    def read(self, start: int, stop: int) -> list[Array]:
        first = start // self._each
        pieces = [self._samples(entry) for entry in self._entries[first : -(-stop // self._each)]]
        offset = first * self._each
        return [np.concatenate(pieces)[start - offset : stop - offset]]

    def _samples(self, entry: Entry) -> Array:
        samples = self._decode(entry)
        if len(samples) != self._each:
            raise DataError(f"{entry.where}: holds {len(samples)} samples; give one in each file")
        return samples

    def name(self, index: int) -> str:
        return self._entries[index // self._each].name
