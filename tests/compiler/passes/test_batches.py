"""A batch in the source becomes 1 if every operator computes each sample independently, and is kept otherwise."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import engines
import numpy as np
import pytest
from batched_tflite import N, tflite_network
from command_line import Cli, assert_refused

import qrt
from qrt.compiler import CompileError, GraphBuilder, compile
from qrt.compiler.ir import Graph
from qrt.compiler.passes.set_batch import RULES
from qrt.compiler.verify import SOURCE_KINDS
from qrt.schema.operators import OPERATORS

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from qdq import Net  # noqa: E402

Array = np.ndarray[Any, Any]


def test_every_operator_has_a_rule() -> None:
    """But those with states, which belong to one sequence of samples."""
    without_state = {kind for kind, facts in OPERATORS.items() if not (facts.writes_state or facts.states)}
    assert {*without_state, *SOURCE_KINDS} == set(RULES)


# ------------------------------------------------------------------------------------------------- ONNX


def image(n: Net) -> str:
    y = n.op("Relu", n.node("Conv", n.input("x", (N, 3, 8, 8)), n.weights((8, 3, 3, 3)), pads=[1, 1, 1, 1]))
    y = n.op("Reshape", n.op("GlobalAveragePool", y), n.constant([N, -1], np.int64))
    return n.op("Gemm", y, n.weights((10, 8)), transB=1)


def flattened(n: Net) -> str:
    """The rows of all samples in one matrix."""
    y = n.op("Reshape", n.input("x", (N, 5, 4)), n.constant([N * 5, 4], np.int64))
    y = n.op("Gemm", y, n.weights((3, 4)), transB=1)
    return n.op("Reshape", y, n.constant([N, 15], np.int64))


def rows(n: Net) -> str:
    y = n.op("Reshape", n.input("x", (N, 5, 4)), n.constant([-1, 4], np.int64))
    return n.op("Gemm", y, n.weights((3, 4)), transB=1)


def batch_behind_time(n: Net) -> str:
    y = n.op("Transpose", n.input("x", (N, 5, 4)), perm=[1, 0, 2])
    y = n.op("Relu", n.op("MatMul", y, n.weights((4, 3))))
    return n.op("Transpose", n.op("Softmax", y, scale=1 / 256, axis=0), perm=[1, 0, 2])


def broadcast(n: Net) -> str:
    """Constants that were made for every sample, and one for all."""
    same = np.repeat(n.rng.normal(size=(1, 5, 4)), N, axis=0)
    y = n.op("Add", n.input("x", (N, 5, 4)), n.real(same))
    token = n.real(np.repeat(n.rng.normal(size=(1, 1, 4)), N, axis=0))
    y = n.op("Concat", token, y, axis=1)
    return n.op("Add", y, n.real(n.rng.normal(size=(4,))))


def moved(n: Net) -> str:
    y = n.node("Unsqueeze", n.input("x", (N, 5, 4)), n.constant([0], np.int64))
    y = n.op("Squeeze", y, n.constant([0], np.int64))
    y = n.op("Pad", y, n.constant([0, 1, 0, 0, 2, 0], np.int64))
    y = n.op("Reshape", n.op("Sigmoid", y, scale=1 / 256), n.constant([0, 2, 4, 4], np.int64))
    return n.op("ReduceMean", y, axes=[2, 3], keepdims=0)


SEPARATE: list[Callable[[Net], str]] = [image, flattened, rows, batch_behind_time, broadcast, moved]
MIXING: dict[str, tuple[str, Callable[[Net], str]]] = {
    "softmax": ("Softmax", lambda n: n.op("Softmax", n.input("x", (N, 4)), axis=0)),
    "concat": ("Concat", lambda n: n.op("Concat", *[n.input("x", (N, 4))] * 2, axis=0)),
    "reshape": ("Reshape", lambda n: n.op("Reshape", n.input("x", (N, 4)), n.constant([3, 8], np.int64))),
    "constant": ("Add", lambda n: n.op("Add", n.input("x", (N, 4)), n.real(n.rng.normal(size=(N, 4))))),
    "pad": ("Pad", lambda n: n.op("Pad", n.input("x", (N, 4)), n.constant([1, 0, 0, 0], np.int64))),
    "output": ("output", lambda n: n.op("Transpose", n.input("x", (N, 4)), perm=[1, 0])),
    "image": (
        "Conv",
        lambda n: n.op(
            "Conv", n.op("Transpose", n.input("x", (N, 3, 8, 8)), perm=[1, 0, 2, 3]), n.weights((2, N, 1, 1))
        ),
    ),
    "vector": ("input", lambda n: n.op("Relu", n.input("x", (N,)))),
}


def answers(model: Any, x: Array) -> Array:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    result: Array = session.run(None, {"x": x})[0]
    return result


def drawn(model: Any) -> Array:
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    return np.random.default_rng(7).normal(size=shape).astype(np.float32)


def ran(content: bytes, x: Array) -> Array:
    model = qrt.load(content)
    y = model.run(x, dequantize=True, layout="NCHW")
    assert isinstance(y, np.ndarray)
    return y.transpose(0, 3, 1, 2) if model.outputs[0].source_layout == "NCHW" else y


@pytest.mark.parametrize("make", SEPARATE, ids=lambda make: make.__name__)
def test_samples_one_by_one_are_onnxruntimes_batch(make: Callable[[Net], str]) -> None:
    n = Net()
    model = n.model(make(n))
    x = drawn(model)
    compiled, whole = compile(model), compile(model, batch=N)
    assert [edge.tensor.shape[0] for edge in compiled.graph.inputs] == [1]
    assert ("batch", f"{N} -> 1; run takes any number of samples") in compiled.report.notes
    assert compiled.plan.arena_size < whole.plan.arena_size
    y = answers(model, x)
    np.testing.assert_array_equal(ran(compiled.to_bytes(), x), y)
    np.testing.assert_array_equal(ran(whole.to_bytes(), x), y)
    half = compile(model, batch=N // 2)
    assert ("batch", f"{N} -> {N // 2}") in half.report.notes
    parts = [ran(half.to_bytes(), part) for part in np.split(x, 2)]
    np.testing.assert_array_equal(np.concatenate(parts), y)
    np.testing.assert_array_equal(ran(compiled.to_bytes(), x[0]), y[: len(y) // N] if make is rows else y[0])


@pytest.mark.parametrize("name", MIXING)
def test_what_mixes_samples_is_kept_and_named(name: str) -> None:
    kind, make = MIXING[name]
    n = Net()
    model = n.model(make(n))
    compiled = compile(model)
    assert compiled.graph.inputs[0].tensor.shape[0] == N
    (text,) = [text for pass_name, text in compiled.report.notes if pass_name == "batch"]
    assert text.startswith(f"kept at {N}: ")
    assert f"({kind}): " in text
    x = drawn(model)
    np.testing.assert_array_equal(ran(compiled.to_bytes(), x), answers(model, x))
    assert compile(model, batch=N).to_bytes() == compiled.to_bytes()
    with pytest.raises(CompileError, match=rf"\({kind}\): .*, so the batch stays {N}"):
        compile(model, batch=1)


@pytest.mark.parametrize("leading", [1, "batch"])
def test_a_batch_of_one_can_become_another(leading: int | str) -> None:
    n = Net()
    y = n.op("MaxPool", n.input("x", (leading, 3, 5, 5)), kernel_shape=[2, 2])
    y = n.op("Conv", y, n.weights((2, 3, 3, 3)))
    model = n.model(n.op("Flatten", y))
    x = np.random.default_rng(0).normal(size=(5, 3, 5, 5)).astype(np.float32)
    one, five = compile(model), compile(model, batch=5)
    assert [note for note in one.report.notes if note[0] == "batch"] == []
    np.testing.assert_array_equal(ran(one.to_bytes(), x), ran(five.to_bytes(), x))
    with pytest.raises(ValueError, match="batch must be at least 1, got 0"):
        compile(model, batch=0)
    with pytest.raises(CompileError, match="elements"):
        compile(model, batch=2**31)


def test_inputs_that_differ_in_their_leading_axis() -> None:
    n = Net()
    compiled = compile(n.model(n.op("Add", n.input("a", (N, 4)), n.input("b", (1, 4)))))
    assert dict(compiled.report.notes)["batch"].startswith(
        f"kept at 1 and {N}: b (input): has a different leading axis"
    )


# ------------------------------------------------------------------------------------------------- Python


def test_a_network_built_in_python_keeps_its_batch() -> None:
    g = GraphBuilder("g")
    x = g.input("x", (N, 5), scale=0.1)
    y = g.linear(x, np.eye(3, 5, dtype=np.int8), weights_scale=0.1, scale=0.1)
    g.output(y)
    assert compile(g).graph.inputs[0].tensor.shape == (N, 5)
    reduced = compile(g, batch=1)
    assert reduced.graph.outputs[0].tensor.shape == (1, 3)
    assert x.shape == (N, 5)
    codes = np.random.default_rng(0).integers(-128, 128, (N, 5), dtype=np.int8)
    np.testing.assert_array_equal(qrt.load(compile(g).to_bytes()).run(codes), qrt.load(reduced.to_bytes()).run(codes))


# ------------------------------------------------------------------------------------------------- TensorFlow Lite


@pytest.mark.parametrize("match", ["tflm", "litert"])
def test_samples_one_by_one_are_the_engines_batch(match: str, tmp_path: Path) -> None:
    content = tflite_network()
    path = tmp_path / "net.tflite"
    path.write_bytes(content)
    compiled = compile(path, match=match)
    assert compiled.graph.inputs[0].tensor.shape == (1, 6, 6, 2)
    x = np.random.default_rng(4).integers(-128, 128, (N, 6, 6, 2), dtype=np.int8)
    engine = engines.Tflm(content) if match == "tflm" else engines.Litert(content)
    (theirs,) = engine.run([x])
    for batch in (1, N):
        model = qrt.load(compile(path, match=match, batch=batch).to_bytes())
        np.testing.assert_array_equal(model.run(x), theirs)
    one = qrt.load(compiled.to_bytes())
    np.testing.assert_array_equal(np.stack([one.run(sample) for sample in x]), theirs)


def test_export_of_a_smaller_batch_is_valid(cli: Cli, tmp_path: Path) -> None:
    Path("net.tflite").write_bytes(tflite_network())
    assert cli("compile", "net.tflite", "-q").exit_code == 0
    assert cli("export", "net.qfb", "-o", "out.tflite", "-q").exit_code == 0
    x = np.random.default_rng(4).integers(-128, 128, (N, 6, 6, 2), dtype=np.int8)
    ours = qrt.load("net.qfb").run(x)
    for engine in (engines.Tflm(Path("out.tflite").read_bytes()), engines.Litert(Path("out.tflite").read_bytes())):
        theirs = np.concatenate([engine.run([x[i : i + 1]])[0] for i in range(N)])
        np.testing.assert_array_equal(theirs, ours)


# ------------------------------------------------------------------------------------------------- PyTorch


def test_batches_of_pytorch() -> None:
    torch = pytest.importorskip("torch")
    from qrt.compiler import from_torch

    class Network(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.linear = torch.nn.Conv2d(3, 4, 3), torch.nn.Linear(4 * 4 * 4, 5)

        def forward(self, x: Any) -> Any:
            return self.linear(torch.relu(self.conv(x)).reshape(N, -1))

    quantization = pytest.importorskip("torch.ao.quantization")
    fx = pytest.importorskip("torch.ao.quantization.quantize_fx")
    torch.manual_seed(0)
    x = torch.randn(N, 3, 6, 6)
    mapping = quantization.get_default_qconfig_mapping("fbgemm")
    prepared = fx.prepare_fx(Network().eval(), mapping, (x,))
    prepared(x)
    module = fx.convert_fx(prepared)
    compiled = from_torch(module, (x,), match="fbgemm")
    assert compiled.graph.inputs[0].tensor.shape == (1, 6, 6, 3)
    ours = qrt.load(compiled.to_bytes()).run(x.numpy(), dequantize=True, layout="NCHW")
    with torch.no_grad():
        np.testing.assert_array_equal(ours, module(x).numpy())
    assert from_torch(module, (x,), batch=N).graph.inputs[0].tensor.shape == (N, 6, 6, 3)


def test_an_exported_module_keeps_to_its_own_batch() -> None:
    """Whatever the batch of the example: PyTorch refuses any other than the one at export."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("torchao")
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    from qrt.compiler import from_torch
    from qrt.compiler.frontends.torch import QrtQuantizer

    class Network(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.linear = torch.nn.Conv2d(3, 4, 3), torch.nn.Linear(4 * 4 * 4, 5)

        def forward(self, x: Any) -> Any:
            return self.linear(torch.relu(self.conv(x)).reshape(x.shape[0], -1))

    torch.manual_seed(0)
    x = torch.randn(N, 3, 6, 6)
    for size in (1, N):
        prepared = prepare_pt2e(torch.export.export(Network().eval(), (x[:size],)).module(), QrtQuantizer())
        prepared(x[:size])
        module = convert_pt2e(prepared)
        theirs = torch.cat([module(part) for part in x.split(size)]).detach().numpy()
        for example in (x, x[:1]):
            compiled = from_torch(module, (example,))
            assert compiled.graph.inputs[0].tensor.shape == (1, 6, 6, 3)
            ours = qrt.load(compiled.to_bytes()).run(x.numpy(), dequantize=True, layout="NCHW")
            np.testing.assert_array_equal(ours, theirs)


# ------------------------------------------------------------------------------------------------- the command line


def test_the_command_line_takes_any_number_of_samples(cli: Cli) -> None:
    n = Net()
    model = n.model(image(n))
    onnx.save(model, "net.onnx")
    x = np.concatenate([drawn(model)] * 3)[:-1]
    np.savez("data.npz", x=x, labels=np.arange(len(x)) % 10)
    assert f"{N} -> 1; run takes any number of samples" in cli("compile", "net.onnx").stdout
    assert json.loads(cli("run", "net.qfb", "data.npz", "--json").stdout)["outputs"][0]["shape"] == [len(x), 10]
    compared = json.loads(cli("compare", "net.qfb", "--against", "net.onnx", "--inputs", "data.npz", "--json").stdout)
    assert compared["samples"] == len(x)
    assert [layer["differing"] for layer in compared["layers"]] == [0] * len(compared["layers"])
    assert compared["accuracy"]["qrt"] == compared["accuracy"]["quantized source"]
    assert cli("compile", "net.onnx", "--batch", "2", "-o", "two.qfb").exit_code == 0
    assert qrt.load("two.qfb").inputs[0].shape[0] == 2
    refused = cli("compare", "two.qfb", "--against", "net.onnx", "--inputs", "data.npz")
    assert_refused(refused, "qrt compare: data.npz: contains 17 samples for a network that takes 2 at a time; give a")
    np.save("even.npy", x[:4])
    of_two = json.loads(cli("compare", "two.qfb", "--against", "net.onnx", "--inputs", "even.npy", "--json").stdout)
    assert [layer["differing"] for layer in of_two["layers"]] == [0] * len(of_two["layers"])
    assert cli("explain", "net.qfb", "0", "--source", "net.onnx").exit_code == 0


def test_calibration_takes_any_number_of_samples(cli: Cli) -> None:
    n = Net(quantized=False)
    model = n.model(image(n))
    onnx.save(model, "float.onnx")
    x = np.concatenate([drawn(model)] * 2)[:-2]
    labels = answers(model, np.concatenate([x, x])[: 2 * N][:N]).argmax(axis=1)
    np.savez("data.npz", x=x, labels=np.concatenate([labels, labels])[: len(x)])
    document = json.loads(cli("compile", "float.onnx", "--calibrate", "data.npz", "--json").stdout)
    assert ["batch", f"{N} -> 1; run takes any number of samples"] in document["notes"]
    assert document["accuracy"]["float"] == 1
    np.save("one.npy", x[0])
    assert cli("compile", "float.onnx", "--calibrate", "one.npy", "-o", "one.qfb").exit_code == 0


def test_graph_is_not_touched() -> None:
    g = GraphBuilder("g")
    g.output(g.relu(g.input("x", (N, 5), scale=0.1)))
    graph: Graph = g.graph
    compile(graph, batch=2)
    assert graph.inputs[0].tensor.shape == (N, 5)
