"""TensorFlow Lite's operators that keep their own state from run to run: SVDF, UNIDIRECTIONAL_SEQUENCE_LSTM."""

from __future__ import annotations

from typing import Any

import numpy as np

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.tflite.importer import Importer
from qrt.compiler.frontends.tflite.node import Node
from qrt.compiler.integers.recurrent import cell_power
from qrt.compiler.ir import Quantization, Tensor

# Inputs of UNIDIRECTIONAL_SEQUENCE_LSTM by their places.
GATES = 4
INPUT_WEIGHTS, RECURRENT_WEIGHTS, BIASES = 1, 5, 12
HIDDEN, CELL = 18, 19
VARIANTS = {"peepholes": (9, 10, 11), "a projection": (16, 17), "layer normalization": (20, 21, 22, 23)}


def _inputs(importer: Importer, node: Node, count: int) -> list[Tensor | None]:
    """The inputs by their places; None where the file leaves one out."""
    stated = [node.source.Inputs(k) for k in range(node.source.InputsLength())]
    return [importer.tensor(k) if k >= 0 else None for k in (*stated, *[-1] * (count - len(stated)))]


def _check_engine(importer: Importer) -> None:
    if importer.match != "tflm":
        raise Unsupported("is computed differently by LiteRT; compile with --match tflm")


def _constant(tensor: Tensor | None, what: str, *dtypes: str) -> Tensor:
    """Weights: constants with one scale and zero point 0."""
    if tensor is None or tensor.data is None or tensor.dtype not in dtypes or tensor.quantization is None:
        raise Unsupported(f"its {what} are not constant {' or '.join(dtypes)}; convert the file again")
    if tensor.quantization.per_channel or tensor.zero_point != 0:
        raise Unsupported(f"its {what} have several scales or a zero point; quantize the network again")
    return tensor


def _bias(tensor: Tensor | None, count: int) -> np.ndarray:
    if tensor is None:
        return np.zeros(count, np.int64)
    if tensor.data is None or tensor.dtype not in ("int32", "int64") or tensor.size != count:
        raise Unsupported(f"its bias {tensor.name!r} is not constant int32 or int64; convert the file again")
    return tensor.data.reshape(-1).astype(np.int64)


def _state(importer: Importer, node: Node, place: int, shape: tuple[int, ...], *dtypes: str) -> Tensor:
    """The variable at that place of the inputs; it starts with real zeros."""
    index = node.source.Inputs(place)
    tensor = importer.tensor(index)
    if not importer.model.Subgraphs(0).Tensors(index).IsVariable() or tensor.data is not None:
        raise Unsupported(f"its state {tensor.name!r} is not a variable; convert the file again")
    if tensor.dtype not in dtypes or tensor.shape != shape or tensor.quantization is None:
        reason = f"its state {tensor.name!r} is {tensor.dtype}{list(tensor.shape)}, not {dtypes[0]}{list(shape)}"
        raise Unsupported(f"{reason}; convert the file again")
    if tensor.is_state:
        raise Unsupported(f"shares its state {tensor.name!r} with another operator; give it one of its own")
    if tensor.dtype == "int16" and tensor.zero_point != 0:
        raise Unsupported(f"its state {tensor.name!r} is int16 with a zero point; quantize the network again")
    tensor.initial = np.full(tensor.shape, tensor.zero_point, tensor.dtype)
    return tensor


def svdf(importer: Importer, node: Node) -> None:
    _check_engine(importer)
    rank = importer.options(node, "SVDFOptions").Rank()
    x, features, time, bias, _ = _inputs(importer, node, 5)
    assert x is not None
    features = _constant(features, "feature weights", "int8")
    time = _constant(time, "time weights", "int8", "int16")
    filters, memory = time.shape
    state = _state(importer, node, 4, (x.shape[0], filters * memory), time.dtype)
    attrs: dict[str, Any] = {"rank": rank, "bias": _bias(bias, filters // rank)}
    # The kernel ignores the activation.
    importer.emit("svdf", node, [x, features, time, state], **attrs)


def _gates(inputs: list[Tensor | None], first: int, what: str) -> Tensor:
    """The weights of the four gates as one constant."""
    parts = [_constant(tensor, what, "int8") for tensor in inputs[first : first + GATES]]
    scales = np.concatenate([np.full(part.shape[0], part.scale, np.float32) for part in parts])
    quantization = Quantization(scales, np.zeros(len(scales), np.int32), 0)
    data = np.concatenate([part.data for part in parts if part.data is not None])
    return Tensor(parts[0].name, data.shape, "int8", quantization, data)


def _check_lstm(importer: Importer, options: Any, inputs: list[Tensor | None]) -> None:
    for what, places in VARIANTS.items():
        if any(inputs[k] is not None for k in places):
            raise Unsupported(f"has {what}, which TFLM does not compute; use a plain LSTM")
    if inputs[INPUT_WEIGHTS] is None:
        raise Unsupported("couples its input gate with its forget gate; use a plain LSTM")
    if options.FusedActivationFunction() != importer.tflite.ActivationFunctionType.TANH:
        raise Unsupported("has another activation than tanh; use a plain LSTM")


def unidirectional_sequence_lstm(importer: Importer, node: Node) -> None:
    _check_engine(importer)
    options = importer.options(node, "UnidirectionalSequenceLSTMOptions")
    inputs = _inputs(importer, node, 24)
    _check_lstm(importer, options, inputs)
    x, y = inputs[0], node.output
    assert x is not None
    weights = _gates(inputs, INPUT_WEIGHTS, "input weights")
    recurrent = _gates(inputs, RECURRENT_WEIGHTS, "recurrent weights")
    units, major = recurrent.shape[1], bool(options.TimeMajor())
    shape = (x.shape[1 if major else 0], units)
    h, c = _state(importer, node, HIDDEN, shape, x.dtype), _state(importer, node, CELL, shape, "int16")
    try:
        cell_power(c.scale)
    except ValueError as error:
        raise Unsupported(f"{error}; quantize the network again") from None
    clip = options.CellClip()
    attrs: dict[str, Any] = {"time_major": major, "cell_clip": int(min(clip / c.scale, 32767.0)) if clip > 0 else 0}
    if clip > 0 and attrs["cell_clip"] == 0:
        raise Unsupported(f"clips its cell to {clip:g}, below one step of its scale; use a larger cell_clip")
    attrs["bias"] = np.concatenate([_bias(tensor, units) for tensor in inputs[BIASES : BIASES + GATES]])
    # What the output is said to mean is ignored: its codes are those of h.
    assert h.quantization is not None and y.quantization is not None
    same = h.quantization.same_as(y.quantization)
    out = y if same else Tensor(f"{node.name}_h", y.shape, y.dtype, h.quantization)
    importer.emit("lstm", node, [x, weights, recurrent, h, c], out, **attrs)
    if not same:
        importer.recode(node, out, y)
