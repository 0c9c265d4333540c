"""Threshold curves of two classes: receiver operating characteristic, and precision over recall."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Points that a document has of a curve; of more, some are left out.
POINTS_SHOWN = 512


@dataclass(frozen=True)
class Point:
    """What a threshold would give: how many positive and how many negative samples lie at it or above."""

    threshold: float
    true_positives: int
    false_positives: int


@dataclass(frozen=True)
class Curve:
    """All thresholds that differ, the highest first.

    Attributes
    ----------
    positives, negatives : int
        Samples.
    auc : float
        Area under the receiver operating characteristic: the probability that a positive sample scores higher than a
        negative one, where equal scores count half. Computed in whole numbers and rounded once.
    average_precision : float
        Sum over the thresholds of precision times the gain of recall.
    points : tuple of Point
    """

    positives: int
    negatives: int
    auc: float
    average_precision: float
    points: tuple[Point, ...]

    def precision(self, point: Point) -> float:
        return point.true_positives / (point.true_positives + point.false_positives)

    def recall(self, point: Point) -> float:
        return point.true_positives / self.positives

    def fallout(self, point: Point) -> float:
        """The false positive rate."""
        return point.false_positives / self.negatives

    def f1(self, point: Point) -> float:
        return 2 * point.true_positives / (self.positives + point.true_positives + point.false_positives)

    def best(self) -> Point:
        """The threshold with the largest F1, the highest of several."""
        return max(self.points, key=lambda point: (self.f1(point), point.threshold))

    def as_dict(self) -> dict[str, Any]:
        return {
            "positives": self.positives,
            "negatives": self.negatives,
            "auc": self.auc,
            "average_precision": self.average_precision,
            "best": self._point(self.best()),
            "points": [self._point(point) for point in self._shown()],
        }

    def _point(self, point: Point) -> dict[str, Any]:
        return {
            "threshold": point.threshold,
            "true_positives": point.true_positives,
            "false_positives": point.false_positives,
            "true_positive_rate": self.recall(point),
            "false_positive_rate": self.fallout(point),
            "precision": self.precision(point),
        }

    def _shown(self) -> list[Point]:
        """Points at equal steps along the curve, the first and the last among them."""
        count = len(self.points)
        if count <= POINTS_SHOWN:
            return list(self.points)
        return [self.points[i * (count - 1) // (POINTS_SHOWN - 1)] for i in range(POINTS_SHOWN)]


def curve(counts: Mapping[float, tuple[int, int]]) -> Curve | None:
    """The curve of scores; None if one of the classes is missing.

    Parameters
    ----------
    counts : mapping
        For each score, how many negative and how many positive samples have it.
    """
    positives = sum(positive for _, positive in counts.values())
    negatives = sum(negative for negative, _ in counts.values())
    if not positives or not negatives:
        return None
    points: list[Point] = []
    above = false = 0
    halves = 0  # twice the area, in pairs of samples
    gains: list[float] = []
    for score in sorted(counts, reverse=True):
        negative, positive = counts[score]
        halves += negative * (2 * above + positive)
        above, false = above + positive, false + negative
        if positive:
            gains.append(positive * above / (above + false))
        points.append(Point(score, above, false))
    area = halves / (2 * positives * negatives)
    return Curve(positives, negatives, area, math.fsum(gains) / positives, tuple(points))
