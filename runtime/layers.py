"""The layers of a network, and the tensors that they make, by name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qrt._executor import Program
from qrt.edges import TensorInfo, tensor_info
from qrt.schema.macs import macs


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


def find_layers(program: Program, wanted: Sequence[str | int]) -> tuple[list[int], list[TensorInfo]]:
    """The layers of these numbers or names, or that make the tensors of these names, and what they make.

    Returns
    -------
    list of int, list of TensorInfo
        Their numbers; scales and zero points of their outputs.

    Raises
    ------
    ValueError
        There is none, or several; the message lists them, or names that are near.
    """
    operators, tensors = program.operators, program.tensors
    named: dict[str, list[int]] = {}
    for index, (name, _, _, output) in enumerate(operators):
        for known in {name, tensors[output][0]} - {""}:
            named.setdefault(known, []).append(index)
    edges = {edge["tensor"]: edge for edge in reversed(program.outputs)}
    layers, infos = [], []
    for one in wanted:
        layer = _named(operators, named, one) if isinstance(one, str) else _numbered(operators, one)
        layers.append(layer)
        output = operators[layer][3]
        if output in edges:
            infos.append(tensor_info(edges[output]))
        else:
            name, shape, dtype, scale, zero_point, _ = tensors[output]
            infos.append(
                TensorInfo(name, shape, np.dtype(dtype), scale, zero_point, (), "NHWC", "DIVIDE", "INT8", None)
            )
    return layers, infos


def _numbered(operators: Sequence[Any], wanted: int) -> int:
    if not 0 <= wanted < len(operators):
        raise ValueError(f"no layer {wanted}; they are 0 to {len(operators) - 1}")
    return wanted


def _named(operators: Sequence[Any], named: Mapping[str, list[int]], wanted: str) -> int:
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
