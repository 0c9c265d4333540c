"""int16 and uint16 codes in ONNX files: what onnxruntime computes, which is float32 between quantize and dequantize."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from qdq import Net

import qrt
from qrt.compiler import CompileError, compile
from qrt.compiler.report import Deviation

runtime = pytest.importorskip("onnxruntime")

IMAGE = (1, 3, 32, 32)
Types = tuple[type, int]
# Types of codes with a zero point.
SIGNED, UNSIGNED, BYTES = (np.int16, 0), (np.uint16, 30000), (np.uint8, 120)


class Fine(Net):
    """A network of fine codes."""

    def codes(self, x: str, scale: float, codes: Types) -> str:
        parameters = self.constant(scale), self.constant(codes[1], codes[0])
        return self.node("DequantizeLinear", self.node("QuantizeLinear", x, *parameters), *parameters)

    def model(self, *outputs: str) -> onnx.ModelProto:
        infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        graph = helper.make_graph(self.nodes, "net", self.inputs, infos, self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def differing(model: onnx.ModelProto, scale: float, *inputs: np.ndarray) -> tuple[np.ndarray, list[Deviation]]:
    """By how many codes each result differs from onnxruntime's, and what the compiler says may differ."""
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(model.SerializeToString(), options)
    expected = session.run(None, {value.name: x for value, x in zip(session.get_inputs(), inputs, strict=True)})[0]
    compiled = compile(model)
    got = qrt.load(compiled.to_bytes()).run(*inputs, dequantize=True)
    if got.shape != expected.shape:
        got = got.transpose(0, 3, 1, 2)
    steps = np.rint((got.astype(np.float64) - expected) / scale)
    return np.abs(steps), compiled.report.deviations


Make = Callable[[Fine, str], str]
EXACT: dict[str, Make] = {
    "Clip": lambda n, x: n.node("Clip", x, n.constant(-0.7), n.constant(1.3)),
    "Concat": lambda n, x: n.node("Concat", x, x, axis=1),
    "Gather": lambda n, x: n.node("Gather", x, n.constant([2, 0, 1, 1], np.int64), axis=1),
    "Max": lambda n, x: n.node("Max", x, n.constant(0.31)),
    "MaxPool": lambda n, x: n.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]),
    "Relu": lambda n, x: n.node("Relu", x),
    "Reshape": lambda n, x: n.node("Reshape", x, n.constant([1, 3 * 32, 32], np.int64)),
    "Slice": lambda n, x: n.node("Slice", x, n.constant([0, 1, 2, 0], np.int64), n.constant([1, 3, 6, 8], np.int64)),
    "Transpose": lambda n, x: n.node("Transpose", x, perm=[0, 2, 3, 1]),
}
SUMS: dict[str, Make] = {
    "Add": lambda n, x: n.node("Add", x, n.node("Transpose", x, perm=[0, 1, 3, 2])),
    "Conv": lambda n, x: n.node("Conv", x, n.weights((4, 3, 3, 3)), _bias(n, 4)),
    "ConvTranspose": lambda n, x: n.node("ConvTranspose", x, n.weights((3, 4, 2, 2)), strides=[2, 2]),
    "Conv of asymmetric weights": lambda n, x: n.node("Conv", x, _asymmetric(n, (4, 3, 2, 2)), dilations=[2, 2]),
    "Conv depthwise of asymmetric weights": lambda n, x: n.node("Conv", x, _asymmetric(n, (3, 1, 3, 3)), group=3),
    "GlobalAveragePool": lambda n, x: n.node("GlobalAveragePool", x),
    "MatMul": lambda n, x: n.node("MatMul", x, x),
    "Mul": lambda n, x: n.node("Mul", x, x),
}


def _asymmetric(n: Fine, shape: tuple[int, ...]) -> str:
    codes, zero = n.constant(n.rng.integers(0, 256, shape), np.uint8), n.constant(40, np.uint8)
    return n.node("DequantizeLinear", codes, n.constant(0.01), zero)


def _bias(n: Fine, count: int) -> str:
    codes, scale = n.constant(n.rng.integers(-(10**6), 10**6, count), np.int32), n.constant(2e-4 * 0.01)
    return n.node("DequantizeLinear", codes, scale, n.constant(0, np.int32))


@pytest.mark.parametrize("codes", [SIGNED, UNSIGNED], ids=["int16", "uint16"])
@pytest.mark.parametrize("ratio", [1.0, 1.37])
@pytest.mark.parametrize("name", EXACT)
def test_every_code(name: str, ratio: float, codes: Types) -> None:
    n, scale = Fine(), 2e-4
    x = n.codes(n.float_input("x", IMAGE), scale, codes)
    model = n.model(n.codes(EXACT[name](n, x), scale * ratio, codes))
    given = n.rng.uniform(-8, 8, IMAGE).astype(np.float32)
    steps, deviations = differing(model, scale * ratio, given)
    assert not steps.any() and not deviations


@pytest.mark.parametrize("codes", [SIGNED, UNSIGNED], ids=["int16", "uint16"])
@pytest.mark.parametrize("name", SUMS)
def test_sums_are_rounded_once_and_named(name: str, codes: Types) -> None:
    n, scale = Fine(), 2e-4
    x = n.codes(n.float_input("x", IMAGE), scale, codes)
    model = n.model(n.codes(SUMS[name](n, x), 7.3e-4, codes))
    given = n.rng.uniform(-3, 3, IMAGE).astype(np.float32)
    steps, deviations = differing(model, 7.3e-4, given)
    assert steps.max() <= 1 and np.mean(steps > 0) < 0.01
    (deviation,) = deviations
    assert deviation.cases.endswith("in float32 by the engine, cases not counted")


@pytest.mark.parametrize("x_codes", [BYTES, SIGNED, UNSIGNED], ids=["uint8", "int16", "uint16"])
@pytest.mark.parametrize("y_codes", [BYTES, SIGNED, UNSIGNED], ids=["uint8", "int16", "uint16"])
def test_changes_of_type(x_codes: Types, y_codes: Types) -> None:
    """Changes of scale are checked for every code; a layer may have another type before and behind it."""
    scales = {np.uint8: 0.05, np.int16: 2e-4, np.uint16: 2e-4}
    for layer in (False, True):
        n = Fine(seed=3)
        x = n.codes(n.float_input("x", IMAGE), scales[x_codes[0]], x_codes)
        middle = n.node("Conv", x, n.weights((4, 3, 1, 1))) if layer else n.node("Identity", x)
        scale = scales[y_codes[0]] * 1.7
        steps, _ = differing(n.model(n.codes(middle, scale, y_codes)), scale, n.rng.uniform(-6, 6, IMAGE).astype("f4"))
        assert steps.max(initial=0) <= layer and np.mean(steps > 0) < 0.01


BOTH: dict[str, Callable[[Fine, str, str], str]] = {
    "Add": lambda n, x, z: n.node("Add", z, x),
    "MatMul": lambda n, x, z: n.node("MatMul", x, z),
    "Mul": lambda n, x, z: n.node("Mul", x, z),
    "Sub": lambda n, x, z: n.node("Sub", n.codes(n.node("Sub", _bytes(n), x), 3e-4, SIGNED), z),
    "two readers": lambda n, x, z: n.node("Add", n.codes(n.node("Mul", x, z), 6e-4, SIGNED), z),
    "Concat": lambda n, x, z: n.node("Concat", x, z, axis=1),
    "Max": lambda n, x, z: n.node("Max", x, z),
}


def _bytes(n: Fine) -> str:
    codes, zero = n.constant(n.rng.integers(0, 256, (3, 1, 1)), np.uint8), n.constant(40, np.uint8)
    return n.node("DequantizeLinear", codes, n.constant(0.01), zero)


@pytest.mark.parametrize("y_codes", [BYTES, SIGNED], ids=["uint8", "int16"])
@pytest.mark.parametrize("name", BOTH)
def test_inputs_of_two_types(name: str, y_codes: Types) -> None:
    """What reads int8 and int16 reads the values of the int8 codes in int16, which are the same."""
    n, scale = Fine(), {np.uint8: 0.1, np.int16: 9e-4}[y_codes[0]]
    inputs = [n.float_input(called, IMAGE) for called in "xz"]
    x, z = n.codes(inputs[0], 2e-4, SIGNED), n.codes(inputs[1], 0.03, BYTES)
    model = n.model(n.codes(BOTH[name](n, x, z), scale, y_codes))
    steps, _ = differing(model, scale, *(n.rng.uniform(-3, 3, IMAGE).astype(np.float32) for _ in inputs))
    assert steps.max() <= 1 and np.mean(steps > 0) < 0.01


def test_pairs_in_a_row_become_one() -> None:
    """Of two pairs of quantize and dequantize onnxruntime makes one, with a scale of its own."""
    n = Fine()
    x = n.codes(n.float_input("x", IMAGE), 2e-4, UNSIGNED)
    again = n.codes(x, 1.7e-4, (np.uint16, 33000))
    model = n.model(n.codes(n.node("Relu", again), 1.7e-4, (np.uint16, 33000)))
    steps, _ = differing(model, 1.7e-4, n.rng.uniform(-8, 8, IMAGE).astype(np.float32))
    assert not steps.any()


@pytest.mark.parametrize("codes", [SIGNED, UNSIGNED], ids=["int16", "uint16"])
def test_codes_as_inputs(codes: Types) -> None:
    n, (dtype, zero_point) = Fine(), codes
    element = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    n.inputs.append(helper.make_tensor_value_info("x", element, IMAGE))
    x = n.node("DequantizeLinear", "x", n.constant(2e-4), n.constant(zero_point, dtype))
    model = n.model(n.codes(n.node("Relu", x), 3e-4, codes))
    limits = np.iinfo(dtype)
    steps, _ = differing(model, 3e-4, n.rng.integers(limits.min, limits.max + 1, IMAGE).astype(dtype))
    assert not steps.any()


REFUSED: dict[str, tuple[Make, str]] = {
    "Pad": (
        lambda n, x: n.node("Pad", x, n.constant([0, 0, 1, 1, 0, 0, 1, 1], np.int64), n.constant(0.5)),
        "pads int16 codes with another code than 0",
    ),
    "Resize": (
        lambda n, x: n.node("Resize", x, "", n.constant([1, 1, 2, 2]), mode="nearest"),
        "needs resize2d, which has no arithmetic of int16 codes",
    ),
    "Sigmoid": (lambda n, x: n.node("Sigmoid", x), "a function from or to int16 codes"),
    "Softmax": (lambda n, x: n.node("Softmax", x), "reads int16 codes, which is not supported"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(name: str) -> None:
    make, reason = REFUSED[name]
    n = Fine()
    y = n.codes(make(n, n.codes(n.float_input("x", IMAGE), 2e-4, SIGNED)), 2e-4, SIGNED)
    with pytest.raises(CompileError, match=reason):
        compile(n.model(y))


def test_weights_of_int16_are_refused() -> None:
    n: Any = Fine()
    codes, scale = n.constant(n.rng.integers(-999, 999, (4, 3, 1, 1)), np.int16), n.constant(1e-4)
    weights = n.node("DequantizeLinear", codes, scale, n.constant(0, np.int16))
    x = n.codes(n.float_input("x", IMAGE), 2e-4, SIGNED)
    with pytest.raises(CompileError, match=r"its weights \w+ are int16"):
        compile(n.model(n.codes(n.node("Conv", x, weights), 2e-4, SIGNED)))
