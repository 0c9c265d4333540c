"""Layers without requantization: sums that are rounded once, and int32 outputs, dequantized by the caller."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import Cli

import qrt
from qrt.compiler import GraphBuilder, compile
from qrt.compiler.backends.qfb.reader import read
from qrt.compiler.ir import Edge, Graph
from qrt.compiler.study.layers import exposed_file

RNG = np.random.default_rng(3)
LABELS = ["a", "b", "c"]


def island() -> GraphBuilder:
    """A convolution to whose float result codes are added, and a last layer that nothing rounds; always the same."""
    rng = np.random.default_rng(5)
    g = GraphBuilder("island")
    x = g.input("x", (1, 5, 6, 4), scale=0.04, zero_point=-3)
    filters, bias = rng.normal(size=(8, 3, 3, 4)), rng.normal(size=8)
    other = g.conv2d(x, rng.normal(size=(8, 1, 1, 4)), scale=0.05, zero_point=9, name="other")
    acc = g.conv2d(x, filters, bias, scale=None, padding=1, name="acc")
    total = g.requantize_sum(acc, other, scale=0.2, zero_point=-100, activation="relu", name="total")
    flat = g.reshape(g.max_pool2d(total, 2), (1, 6 * 8))
    g.output(g.linear(flat, rng.normal(size=(3, 48)), rng.normal(size=3), scale=None, name="logits"), labels=LABELS)
    return g


@pytest.fixture(scope="module")
def content() -> bytes:
    return island().compile()


def layers(content: bytes, x: np.ndarray) -> dict[str, np.ndarray]:
    """What every operator gives, by the name of its output."""
    graph = read(content)
    return {
        "x": x,
        **dict(zip((op.output.name for op in graph.ops), qrt.load(exposed_file(graph)).run(x), strict=True)),
    }


def test_the_sum_is_rounded_once(content: bytes) -> None:
    compiled = compile(island())
    x = RNG.integers(-128, 128, (64, 5, 6, 4), dtype=np.int8)
    values = layers(compiled.to_bytes(), x)
    (acc,) = [op for op in compiled.graph.ops if op.output.name == "acc"]
    unit = 0.04 * np.asarray(acc.inputs[1].quantization.scale, np.float64)
    b, y = values["other"].astype(float), values["total"]
    exact = (values["acc"] * unit + np.float64(np.float32(0.05)) * (b - 9)) / np.float64(np.float32(0.2)) - 100
    expected = np.clip(np.floor(exact + 0.5), -100, 127)
    off = np.abs(exact - np.floor(exact) - 0.5) > 1e-6  # 31 bits of a multiplier cannot tell what is nearer to a tie
    assert np.array_equal(y[off], expected[off])
    assert off.mean() > 0.9999
    assert values["acc"].dtype == np.int32


def test_a_channel_whose_bias_does_not_fit_stays_exact() -> None:
    g = GraphBuilder()
    x = g.input("x", (1, 4), scale=0.1)
    weights = np.array([[1, 2, 3, 4], [0, 0, 0, 0], [5, -6, 7, -8]], np.int8)
    bias = np.array([0.5, 300.0, 2e5])
    g.output(g.linear(x, weights, bias, weights_scale=np.array([0.01, 1e-9, 1e-6]), scale=None))
    compiled = compile(g)
    codes = RNG.integers(-128, 128, (50, 4), dtype=np.int8)
    real = qrt.load(compiled.to_bytes()).run(codes, dequantize=True)
    exact = (codes.astype(float) * np.float32(0.1)) @ (weights * [[0.01], [1e-9], [1e-6]]).T + bias
    np.testing.assert_allclose(real, exact, rtol=1e-6, atol=6e-4)
    assert {c for rescue in compiled.report.rescues for c in rescue.channels} == {1, 2}


def test_last_gemm_of_an_onnx_network_in_float() -> None:
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    make, kinds = onnx.helper.make_node, onnx.TensorProto
    arrays = {
        "s": np.float32(0.05),
        "z": np.int8(4),
        "w": RNG.integers(-127, 128, (3, 16), dtype=np.int8),
        "ws": RNG.uniform(0.001, 0.02, 3).astype(np.float32),
        "wz": np.zeros(3, np.int8),
        "b": RNG.normal(size=3).astype(np.float32),
    }
    nodes = [
        make("QuantizeLinear", ["x", "s", "z"], ["q"]),
        make("DequantizeLinear", ["q", "s", "z"], ["d"]),
        make("DequantizeLinear", ["w", "ws", "wz"], ["v"], axis=0),
        make("Gemm", ["d", "v", "b"], ["y"], transB=1),
    ]
    graph = onnx.helper.make_graph(
        nodes,
        "g",
        [onnx.helper.make_tensor_value_info("x", kinds.FLOAT, [1, 16])],
        [onnx.helper.make_tensor_value_info("y", kinds.FLOAT, [1, 3])],
        [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    ours = qrt.load(compile(model).to_bytes())
    assert ours.outputs[0].dtype == np.int32
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for _ in range(20):
        x = RNG.normal(0, 3, (1, 16)).astype(np.float32)
        np.testing.assert_allclose(
            ours.run(x, dequantize=True), session.run(None, {"x": x})[0], rtol=1e-4, atol=0.5 * 0.05 * 0.02 + 1e-5
        )


def test_layers_of_another_network_are_as_before(content: bytes) -> None:
    """Accumulators change the plan, not the codes: every kernel set, with and without optimizations."""
    x = RNG.integers(-128, 128, (8, 5, 6, 4), dtype=np.int8)
    expected = qrt.load(content, kernels="reference").run(x)
    plain = compile(island(), skip=["overlap", "schedule", "remove_channels", "fuse_activation", "simplify"])
    again = qrt.load(compile(island()).to_bytes())
    assert np.array_equal(qrt.load(plain.to_bytes()).run(x), again.run(x))
    for kernels in qrt.kernel_sets():
        assert np.array_equal(qrt.load(content, kernels=kernels).run(x), expected)


def test_command_line(cli: Cli, content: bytes, tmp_path: Path) -> None:
    path, data = tmp_path / "island.qfb", tmp_path / "x.npy"
    path.write_bytes(content)
    x = RNG.integers(-128, 128, (1, 5, 6, 4), dtype=np.int8)
    np.save(data, x)
    model = qrt.load(content)
    real = model.run(x, dequantize=True)[0]
    (output,) = json.loads(cli("run", str(path), str(data), "--top", "3", "--json").stdout)["outputs"]
    assert output["dtype"] == "int32"
    assert output["scales"] == pytest.approx(model.outputs[0].scales)
    assert [entry["index"] for entry in output["top"][0]] == np.argsort(-real, kind="stable").tolist()
    assert "int32 accumulators" in cli("run", str(path), str(data)).stdout
    shown = cli("inspect", str(path), "--tensors").stdout
    assert "requantize_sum" in shown
    assert "int32 accumulators" in shown
    refused = cli("export", str(path), "-o", "out.tflite")
    assert refused.exit_code == 2
    assert "int32 accumulators" in refused.stderr
    assert not (tmp_path / "out.tflite").exists()


@pytest.mark.parametrize("name", ["acc", "total", "logits"])
def test_programs_give_the_numbers_of_the_kernels(cli: Cli, content: bytes, tmp_path: Path, name: str) -> None:
    path = tmp_path / "island.qfb"
    path.write_bytes(content)
    assert cli("explain", str(path), name).exit_code == 0
    values = layers(content, RNG.integers(-128, 128, (1, 5, 6, 4), dtype=np.int8))
    graph = read(content)
    (op,) = [op for op in graph.ops if op.output.name == name]
    (tmp_path / "layer.py").write_text(cli("explain", str(path), name, "--python").stdout)
    inputs = [tensor for tensor in op.inputs if tensor.data is None]
    for k, tensor in enumerate(inputs):
        np.save(tmp_path / f"{k}.npy", values[tensor.name])
    arguments = [f"{k}.npy" for k in range(len(inputs))] + ["y.npy"]
    subprocess.run([sys.executable, "layer.py", *arguments], check=True, cwd=tmp_path)
    y = np.load(tmp_path / "y.npy")
    assert y.dtype == values[name].dtype
    assert np.array_equal(y, values[name])


def test_test_vectors_hold_int32(content: bytes) -> None:
    compiled = compile(island())
    x = RNG.integers(-128, 128, (1, 5, 6, 4), dtype=np.int8)
    logits = np.asarray(qrt.load(compiled.to_bytes()).run(x))
    ((given, expected, _),) = qrt.load(compiled.to_bytes([([x], [logits])])).test_vectors
    assert np.array_equal(given[0], x)
    assert expected[0].dtype == np.int32
    assert np.array_equal(expected[0], logits)


def test_builder_refuses_what_makes_no_sense() -> None:
    g = GraphBuilder()
    x = g.input("x", (1, 4), scale=0.1)
    weights = np.ones((3, 4))
    with pytest.raises(ValueError, match="no zero_point and no activation"):
        g.linear(x, weights, scale=None, activation="relu")
    acc = g.linear(x, weights, scale=None)
    with pytest.raises(ValueError, match="adds accumulators"):
        g.requantize_sum(x, x, scale=0.1)
    with pytest.raises(ValueError, match="differ in shape"):
        g.requantize_sum(acc, x, scale=0.1)


def test_graphs_of_one_operator_are_edges(content: bytes) -> None:
    """An int32 tensor is no input of a model."""
    graph = read(content)
    (op,) = [op for op in graph.ops if op.kind == "requantize_sum"]
    with pytest.raises(qrt.ModelError, match="V62"):
        qrt.load(exposed_file(Graph("one", [op], [Edge(tensor) for tensor in op.inputs])))
