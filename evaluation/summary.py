"""From counts to the result of an evaluation."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from qrt.evaluation.curve import Curve, curve
from qrt.evaluation.measures import Binary, Classes, Measure, Reconstruction
from qrt.evaluation.result import Class, Confused, Evaluation, Wrong
from qrt.evaluation.tally import Tally


def summary(
    tally: Tally, measure: Measure, names: Sequence[str], model: str, data: str, called: Callable[[int], str]
) -> Evaluation:
    """The result of all counts.

    Parameters
    ----------
    names : sequence of str
        Of the classes.
    model, data : str
        What the result calls them.
    called : function
        The name of a sample.
    """
    if isinstance(measure, Reconstruction):
        return Evaluation(measure.metric, model, data, tally.samples, **_errors(tally))
    classes = _classes(tally, measure.classes, names)
    confused = [Confused(*pair, count) for pair, count in tally.pairs.items() if pair[0] != pair[1]]
    right = sum(one.right for one in classes)
    return Evaluation(
        measure.metric,
        model,
        data,
        tally.samples,
        right / tally.samples,
        _top(tally, measure),
        classes,
        tuple(sorted(confused, key=lambda pair: (-pair.count, pair.label, pair.predicted))),
        tuple(Wrong(index, called(index), label, predicted) for index, label, predicted in tally.wrong),
        measure.threshold if isinstance(measure, Binary) else None,
        _curve(tally, measure),
    )


def _classes(tally: Tally, known: int, names: Sequence[str]) -> tuple[Class, ...]:
    support: Counter[int] = Counter()
    predicted: Counter[int] = Counter()
    for (label, answer), count in tally.pairs.items():
        support[label] += count
        predicted[answer] += count
    count = max(known, len(names), *(1 + max(pair) for pair in tally.pairs))
    texts = [*names, *map(str, range(len(names), count))]
    return tuple(Class(texts[i], support[i], predicted[i], tally.pairs[i, i]) for i in range(count))


def _top(tally: Tally, measure: Measure) -> dict[int, float]:
    if not isinstance(measure, Classes):
        return {}
    return {k: sum(tally.ranks[i] for i in range(k)) / tally.samples for k in range(1, measure.top + 1)}


def _curve(tally: Tally, measure: Measure) -> Curve | None:
    """The curve over real values."""
    counts = _by_score(tally)
    if isinstance(measure, Binary):
        info = measure.info
        scale = info.scales[0] if info.scales else info.scale or 1.0
        return curve({(code - info.zero_point) * scale: both for code, both in counts.items()})
    if isinstance(measure, Classes) and measure.info.scale:
        return curve({score * measure.info.scale: both for score, both in counts.items()})
    return curve(counts)


def _by_score(tally: Tally) -> dict[float, tuple[int, int]]:
    """For each score, how many samples of label 0 and how many of others have it."""
    found: dict[float, list[int]] = {}
    for (score, label), count in tally.scores.items():
        if label >= 0:
            found.setdefault(score, [0, 0])[label > 0] += count
    return {score: (negative, positive) for score, (negative, positive) in found.items()}


def _errors(tally: Tally) -> dict[str, Any]:
    """Means of the errors; their sums are rounded once, so that the order of the samples is of no account."""

    def mean(wanted: Callable[[int], bool]) -> float | None:
        chosen = [(score, count) for (score, label), count in tally.scores.items() if wanted(label)]
        total = sum(count for _, count in chosen)
        return math.fsum(score for score, count in chosen for _ in range(count)) / total if total else None

    found = {"normal": mean(lambda label: label == 0), "anomalous": mean(lambda label: label > 0)}
    return {
        "mse": mean(lambda label: True),
        "mse_of": {name: value for name, value in found.items() if value is not None},
        "curve": curve(_by_score(tally)),
    }
