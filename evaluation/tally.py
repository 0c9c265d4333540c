"""What is counted while samples run: sums that are exact, so that they do not depend on the order of the samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

# Samples with a wrong answer of which the numbers are kept.
WRONG_KEPT = 20


@dataclass
class Tally:
    """Counts for some of the samples.

    Attributes
    ----------
    samples : int
    pairs : Counter of (int, int)
        How often a class was answered with which: (label, predicted).
    ranks : Counter of int
        Place of the label among the outputs of a sample, largest first: 0 is the answer itself.
    scores : Counter of (int or float, int)
        How often a score, a code or the error of a reconstruction, came with a label; -1 stands for no label.
    wrong : list of (int, int, int)
        Sample, label and prediction of the first wrong answers.
    """

    samples: int = 0
    pairs: Counter[tuple[int, int]] = field(default_factory=Counter)
    ranks: Counter[int] = field(default_factory=Counter)
    scores: Counter[tuple[float, int]] = field(default_factory=Counter)
    wrong: list[tuple[int, int, int]] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Adds the counts of other samples."""
        self.samples += other.samples
        self.pairs.update(other.pairs)
        self.ranks.update(other.ranks)
        self.scores.update(other.scores)
        self.wrong = sorted([*self.wrong, *other.wrong])[:WRONG_KEPT]

    def as_dict(self) -> dict[str, Any]:
        """Plain types for JSON, from which `from_dict` makes an equal one."""
        return {
            "samples": self.samples,
            "pairs": [[*pair, count] for pair, count in sorted(self.pairs.items())],
            "ranks": [[rank, count] for rank, count in sorted(self.ranks.items())],
            "scores": [[*score, count] for score, count in sorted(self.scores.items())],
            "wrong": [list(one) for one in self.wrong],
        }

    @staticmethod
    def from_dict(document: dict[str, Any]) -> Tally:
        return Tally(
            document["samples"],
            Counter({(label, predicted): count for label, predicted, count in document["pairs"]}),
            Counter(dict(document["ranks"])),
            Counter({(score, label): count for score, label, count in document["scores"]}),
            [(index, label, predicted) for index, label, predicted in document["wrong"]],
        )


def counted(values: Iterable[Any], counts: Iterable[int]) -> Counter[Any]:
    """A Counter of values that are all different."""
    return Counter(dict(zip(values, counts, strict=True)))
