"""Samples in spans, which are run one by one: of a length that takes a fraction of a second."""

from __future__ import annotations

import threading
from collections.abc import Sequence

Span = tuple[int, int]

# Samples of the first spans, whose time tells how long others should be.
FIRST = 8


class Spans:
    """Hands out the samples of `gaps`, each once; threads may share it.

    Parameters
    ----------
    gaps : sequence of (int, int)
        First samples, and those behind the last ones.
    unit : int
        Spans begin at its multiples, so that runs of several samples and sequences stay whole.
    seconds : float
        What a span should take.
    most : int, optional
        Samples of a span.
    """

    def __init__(self, gaps: Sequence[Span], unit: int, seconds: float, most: int | None = None) -> None:
        self.gaps, self.unit, self.seconds, self.most = list(reversed(gaps)), unit, seconds, most
        self.size = FIRST
        self.lock = threading.Lock()

    def take(self) -> Span | None:
        """The next span; None when all have been taken."""
        with self.lock:
            if not self.gaps:
                return None
            start, end = self.gaps.pop()
            stop = min(start + -(-self.size // self.unit) * self.unit, end)
            if stop < end:
                self.gaps.append((stop, end))
            return start, stop

    def took(self, samples: int, seconds: float) -> None:
        """Lets the next spans be longer or shorter, by what one has taken."""
        wanted = samples * self.seconds / max(seconds, 1e-9)
        with self.lock:
            # At most twice as long: the time of a short one says little.
            self.size = max(1, int(min(wanted, 2 * self.size, self.most or wanted)))


def joined(spans: Sequence[Span]) -> list[Span]:
    """The same samples in as few spans as there can be, in order."""
    found: list[Span] = []
    for start, stop in sorted(spans):
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], stop)
        else:
            found.append((start, stop))
    return found


def between(spans: Sequence[Span], count: int) -> list[Span]:
    """The samples of `count` that are in none of the spans, which are `joined`."""
    edges = [0, *(edge for span in spans for edge in span), count]
    return [(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True) if start < stop]
