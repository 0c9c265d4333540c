"""Which bands a network gets: those of the smallest arena, or those that fit and cost the least time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from qrt.compiler.errors import CompileError, Problem
from qrt.compiler.ir import Graph, Op, Tensor
from qrt.compiler.plan.cuts import Cuts, improved
from qrt.compiler.plan.pacing import READERS, Run, Streaming
from qrt.compiler.plan.plan import Plan

# Choices of bands that are placed to find one that fits.
TRIES = 8
# Rows that a turn makes, from many to few, and how many times a buffer's rows it may hold so that rows move seldom.
STEPS = (32, 16, 8, 4, 2)
ROOMS = (8, 4, 2)


class Planner(Protocol):
    """Plans of a graph, with bands and without."""

    graph: Graph
    temporary: Mapping[Op, int]

    @property
    def facts(self) -> Streaming: ...

    def steps(self) -> list[int]: ...

    def plain(self) -> Plan: ...

    def placed(self, runs: Sequence[Run]) -> Plan: ...


def choose(planner: Planner, limit: int | None, fast: bool, feed: bool, state_size: int = 0) -> Plan:
    """The plan of the smallest arena, or the fastest that fits.

    Parameters
    ----------
    planner : Planner
    limit : int, optional
        Bytes that the arena may have.
    fast : bool
        Whether it may have any number.
    feed : bool
        Whether the first input is given by rows.
    state_size : int
        Bytes of the arena that states take, which no plan has.
    """
    room = None if limit is None else limit - state_size
    fed = _fed(planner.facts) if feed else None
    plain = None if feed else planner.plain()
    if plain is not None and (fast or (room is not None and plain.arena_size <= room)):
        return plain
    cuts = Cuts(planner.facts, planner.steps(), fed, planner.temporary)
    if fed is not None and cuts.lowest[-1] is None:
        reason = f"cannot be fed by rows: its {fed.shape[1]:,} rows take more turns than a file can have"
        raise CompileError([Problem(fed.name, "input", reason)])
    if fast:
        return planner.placed(_runs(cuts, 1 << 62))
    least = planner.placed(_runs(cuts, cuts.least))
    if plain is not None and plain.arena_size <= least.arena_size:
        least = plain
    if room is None:
        return least
    if least.arena_size > room:
        smallest = least.arena_size + state_size
        reason = f"no plan fits into {limit:,} bytes of arena; the smallest takes {smallest:,}"
        raise CompileError([Problem("ram", "option", reason)])
    return _fastest(planner, cuts, room) or least


def _fastest(planner: Planner, cuts: Cuts, limit: int) -> Plan | None:
    """The plan with the fewest operators in bands that fits, then with the most rows a turn and the fewest moves."""
    # A placed plan can be below what the cuts count as live.
    live, plan = max(limit, cuts.least), None
    for _ in range(TRIES):
        runs = _runs(cuts, live)
        plan = planner.placed(runs)
        # Positions take more than what is live, so less must be.
        live -= max(plan.arena_size - limit, 1)
        if plan.arena_size <= limit or live < cuts.least:
            break
    if plan is None or plan.arena_size > limit:
        return None
    for step in STEPS:
        larger = [_larger(run, step, limit) for run in runs]
        placed = planner.placed(larger)
        if placed.arena_size <= limit:
            plan, runs = placed, larger
            break
    for room in ROOMS:
        roomier = [run.roomy(room) for run in runs]
        placed = planner.placed(roomier)
        if placed.arena_size <= limit:
            return placed
    return plan


def _larger(run: Run, step: int, limit: int) -> Run:
    """With so many rows a turn, or as many as leave what is live below a limit."""
    while step > 1:
        height, larger = improved(Run(run.facts, run.first, run.stop, step, run.fed), {})
        if height <= limit and larger.is_small:
            return larger
        step //= 2
    return run


def _runs(cuts: Cuts, live: int) -> list[Run]:
    runs = cuts.runs(live)
    assert runs is not None
    return runs


def _fed(facts: Streaming) -> Tensor:
    """The first input, which can be given by rows."""
    tensor = facts.graph.inputs[0].tensor
    readers = facts.readers.get(tensor, [])
    reason = None
    if not readers or facts.graph.is_output(tensor):
        reason = "it must be read, and no output"
    elif len(tensor.shape) != 4 or tensor.shape[0] != 1:
        reason = f"its shape is {list(tensor.shape)}, not [1, height, width, channels]"
    elif (count := facts.count_readers(tensor, readers[0], readers[-1] + 1)) > READERS:
        reason = f"operators read it {count} times, more than {READERS}"
    if reason is not None:
        raise CompileError([Problem(tensor.name, "input", f"cannot be fed by rows: {reason}")])
    problems = [
        Problem(op.name, op.kind, f"cannot run row by row, so the input {tensor.name} cannot be fed")
        for i in range(readers[0], readers[-1] + 1)
        if not facts.closed(i, i + 1)
        for op in [facts.graph.ops[i]]
    ]
    if not problems and not facts.closed(readers[0], readers[-1] + 1):
        op = facts.graph.ops[readers[-1]]
        reason = f"reads the input {tensor.name}, and what is known only when all of it is, so it cannot be fed"
        problems = [Problem(op.name, op.kind, reason)]
    if problems:
        raise CompileError(problems)
    return tensor
