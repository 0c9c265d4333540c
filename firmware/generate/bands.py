"""Operators that take turns, as tables of the runner in ``turns/qrt_row_turns.h``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from qrt._prepared import Prepared
from qrt.compiler.ir import Graph, Op, Tensor
from qrt.compiler.plan.bands import Band, Pace
from qrt.compiler.plan.plan import Plan
from qrt.compiler.plan.rows import WINDOWED, Numbers, averages, height, is_broadcast, reading, row_bytes
from qrt.firmware.generate.constants import Constants, number
from qrt.firmware.generate.prepared import Step, Value
from qrt.schema.operators import OPERATORS

# Bytes of the runner's structures on a 32-bit processor.
INPUT, READER, STEP, BAND, STATE, NUMBER = 36, 4, 84, 16, 8, 4
# Rows in a turn.
FEW_ROWS = 2
RUNNER = "qrt_run_row_band"
# What adds codes to the sums of an average: the function, and the header that declares it.
ADDER = ("qrt_add_positions", "portable/average_rows.h")
ADDERS = {"dsp": ("qrt_add_positions_dsp", "arm/dsp/average_rows.h")}
HEADER = "turns/qrt_row_turns.h"
# Where the parameters of an operator count its rows, or what is a multiple of them.
COUNTS = {
    "qrt_conv2d_params": "out_height",
    "qrt_pool2d_params": "out_height",
    "qrt_resize2d_params": "out_height",
    "qrt_pad_params": "out_shape[1]",
    "qrt_concat_params": "outer",
    "qrt_requantize_sum_params": "rows",
    "qrt_softmax_params": "rows",
    "qrt_log_softmax_params": "rows",
    "qrt_l2_norm_params": "rows",
    "qrt_layer_norm_params": "rows",
    "qrt_add_params": "broadcast.shape[0]",
    "qrt_binary_params": "broadcast.shape[0]",
}
# Where they have the height of the input and the padding above it.
HEIGHTS = {
    "qrt_conv2d_params": ("in_height", "pad_top"),
    "qrt_pool2d_params": ("in_height", "pad_top"),
    "qrt_pad_params": ("in_shape[1]", ""),
}


@dataclass(frozen=True)
class Turns:
    """How many rows a pace has made after each turn; the first entry is that before the first one."""

    pace: Pace
    height: int
    turns: int
    is_average: bool = False

    @property
    def made(self) -> Numbers:
        pace, turn = self.pace, np.arange(self.turns, dtype=np.int64)
        made = np.clip((turn * pace.rows + pace.lead) // pace.per, 0, self.height)
        return np.append(0, made)

    @property
    def last(self) -> int:
        """The first turn after which all rows are made."""
        return max(-((self.pace.lead - self.height * self.pace.per) // self.pace.rows), 0)


def kernel_inputs(op: Op) -> list[Tensor]:
    """What a kernel reads; weights are among its parameters."""
    return op.inputs[:1] if OPERATORS[op.kind].channels is not None else op.inputs


def choose_kernels(prepared: Prepared, ops: Sequence[Op], bands: Sequence[Band], arena_size: int) -> None:
    """Has depthwise convolutions of a file with bands run by kernels that unpack nothing ahead.

    Those of bands that make few rows in a turn, which gain nothing by it; and others whose scratch would take more
    memory than the file's arena is.
    """
    turns = {band.first + i: pace for band in bands for i, pace in enumerate(band.paces)}
    for i, op in enumerate(ops) if bands else ():
        if op.kind != "dwconv2d":
            continue
        if i in turns:
            takes_less = turns[i].rows <= FEW_ROWS * turns[i].per
        else:
            takes_less = max(op.inputs[0].nbytes, op.output.nbytes) + prepared.scratch_size(i) > arena_size
        if takes_less:
            prepared.take_less_scratch(i)


def turned(prepared: Prepared, steps: Sequence[Step], bands: Sequence[Band]) -> list[Step]:
    """The steps with the kernels of those that take turns, and with the scratch that their rows need."""
    result = list(steps)
    for band in bands:
        for i in range(band.first, band.stop):
            step = replace(steps[i], scratch=row_scratch(prepared, i, steps[i].op, band))
            if averages(step.op):
                name = "qrt_mean_rows" if step.op.kind == "mean" else "qrt_average_pool2d_rows"
                step = replace(step, function=name, kernels="portable")
            result[i] = step
    return result


def row_scratch(prepared: Prepared, index: int, op: Op, band: Band) -> int:
    """The most scratch that an operator of a band needs for the rows of any turn."""
    if averages(op):
        return 0
    kind, rows = OPERATORS[op.kind].number, op.output.shape[1]
    made = Turns(band.paces[index - band.first], rows, band.turns).made
    calls = [(begin, end) for begin, end in zip(made[:-1].tolist(), made[1:].tolist(), strict=True) if begin < end]
    return max(prepared.scratch_size_of_rows(index, kind, rows, begin, end) for begin, end in calls)


def functions(steps: Sequence[Step], bands: Sequence[Band], kernels: str) -> tuple[list[str], list[str]]:
    """What bands call beside the kernels of their operators, and the headers that declare it."""
    if not bands:
        return [], []
    adds = any(averages(step.op) for band in bands for step in steps[band.first : band.stop])
    adder, header = ADDERS.get(kernels, ADDER)
    return [RUNNER, adder] if adds else [RUNNER], [HEADER, header] if adds else [HEADER]


class BandTables:
    """The tables of one band.

    Parameters
    ----------
    graph : Graph
    index : int
        Of the band.
    band : Band
    steps : sequence of Step
        Of all operators.
    placed : Plan
    kernels : str
        The kernel set of the target.
    """

    def __init__(self, graph: Graph, index: int, band: Band, steps: Sequence[Step], placed: Plan, kernels: str) -> None:
        self.index, self.band, self.placed, self.adder = index, band, placed, ADDERS.get(kernels, ADDER)[0]
        self.steps = steps[band.first : band.stop]
        self.made: list[tuple[Tensor, Turns]] = []
        if band.feed is not None:
            fed = graph.inputs[0].tensor
            self.made.append((fed, Turns(band.feed, fed.shape[1], band.turns)))
        self.shift = len(self.made)
        for step, pace in zip(self.steps, band.paces, strict=True):
            self.made.append((step.op.output, Turns(pace, height(step.op), band.turns, averages(step.op))))
        self.maker = {tensor: i for i, (tensor, _) in enumerate(self.made)}

    @property
    def name(self) -> str:
        return f"band_{self.index}"

    @property
    def count(self) -> int:
        """Its steps: an operator each, and what is fed."""
        return len(self.made)

    @property
    def most_inputs(self) -> int:
        return max(len(kernel_inputs(step.op)) for step in self.steps)

    def define(self, constants: Constants) -> list[int]:
        """Defines the tables; the parameters of its operators before them. Returns the bytes for each operator."""
        rows, sizes = [], [0] * len(self.steps)
        for i in range(self.count):
            before = constants.size
            members = self._step(i, constants)
            sizes[max(i - self.shift, 0)] += constants.size - before + STEP
            rows.append("{" + ", ".join(f".{name} = {value}" for name, value in members.items() if value != "0") + "}")
        constants.table("qrt_row_step", f"{self.name}_steps", rows, STEP)
        band = (f"{self.name}_steps", str(self.count), str(self.band.turns), str(self.band.first))
        constants.size += BAND
        constants.definitions.append(f"static const qrt_row_band {self.name} = {{\n    {', '.join(band)}}};\n")
        return sizes

    def _step(self, i: int, constants: Constants) -> dict[str, str]:
        """The members of a step."""
        tensor, turns = self.made[i]
        pace = turns.pace
        members = {
            "offset": f"{self.placed.offsets[tensor]}u",
            "row_size": str(row_bytes(tensor)),
            "height": str(turns.height),
            "capacity": str(pace.capacity),
            "rows": str(pace.rows),
            "per": str(pace.per),
            "lead": number(pace.lead),
            "last": str(turns.last),
            "slide": self._slide(turns),
        }
        prefix = f"fed_{self.index}"
        if i >= self.shift:
            step, number_of = self.steps[i - self.shift], self.band.first + i - self.shift
            prefix = f"{step.op.kind}_{number_of}"
            members |= self._operator(step, prefix, constants)
        if members["slide"] != "QRT_ROWS_STAY":
            readers = self._readers(i)
            members["reader_count"] = str(len(readers))
            pairs = [f"{{{step}, {index}}}" for step, index in readers]
            members["readers"] = constants.table("qrt_row_reader", f"{prefix}_readers", pairs, READER)
        moved = self._moved(i)
        if moved:
            members["moved_count"] = str(len(moved))
            members["moved"] = constants.array(np.array(moved, np.uint16), f"{prefix}_moved")
        return members

    def _slide(self, turns: Turns) -> str:
        pace = turns.pace
        if turns.is_average or pace.capacity == turns.height:
            return "QRT_ROWS_STAY"
        if pace.right:
            return "QRT_ROWS_RIGHT"
        return "QRT_ROWS_FULL" if pace.kept == pace.capacity else "QRT_ROWS_LEFT"

    def _operator(self, step: Step, prefix: str, constants: Constants) -> dict[str, str]:
        constants.structure(step.struct, step.params, prefix)
        inputs = [
            self._input(step.op, tensor, f"{prefix}_input_{k}", constants)
            for k, tensor in enumerate(kernel_inputs(step.op))
        ]
        members = {
            "run": step.function,
            "params": f"&{prefix}",
            "inputs": constants.table("qrt_row_input", f"{prefix}_reads", inputs, INPUT),
            "input_count": str(len(inputs)),
            "scratch": f"{self.placed.scratch.get(step.op, 0)}u",
        }
        if averages(step.op):
            return {**members, "add": self.adder}
        struct, rows = step.struct, height(step.op)
        count = COUNTS.get(struct, "size")
        members["params_size"] = f"sizeof {prefix}"
        members["count"] = str(_member(step.params, count) // rows)
        members["count_at"] = f"offsetof({struct}, {count})"
        if struct in HEIGHTS:
            of_input, padding = HEIGHTS[struct]
            members["height_at"] = f"offsetof({struct}, {of_input})"
            members["pad_at"] = f"offsetof({struct}, {padding})" if padding else "0"
        return members

    def _input(self, op: Op, tensor: Tensor, name: str, constants: Constants) -> str:
        # A constant may have fewer axes than the output.
        rows = tensor.shape[-3] if len(tensor.shape) > 2 else 1
        shared = (tensor.is_constant and rows == 1) or is_broadcast(op, tensor)
        stride, pad, reach = (0, 0, 1) if shared else _window(op)
        members = {
            "row_size": f"{tensor.nbytes // rows}u",
            "height": str(rows),
            "stride": str(stride),
            "pad": str(pad),
            "reach": str(reach),
            "maker": str(self.maker.get(tensor, -1) + 1),
        }
        if op.kind == "resize2d":
            members["table"] = constants.array(np.array(op.attrs["rows"], np.uint16), name)
        if tensor.data is not None:
            where = constants.array(tensor.data, name)
            members["data"] = where if tensor.dtype == "int8" else f"(const int8_t *){where}"
        elif tensor not in self.maker:
            members["offset"] = f"{self.placed.offsets[tensor]}u"
        return "{" + ", ".join(f".{key} = {value}" for key, value in members.items() if value != "0") + "}"

    def _readers(self, i: int) -> list[tuple[int, int]]:
        """Those that decide which rows of a step's output are kept: no other is never ahead of them."""
        tensor = self.made[i][0]
        lows = {}
        for k, (_, turns) in enumerate(self.made[self.shift :], start=self.shift):
            op = self.steps[k - self.shift].op
            if tensor in op.inputs:
                lows[k, op.inputs.index(tensor)] = reading(op, tensor).low[turns.made]
        kept: list[tuple[int, int]] = []
        for reader in sorted(lows, reverse=True):
            if not any((lows[other] <= lows[reader]).all() for other in kept):
                kept = [other for other in kept if not (lows[reader] <= lows[other]).all()] + [reader]
        return sorted(kept)

    def _moved(self, i: int) -> list[int]:
        """The steps whose output this one is the last to read, and whose rows move then."""
        if i < self.shift:
            return []
        found = []
        for tensor in dict.fromkeys(self.steps[i - self.shift].op.inputs):
            maker = self.maker.get(tensor)
            behind = (step.op for step in self.steps[i - self.shift + 1 :])
            if maker is None or any(tensor in op.inputs for op in behind):
                continue
            if self._slide(self.made[maker][1]) == "QRT_ROWS_LEFT":
                found.append(maker)
        return found


def _window(op: Op) -> tuple[int, int, int]:
    """Of the rows that a row of the output reads of an input: their stride, how far they begin above, their number."""
    if averages(op) or op.kind not in (*WINDOWED, "resize2d"):
        return 1, 0, 1
    if op.kind == "resize2d":
        return 0, 0, 1
    taps = op.attrs["filter"][0] if "filter" in op.attrs else op.inputs[1].shape[1]
    return op.attrs["stride"][0], op.attrs["padding"][0], (taps - 1) * op.attrs.get("dilation", (1, 1))[0] + 1


def _member(params: dict[str, Value], path: str) -> int:
    """A number among the parameters, as ``broadcast.shape[0]``."""
    value: Any = params
    for part in path.replace("[", ".").replace("]", "").split("."):
        value = value[int(part)] if part.isdigit() else value[part]
    return int(value)
