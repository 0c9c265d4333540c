"""Memory plan: where in the arena each tensor lies.

`place` is a pure function over blocks (size, lifetime) and the pairs that may overlap; `plan` makes the blocks
from a graph. SPEC.md says what may share bytes: "In place" and "Over a dying input".
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np

from qrt.compiler.ir import Graph, Op, Tensor
from qrt.compiler.plan.bands import Band
from qrt.compiler.plan.choice import choose
from qrt.compiler.plan.layout import Layout, Piece, aligned, live, most
from qrt.compiler.plan.occupancy import Rows
from qrt.compiler.plan.pacing import Run, Streaming
from qrt.compiler.plan.plan import Plan
from qrt.compiler.plan.timeline import Timeline
from qrt.compiler.report import Peak
from qrt.schema.operators import OPERATORS

# Blocks that the exact search places at most, all in all; a count, so that equal graphs give equal plans anywhere.
SEARCH_LIMIT = 30_000


@dataclass
class Block:
    """Memory to be placed: `size` bytes that are its own from step `first` to step `last`, both included."""

    size: int
    first: int
    last: int


# For (lower, upper), indices of blocks: the bytes of the lower block that must lie before the upper one's start.
Gaps = Mapping[tuple[int, int], int]


def overlap_in_time(a: Block, b: Block) -> bool:
    return a.first <= b.last and b.first <= a.last


def _rivals(blocks: Sequence[Block]) -> list[list[int]]:
    """For each block, the others that meet it in time."""
    count = range(len(blocks))
    return [[k for k in count if k != i and overlap_in_time(blocks[i], blocks[k])] for i in count]


def _lowest(blocks: Sequence[Block], gaps: Gaps, meets: Sequence[int], placed: Mapping[int, int], i: int) -> int:
    """The lowest position where no placed block is in the way of block i; `meets` are its rivals."""
    block, offset = blocks[i], 0
    rivals = sorted((placed[k], k) for k in meets if k in placed)
    moved = True
    while moved:
        moved = False
        for start, k in rivals:
            above = start + gaps.get((k, i), blocks[k].size)
            if offset + gaps.get((i, k), block.size) > start and offset < above:
                offset, moved = above, True
    return offset


def _first_fit(blocks: Sequence[Block], gaps: Gaps, order: Sequence[int]) -> tuple[dict[int, int], int]:
    """Each block in turn at the lowest position that is left to it."""
    placed: dict[int, int] = {}
    meets = _rivals(blocks)
    for i in order:
        placed[i] = _lowest(blocks, gaps, meets[i], placed, i)
    return placed, max((start + blocks[i].size for i, start in placed.items()), default=0)


def _search(
    blocks: Sequence[Block], gaps: Gaps, best: tuple[dict[int, int], int], bound: int
) -> tuple[dict[int, int], int]:
    """Branch and bound over the orders of first fit, one of which is optimal; gives up after SEARCH_LIMIT blocks.

    Blocks that are live together with much come first. A branch ends where a block ends above the best.
    """
    crowd = [sum(other.size for other in blocks if overlap_in_time(block, other)) for block in blocks]
    order = sorted(range(len(blocks)), key=lambda i: (-crowd[i], -blocks[i].size, i))
    left, meets = SEARCH_LIMIT, _rivals(blocks)
    stack: list[tuple[dict[int, int], int]] = [({}, 0)]
    while stack and left > 0 and best[1] > bound:
        placed, height = stack.pop()
        if height >= best[1]:
            continue
        if len(placed) == len(blocks):
            best = (placed, height)
            continue
        children = []
        for i in order:
            if i in placed:
                continue
            left -= 1
            start = _lowest(blocks, gaps, meets[i], placed, i)
            top = max(height, start + blocks[i].size)
            if top < best[1]:
                children.append((start, {**placed, i: start}, top))
        # The lowest start is tried first, so it goes on the stack last.
        children.sort(key=lambda child: child[0], reverse=True)
        stack += [(child, top) for _, child, top in children]
    return best


def place(blocks: Sequence[Block], gaps: Gaps | None = None, bound: int = 0) -> tuple[list[int], int]:
    """Positions for `blocks` such that blocks which meet in time share no byte but by `gaps`, and the height reached.

    Greedy first fit in several orders, of which the lowest result wins; largest first is one of them, so
    the plan is never worse than greedy-by-size. Where that stays above `bound`, an exact search goes on.
    """
    gaps = gaps or {}
    keys: list[Callable[[int], tuple[int, ...]]] = [
        lambda i: (-blocks[i].size, blocks[i].first, i),
        lambda i: (blocks[i].first, -blocks[i].size, i),
        lambda i: (-blocks[i].last, -blocks[i].size, i),
        lambda i: (blocks[i].first - blocks[i].last, -blocks[i].size, i),
        lambda i: (-blocks[i].size * (blocks[i].last - blocks[i].first + 1), i),
    ]
    results = [_first_fit(blocks, gaps, sorted(range(len(blocks)), key=key)) for key in keys]
    best = min(results, key=lambda result: result[1])
    if best[1] > bound:
        best = _search(blocks, gaps, best, bound)
    return [best[0][i] for i in range(len(blocks))], best[1]


def lifetimes(graph: Graph) -> dict[Tensor, tuple[int, int]]:
    """First and last step of every activation but states; a tensor that nobody reads ends where it begins."""
    result = {edge.tensor: (0, 0) for edge in graph.inputs}
    for step, op in enumerate(graph.ops, start=1):
        for tensor in op.inputs:
            if not tensor.is_constant and not tensor.is_state:
                result[tensor] = (result[tensor][0], step)
        if not op.output.is_state:
            result[op.output] = (step, step)
    for edge in graph.outputs:
        if not edge.tensor.is_state:
            result[edge.tensor] = (result[edge.tensor][0], len(graph.ops) + 1)
    return result


def _state_offsets(graph: Graph) -> tuple[dict[Tensor, int], int]:
    """Where the states lie, one after another from the arena's start, and where they end."""
    offsets, end = {}, 0
    for tensor in graph.states():
        offsets[tensor] = end
        end += aligned(tensor.nbytes)
    return offsets, end


# How a kernel reads its first input: what a row of output needs, perhaps while it writes that row, which is what
# SPEC.md says ("Over a dying input"); all that a position needs before it writes that position; or each row once,
# before it writes the first row of output that needs it.
BY_ROW, BY_POSITION, ONCE = "by row", "by position", "once"


def distance(op: Op, reading: str = BY_ROW) -> int | None:
    """How far above its output's start an operator's first input must start at least; None where they must be apart.

    Parameters
    ----------
    op : Op
    reading : str
        `BY_ROW`, `BY_POSITION` or `ONCE`.
    """
    if not OPERATORS[op.kind].over_input or op.attrs.get("groups", 1) != 1:
        return None
    if op.inputs[0].dtype != "int8" or op.output.dtype != "int8":
        return None
    (batch, height, width, channels), y = op.inputs[0].shape, op.output.shape
    (top, _, left, _), (stride_y, stride_x) = op.attrs["padding"], op.attrs["stride"]
    images = np.arange(batch)[:, np.newaxis] * height
    rows = np.clip(np.arange(y[1]) * stride_y - top, 0, height - 1) + images
    if reading == ONCE:
        # The rows behind those that it has read.
        filter_height = op.inputs[1].shape[1] if len(op.inputs) > 1 else op.attrs["filter"][0]
        beyond = (filter_height - 1) * op.attrs.get("dilation", (1, 1))[0] + 1
        rows = np.clip(np.arange(y[1]) * stride_y - top + beyond, 0, height) + images
    first = rows.ravel() * width * channels
    size = y[2] * y[3]
    if reading == BY_POSITION:
        columns = np.clip(np.arange(y[2]) * stride_x - left, 0, width - 1) * channels
        # What the positions behind one read; the last one has none behind it.
        first = np.append((first[:, np.newaxis] + columns).ravel()[1:], op.inputs[0].nbytes)
        size = y[3]
    needed = size * np.arange(1, len(first) + 1) - np.minimum.accumulate(first[::-1])[::-1]
    return aligned(max(int(needed.max()), 0))


def _groups(
    graph: Graph, lives: Mapping[Tensor, tuple[int, int]], in_place: bool, banded: Collection[Op] = ()
) -> list[list[Tensor]]:
    """Tensors that share memory, each list in the order of writing; operators in bands do not write in place."""
    group: dict[Tensor, list[Tensor]] = {tensor: [tensor] for tensor in lives}
    for step, op in enumerate(graph.ops, start=1):
        if not in_place or not OPERATORS[op.kind].in_place or op.output.is_state or op in banded:
            continue
        for tensor in op.inputs:
            if tensor in lives and lives[tensor][1] == step and tensor.nbytes == op.output.nbytes:
                group[tensor].append(op.output)
                group[op.output] = group[tensor]
                break
    unique = {id(tensors): tensors for tensors in group.values()}
    return list(unique.values())


def _gaps(
    graph: Graph,
    lives: Mapping[Tensor, tuple[int, int]],
    groups: Sequence[Sequence[Tensor]],
    reading: Mapping[Op, str],
    banded: Collection[Op] = (),
) -> dict[tuple[int, int], int]:
    """For each operator whose first input dies in it: how little of the output must lie below that input."""
    index = {tensor: i for i, tensors in enumerate(groups) for tensor in tensors}
    result = {}
    for step, op in enumerate(graph.ops, start=1):
        x = op.inputs[0]
        if x not in lives or lives[x][1] != step or op in banded:
            continue
        apart = distance(op, reading.get(op, BY_ROW))
        if apart is not None and apart < aligned(op.output.nbytes):
            result[index[op.output], index[x]] = apart
    return result


def _totals(blocks: Sequence[Block], gaps: Gaps, steps: int) -> list[int]:
    """The bytes that are live in each step; two blocks that may overlap count as what they cover."""
    totals = [0] * steps
    for block in blocks:
        for step in range(block.first, block.last + 1):
            totals[step] += block.size
    for (y, x), gap in gaps.items():
        totals[blocks[y].first] -= _shared(blocks[y].size, blocks[x].size, gap)
    return totals


def _shared(y: int, x: int, gap: int) -> int:
    """Bytes that two blocks share where the second starts `gap` bytes above the first."""
    return x + y - max(gap + x, y)


def plan(
    graph: Graph,
    *,
    overlap: bool = True,
    scratch: Mapping[Op, int] | None = None,
    reading: Mapping[Op, str] | None = None,
    ram: str | int = "fast",
    feed: bool = False,
    bands: Sequence[Band] | None = None,
) -> Plan:
    """Places every activation of a graph, in place and over dying inputs where that is allowed and helps.

    Parameters
    ----------
    graph : Graph
        Lowered.
    overlap : bool
        Whether an output may lie partly over a dying input.
    scratch : mapping of Op to int, optional
        Bytes of temporary memory to place for operators, each while it runs. Without it none is placed.
    reading : mapping of Op to str, optional
        How kernels read that do not read `BY_ROW`. Not for a file, whose reader checks the rule of rows.
    ram : str or int
        ``"fast"``: every operator makes its whole output at once. ``"least"``: operators take turns row by row where
        that makes the arena smaller. A number: as few of them and as seldom as this many bytes allow.
    feed : bool
        Whether the first input is given by rows.
    bands : sequence of Band, optional
        Those of a file, in place of `ram` and `feed`: all of them stays but the sides of buffers.

    Raises
    ------
    CompileError
        The first input cannot be given by rows, or no plan fits.
    """
    temporary = {op: size for op, size in (scratch or {}).items() if size > 0}
    planner = _Planner(graph, overlap, temporary, reading or {})
    states, state_size = _state_offsets(graph)
    if bands is not None:
        facts = planner.facts
        best = planner.placed([Run.of(facts, band) for band in bands]) if bands else planner.plain()
    elif ram == "fast" and not feed:
        best = planner.plain()
    else:
        best = choose(planner, None if isinstance(ram, str) else ram, ram == "fast", feed, state_size)
    return _above(best, states, state_size)


def peak(graph: Graph, bands: Sequence[Band] = ()) -> Peak:
    """The peak of a lowered graph whose operators take turns in `bands`."""
    planner = _Planner(graph, True, {}, {})
    found = planner.peak([Run.of(planner.facts, band) for band in bands])
    states = _state_offsets(graph)[1]
    return replace(found, size=found.size + states, states=states)


def live_bytes(graph: Graph) -> list[int]:
    """The bytes that are live in each operator without bands."""
    return _Planner(graph, True, {}, {}).steps()


class _Planner:
    """Plans of a graph, without states."""

    def __init__(self, graph: Graph, overlap: bool, scratch: Mapping[Op, int], reading: Mapping[Op, str]) -> None:
        self.graph, self.overlap, self.temporary, self.reading = graph, overlap, scratch, reading
        self.lives = lifetimes(graph)

    @cached_property
    def facts(self) -> Streaming:
        return Streaming(self.graph, self.lives)

    def _blocks(self, groups: Sequence[Sequence[Tensor]]) -> list[Block]:
        lives, step = self.lives, {op: i for i, op in enumerate(self.graph.ops, start=1)}
        blocks = [
            Block(size=aligned(tensors[0].nbytes), first=lives[tensors[0]][0], last=lives[tensors[-1]][1])
            for tensors in groups
        ]
        return blocks + [Block(aligned(size), step[op], step[op]) for op, size in self.temporary.items()]

    def steps(self) -> list[int]:
        """The bytes that are live in each operator without bands."""
        groups = _groups(self.graph, self.lives, True)
        gaps = _gaps(self.graph, self.lives, groups, self.reading) if self.overlap else {}
        return _totals(self._blocks(groups), gaps, len(self.graph.ops) + 2)[1:-1]

    def plain(self) -> Plan:
        """Without bands."""
        best: Plan | None = None
        bound = 0
        # More freedom need not give the search a lower plan, so it is tried with less as well.
        for in_place, free in product((True, False), (self.reading, {}) if self.reading else ({},)):
            groups = _groups(self.graph, self.lives, in_place)
            gaps = _gaps(self.graph, self.lives, groups, free) if self.overlap else {}
            blocks = self._blocks(groups)
            if best is None:
                bound = max(_totals(blocks, gaps, len(self.graph.ops) + 2), default=0)
            elif best.arena_size == bound:
                break
            starts, height = place(blocks, gaps, bound)
            if best is None or height < best.arena_size:
                offsets = {tensor: start for tensors, start in zip(groups, starts, strict=False) for tensor in tensors}
                places = dict(zip(self.temporary, starts[len(groups) :], strict=True))
                best = Plan(offsets, self.lives, height, bound, _overlapping(self.graph, offsets), places)
        assert best is not None
        return best

    def peak(self, runs: Sequence[Run]) -> Peak:
        """When the most bytes are live, without those of states; with bands, or without if there are none."""
        timeline = Timeline(self.facts, runs)
        banded = {op for op in self.graph.ops if timeline.slot(op) is None}
        groups = _groups(self.graph, self.lives, True, banded)
        gaps = _gaps(self.graph, self.lives, groups, self.reading, banded)
        pieces = [timeline.shared(tensors) for tensors in groups]
        if not runs:
            pieces = [Rows(aligned(piece.size), piece.born, piece.dies) for piece in pieces if isinstance(piece, Rows)]
        shared = _shared_in(timeline, groups, pieces, gaps)
        total = live(pieces, shared)
        slot = int(total.argmax())
        first, last = timeline.steps(slot)
        tensors = []
        for group, piece in zip(groups, pieces, strict=True):
            alive = live([piece], {})
            if slot < len(alive) and alive[slot]:
                name = [tensor.name for tensor in group if self.lives[tensor][0] <= last][-1]
                tensors.append((name, int(alive[slot])))
        tensors.sort(key=lambda pair: -pair[1])
        if not 0 < first <= len(self.graph.ops):
            return Peak(int(total[slot]), None, None, "", tuple(tensors), shared.get(slot, 0), 0)
        kind = self.graph.ops[first - 1].kind if first == last else ""
        return Peak(int(total[slot]), first - 1, last - 1, kind, tuple(tensors), shared.get(slot, 0), 0)

    def placed(self, runs: Sequence[Run]) -> Plan:
        """With these bands."""
        timeline = Timeline(self.facts, runs)
        banded = {op for op in self.graph.ops if timeline.slot(op) is None}
        groups = _groups(self.graph, self.lives, True, banded)
        gaps = _gaps(self.graph, self.lives, groups, self.reading, banded) if self.overlap else {}
        pieces = [timeline.shared(tensors) for tensors in groups]
        pieces += [timeline.scratch(op, size) for op, size in self.temporary.items()]
        bound = most(pieces, _shared_in(timeline, groups, pieces, gaps))
        found = Layout(pieces, gaps).search(bound)
        offsets = {tensor: found.starts[i] for i, tensors in enumerate(groups) for tensor in tensors}
        places = dict(zip(self.temporary, found.starts[len(groups) :], strict=True))
        right = {tensors[0] for i, tensors in enumerate(groups) if found.right[i]}
        overlaps = _overlapping(self.graph, offsets) - banded
        bands = tuple(run.band(right) for run in runs)
        return Plan(offsets, self.lives, found.height, bound, overlaps, places, bands=bands)


def _shared_in(
    timeline: Timeline, groups: Sequence[Sequence[Tensor]], pieces: Sequence[Piece], gaps: Gaps
) -> dict[int, int]:
    """Bytes that an output and a dying input both count, by the slot of the operator."""
    return {
        timeline.start(groups[y][0]): _shared(aligned(pieces[y].size), aligned(pieces[x].size), gap)
        for (y, x), gap in gaps.items()
    }


def _above(plan: Plan, states: Mapping[Tensor, int], state_size: int) -> Plan:
    """A plan of all else, moved behind the states."""
    return replace(
        plan,
        offsets={**states, **{tensor: start + state_size for tensor, start in plan.offsets.items()}},
        arena_size=plan.arena_size + state_size,
        lower_bound=plan.lower_bound + state_size,
        scratch={op: start + state_size for op, start in plan.scratch.items()},
        state_size=state_size,
    )


def _overlapping(graph: Graph, offsets: Mapping[Tensor, int]) -> frozenset[Op]:
    """Sliding operators whose output shares bytes with their first input."""

    def shares(op: Op) -> bool:
        x, y = op.inputs[0], op.output
        if x not in offsets or y not in offsets:
            return False
        return offsets[x] < offsets[y] + y.nbytes and offsets[y] < offsets[x] + x.nbytes

    return frozenset(op for op in graph.ops if OPERATORS[op.kind].over_input and shares(op))
