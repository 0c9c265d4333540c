"""ONNX's pools in every setting: every code against onnxruntime, or an error with the reason."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import qrt
from qrt.compiler import CompileError, compile

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402


def model(kind: str, zero_point: int, shape: tuple[int, ...], attrs: dict[str, Any]) -> bytes:
    """A pool of uint8 codes at scale 1: AveragePool and MaxPool between QDQ, or QLinearAveragePool."""
    numbers = ["scale", "zero"]
    constants = [
        numpy_helper.from_array(np.float32(1), "scale"),
        numpy_helper.from_array(np.uint8(zero_point), "zero"),
    ]
    nodes = [helper.make_node("QuantizeLinear", ["x", *numbers], ["codes"])]
    if kind.startswith("QLinear"):
        nodes.append(helper.make_node(kind, ["codes", *numbers, *numbers], ["pooled"], domain="com.microsoft", **attrs))
    else:
        nodes.append(helper.make_node("DequantizeLinear", ["codes", *numbers], ["real"]))
        nodes.append(helper.make_node(kind, ["real"], ["mean"], **attrs))
        nodes.append(helper.make_node("QuantizeLinear", ["mean", *numbers], ["pooled"]))
    nodes.append(helper.make_node("DequantizeLinear", ["pooled", *numbers], ["y"]))
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *shape])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * (len(shape) + 1))
    graph = helper.make_graph(nodes, "pool", [x], [y], constants)
    opsets = [helper.make_opsetid("", 19), helper.make_opsetid("com.microsoft", 1)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString())


def drawn(rng: random.Random, kind: str, axes: int) -> tuple[tuple[int, ...], dict[str, Any]]:
    image = tuple(rng.randint(3, 10) for _ in range(axes))
    size = [rng.randint(1, 4) for _ in image]
    attrs: dict[str, Any] = {"kernel_shape": size, "strides": [rng.randint(1, 4) for _ in image]}
    attrs["ceil_mode"] = rng.randint(0, 1)
    if rng.random() < 0.3:
        attrs["auto_pad"] = rng.choice(["SAME_UPPER", "SAME_LOWER", "VALID"])
    else:
        attrs["pads"] = [rng.randint(0, k - 1) for k in size * 2]
    if kind != "MaxPool":
        attrs["count_include_pad"] = rng.randint(0, 1)
    return image, attrs


@pytest.mark.parametrize("kind", ["AveragePool", "QLinearAveragePool", "MaxPool"])
def test_pools(kind: str, tmp_path: Any) -> None:
    rng, taken, path = random.Random(kind), 0, tmp_path / "pool.onnx"
    for number in range(60):
        image, attrs = drawn(rng, kind, 1 + (number % 4 > 0))
        zero_point = (0, 77, 128)[number % 3]
        x = np.random.default_rng(number).integers(0, 256, (4, 5, *image)).astype(np.float32) - zero_point
        path.write_bytes(model(kind, zero_point, (5, *image), attrs))
        try:
            compiled = qrt.load(compile(path).to_bytes())
        except CompileError as error:
            assert all(";" in problem.reason for problem in error.problems), error
            continue
        session = onnxruntime.InferenceSession(path.read_bytes())
        theirs = np.concatenate([session.run(None, {"x": one[np.newaxis]})[0] for one in x])
        flat = len(image) == 1
        ours = compiled.run(x, dequantize=True, layout=None if flat else "NCHW")
        assert np.array_equal(ours, theirs if flat else theirs.transpose(0, 2, 3, 1)), (image, zero_point, attrs)
        taken += 1
    assert taken >= 50


def test_padding_that_auto_pad_makes_negative_is_refused(tmp_path: Any) -> None:
    """onnxruntime then begins behind the edge."""
    path = tmp_path / "pool.onnx"
    path.write_bytes(
        model("MaxPool", 0, (1, 8, 8), {"kernel_shape": [1, 1], "strides": [4, 4], "auto_pad": "SAME_UPPER"})
    )
    with pytest.raises(CompileError, match="set pads instead"):
        compile(path)


def test_window_larger_than_its_image_is_refused(tmp_path: Any) -> None:
    path = tmp_path / "pool.onnx"
    path.write_bytes(model("MaxPool", 0, (1, 3, 8), {"kernel_shape": [4, 1]}))
    with pytest.raises(CompileError, match="window of 4 entries for 3"):
        compile(path)
