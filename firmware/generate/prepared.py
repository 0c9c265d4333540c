"""A file's operators as the engine prepares them: the kernel that runs each, and its parameters as Python values."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrt._prepared import Prepared
from qrt.compiler.ir import Op
from qrt.compiler.plan.memory import BY_POSITION, BY_ROW, ONCE
from qrt.firmware.generate.layout import NUMBERS
from qrt.params import PARAMS, STRUCTS

# In the order of enum qrt_read_order.
READING = (BY_ROW, BY_POSITION, ONCE)
Array = NDArray[Any]
# A member of a structure: a number, an array member, a structure, or what a pointer points to (None: NULL).
Value = int | tuple[int, ...] | dict[str, Any] | Array | None


@dataclass(frozen=True, eq=False)
class Step:
    """An operator as a call of a kernel.

    Attributes
    ----------
    op : Op
        Of the graph that the file says.
    function : str
        The kernel's name in C.
    struct : str
        The name in C of the structure of its parameters.
    params : dict of str to Value
        The structure's members.
    scratch : int
        Bytes of temporary memory that the kernel needs.
    reading : str
        How it reads its input, see `qrt.compiler.plan.memory`.
    kernels : str
        The kernel set that the kernel is of: the target's, or portable.
    """

    op: Op
    function: str
    struct: str
    params: dict[str, Value]
    scratch: int
    reading: str
    kernels: str


def prepare(prepared: Prepared, ops: list[Op], kernels: str) -> list[Step]:
    """The steps of a valid file, in order.

    Parameters
    ----------
    prepared : Prepared
        The file, prepared for these kernels.
    ops : list of Op
        Its operators.
    kernels : str
        The kernel set of the target.
    """
    steps = []
    for i, op in enumerate(ops):
        struct = PARAMS[op.kind]
        source = _layout(struct).from_address(prepared.params(i))
        params = _members(struct, source, op, prepared.packed_size(i))
        if prepared.packs_all(i):
            _leave_out_arrays(params)
        scratch, reading = prepared.scratch_size(i), READING[prepared.reading(i)]
        function = prepared.function(i)
        of_set = "portable" if function.endswith("_s8") else kernels
        steps.append(Step(op, function, struct, params, scratch, reading, of_set))
    return steps


def _leave_out_arrays(values: dict[str, Value]) -> None:
    """Sets all pointers but that to the packed weights to NULL."""
    for name, value in values.items():
        if isinstance(value, dict):
            _leave_out_arrays(value)
        elif isinstance(value, np.ndarray) and name != "packed":
            values[name] = None


def _layout(struct: str) -> type[ctypes.Structure]:
    """The structure as the host's compiler lays it out."""
    members: list[tuple[str, Any]] = []
    for name, ctype, count in STRUCTS[struct]:
        element = _element(ctype)
        members.append((name, element * count if count > 1 else element))
    return type(struct, (ctypes.Structure,), {"_fields_": members})


def _element(ctype: str) -> Any:
    if ctype.endswith("*"):
        return ctypes.c_void_p
    return np.ctypeslib.as_ctypes_type(NUMBERS[ctype]) if ctype in NUMBERS else _layout(ctype)


def _members(struct: str, source: ctypes.Structure, op: Op, packed_size: int) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for name, ctype, count in STRUCTS[struct]:
        member = getattr(source, name)
        if name == "packed":
            # As words, so that C aligns them.
            values[name] = _array(member, "int32_t", packed_size // 4)
        elif ctype.endswith("*"):
            element = ctype.removeprefix("const ").rstrip(" *")
            values[name] = _array(member, element, 0 if member is None else LENGTHS[name](source, op))
        elif ctype not in NUMBERS:
            values[name] = _members(ctype, member, op, packed_size)
        else:
            values[name] = tuple(member) if count > 1 else int(member)
    return values


def _array(address: int | None, ctype: str, length: int) -> Array | None:
    # C has no arrays of no length.
    if address is None or length == 0:
        return None
    dtype = NUMBERS[ctype]
    array: Array = np.frombuffer(ctypes.string_at(address, length * dtype.itemsize), dtype)
    return array


# Of an lstm.
GATES = 4


def _channels(op: Op) -> int:
    """Entries of a bias; of an lstm those of its gates, all by one another."""
    return GATES * op.output.shape[-1] if op.kind == "lstm" else op.output.shape[-1]


def _entries(p: Any, op: Op) -> int:
    """Entries of a multiplier: one for each channel, unless it is a requantization's of which one serves all, or one
    each gate of an lstm."""
    if getattr(p, "step", 1):
        return _channels(op)
    return GATES if op.kind == "lstm" else 1


# How many elements a pointer of that name points to; qrt_kernels.h says so too.
LENGTHS: dict[str, Callable[[Any, Op], int]] = {
    "weights": lambda p, op: -(-math.prod(op.inputs[1].shape) // (2 if p.int4 else 1)),
    "multiplier": _entries,
    "shift": _entries,
    "addend": _entries,
    "bias": lambda p, op: _channels(op),
    "b_multiplier": lambda p, op: _channels(op) if p.requant.step else 1,
    "run_size": lambda p, op: p.input_count,
    "exponential": lambda p, op: p.exponential_count,
    "table": lambda p, op: 256,
    "rows": lambda p, op: p.out_height,
    "row_weight": lambda p, op: p.out_height,
    "columns": lambda p, op: p.out_width,
    "column_weight": lambda p, op: p.out_width,
}
