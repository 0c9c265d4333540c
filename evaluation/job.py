"""The samples of an evaluation in chunks, each of which is run by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrt.data import Dataset
from qrt.evaluation.held import Held
from qrt.evaluation.measures import Measure
from qrt.evaluation.tally import Tally
from qrt.model import Model

Array = NDArray[Any]
# Limits of a chunk: it is a few milliseconds of the smallest networks, and its samples do not take much memory.
CHUNK_SAMPLES = 4096
CHUNK_NUMBERS = 1 << 20
# There are so many chunks at least, for as many threads and workers, where there are samples enough.
CHUNKS = 64


@dataclass(frozen=True)
class Job:
    """What to run and to count. It can be pickled; samples of files are read where it runs.

    Attributes
    ----------
    data : qrt.data.Dataset
    labels : numpy.ndarray or None
        int64: the indices of the network's classes, of the samples from `first` on.
    measure : Measure
    size : int
        Samples of a chunk.
    reset_every : int or None
        For a network with state: its samples are steps of sequences of this length.
    """

    data: Dataset
    labels: NDArray[np.int64] | None
    measure: Measure
    size: int
    reset_every: int | None = None
    first: int = 0

    @property
    def chunks(self) -> int:
        return -(-self.data.count // self.size)

    def samples(self, chunk: int) -> int:
        """The number of samples of a chunk."""
        return min(self.size, self.data.count - chunk * self.size)

    def run(self, model: Model, chunk: int) -> Tally:
        """Runs the samples of a chunk."""
        start = chunk * self.size
        stop = start + self.samples(chunk)
        inputs = self.data.read(start, stop)
        output = _outputs(model, inputs, self.reset_every)[: stop - start]
        labels = None if self.labels is None else self.labels[start - self.first : stop - self.first]
        return self.measure.tally(start, inputs, output, labels)

    def part(self, first: int, last: int) -> Job:
        """A job that holds in memory only what chunks `first` to `last` - 1 need."""
        source = self.data.source
        start, stop = first * self.size, min(last * self.size, self.data.count)
        labels = None if self.labels is None else self.labels[start - self.first : stop - self.first]
        held = source.part(start, stop) if isinstance(source, Held) else source
        return replace(self, data=replace(self.data, labels=None, source=held), labels=labels, first=start)


def chunk_size(model: Model, count: int, reset_every: int | None) -> int:
    """Samples of a chunk: by what is evaluated, never by the machine, so that another one can continue."""
    numbers = sum(int(np.prod(info.shape[1:])) for info in model.inputs)
    size = min(CHUNK_SAMPLES, max(1, CHUNK_NUMBERS // max(1, numbers)), -(-count // CHUNKS))
    # Runs of several samples, and sequences, stay whole.
    leading = {info.shape[0] for info in model.inputs}
    unit = reset_every or (leading.pop() if len(leading) == 1 else 1)
    return -(-size // unit) * unit


def _outputs(model: Model, inputs: Sequence[Array], reset_every: int | None) -> Array:
    """The first output's codes, samples along the first axis; more of them if the last run had to be filled up."""
    leading = {info.shape[0] for info in model.inputs}
    if len(leading) > 1:
        return np.stack([_first(model.run(*one, layout="NHWC")) for one in zip(*inputs, strict=True)])
    count, batch = len(inputs[0]), leading.pop()
    length = reset_every or (count if batch == 1 else batch)
    pieces = []
    for start in range(0, count, length):
        part = [x[start : start + length] for x in inputs]
        if batch > 1 and len(part[0]) < batch:
            part = [np.resize(x, (batch, *x.shape[1:])) for x in part]
        if reset_every:
            model.reset()
        pieces.append(_first(model.run(*part, layout="NHWC")))
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def _first(outputs: Array | list[Array]) -> Array:
    return outputs[0] if isinstance(outputs, list) else outputs
