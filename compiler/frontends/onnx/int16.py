"""A quantized ONNX network -> the same network with uint16 codes in some places, 257 times as fine.

The code c of uint8 becomes 257 c of uint16: the same range of real values, with 256 steps in place of each one. Biases
stay as they are; their rounding is that of one product of codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from qrt.compiler.errors import CompileError, Problem

if TYPE_CHECKING:
    import onnx

# 65535 / 255.
FINER = 257
# Since this version of ONNX its own operators quantize to 16 bits; before, onnxruntime's do.
SIXTEEN_BITS = 21
ONNXRUNTIME = "com.microsoft"


def layers(content: bytes) -> list[str]:
    """The layers whose outputs can be given 16 bits, and the inputs of the network, in order."""
    import onnx

    return [names[0] for names in _places(onnx.load_from_string(content)).values()]


def with_int16(content: bytes, chosen: Sequence[str]) -> bytes:
    """The network with codes of 16 bits for these inputs and outputs of layers: names of nodes or of their tensors.

    Raises
    ------
    CompileError
        There is no such layer.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load_from_string(content)
    places = _places(model)
    known = {name for names in places.values() for name in names}
    if unknown := [name for name in chosen if name not in known]:
        reason = f"is no layer with quantized outputs; there are {', '.join(names[0] for names in places.values())}"
        raise CompileError([Problem(name, "layer", reason) for name in unknown])
    parameters = {place for place, names in places.items() if not set(names).isdisjoint(chosen)}
    scales, zero_points = ({place[i] for place in parameters} for i in (0, 1))
    for constant in model.graph.initializer:
        value = numpy_helper.to_array(constant)
        if constant.name in scales:
            value = value / np.float32(FINER)
        elif constant.name in zero_points:
            value = value.astype(np.uint16) * np.uint16(FINER)
        else:
            continue
        constant.CopyFrom(numpy_helper.from_array(value, constant.name))
    _name_domain(model, scales)
    written: bytes = model.SerializeToString()
    return written


def _name_domain(model: onnx.ModelProto, fine: set[str]) -> None:
    """Lets onnxruntime's own operators quantize to 16 bits where ONNX's do not."""
    import onnx

    versions = {entry.domain: entry.version for entry in model.opset_import}
    if versions[""] >= SIXTEEN_BITS:
        return
    for node in model.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear") and node.input[1] in fine:
            node.domain = ONNXRUNTIME
    if ONNXRUNTIME not in versions:
        model.opset_import.append(onnx.helper.make_opsetid(ONNXRUNTIME, 1))


def _places(model: onnx.ModelProto) -> dict[tuple[str, str], list[str]]:
    """For each scale and zero point of activations, the nodes that give such codes, and then their tensors.

    Nodes that only move or compare codes (Reshape, MaxPool) share those of the node before them.
    """
    writers = {name: node.name for node in model.graph.node for name in node.output}
    nodes: dict[tuple[str, str], list[str]] = {}
    tensors: dict[tuple[str, str], list[str]] = {}
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            read, *place = node.input
            nodes.setdefault(tuple(place), []).append(writers.get(read) or read)
            tensors.setdefault(tuple(place), []).append(read)
    return {place: [*names, *tensors[place]] for place, names in nodes.items()}
