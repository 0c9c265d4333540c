"""Samples that the caller has in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qrt.data import DataError, Dataset
from qrt.data.arrays import Given, rows, runs, values
from qrt.data.dataset import digest_of
from qrt.edges import TensorInfo

Array = NDArray[Any]
# What errors call the data.
NAME = "the arrays"


class Held:
    """The source of a Dataset in memory: an array for each input, samples along the first axis."""

    def __init__(self, arrays: Sequence[Array], inputs: Sequence[TensorInfo], first: int = 0) -> None:
        self.arrays, self.inputs, self.first = tuple(arrays), tuple(inputs), first
        self.count = len(self.arrays[0])

    def read(self, start: int, stop: int) -> list[Array]:
        pairs = zip(self.arrays, self.inputs, strict=True)
        return [values(x[start - self.first : stop - self.first], info, NAME, start) for x, info in pairs]

    def name(self, index: int) -> str:
        return str(index)

    def part(self, start: int, stop: int) -> Held:
        """Samples `start` to `stop` - 1, under the numbers that they have here."""
        cut = slice(start - self.first, stop - self.first)
        return Held([x[cut] for x in self.arrays], self.inputs, start)


def hold(
    data: ArrayLike | Sequence[ArrayLike] | Mapping[str, ArrayLike],
    labels: ArrayLike | None,
    inputs: Sequence[TensorInfo],
    layout: str | None,
    with_digest: bool,
) -> Dataset:
    """A Dataset of arrays; see `evaluate`."""
    named = zip(inputs, _each(data, inputs), strict=True)
    given = [Given(Path(NAME), info.name, np.asarray(x)) for info, x in named]
    found = [rows(item, info, layout) for item, info in zip(given, inputs, strict=True)]
    leading = [info.shape[0] for info in inputs]
    if len(set(leading)) > 1:
        found = [runs(x, item, size) for x, item, size in zip(found, given, leading, strict=True)]
    if len({len(x) for x in found}) != 1:
        counts = ", ".join(f"{info.name} {len(x)}" for info, x in zip(inputs, found, strict=True))
        raise DataError(f"{NAME} have different numbers of samples, {counts}; give the same for every input")
    count = len(found[0])
    numbers = None if labels is None else _numbers(np.asarray(labels), count)
    digest = ""
    if with_digest:
        digest = digest_of(*(part for x in (*found, numbers) if x is not None for part in _content(x)), layout)
    return Dataset(NAME, count, numbers, None, digest, "", Held(found, inputs))


def _each(data: ArrayLike | Sequence[ArrayLike] | Mapping[str, ArrayLike], inputs: Sequence[TensorInfo]) -> list[Any]:
    names = [info.name for info in inputs]
    if isinstance(data, Mapping):
        if set(data) != set(names):
            raise DataError(f"the model has inputs {names}, got {list(data)}; name the arrays after the inputs")
        return [data[name] for name in names]
    if len(inputs) == 1:
        return [data]
    if not isinstance(data, Sequence) or len(data) != len(inputs):
        raise DataError(f"the model has inputs {names}; give a list of {len(inputs)} arrays, or a dict")
    return list(data)


def _numbers(labels: Array, count: int) -> NDArray[np.int64]:
    if labels.shape != (count,) or not (np.issubdtype(labels.dtype, np.integer) or labels.dtype == bool):
        raise DataError(
            f"labels are {labels.dtype} {labels.shape} for {count} samples; give one integer for each sample"
        )
    return labels.astype(np.int64)


def _content(x: Array) -> tuple[object, ...]:
    return (x.shape, x.dtype.str, np.ascontiguousarray(x).tobytes())
