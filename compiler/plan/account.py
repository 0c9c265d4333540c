"""What bands cost and what they are good for, for the report."""

from __future__ import annotations

import numpy as np

from qrt.compiler.ir import Graph, Tensor
from qrt.compiler.plan.bands import Band
from qrt.compiler.plan.memory import live_bytes
from qrt.compiler.plan.occupancy import is_buffer, peak
from qrt.compiler.plan.pacing import Run, Streaming
from qrt.compiler.plan.plan import Plan
from qrt.compiler.plan.rows import row_bytes
from qrt.compiler.report import RowByRow, Turns


def account(graph: Graph, plan: Plan, whole: Plan) -> RowByRow:
    """The account of a plan with bands; `whole` is the one without."""
    facts = Streaming(graph, plan.lifetimes)
    runs = [Run.of(facts, band) for band in plan.bands]
    return RowByRow(
        whole_arena_size=whole.arena_size,
        bands=[_turns(run, band) for run, band in zip(runs, plan.bands, strict=True)],
        moved_bytes=sum(moved_bytes(run, band) for run, band in zip(runs, plan.bands, strict=True)),
        fed=next((run.fed.name for run in runs if run.fed is not None), ""),
        obstacles=_obstacles(facts, runs),
    )


def _turns(run: Run, band: Band) -> Turns:
    ops = run.facts.graph.ops[run.first : run.stop]
    turns = np.arange(-1, band.turns)
    rows = max(int(np.diff(_made(run, op.output, turns)).max()) for op in ops)
    return Turns(ops[0].name, ops[-1].name, len(ops), band.turns, rows, moved_bytes(run, band))


def _made(run: Run, tensor: Tensor, turns: np.ndarray) -> np.ndarray:
    return np.where(turns < 0, 0, run.lines[tensor].made(turns))


def moved_bytes(run: Run, band: Band) -> int:
    """Bytes that slides move in a run of the network."""
    turns = np.arange(-1, band.turns)
    paces = {op.output: pace for op, pace in zip(run.facts.graph.ops[run.first : run.stop], band.paces, strict=True)}
    if run.fed is not None and band.feed is not None:
        paces[run.fed] = band.feed
    moved = 0
    for tensor, pace in paces.items():
        if not is_buffer(run, tensor):
            continue
        made = _made(run, tensor, turns)
        low = np.minimum(np.where(turns < 0, 0, run.low(tensor, turns)), made)
        rows = made - low
        if pace.right:
            moved += int(rows[:-1][np.diff(made) > 0].sum()) * row_bytes(tensor)
        elif pace.kept < pace.capacity:
            moved += int(rows[1:][np.diff(low) > 0].sum()) * row_bytes(tensor)
        else:
            base = 0
            for new, left, first in zip(made[1:], rows[:-1], low[:-1], strict=True):
                if new - base > pace.capacity:
                    moved, base = moved + int(left) * row_bytes(tensor), int(first)
    return moved


def _obstacles(facts: Streaming, runs: list[Run]) -> list[str]:
    """Operators that cannot run row by row where most is live."""
    ops = facts.graph.ops
    banded = {i for run in runs for i in range(run.first, run.stop)}
    live = {i: size for i, size in enumerate(live_bytes(facts.graph)) if i not in banded}
    most = max([*live.values(), *(peak(run) for run in runs)])
    found: set[int] = set()
    for i in (i for i, size in live.items() if size == most):
        near = {i, *facts.readers.get(ops[i].output, [])}
        near |= {facts.maker[tensor] for tensor in facts.read(ops[i]) if tensor in facts.maker}
        found |= {k for k in near if not facts.able[k]}
    return [ops[k].name for k in sorted(found)]
