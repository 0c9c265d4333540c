"""ONNX networks against onnxruntime, operator by operator and as whole networks, and unsupported ones.

onnxruntime multiplies by a float32 scale and rounds half to even, so a code may differ by one if the
real result is within a float's error of a tie; nothing else may differ.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from qrt.compiler import CompileError, compile
from qrt.compiler import compile as qrt_compile

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
onnx_models = pytest.importorskip("onnx_models")

TensorProto, helper = onnx.TensorProto, onnx.helper
Net, both, quantized = onnx_models.Net, onnx_models.both, onnx_models.quantized

IMAGE = (1, 3, 9, 8)


def residual(n: Net) -> str:
    y = n.node("Relu", n.conv("x", 8, 3, pads=[1, 1, 1, 1]))
    z = n.conv(n.node("Relu", n.conv(y, 8, 8, pads=[1, 1, 1, 1])), 8, 8, pads=[1, 1, 1, 1])
    y = n.node("Relu", n.node("Add", y, z))
    y = n.node("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2])
    y = n.node("Flatten", n.node("GlobalAveragePool", y))
    return n.gemm(y, 5, 8)


def inverted(n: Net) -> str:
    """MobileNetV2's block: expand, depthwise, project, relu6 as Clip, residual."""

    def relu6(x: str) -> str:
        return n.node("Clip", x, n.constant(0.0), n.constant(6.0))

    y = relu6(n.conv("x", 12, 3, (1, 1)))
    y = relu6(n.conv(y, 12, 1, pads=[1, 1, 1, 1], group=12))
    y = n.node("Add", n.conv(y, 3, 12, (1, 1)), "x")
    return n.gemm(n.node("ReduceMean", y, axes=[2, 3], keepdims=0), 5, 3)


def flatten_of_an_image(n: Net) -> str:
    y = n.conv("x", 4, 3, strides=[2, 2])
    return n.gemm(n.node("Relu", n.node("Flatten", n.node("LeakyRelu", y, alpha=0.1))), 6, 4 * 4 * 3)


def branches(n: Net) -> str:
    a, b = n.conv("x", 4, 3, pads=[1, 1, 1, 1]), n.node("Sigmoid", n.conv("x", 5, 3, (1, 1)))
    y = n.node("Concat", a, b, axis=1)
    return n.conv(y, 4, 9, (1, 1))


def squeeze_and_excite(n: Net) -> str:
    y = n.conv("x", 8, 3, pads=[1, 1, 1, 1])
    s = n.node("Relu", n.conv(n.node("GlobalAveragePool", y), 4, 8, (1, 1)))
    s = n.node("Sigmoid", n.conv(s, 8, 4, (1, 1)))
    return n.node("Mul", y, s)


def function(kind: str) -> Callable[[Net], str]:
    return lambda n: n.conv(n.node(kind, n.conv("x", 4, 3)), 4, 4)


def silu(n: Net) -> str:
    y = n.conv("x", 4, 3)
    return n.node("Mul", y, n.node("Sigmoid", y))


def average_pool(**attrs: object) -> Callable[[Net], str]:
    return lambda n: n.node("AveragePool", n.conv("x", 4, 3), **attrs)


def grouped(n: Net) -> str:
    return n.conv(n.conv("x", 8, 3), 12, 2, group=4, dilations=[2, 1])


def same_upper(n: Net) -> str:
    return n.conv("x", 5, 3, (4, 3), auto_pad="SAME_UPPER", strides=[2, 3])


def padded(n: Net) -> str:
    y = n.node("Pad", "x", n.constant([0, 0, 1, 2, 0, 0, 0, 1], np.int64))
    return n.conv(y, 4, 3)


def max_pool_with_ceiling(n: Net) -> str:
    return n.node("MaxPool", n.conv("x", 4, 3), kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)


def softmax(n: Net) -> str:
    return n.node("Softmax", n.gemm(n.node("Flatten", n.node("GlobalAveragePool", n.conv("x", 8, 3))), 7, 8), axis=-1)


def mat_mul(n: Net) -> str:
    y = n.node("Flatten", n.node("GlobalAveragePool", n.conv("x", 8, 3)))
    y = n.node("MatMul", y, n.constant(n.rng.normal(size=(8, 6))))
    return n.node("Add", y, n.constant(n.rng.normal(size=6)))


def shuffled(n: Net) -> str:
    """Channel shuffle: a reshape and a transpose that no layout takes away."""
    y = n.conv("x", 8, 3)
    y = n.node("Reshape", y, n.constant([0, 2, 4, 7, 6], np.int64))
    y = n.node("Reshape", n.node("Transpose", y, perm=[0, 2, 1, 3, 4]), n.constant([0, 8, 7, 6], np.int64))
    return n.conv(y, 4, 8, (1, 1))


NETWORKS: dict[str, Callable[[Net], str]] = {
    "residual": residual,
    "inverted": inverted,
    "flatten_of_an_image": flatten_of_an_image,
    "branches": branches,
    "squeeze_and_excite": squeeze_and_excite,
    "silu": silu,
    "hard_swish": function("HardSwish"),
    "hard_sigmoid": function("HardSigmoid"),
    "tanh": function("Tanh"),
    "elu": function("Elu"),
    "average_pool": average_pool(kernel_shape=[2, 2], strides=[2, 2]),
    "average_pool_padded": average_pool(kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1),
    "grouped": grouped,
    "same_upper": same_upper,
    "padded": padded,
    "max_pool_with_ceiling": max_pool_with_ceiling,
    "softmax": softmax,
    "mat_mul": mat_mul,
    "shuffled": shuffled,
}
TRANSPOSED = {"shuffled": 2}
# onnxruntime's own integer softmax behind QDQ rounds down, so this one is compared with its float softmax.
UNOPTIMIZED = {("softmax", "QDQ")}


def float_model(name: str) -> onnx.ModelProto:
    n = Net(IMAGE, seed=len(name))
    return n.model(NETWORKS[name](n))


@pytest.mark.parametrize("style", ["QDQ", "QOperator"])
@pytest.mark.parametrize("name", NETWORKS)
def test_codes_of_onnxruntime(name: str, style: str) -> None:
    compiled, ours, theirs = both(quantized(float_model(name), style=style), optimized=(name, style) not in UNOPTIMIZED)
    assert len(np.unique(theirs)) > 10
    assert np.abs(ours - theirs).max() <= 1
    assert np.mean(ours == theirs) >= 0.999
    assert compiled.report.operators.get("transpose", 0) <= TRANSPOSED.get(name, 0)


@pytest.mark.parametrize("activations", ["QUInt8", "QInt8"])
@pytest.mark.parametrize("per_channel", [True, False])
def test_every_granularity(activations: str, per_channel: bool) -> None:
    model = quantized(float_model("residual"), activations=activations, per_channel=per_channel)
    _, ours, theirs = both(model)
    # With int8 activations onnxruntime keeps convolutions in float, which may move a code by one.
    assert np.abs(ours - theirs).max() <= 1
    assert np.mean(ours == theirs) >= (0.999 if activations == "QUInt8" else 0.98)


def test_ordinary_networks_become_few_operators() -> None:
    compiled = compile(quantized(float_model("residual")))
    assert compiled.report.operators == {"conv2d": 3, "add": 1, "max_pool2d": 1, "mean": 1, "reshape": 1, "linear": 1}
    compiled = compile(quantized(float_model("inverted")))
    assert compiled.report.operators == {"conv2d": 2, "dwconv2d": 1, "add": 1, "mean": 1, "reshape": 1, "linear": 1}
    assert compiled.graph.inputs[0].source_layout == "NCHW"
    assert "pad" not in compile(quantized(float_model("padded"))).report.operators


def test_convolution_over_one_axis() -> None:
    n = Net((1, 3, 20))
    y = n.node("Relu", n.conv("x", 6, 3, (5,), strides=[2], pads=[2, 1]))
    model = n.model(n.conv(y, 4, 6, (3,), dilations=[2]))
    compiled, ours, theirs = both(quantized(model))
    assert np.abs(ours - theirs).max() <= 1
    assert np.mean(ours == theirs) >= 0.999
    # One where the input comes with its channels first, one where the output leaves so; none between the layers.
    assert compiled.report.operators["transpose"] == 2


def test_symbolic_batch_becomes_1() -> None:
    n = Net(("batch", 3, 9, 8))
    y = n.node("Flatten", n.node("GlobalAveragePool", n.conv("x", 8, 3)))
    compiled, ours, theirs = both(quantized(n.model(n.gemm(y, 4, 8))))
    assert compiled.graph.inputs[0].tensor.shape == (1, 9, 8, 3)
    assert np.mean(ours == theirs) >= 0.99


def test_constants_computed_from_shapes() -> None:
    n = Net(IMAGE)
    y = n.conv("x", 8, 3)
    shape = n.node("Shape", y)
    batch = n.node("Unsqueeze", n.node("Gather", shape, n.constant(0, np.int64)), n.constant([0], np.int64))
    target = n.node("Concat", batch, n.constant([-1], np.int64), axis=0)
    model = n.model(n.gemm(n.node("Reshape", y, target), 4, 8 * 7 * 6))
    _, ours, theirs = both(quantized(model))
    assert np.abs(ours - theirs).max() <= 1


# What is refused


def problems(model: onnx.ModelProto) -> list[tuple[str, str]]:
    with pytest.raises(CompileError) as caught:
        qrt_compile(model).to_bytes()
    return [(problem.name, problem.kind) for problem in caught.value.problems]


def test_every_unknown_node_is_named_at_once() -> None:
    n = Net(IMAGE)
    y = n.node("Relu", n.conv("x", 4, 3))
    y = n.node("Sin", y)
    n.node("Cos", y)
    model = quantized(n.model(n.node("Tan", n.node("Cos", y))))
    found = problems(model)
    assert ("node_Sin2", "Sin") in found
    assert ("node_Tan5", "Tan") in found
    assert sum(kind == "Cos" for _, kind in found) == 2


def test_a_float_network_is_refused_with_the_remedy() -> None:
    with pytest.raises(CompileError, match=r"is a float network; quantize it: .* --calibrate DATA") as caught:
        qrt_compile(float_model("residual")).to_bytes()
    assert len(caught.value.problems) == 1


def test_outputs_that_no_input_reaches_are_refused() -> None:
    n = Net(IMAGE)
    n.nodes.append(helper.make_node("Shape", ["x"], ["y"]))
    assert problems(n.model("y")) == [("y", "output")]


def test_a_float_tail_is_refused() -> None:
    model = quantized(float_model("residual"))
    output = model.graph.output[0].name
    model.graph.node.append(helper.make_node("Softmax", [output], ["probabilities"], name="tail"))
    model.graph.output[0].name = "probabilities"
    assert problems(model) == [("tail", "Softmax")]


def test_unknown_shapes_name_the_remedy() -> None:
    with pytest.raises(CompileError, match=r"x \(input\): has an unknown shape beyond the batch"):
        qrt_compile(Net((1, 3, "height", "width")).model("x")).to_bytes()


def test_files_that_are_no_onnx(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\x00\x01 this is no model")
    with pytest.raises(CompileError, match=r"model\.onnx \(file\): is not a valid ONNX model"):
        qrt_compile(path).to_bytes()
    path.write_bytes(b"")
    with pytest.raises(CompileError, match=r"model\.onnx \(file\)"):
        qrt_compile(path).to_bytes()
    with pytest.raises(CompileError, match=r"its suffix is not supported; give \.onnx"):
        qrt_compile(tmp_path / "model.pb").to_bytes()
    with pytest.raises(FileNotFoundError):
        qrt_compile(tmp_path / "missing.onnx").to_bytes()


def test_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    (tmp_path / "model.onnx").write_bytes(b"any")
    with pytest.raises(ImportError, match=r'pip install "qrt\[onnx\]"'):
        qrt_compile(tmp_path / "model.onnx").to_bytes()


@pytest.mark.parametrize("text", [json.dumps(list("abcde")), "a, b, c, d, e", "a\nb\nc\nd\ne"])
def test_labels_from_metadata(text: str) -> None:
    model = quantized(float_model("residual"))
    helper.set_model_props(model, {"labels": text})
    assert compile(model).graph.outputs[0].labels == list("abcde")


def test_uint8_weights_with_a_zero_point() -> None:
    """Weights around 128 become int8; others are split."""
    for zero_point in (128, 100):
        weights = np.arange(64, 196, 11, dtype=np.uint8).reshape(4, 3) if zero_point == 128 else np.full((4, 3), 250)
        compiled = compile(hand_quantized(weights, zero_point))
        constant = compiled.graph.ops[-1].inputs[1]
        assert constant.data is not None
        assert constant.data.min() == (64 - 128 if zero_point == 128 else 150 - 127)
        assert ("concat" in compiled.report.operators) == (zero_point != 128)


@pytest.mark.parametrize("style", ["QDQ", "QOperator"])
@pytest.mark.parametrize("name", ["residual", "depthwise"])
def test_asymmetric_weights(name: str, style: str) -> None:
    """onnxruntime's quantizer with QUInt8 weights."""
    n = Net((1, 6, 8, 8), seed=3)
    x = n.node("Relu", n.conv("x", 12, 6))
    if name == "depthwise":
        weights, bias = np.abs(n.rng.normal(size=(12, 1, 3, 3))), n.constant(n.rng.normal(size=12) * 0.2)
        x = n.node("Relu", n.node("Conv", x, n.constant(weights), bias, kernel_shape=[3, 3], group=12))
    compiled, ours, theirs = both(
        quantized(n.model(n.conv(x, 4, 12)), style=style, weights="QUInt8", per_channel=False)
    )
    assert any(pass_name == "split_weights" for pass_name, _ in compiled.report.notes)
    assert np.mean(ours == theirs) >= 0.999


def test_scales_that_are_no_scales_are_refused() -> None:
    model = hand_quantized(np.ones((4, 3), np.uint8), 128)
    next(c for c in model.graph.initializer if c.name == "c0").CopyFrom(
        onnx.numpy_helper.from_array(np.float32(-0.1), "c0")
    )
    with pytest.raises(CompileError, match="its scale is not a positive number"):
        compile(model)


def test_per_channel_operands_of_add_are_refused() -> None:
    n = Net((1, 3))
    scale, zero = n.constant(0.1), n.constant(128, np.uint8)
    codes, scales = n.constant([[1, 2, 3]], np.int8), n.constant([0.1, 0.2, 0.3])
    b = n.node("DequantizeLinear", codes, scales, axis=1)
    x = n.node("DequantizeLinear", n.node("QuantizeLinear", "x", scale, zero), scale, zero)
    n.nodes.append(helper.make_node("Add", [x, b], ["y"], name="sum"))
    model = n.model(n.node("DequantizeLinear", n.node("QuantizeLinear", "y", scale, zero), scale, zero))
    with pytest.raises(CompileError, match=r"sum \(Add\): has a constant operand that is quantized per channel"):
        compile(model)


def hand_quantized(weights: np.ndarray, zero_point: int) -> onnx.ModelProto:
    n = Net((1, 3))
    scale, zero = n.constant(0.1), n.constant(128, np.uint8)
    w = n.node("DequantizeLinear", n.constant(weights, np.uint8), scale, n.constant(zero_point, np.uint8))
    x = n.node("DequantizeLinear", n.node("QuantizeLinear", "x", scale, zero), scale, zero)
    n.nodes.append(helper.make_node("Gemm", [x, w], ["y"], name="gemm", transB=1))
    y = n.node("DequantizeLinear", n.node("QuantizeLinear", "y", scale, zero), scale, zero)
    model = n.model(y)
    assert model.graph.input[0].type.tensor_type.elem_type == TensorProto.FLOAT
    return model
