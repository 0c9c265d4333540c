"""What is measured on the outputs of a network: which class, on which side of a threshold, how well reconstructed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from qrt.edges import TensorInfo, ranked
from qrt.evaluation.tally import WRONG_KEPT, Tally, counted

Array = NDArray[Any]
Labels = NDArray[np.int64]


class Measure(Protocol):
    """What to count of samples: a value that can be pickled."""

    @property
    def metric(self) -> str: ...

    @property
    def classes(self) -> int:
        """The number of classes, as far as the network tells it; otherwise 0."""
        ...

    def tally(self, first: int, inputs: Sequence[Array], output: Array, labels: Labels | None) -> Tally:
        """Counts for samples that begin with number `first`: their inputs, the output's codes, and their labels."""
        ...


@dataclass(frozen=True)
class Classes:
    """The largest entry is the answer; among equals the one of the lowest index.

    Attributes
    ----------
    info : qrt.TensorInfo
        Of the output: a row of codes or numbers for each sample.
    top : int
        Places of the label that are counted.
    """

    info: TensorInfo
    top: int

    metric = "accuracy"

    @property
    def classes(self) -> int:
        return self.info.shape[-1]

    def tally(self, first: int, inputs: Sequence[Array], output: Array, labels: Labels | None) -> Tally:
        assert labels is not None
        rows = ranked(self.info, output)
        found = _answers(first, rows.argmax(axis=1).astype(np.int64), labels, rows.shape[1])
        own = rows[np.arange(len(rows)), labels][:, np.newaxis]
        before = np.arange(rows.shape[1]) < labels[:, np.newaxis]
        ranks = np.count_nonzero((rows > own) | ((rows == own) & before), axis=1)
        found.ranks = Counter({i: int(n) for i, n in enumerate(np.bincount(ranks)[: self.top]) if n})
        if rows.shape[1] == 2:
            # Codes are subtracted, which is exact, so that no two samples whose order the network tells become equal.
            wide = rows.astype(np.int64) if np.issubdtype(rows.dtype, np.integer) else rows
            found.scores = _scores(wide[:, 1] - wide[:, 0], labels)
        return found


@dataclass(frozen=True)
class Indices:
    """The output is the number of the class."""

    info: TensorInfo

    metric = "accuracy"

    @property
    def classes(self) -> int:
        return len(self.info.labels)

    def tally(self, first: int, inputs: Sequence[Array], output: Array, labels: Labels | None) -> Tally:
        assert labels is not None
        predicted = output.reshape(-1).astype(np.int64) - self.info.zero_point
        return _answers(first, predicted, labels, 1 + max(int(predicted.max()), int(labels.max())))


@dataclass(frozen=True)
class Binary:
    """One number for each sample, which stands for class 1 from `threshold` on."""

    info: TensorInfo
    threshold: float

    metric = "binary"
    classes = 2

    def tally(self, first: int, inputs: Sequence[Array], output: Array, labels: Labels | None) -> Tally:
        assert labels is not None
        codes = output.reshape(-1)
        predicted = real(self.info, output).reshape(-1) >= np.float32(self.threshold)
        found = _answers(first, predicted.astype(np.int64), labels, 2)
        found.scores = _scores(codes.astype(np.int64), labels)
        return found


@dataclass(frozen=True)
class Reconstruction:
    """The output should be the input: the mean of the squared differences of a sample's real values, in float64."""

    input: TensorInfo
    output: TensorInfo

    metric = "reconstruction"
    classes = 0

    def tally(self, first: int, inputs: Sequence[Array], output: Array, labels: Labels | None) -> Tally:
        given = inputs[0] if np.issubdtype(inputs[0].dtype, np.floating) else self.input.dequantize(inputs[0])
        there = np.ascontiguousarray(given, np.float64).reshape(len(given), -1)
        errors = np.square(there - self.output.dequantize(output).reshape(there.shape)).mean(axis=1)
        none = np.full(len(errors), -1, np.int64)
        return Tally(samples=len(errors), scores=_scores(errors, none if labels is None else labels))


def real(info: TensorInfo, codes: Array) -> Array:
    """Real values; codes less their zero point where the file states no scale."""
    return (
        info.dequantize(codes) if info.scale or info.scales else codes.astype(np.float32) - np.float32(info.zero_point)
    )


def _answers(first: int, predicted: Labels, labels: Labels, classes: int) -> Tally:
    pairs, counts = np.unique(labels * classes + predicted, return_counts=True)
    places = [(int(pair) // classes, int(pair) % classes) for pair in pairs]
    wrong = np.flatnonzero(predicted != labels)[:WRONG_KEPT]
    return Tally(
        len(labels),
        counted(places, counts.tolist()),
        wrong=[(first + int(i), int(labels[i]), int(predicted[i])) for i in wrong],
    )


def _scores(scores: Array, labels: Labels) -> Counter[tuple[float, int]]:
    found: Counter[tuple[float, int]] = Counter()
    for label in np.unique(labels):
        values, counts = np.unique(scores[labels == label], return_counts=True)
        found.update(counted([(value, int(label)) for value in values.tolist()], counts.tolist()))
    return found
