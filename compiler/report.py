"""Report: what the compiler did to a network, for the summary of `qrt compile`, scripts, and tests."""

from __future__ import annotations

import html
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from qrt.compiler.integers.channels import Requant
from qrt.compiler.ir import Graph, Op
from qrt.schema.macs import macs as products


@dataclass(frozen=True)
class Peak:
    """When the most bytes are live in a run: no plan of the same order and bands can go below them.

    Attributes
    ----------
    size : int
        Bytes, with those of states.
    first, last : int or None
        The operator, or the first and last that take turns; None where inputs are given or outputs taken.
    kind : str
        Of one operator; "" of several or none.
    tensors : tuple of (str, int)
        Names and bytes of what is live then, the largest first; of a tensor that is live in part, that part.
    shared : int
        Bytes counted twice: an output may lie over those of an input that are read before.
    states : int
        Bytes of states.
    """

    size: int
    first: int | None
    last: int | None
    kind: str
    tensors: tuple[tuple[str, int], ...]
    shared: int
    states: int


@dataclass(frozen=True)
class Rescue:
    """Channels whose integers would have overflowed or become 0, and how they were corrected.

    `removed` if these channels were constant or never read, and were removed afterwards.
    """

    op: str
    kind: str
    channels: tuple[int, ...]
    text: str
    removed: bool = False


@dataclass(frozen=True)
class Removal:
    """Output channels of an operator that were removed, by their numbers in the source, of `count`."""

    op: str
    kind: str
    channels: tuple[int, ...]
    count: int


@dataclass(frozen=True)
class Deviation:
    """An operator whose codes can differ by 1 from those of the engine that `Report.match` names.

    They differ in `count` of `total` `cases`, which are all possible cases; both are 0 if the cases were not checked.
    """

    op: str
    kind: str
    count: int
    total: int
    cases: str


@dataclass(frozen=True)
class Stream:
    """What became of a network that reads a window of frames, when it was made to read a stream of them.

    Attributes
    ----------
    frames, window : int
        Frames that a run reads, and those of the window.
    macs, window_macs : int
        Multiply-accumulates of a run, and of the window's network.
    state_bytes : int
        Of the states.
    first_run : int
        The first run after a reset, counted from 1, whose outputs are those of the window's network.
    pads : bool
        Whether that network pads its window: then it is compared over all frames since the reset, else over the last
        ones.
    late : dict of str to int
        For each output that is, how many frames it is late.
    heads : tuple of str
        The operators that read the whole window in each run, as does all behind them.
    """

    frames: int
    window: int
    macs: int
    window_macs: int
    state_bytes: int
    first_run: int
    pads: bool
    late: dict[str, int]
    heads: tuple[str, ...]


@dataclass(frozen=True)
class Turns:
    """Operators that take turns row by row, from `first` to `last`, by their names.

    Attributes
    ----------
    first, last : str
    count : int
        How many they are.
    turns : int
    rows : int
        The most that one of them makes in a turn.
    moved_bytes : int
        Bytes of rows that are moved in a run, to make room for others.
    """

    first: str
    last: str
    count: int
    turns: int
    rows: int
    moved_bytes: int


@dataclass(frozen=True)
class RowByRow:
    """What became of a network of which operators take turns row by row.

    Attributes
    ----------
    whole_arena_size : int
        Bytes of the arena if every operator made its whole output at once.
    bands : list of Turns
    moved_bytes : int
        Of all of them.
    fed : str
        The input that is given by rows; empty where none is.
    obstacles : list of str
        Operators that cannot run row by row where most memory is in use.
    """

    whole_arena_size: int
    bands: list[Turns]
    moved_bytes: int
    fed: str
    obstacles: list[str]


@dataclass(repr=False)
class Report:
    """Filled while compiling.

    Attributes
    ----------
    match : str
        The engine that the file matches; empty for networks built in Python, and where weights were quantized.
    notes : list of (str, str)
        What each pass did: its name and a sentence.
    rescues : list of Rescue
    removals : list of Removal
    deviations : list of Deviation
        Operators whose codes are not all equal to those of `match`.
    stream : Stream or None
        Of a streaming network.
    row_by_row : RowByRow or None
        Where the arena was to be smaller, or an input given by rows.
    operators : dict of str to int
        Number of operators of each kind.
    macs : int
        Multiply-accumulates of one inference.
    weight_bytes, parameter_bytes : int
        Bytes of weights and other constants; bytes of biases, multipliers, shifts and addends.
    arena_size, arena_lower_bound, state_size : int
        Bytes; see `qrt.compiler.plan.plan.Plan`.
    arena_peak : Peak or None
        When as many bytes as the lower bound are live, and what.
    seconds : float
        Duration of compilation.
    """

    name: str = ""
    match: str = ""
    notes: list[tuple[str, str]] = field(default_factory=list)
    rescues: list[Rescue] = field(default_factory=list)
    removals: list[Removal] = field(default_factory=list)
    deviations: list[Deviation] = field(default_factory=list)
    stream: Stream | None = None
    row_by_row: RowByRow | None = None
    operators: dict[str, int] = field(default_factory=dict)
    macs: int = 0
    weight_bytes: int = 0
    parameter_bytes: int = 0
    arena_size: int = 0
    arena_lower_bound: int = 0
    arena_peak: Peak | None = None
    state_size: int = 0
    seconds: float = 0.0

    @property
    def facts(self) -> str:
        """The name, and the largest figures, on one line."""
        return (
            f"{self.name!r}: {sum(self.operators.values())} operators, {self.macs:,} MACs, "
            f"{self.weight_bytes:,} bytes of weights, an arena of {self.arena_size:,} bytes"
        )

    def __repr__(self) -> str:
        return f"<qrt.compiler.Report {self.facts}>"

    def _repr_html_(self) -> str:
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.operators.items())
        rows = [
            ("matches", self.match or "no engine"),
            ("operators", f"{sum(self.operators.values())}: {kinds}"),
            ("MACs", f"{self.macs:,}"),
            ("weights", f"{self.weight_bytes:,} bytes"),
            ("parameters", f"{self.parameter_bytes:,} bytes"),
            ("arena", f"{self.arena_size:,} bytes, lower bound {self.arena_lower_bound:,}"),
            ("state", f"{self.state_size:,} bytes"),
            ("may differ from the engine", f"{len(self.deviations)} operators"),
            *self.notes,
        ]
        cells = "".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in rows)
        return f"<table><caption>{html.escape(self.name)}</caption><tbody>{cells}</tbody></table>"

    def note(self, pass_name: str, text: str) -> None:
        self.notes.append((pass_name, text))

    def rescue(self, op: str, kind: str, channels: tuple[int, ...], text: str) -> None:
        self.rescues.append(Rescue(op, kind, channels, text))

    def deviation(self, op: Op, count: int, total: int, cases: str) -> None:
        self.deviations.append(Deviation(op.name, op.kind, count, total, cases))

    def removal(self, op: str, kind: str, channels: tuple[int, ...], count: int) -> None:
        """Records removed channels, and which of the rescued channels are among them."""
        self.removals.append(Removal(op, kind, channels, count))
        parted: list[Rescue] = []
        for rescue in self.rescues:
            gone = tuple(c for c in rescue.channels if c in channels) if rescue.op == op else ()
            left = tuple(c for c in rescue.channels if c not in gone)
            if left or not gone:
                parted.append(replace(rescue, channels=left))
            if gone:
                parted.append(replace(rescue, channels=gone, removed=True))
        self.rescues = parted

    def describe(self, graph: Graph) -> None:
        """Counts operators, MACs and bytes of a lowered graph."""
        self.name = graph.name
        self.operators = dict(Counter(op.kind for op in graph.ops))
        self.macs = sum(macs(op) for op in graph.ops)
        constants = {tensor for op in graph.ops for tensor in op.inputs if tensor.is_constant}
        self.weight_bytes = sum(tensor.nbytes for tensor in constants)
        self.parameter_bytes = sum(parameter_bytes(op) for op in graph.ops)

    def as_dict(self) -> dict[str, Any]:
        """Plain types only, for JSON."""
        return asdict(self)


def parameter_bytes(op: Op) -> int:
    """Bytes of an operator's multipliers, shifts, biases and tables in the file."""
    size: int = sum(value.nbytes for value in op.attrs.values() if isinstance(value, Requant))
    tables = (value for value in op.attrs.values() if isinstance(value, np.ndarray))
    # The zeros at the end of a softmax table are not written.
    return size + sum(np.trim_zeros(table, "b").nbytes if op.kind == "softmax" else table.nbytes for table in tables)


WEIGHTED = ("conv2d", "dwconv2d", "transpose_conv2d", "linear")
# Their second and third inputs are weights, each of which is used once for each row of the first.
RECURRENT = ("lstm", "svdf")


def macs(op: Op) -> int:
    """Multiply-accumulates of an operator that sums products; 0 for others."""
    return products(op.kind, [tensor.shape for tensor in op.inputs], op.output.shape)
