"""Bands: runs of consecutive operators that take turns, each making some rows of its output in each turn.

SPEC.md says how a band runs. Here are its numbers, and what of each operator's rows exists and is needed after
each turn.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """How far an operator of a band has come: after turn t it has made ``(t * rows + lead) // per`` rows, clamped.

    Attributes
    ----------
    rows, per : int
        Rows made in `per` turns.
    lead : int
        In rows, times `per`.
    capacity : int
        Rows that the output's memory holds; its height where rows stay where they are.
    kept : int
        Rows at most that later turns still need when a turn ends.
    right : bool
        Whether rows lie against the end of that memory, not its start.
    """

    rows: int
    per: int
    lead: int
    capacity: int
    kept: int
    right: bool = False


@dataclass(frozen=True)
class Band:
    """A run of operators that take turns.

    Attributes
    ----------
    first : int
        Its first operator.
    turns : int
    paces : tuple of Pace
        One for each of its operators, in order.
    feed : Pace or None
        Of the model's first input, where that is given by rows.
    """

    first: int
    turns: int
    paces: tuple[Pace, ...]
    feed: Pace | None = None

    @property
    def stop(self) -> int:
        """The first operator behind it."""
        return self.first + len(self.paces)
