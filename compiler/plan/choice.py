"""Which bands a network gets: those of the smallest arena, or those that fit and cost the least time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from qrt.compiler.ir import Graph, Op, Tensor
from qrt.compiler.plan.cuts import Cuts
from qrt.compiler.plan.pacing import Run, Streaming

if TYPE_CHECKING:
    from qrt.compiler.plan.memory import Plan

# Choices of bands that are placed to find one that fits.
TRIES = 8


class Planner(Protocol):
    """Plans of a graph, with bands and without."""

    graph: Graph
    temporary: Mapping[Op, int]

    @property
    def facts(self) -> Streaming: ...

    def steps(self) -> list[int]: ...

    def plain(self) -> Plan: ...

    def placed(self, runs: Sequence[Run]) -> Plan: ...


def choose(planner: Planner, limit: int | None, fast: bool, feed: bool) -> Plan:
    """The plan of the smallest arena, or the fastest that fits into `limit` bytes.

    Parameters
    ----------
    planner : Planner
    limit : int, optional
        Bytes of arena.
    fast : bool
        Whether the arena may be as large as it likes.
    feed : bool
        Whether the first input is given by rows.
    """
    plain = None if feed else planner.plain()
    if plain is not None and (fast or (limit is not None and plain.arena_size <= limit)):
        return plain
    cuts = Cuts(planner.facts, planner.steps(), _fed(planner) if feed else None, planner.temporary)
    lowest = cuts.lowest[-1]
    assert lowest is not None
    runs = cuts.runs(lowest)
    assert runs is not None
    least = planner.placed(runs)
    return least if plain is None or least.arena_size < plain.arena_size else plain


def _fed(planner: Planner) -> Tensor:
    return planner.graph.inputs[0].tensor
