"""How much memory the interpreter of a device, ``qrt_device.h``, needs for a file; counted as ``qrt_device.c`` does."""

from __future__ import annotations

from typing import Any

from qrt._prepared import Prepared
from qrt.firmware.generate.layout import POINTER, layout
from qrt.params import PARAMS
from qrt.schema import generated as fb
from qrt.schema.operators import BY_NUMBER, Operator

ALIGNMENT = 8
# A qrt_device_step.
STEP = 4 * POINTER


def _round_up(size: int, alignment: int = ALIGNMENT) -> int:
    return -(-size // alignment) * alignment


def _stays(operator: Operator, model: Any, source: Any) -> bool:
    """Whether it is a reshape of what is in its place already."""
    x, y = model.Tensors(source.Inputs(0)), model.Tensors(source.Output())
    return operator.name == "reshape" and x.DataLength() == 0 and bool(x.ArenaOffset() == y.ArenaOffset())


def _record(operator: Operator, inputs: int) -> int:
    """Bytes of an operator's parameters, the places of its inputs but for weights, and the run sizes of a concat."""
    if operator.channels is not None:
        inputs = 1
    runs = 4 * inputs if operator.name == "concat" else 0
    return _round_up(layout(PARAMS[operator.name])[0], POINTER) + POINTER * inputs + runs


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
    count: int = model.OperatorsLength()
    total: int = _round_up(model.ArenaSize()) + _round_up(STEP * count)
    for i in range(count):
        source = model.Operators(i)
        operator = BY_NUMBER[source.OptionsType()]
        if not _stays(operator, model, source):
            total += _round_up(_record(operator, source.InputsLength())) + _round_up(prepared.packed_size(i))
    return total + _round_up(max((prepared.scratch_size(i) for i in range(count)), default=0))
