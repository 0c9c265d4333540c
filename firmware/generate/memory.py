"""How much memory the interpreter of a device, ``qrt_device.h``, needs for a file; counted as ``qrt_device.c`` does."""

from __future__ import annotations

from typing import Any

from qrt._prepared import Prepared
from qrt.compiler.backends.qfb.reader import read, read_bands
from qrt.compiler.ir import Graph
from qrt.compiler.plan.bands import Band
from qrt.firmware.generate.bands import kernel_inputs, row_scratch
from qrt.firmware.generate.layout import POINTER, layout
from qrt.params import PARAMS
from qrt.schema import generated as fb
from qrt.schema.operators import BY_NUMBER, Operator

ALIGNMENT = 8
# A qrt_device_step.
STEP = 4 * POINTER
# Of a band, see qrt_run_band.h: a run and its table; an operator; a tensor and how far it is; a reader.
BAND, OPERATOR, ROWS, READER = 20 + 24, 24, 44 + 16, 20


def _round_up(size: int, alignment: int = ALIGNMENT) -> int:
    return -(-size // alignment) * alignment


def _stays(operator: Operator, model: Any, source: Any) -> bool:
    """Whether it is a reshape of what is in its place already."""
    x, y = model.Tensors(source.Inputs(0)), model.Tensors(source.Output())
    return operator.name == "reshape" and x.DataLength() == 0 and bool(x.ArenaOffset() == y.ArenaOffset())


def _record(operator: Operator, inputs: int, takes_turns: bool) -> int:
    """Bytes of an operator's parameters, the places of its inputs but for weights, and the run sizes of a concat."""
    if operator.channels is not None:
        inputs = 1
    runs = 4 * inputs if operator.name == "concat" else 0
    places = 0 if takes_turns else POINTER * inputs
    return _round_up(layout(PARAMS[operator.name])[0], POINTER) + places + runs


def _tables(graph: Graph, band: Band) -> int:
    """Bytes of the tables of a band."""
    ops = graph.ops[band.first : band.stop]
    made = {op.output for op in ops} | ({graph.inputs[0].tensor} if band.feed is not None else set())
    inputs = [kernel_inputs(op) for op in ops]
    count = sum(map(len, inputs))
    rows = len(made) + sum(tensor not in made for tensors in inputs for tensor in tensors)
    size = BAND + OPERATOR * len(ops) + ROWS * rows + READER * count
    return size + POINTER * max(map(len, inputs)) + 2 * 2 * count


def interpreter_memory(content: bytes, kernels: str) -> int:
    """Bytes of memory that ``qrt_device_open`` needs on a 32-bit device.

    Parameters
    ----------
    content : bytes
        A valid file.
    kernels : str
        The kernel set whose operators it is given.
    """
    model, prepared = fb.Model.GetRootAs(content, 0), Prepared(content, kernels)
    graph, bands = read(content), read_bands(content)
    turns = {band.first + i: band for band in bands for i in range(len(band.paces))}
    count: int = model.OperatorsLength()
    total: int = _round_up(model.ArenaSize()) + _round_up(STEP * count)
    total += sum(_round_up(_tables(graph, band)) for band in bands)
    scratch = 0
    for i, op in enumerate(graph.ops):
        source = model.Operators(i)
        operator = BY_NUMBER[source.OptionsType()]
        if _stays(operator, model, source):
            continue
        total += _round_up(_record(operator, source.InputsLength(), i in turns)) + _round_up(prepared.packed_size(i))
        needed = row_scratch(prepared, i, op, turns[i]) if i in turns else prepared.scratch_size(i)
        scratch = max(scratch, needed)
    return total + _round_up(scratch)
