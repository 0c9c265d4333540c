"""What an evaluation runs and counts, of any span of its samples."""

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
# Limits of what is in memory at once, for each thread: samples, and numbers of their inputs.
PIECE_SAMPLES, PIECE_NUMBERS = 4096, 1 << 20


@dataclass(frozen=True)
class Job:
    """It can be pickled; samples of files are read where it runs.

    Attributes
    ----------
    data : qrt.data.Dataset
    labels : numpy.ndarray or None
        int64: the indices of the network's classes, of the samples from `first` on.
    measure : Measure
    unit : int
        Samples that are run together: those of a run, or of a sequence.
    piece : int
        Samples that are read at once, a multiple of `unit`.
    reset_every : int or None
        For a network with state: its samples are steps of sequences of this length.
    """

    data: Dataset
    labels: NDArray[np.int64] | None
    measure: Measure
    unit: int
    piece: int
    reset_every: int | None = None
    first: int = 0

    def run(self, model: Model, start: int, stop: int) -> Tally:
        """Runs samples `start` to `stop` - 1."""
        total = Tally()
        for at in range(start, stop, self.piece):
            total.add(self._run_piece(model, at, min(at + self.piece, stop)))
        return total

    def _run_piece(self, model: Model, start: int, stop: int) -> Tally:
        inputs = self.data.read(start, stop)
        output = _outputs(model, inputs, self.reset_every)[: stop - start]
        return self.measure.tally(start, inputs, output, self._labels(start, stop))

    def _labels(self, start: int, stop: int) -> NDArray[np.int64] | None:
        return None if self.labels is None else self.labels[start - self.first : stop - self.first]

    def part(self, start: int, stop: int) -> Job:
        """A job that holds in memory only what these samples need."""
        source = self.data.source
        held = source.part(start, stop) if isinstance(source, Held) else source
        data = replace(self.data, labels=None, source=held)
        return replace(self, data=data, labels=self._labels(start, stop), first=start)


def job_of(
    model: Model, data: Dataset, labels: NDArray[np.int64] | None, measure: Measure, reset_every: int | None
) -> Job:
    leading = {info.shape[0] for info in model.inputs}
    unit = reset_every or (leading.pop() if len(leading) == 1 else 1)
    numbers = sum(int(np.prod(info.shape[1:])) for info in model.inputs)
    piece = min(PIECE_SAMPLES, max(1, PIECE_NUMBERS // max(1, numbers)))
    return Job(data, labels, measure, unit, -(-piece // unit) * unit, reset_every)


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
