"""The result of an evaluation."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrt.evaluation.curve import Curve

# A matrix of more classes is given by its entries only.
MATRIX_CLASSES = 100


@dataclass(frozen=True)
class Class:
    """How right the answers of a class are.

    Attributes
    ----------
    name : str
    support : int
        Samples with this label.
    predicted : int
        Samples with this answer.
    right : int
        Samples with both.
    """

    name: str
    support: int
    predicted: int
    right: int

    @property
    def precision(self) -> float | None:
        """Share of the answers that are right; None where the class is never the answer."""
        return self.right / self.predicted if self.predicted else None

    @property
    def recall(self) -> float | None:
        """Share of the samples that are found; None where there are none."""
        return self.right / self.support if self.support else None

    @property
    def f1(self) -> float | None:
        """The harmonic mean of both; None where the class is neither label nor answer."""
        total = self.support + self.predicted
        return 2 * self.right / total if total else None

    def as_dict(self) -> dict[str, Any]:
        counts = {"support": self.support, "predicted": self.predicted, "right": self.right}
        return {"name": self.name, **counts, "precision": self.precision, "recall": self.recall, "f1": self.f1}


@dataclass(frozen=True)
class Confused:
    """How often the samples of one class were answered with another."""

    label: int
    predicted: int
    count: int


@dataclass(frozen=True)
class Wrong:
    """A sample with a wrong answer; `name` is its file or its number."""

    sample: int
    name: str
    label: int
    predicted: int


@dataclass(frozen=True, repr=False)
class Evaluation:
    """How right a network is on samples.

    Attributes
    ----------
    metric : str
        ``"accuracy"`` of classes, ``"binary"``: one number against a threshold, or ``"reconstruction"``: the input
        against an output of its shape.
    model, data : str
        What was evaluated on what.
    samples : int
    accuracy : float or None
        Share of right answers.
    top : dict of int to float
        For each k up to the one asked for, the share of samples whose label is among the k largest entries; of equal
        entries the one of the lower index counts as larger.
    classes : tuple of Class
    confused : tuple of Confused
        All wrong pairs of label and answer, the most frequent first.
    wrong : tuple of Wrong
        The first samples with a wrong answer.
    threshold : float or None
        Real value of the output from which on a sample counts as class 1.
    curve : Curve or None
        Of two classes. The scores are the output's codes; the difference of the two entries' codes; or the errors of
        the reconstruction.
    mse : float or None
        Mean of the squared errors of the reconstructions, in real values.
    mse_of : dict of str to float
        The same for normal and for anomalous samples, where there are labels.
    """

    metric: str
    model: str
    data: str
    samples: int
    accuracy: float | None = None
    top: dict[int, float] | None = None
    classes: tuple[Class, ...] = ()
    confused: tuple[Confused, ...] = ()
    wrong: tuple[Wrong, ...] = ()
    threshold: float | None = None
    curve: Curve | None = None
    mse: float | None = None
    mse_of: dict[str, float] | None = None

    @property
    def matrix(self) -> NDArray[np.int64]:
        """The confusion matrix: a row for each label, a column for each answer."""
        counts = np.diag([one.right for one in self.classes]).astype(np.int64)
        for pair in self.confused:
            counts[pair.label, pair.predicted] = pair.count
        return counts

    @property
    def macro_f1(self) -> float | None:
        """The mean of F1 over the classes that are label or answer of a sample."""
        return _mean([one.f1 for one in self.classes])

    @property
    def balanced_accuracy(self) -> float | None:
        """The mean of recall over the classes that have samples."""
        return _mean([one.recall for one in self.classes])

    def facts(self) -> Iterator[tuple[str, str]]:
        """Names and texts of the figures that are one number."""
        yield "samples", f"{self.samples:,}"
        if self.accuracy is not None:
            right = sum(one.right for one in self.classes)
            yield "accuracy", f"{self.accuracy:.2%}, {right:,} right"
        if self.top and len(self.top) > 1:
            yield f"top-{max(self.top)} accuracy", f"{self.top[max(self.top)]:.2%}"
        if self.macro_f1 is not None and self.balanced_accuracy is not None:
            yield "balanced accuracy", f"{self.balanced_accuracy:.2%}"
            yield "macro F1", f"{self.macro_f1:.4f}"
        if self.threshold is not None:
            yield "threshold", f"{self.threshold:.6g}"
        if self.mse is not None:
            yield "mean squared error", f"{self.mse:.6g}"
        for name, value in (self.mse_of or {}).items():
            yield f"  of {name}", f"{value:.6g}"
        if self.curve is not None:
            yield "area under ROC", f"{self.curve.auc:.4f}"
            yield "average precision", f"{self.curve.average_precision:.4f}"

    def as_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        small = len(self.classes) <= MATRIX_CLASSES
        return {
            "metric": self.metric,
            "model": self.model,
            "data": self.data,
            "samples": self.samples,
            "accuracy": self.accuracy,
            "top": None if self.top is None else {str(k): value for k, value in self.top.items()},
            "balanced_accuracy": self.balanced_accuracy,
            "macro_f1": self.macro_f1,
            "classes": [one.as_dict() for one in self.classes],
            "confused": [[pair.label, pair.predicted, pair.count] for pair in self.confused],
            "confusion": self.matrix.tolist() if self.classes and small else None,
            "wrong": [
                {"sample": one.sample, "name": one.name, "label": one.label, "predicted": one.predicted}
                for one in self.wrong
            ],
            "threshold": self.threshold,
            "curve": None if self.curve is None else self.curve.as_dict(),
            "mse": self.mse,
            "mse_of": self.mse_of,
        }

    def __repr__(self) -> str:
        return f"<qrt.Evaluation of {self.model!r}: {', '.join(f'{name} {text}' for name, text in self.facts())}>"

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{html.escape(a)}</th><td>{html.escape(b)}</td></tr>" for a, b in self.facts())
        return f"<table><caption>{html.escape(f'{self.model} on {self.data}')}</caption>{rows}</table>"


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None
