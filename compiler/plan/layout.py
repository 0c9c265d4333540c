"""Where memory lies that is born and dies row by row: what two pieces of it may share, and a search for positions."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from qrt.compiler.plan.occupancy import EVER, Buffer, Rows, add
from qrt.compiler.plan.rows import Numbers

ALIGNMENT = 16
# Orders that the search tries after one that was better than all before; a count, so that equal graphs give equal plans
# anywhere.
SEARCH_LIMIT = 1_000
# Where two pieces never meet.
FREE = -(1 << 40)

Piece = Rows | Buffer


def aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


@dataclass(frozen=True)
class Part:
    """Bytes of a buffer: its own in all slots, or only at some places in each turn."""

    start: int
    stop: int
    always: bool


def parts(buffer: Buffer, right: bool) -> list[Part]:
    rest = buffer.size - buffer.kept
    found = [Part(0, rest, False), Part(rest, buffer.size, True)] if right else [Part(0, buffer.kept, True)]
    found += [] if right else [Part(buffer.kept, buffer.size, False)]
    return [part for part in found if part.start < part.stop]


def between(lower: Piece, upper: Piece, sides: tuple[bool, bool] = (False, False)) -> int:
    """Bytes that must lie between the starts of two pieces where `lower` is the lower one; FREE where they never meet.

    `sides` says of each whether it is a buffer whose rows lie against its end.
    """
    if isinstance(lower, Rows) and isinstance(upper, Rows):
        return _rows(lower, upper)
    if isinstance(lower, Buffer) and isinstance(upper, Buffer):
        pairs = [(a, b) for a in parts(lower, sides[0]) for b in parts(upper, sides[1]) if _meet(lower, upper, a, b)]
        return max((a.stop - b.start for a, b in pairs), default=FREE)
    gap = FREE
    if isinstance(lower, Rows) and isinstance(upper, Buffer):
        for part in parts(upper, sides[1]):
            alive = _alive(lower, upper)
            gap = max(gap, (int(alive[-1]) + 1) * lower.row - part.start) if len(alive) else gap
    elif isinstance(lower, Buffer) and isinstance(upper, Rows):
        for part in parts(lower, sides[0]):
            alive = _alive(upper, lower)
            gap = max(gap, part.stop - int(alive[0]) * upper.row) if len(alive) else gap
    return gap


def _rows(lower: Rows, upper: Rows) -> int:
    """Each row of the lower one against the first row of the upper one that it meets."""
    first = np.searchsorted(upper.dies, lower.born, side="left")
    beyond = np.searchsorted(upper.born, lower.dies, side="right")
    rows = np.nonzero(first < beyond)[0]
    return int(((rows + 1) * lower.row - first[rows] * upper.row).max()) if len(rows) else FREE


def _alive(rows: Rows, buffer: Buffer) -> Numbers:
    """The rows that live when a buffer does."""
    return np.nonzero((rows.dies >= buffer.first) & (rows.born <= buffer.last))[0]


def _meet(lower: Buffer, upper: Buffer, a: Part, b: Part) -> bool:
    if lower.last < upper.first or upper.last < lower.first:
        return False
    return a.always or b.always or (lower.begin <= upper.end and upper.begin <= lower.end)


def live(pieces: Sequence[Piece], shared: Mapping[int, int]) -> Numbers:
    """The bytes of all pieces that are live in each slot; `shared` has those counted twice, by slot."""
    end = max((_span(piece)[1] for piece in pieces), default=0) + 2
    change = np.zeros(end, dtype=np.int64)
    for piece in pieces:
        if isinstance(piece, Buffer):
            add(change, piece)
        else:
            np.add.at(change, piece.born, piece.row)
            np.add.at(change, piece.dies + 1, -piece.row)
    for slot, size in shared.items():
        change[slot] -= size
        change[slot + 1] += size
    return np.cumsum(change)


def most(pieces: Sequence[Piece], shared: Mapping[int, int]) -> int:
    """The most bytes that are live in one slot."""
    return int(live(pieces, shared).max())


@dataclass(frozen=True)
class Placed:
    """Where pieces lie: the height that they reach, the start of each, and whether its rows lie against its end."""

    height: int
    starts: list[int]
    right: list[bool]


class Layout:
    """Pieces of memory, and for each two of them how far apart they must lie.

    Each piece has one or two variants: a buffer's rows can lie against its start or its end.
    """

    def __init__(self, pieces: Sequence[Piece], gaps: Mapping[tuple[int, int], int]) -> None:
        self.pieces = pieces
        self.sizes = [aligned(piece.size) for piece in pieces]
        self.sides = [
            (False, True) if isinstance(piece, Buffer) and 0 < piece.kept < piece.size else (False,) for piece in pieces
        ]
        # For each variant of a piece, the pieces that it meets: which, and for each of their variants the gap to that
        # above it, and from that below it.
        self.near: list[list[list[tuple[int, list[int], list[int]]]]] = [[[] for _ in sides] for sides in self.sides]
        spans = [_span(piece) for piece in pieces]
        for i, k in combinations(range(len(pieces)), 2):
            if spans[i][1] < spans[k][0] or spans[k][1] < spans[i][0]:
                continue
            up = [[self._gap(gaps, (i, a), (k, b)) for b in self.sides[k]] for a in self.sides[i]]
            down = [[self._gap(gaps, (k, b), (i, a)) for b in self.sides[k]] for a in self.sides[i]]
            if max(map(max, up)) == FREE == max(map(max, down)):
                continue
            for a in range(len(self.sides[i])):
                self.near[i][a].append((k, up[a], down[a]))
            for b in range(len(self.sides[k])):
                self.near[k][b].append((i, [row[b] for row in down], [row[b] for row in up]))

    def _gap(self, gaps: Mapping[tuple[int, int], int], lower: tuple[int, bool], upper: tuple[int, bool]) -> int:
        gap = gaps.get((lower[0], upper[0]))
        if gap is None:
            gap = between(self.pieces[lower[0]], self.pieces[upper[0]], (lower[1], upper[1]))
        return gap if gap == FREE else aligned(gap)

    def fit(self, order: Sequence[int], limit: int) -> Placed | None:
        """Each piece in turn at the lowest position that is left to it; None if one would end above a limit."""
        starts, variants = [-1] * len(order), [0] * len(order)
        height = 0
        for i in order:
            found = [self._lowest(near, starts, variants) for near in self.near[i]]
            starts[i] = min(found)
            variants[i] = found.index(starts[i])
            height = max(height, starts[i] + self.sizes[i])
            if height > limit:
                return None
        right = [self.sides[i][variant] for i, variant in enumerate(variants)]
        return Placed(height, starts, right)

    def _lowest(
        self, near: Sequence[tuple[int, list[int], list[int]]], starts: Sequence[int], variants: Sequence[int]
    ) -> int:
        """The lowest position that no piece is in the way of: each forbids those between two."""
        forbidden = sorted(
            (starts[k] - up[variants[k]], starts[k] + down[variants[k]]) for k, up, down in near if starts[k] >= 0
        )
        free = 0
        for begin, end in forbidden:
            if begin >= free:
                break
            free = max(free, end)
        return free

    def search(self, bound: int) -> Placed:
        """Positions of low height: first fit in several orders, then small changes of the best order."""
        count = range(len(self.pieces))
        spans = [_span(piece) for piece in self.pieces]
        kept = [piece.kept if isinstance(piece, Buffer) else piece.size for piece in self.pieces]
        orders = [
            sorted(count, key=lambda i: (-self.sizes[i], i)),
            sorted(count, key=lambda i: (isinstance(self.pieces[i], Buffer), -kept[i], -self.sizes[i], i)),
            sorted(count, key=lambda i: (spans[i][0] - spans[i][1], -self.sizes[i], i)),
            list(count),
            list(count)[::-1],
        ]
        found = [(placed, order) for order in orders if (placed := self.fit(order, EVER))]
        best, order = min(found, key=lambda pair: pair[0].height)
        left, drawn = SEARCH_LIMIT, random.Random(1)

        def pick(among: Sequence[int]) -> int:
            return among[int(drawn.random() * len(among))]

        while left > 0 and best.height > bound and len(order) > 1:
            left -= 1
            changed = list(order)
            # Often a piece that ends at the top, which then comes before others.
            tops = [i for i in count if best.starts[i] + self.sizes[i] == best.height]
            i = pick(tops if drawn.random() < 0.5 else count)
            changed.remove(i)
            changed.insert(pick(count), i)
            if drawn.random() < 0.3:
                a, b = pick(count), pick(count)
                changed[a], changed[b] = changed[b], changed[a]
            placed = self.fit(changed, best.height)
            if placed is not None:
                left = SEARCH_LIMIT if placed.height < best.height else left
                best, order = placed, changed
        return best


def _span(piece: Piece) -> tuple[int, int]:
    if isinstance(piece, Buffer):
        return piece.first, piece.last
    return int(piece.born[0]), int(piece.dies[-1])
