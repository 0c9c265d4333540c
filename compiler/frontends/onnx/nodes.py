"""Translators of standard ONNX operators, each ``(importer, node)``; `NODES` lists them by type."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.onnx.channels import dequantize_channels, quantize_channels
from qrt.compiler.frontends.onnx.convolutions import CONVOLUTIONS
from qrt.compiler.frontends.onnx.elementwise import ELEMENTWISE
from qrt.compiler.frontends.onnx.importer import Importer, Translator
from qrt.compiler.frontends.onnx.movement import MOVEMENT, POSITIONS
from qrt.compiler.frontends.onnx.normalizations import NORMALIZATIONS
from qrt.compiler.frontends.onnx.pools import POOLS
from qrt.compiler.frontends.onnx.products import PRODUCTS
from qrt.compiler.frontends.onnx.reductions import REDUCTIONS
from qrt.compiler.frontends.onnx.resize import RESIZES
from qrt.compiler.ir import Quantization

if TYPE_CHECKING:
    import onnx

CODES = ("int8", "uint8", "int16", "uint16")


def _type_name(number: int) -> str:
    """The name of one of ONNX's types, as numpy spells it."""
    import onnx

    name = str(onnx.TensorProto.DataType.Name(number)).lower()
    return "float32" if name == "float" else name


def quantize_linear(importer: Importer, node: onnx.NodeProto) -> None:
    attrs = importer.attributes(node)
    importer.refuse_four_bits(node)
    dtype = _type_name(attrs["output_dtype"]) if attrs.get("output_dtype") else "uint8"
    dtype = importer.input(node, 2).dtype if importer.has(node, 2) else dtype
    if dtype not in CODES:
        raise Unsupported(f"quantizes to {dtype}; only int8, uint8, int16 and uint16 are supported")
    quantization = importer.quantization(node, 1, 2, attrs.get("axis", 1) % max(len(importer.input(node).shape), 1))
    if quantization.per_channel:
        quantize_channels(importer, node, quantization, dtype)
        return
    importer.quantize(node, importer.input(node), quantization, dtype)


def dequantize_linear(importer: Importer, node: onnx.NodeProto) -> None:
    attrs, codes = importer.attributes(node), importer.input(node)
    axis = attrs.get("axis", 1)
    if attrs.get("block_size"):
        raise Unsupported("has a scale for each block of codes; quantize the weights per tensor or per channel")
    if codes.dtype not in (*CODES, *(["int32"] if codes.is_constant else [])):
        raise Unsupported(f"reads codes of type {codes.dtype}; only int8, uint8, int16 and uint16 are supported")
    quantization = importer.quantization(node, 1, 2, axis % max(len(codes.shape), 1))
    if quantization.per_channel and not codes.is_constant:
        dequantize_channels(importer, node, codes, quantization)
        return
    importer.values[node.output[0]] = importer.dequantize(node, codes, quantization, node.output[0])


def identity(importer: Importer, node: onnx.NodeProto) -> None:
    importer.values[node.output[0]] = importer.input(node)


def cast(importer: Importer, node: onnx.NodeProto) -> None:
    """Casts that change nothing, of codes to the numbers that they are, and of positions to other integers."""
    x, target = importer.input(node), _type_name(importer.attributes(node)["to"])
    if x.dtype == target or (x.dtype in POSITIONS and target in POSITIONS):
        identity(importer, node)
    elif x.dtype in CODES and x.quantization is None and target == "float32":
        plain = Quantization(np.asarray(1, np.float32), np.asarray(0, np.int32))
        importer.values[node.output[0]] = importer.dequantize(node, x, plain, node.output[0])
    else:
        raise Unsupported(f"casts {x.dtype} to {target}, which is not supported")


NODES: dict[str, Translator] = {
    "QuantizeLinear": quantize_linear,
    "DequantizeLinear": dequantize_linear,
    "Identity": identity,
    "Dropout": identity,
    "Cast": cast,
    **CONVOLUTIONS,
    **POOLS,
    **PRODUCTS,
    **ELEMENTWISE,
    **REDUCTIONS,
    **NORMALIZATIONS,
    **MOVEMENT,
    **RESIZES,
}

# Why an operator is not supported, where there is more to say than that.
CONTROL_FLOW = "is control flow, which is not supported; simplify the model with onnxsim or onnxslim"
SEQUENCE = "works on sequences, which are not supported"
RECURRENT = (
    "is recurrent; export one step of it as plain operators, with"
    " its state as an input and an output, and name these with --state"
)
SELECTION = "chooses by values, and the runtime has no such operator; end the graph before it"
REASONS: dict[str, str] = {
    **dict.fromkeys(("If", "Loop", "Scan"), CONTROL_FLOW),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), RECURRENT),
    **dict.fromkeys(("SplitToSequence", "ConcatFromSequence", "ReverseSequence"), SEQUENCE),
    **dict.fromkeys(
        ("SequenceAt", "SequenceConstruct", "SequenceEmpty", "SequenceErase", "SequenceInsert", "SequenceLength"),
        SEQUENCE,
    ),
    **dict.fromkeys(("Optional", "OptionalGetElement", "OptionalHasElement"), SEQUENCE),
    **dict.fromkeys(("TopK", "NonMaxSuppression", "NonZero", "Unique", "Compress"), SELECTION),
}
