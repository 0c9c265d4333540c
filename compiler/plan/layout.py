"""Where memory lies that is born and dies row by row: what two pieces of it may share, and a search for positions."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from qrt.compiler.plan.occupancy import Buffer, Rows, add
from qrt.compiler.plan.rows import Numbers

ALIGNMENT = 16
# Pieces that the search places at most, all in all; a count, so that equal graphs give equal plans anywhere.
SEARCH_LIMIT = 60_000
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


def most(pieces: Sequence[Piece], shared: Mapping[int, int]) -> int:
    """The most bytes of all pieces that are live in one slot; `shared` has those counted twice, by slot."""
    end = max(_span(piece)[1] for piece in pieces) + 2
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
    return int(np.cumsum(change).max())


class Layout:
    """Pieces of memory, and for each two of them how far apart they must lie.

    Each piece has one or two variants: a buffer's rows can lie against its start or its end.
    """

    def __init__(self, pieces: Sequence[Piece], gaps: Mapping[tuple[int, int], int]) -> None:
        self.pieces = pieces
        self.variants = [
            (i, right)
            for i, piece in enumerate(pieces)
            for right in ((False, True) if isinstance(piece, Buffer) and 0 < piece.kept < piece.size else (False,))
        ]
        self.of: list[list[int]] = [[] for _ in pieces]
        for v, (i, _) in enumerate(self.variants):
            self.of[i].append(v)
        self.sizes = [aligned(piece.size) for piece in pieces]
        count = len(self.variants)
        # gap[a, b]: where a is the lower one.
        self.gap = np.full((count, count), FREE, dtype=np.int64)
        spans = [_span(piece) for piece in pieces]
        for a, (i, left) in enumerate(self.variants):
            for b, (k, right) in enumerate(self.variants):
                if i == k or spans[i][1] < spans[k][0] or spans[k][1] < spans[i][0]:
                    continue
                gap = gaps.get((i, k))
                if gap is None:
                    gap = between(pieces[i], pieces[k], (left, right))
                self.gap[a, b] = gap if gap == FREE else aligned(gap)

    def fit(self, order: Sequence[int]) -> tuple[int, dict[int, tuple[int, int]]]:
        """Each piece in turn at the lowest position that is left to it: the height, and variant and start of each."""
        placed: dict[int, tuple[int, int]] = {}
        taken, starts, height = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), 0
        for i in order:
            start, v = min((self._lowest(v, taken, starts), v) for v in self.of[i])
            placed[i] = v, start
            taken, starts = np.append(taken, v), np.append(starts, start)
            height = max(height, start + self.sizes[i])
        return height, placed

    def _lowest(self, v: int, taken: Numbers, starts: Numbers) -> int:
        """The lowest position that no piece is in the way of: each forbids those between two."""
        if not len(taken):
            return 0
        above, below = starts + self.gap[taken, v], starts - self.gap[v, taken]
        order = np.argsort(below, kind="stable")
        free = np.maximum.accumulate(np.append(0, above[order]))
        clear = np.append(below[order], 1 << 60) >= free
        return int(free[np.argmax(clear)])

    def search(self, bound: int) -> tuple[int, dict[int, tuple[int, int]]]:
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
        best, order = min(((self.fit(order), order) for order in orders), key=lambda found: found[0][0])
        left, drawn = SEARCH_LIMIT, random.Random(1)
        while left > 0 and best[0] > bound and len(order) > 1:
            left -= len(order)
            changed = list(order)
            # A piece that ends at the top goes before another.
            tops = [k for k, i in enumerate(order) if best[1][i][1] + self.sizes[i] == best[0]]
            pick = tops[int(drawn.random() * len(tops))] if drawn.random() < 0.5 else int(drawn.random() * len(order))
            changed.insert(int(drawn.random() * len(order)), changed.pop(pick))
            if drawn.random() < 0.3:
                a, b = (int(drawn.random() * len(order)) for _ in range(2))
                changed[a], changed[b] = changed[b], changed[a]
            found = self.fit(changed)
            if found[0] <= best[0]:
                best, order = found, changed
        return best


def _span(piece: Piece) -> tuple[int, int]:
    if isinstance(piece, Buffer):
        return piece.first, piece.last
    return int(piece.born[0]), int(piece.dies[-1])
