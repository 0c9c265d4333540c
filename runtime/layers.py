"""The layers of a network, and the tensors that they make, by name."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qrt._executor import Program
from qrt.edges import TensorInfo, tensor_info


@dataclass(frozen=True)
class Layer:
    """An operator of the file.

    Attributes
    ----------
    index : int
        Its number, counted from 0.
    name : str
        Empty in a file without names (``qrt compile --strip``).
    kind : str
        What it computes, for example ``"conv2d"``.
    inputs, input_shapes : tuple of str, tuple of tuple of int
        Names and shapes of the tensors that it reads, without constants.
    output, output_shape : str, tuple of int
        Name and shape of the tensor that it makes; NHWC, weights OHWI.
    dtype : str
        Of that tensor.
    macs : int
        Multiply-accumulates of one run; 0 for a layer that sums no products.
    weight_bytes : int
        Bytes of its constants in the file; of multipliers, biases and tables `qrt inspect` knows the bytes.
    """

    index: int
    name: str
    kind: str
    inputs: tuple[str, ...]
    output: str
    input_shapes: tuple[tuple[int, ...], ...]
    output_shape: tuple[int, ...]
    dtype: str
    macs: int
    weight_bytes: int


def macs(kind: str, inputs: Sequence[tuple[int, ...]], output: tuple[int, ...]) -> int:
    """Multiply-accumulates of an operator that sums products, from the shapes; 0 for others."""
    match kind:
        case "conv2d" | "linear":
            return math.prod(output) * math.prod(inputs[1][1:])
        case "dwconv2d":
            return math.prod(output) * math.prod(inputs[1][1:3])
        case "transpose_conv2d":
            return math.prod(inputs[0][:3]) * math.prod(inputs[1])
        case "matmul":
            return math.prod(output) * inputs[0][-1]
        case "lstm" | "svdf":
            return math.prod(inputs[0][:-1]) * (math.prod(inputs[1]) + math.prod(inputs[2]))
        case _:
            return 0


def layers_of(program: Program) -> tuple[Layer, ...]:
    """The layers in the order in which they run."""
    tensors = program.tensors
    layers = []
    for index, (name, kind, inputs, output) in enumerate(program.operators):
        read = [tensors[i] for i in inputs if tensors[i][5] == 0]
        made, shape, dtype, *_ = tensors[output]
        count = macs(kind, [tensors[i][1] for i in inputs], shape)
        size = sum(tensors[i][5] for i in inputs)
        names, shapes = tuple(tensor[0] for tensor in read), tuple(tensor[1] for tensor in read)
        layers.append(Layer(index, name, kind, names, made, shapes, shape, dtype, count, size))
    return tuple(layers)


def find_layer(program: Program, wanted: str | int) -> int:
    """The number of the layer of this number or name, or that makes the tensor of this name.

    Raises
    ------
    ValueError
        There is none, or several; the message lists them, or names that are near.
    """
    operators, tensors = program.operators, program.tensors
    if not isinstance(wanted, str):
        if not 0 <= wanted < len(operators):
            raise ValueError(f"no layer {wanted}; they are 0 to {len(operators) - 1}")
        return wanted
    named: dict[str, list[int]] = {}
    for index, (name, _, _, output) in enumerate(operators):
        for known in {name, tensors[output][0]} - {""}:
            named.setdefault(known, []).append(index)
    found = named.get(wanted, [])
    # A layer's name comes before that of a tensor.
    found = [index for index in found if operators[index][0] == wanted] or found
    if len(found) > 1:
        raise ValueError(f"layers {', '.join(map(str, found))} are named {wanted!r}; give a number")
    if not found:
        near = difflib.get_close_matches(wanted, named, 3)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "give a name or number of Model.layers"
        hint = hint if named else "the file has no names; give numbers of Model.layers"
        raise ValueError(f"no layer or tensor {wanted!r}; {hint}")
    return found[0]


def info_of(program: Program, index: int) -> TensorInfo:
    """Scale and zero point of what a layer makes."""
    output = program.operators[index][3]
    for edge in program.outputs:
        if edge["tensor"] == output:
            return tensor_info(edge)
    name, shape, dtype, scale, zero_point, _ = program.tensors[output]
    return TensorInfo(name, shape, np.dtype(dtype), scale, zero_point, (), "NHWC", "DIVIDE", "INT8", None)
