"""`qrt explain`, its programs, `qrt compare` and `qrt compile --calibrate` on the digits network."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cases
import numpy as np
import pytest
from command_line import Cli, assert_refused, residual
from graphs import run, to_bytes
from places import DIGITS

import qrt
from qrt.compiler import GraphBuilder
from qrt.compiler.backends.qfb.reader import read
from qrt.compiler.integers.channels import CHANNEL_AXIS
from qrt.compiler.ir import Edge, Graph
from qrt.compiler.study.layers import exposed_file
from qrt.compiler.study.program import program

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture
def digits(cli: Cli, tmp_path: Path) -> Path:
    path = tmp_path / "digits.qfb"
    assert cli("compile", str(DIGITS / "digits_resnet.onnx"), "-o", str(path), "-q").exit_code == 0
    return path


def test_programs_give_the_bytes_of_the_kernels(cli: Cli, digits: Path, tmp_path: Path) -> None:
    graph = read(digits.read_bytes())
    rng = np.random.default_rng(0)
    ran = set()
    for index, op in enumerate(graph.ops):
        if op.kind in ran:
            continue
        ran.add(op.kind)
        inputs = [tensor for tensor in op.inputs if tensor.data is None]
        model = qrt.load(exposed_file(Graph("one", [op], [Edge(tensor) for tensor in inputs])))
        codes = [rng.integers(-128, 128, tensor.shape, dtype=np.int8) for tensor in inputs]
        script = tmp_path / "layer.py"
        script.write_text(cli("explain", str(digits), str(index), "--python").stdout)
        names = [str(tmp_path / f"{k}.npy") for k in range(len(codes))]
        for name, array in zip(names, codes, strict=True):
            np.save(name, array)
        subprocess.run([sys.executable, str(script), *names, str(tmp_path / "y.npy")], check=True)
        assert np.array_equal(np.load(tmp_path / "y.npy"), model.run(*codes)), op.name
    assert ran == {"conv2d", "linear", "add", "mean", "reshape"}


@pytest.mark.parametrize("case", cases.CASES, ids=lambda case: case.name)
def test_programs_of_every_operator(case: cases.Case) -> None:
    """Whatever the kernels are tested on: the program's function gives the same codes."""
    content = to_bytes(case.graph())
    graph, model = read(content), qrt.load(content, kernels="portable")
    texts = [program(op, "case.qfb") for op in graph.ops]
    states = {tensor: tensor.initial.copy() for tensor in graph.states() if tensor.initial is not None}
    for inputs in case.inputs(graph):
        values = dict(zip((edge.tensor for edge in graph.inputs), inputs, strict=True)) | states
        for op, text in zip(graph.ops, texts, strict=True):
            names: dict[str, Any] = {}
            exec(compile(text, "program", "exec"), names)
            operands = op.inputs[:1] if op.kind in CHANNEL_AXIS else op.inputs
            operands = [*operands, op.output] if op.output.is_state else operands
            values[op.output] = names["layer"](*(values[t] for t in operands if t.data is None))
        for edge, codes in zip(graph.outputs, run(model, inputs), strict=True):
            assert values[edge.tensor].dtype == codes.dtype
            assert np.array_equal(values[edge.tensor], codes)
        states = {tensor: values[tensor] for tensor in states}


def test_explain_derives_the_integers(cli: Cli, digits: Path) -> None:
    op = read(digits.read_bytes()).ops[0]
    document = json.loads(cli("explain", str(digits), "0", "--channel", "3", "--json").stdout)
    (channel,) = document["channels"]
    numbers, requant = document["numbers"], op.attrs["requant"]
    unit = numbers["x_scale"] * channel["w_scale"]
    assert channel["multiplier"] == requant.multiplier[3]
    assert channel["real_multiplier"] == pytest.approx(unit / numbers["y_scale"])
    assert requant.bias is None, "onnxruntime's float32 takes addends of their own"
    assert channel["addend"] == requant.addend[3]
    shift = channel["shift"]
    implied = channel["bias"] * channel["multiplier"] + 2 ** (shift - 1) + (numbers["y_zero_point"] << shift)
    assert abs(channel["addend"] - implied) <= channel["multiplier"] / 2
    shown = cli("explain", str(digits), "0", "--channel", "3").stdout
    assert f"{channel['addend']:,}" in shown
    assert_refused(cli("explain", str(digits), "nothing"), f"qrt explain: {digits}: no layer is called 'nothing'")
    said = cli("explain", str(digits), "99").stderr
    assert (
        said == f"qrt explain: {digits}: no layer is called '99'; layers are 0 to 14; 'qrt inspect' lists their names\n"
    )
    near = cli("explain", str(digits), "/stem/stem.0/conv").stderr
    assert "did you mean /stem/stem.0/Conv or " in near
    assert_refused(cli("explain", str(digits), "0", "--channel", "99"), f"qrt explain: {digits}: ")


def test_layers_of_the_same_name_are_listed(cli: Cli, tmp_path: Path) -> None:
    """One layer's name may be another's output: neither is chosen silently."""
    g = GraphBuilder("twice")
    x = g.input("image", (1, 4, 4, 2), scale=0.5)
    g.output(g.mean(g.mean(x, scale=0.25, name="mean"), scale=0.125, name="again"))
    graph = read(g.compile())
    graph.ops[1] = replace(graph.ops[1], name="mean")
    path = tmp_path / "twice.qfb"
    path.write_bytes(to_bytes(graph))
    result = cli("explain", str(path), "mean")
    candidates = "0 (mean mean -> mean), 1 (mean mean -> again)"
    assert_refused(result, f"qrt explain: {path}: several layers are called 'mean': {candidates}; give the number")
    assert "\nlayer  1: mean\n" in "\n" + cli("explain", str(path), "1").stdout
    assert "\nlayer  1: mean\n" in "\n" + cli("explain", str(path), "again").stdout


def test_a_layer_has_one_number_everywhere(cli: Cli, tmp_path: Path) -> None:
    """In text, in JSON, in `qrt explain`, `inspect` and `profile`."""
    path = tmp_path / "pets.qfb"
    path.write_bytes(residual().compile())
    names = [op.name for op in read(path.read_bytes()).ops]
    for verb, options in (("inspect", ()), ("profile", ("--repeats", "3", "--order"))):
        operators = json.loads(cli(verb, str(path), "--json").stdout)["operators"]
        assert [op["index"] for op in operators] == list(range(len(names)))
        table = cli(verb, str(path), *options).stdout.split("#  operator")[1]
        assert re.findall(r"^ *(\d+)  ", table, re.MULTILINE) == [str(number) for number in range(len(names))]
    for number, name in enumerate(names):
        assert json.loads(cli("explain", str(path), str(number), "--json").stdout)["name"] == name
        assert json.loads(cli("explain", str(path), name, "--json").stdout)["index"] == number


def test_compare_layer_by_layer(cli: Cli, digits: Path, tmp_path: Path) -> None:
    source, data = str(DIGITS / "digits_resnet.onnx"), str(DIGITS / "test_digits.npz")
    arguments = ("compare", str(digits), "--against", source, "--inputs", data)
    document = json.loads(cli(*arguments, "--bias", "int32,float", "--json").stdout)
    assert document["missing"] == []
    assert all(layer["sqnr"] > 25 and sum(layer["histogram"]) == layer["size"] for layer in document["layers"])
    # Float32 ties near half a code differ and go on into later layers.
    assert all(layer["differing"] <= 2e-3 * layer["size"] for layer in document["layers"])
    assert document["accuracy"]["qrt"] == document["accuracy"]["quantized source"] > 0.99
    assert [one["bias"] for one in document["biases"]] == ["int32", "float"]
    assert "worst first" in cli(*arguments).stdout
    images = np.load(data)["images"]
    np.savez(tmp_path / "codes.npz", images=qrt.load(digits).inputs[0].quantize(images), labels=np.load(data)["labels"])
    of_codes = json.loads(cli(*arguments[:-1], str(tmp_path / "codes.npz"), "--json").stdout)
    # The float network sees rounded inputs then, the integers the same.
    assert of_codes["accuracy"]["qrt"] == document["accuracy"]["qrt"]
    assert [layer["size"] for layer in of_codes["layers"]] == [layer["size"] for layer in document["layers"]]
    assert_refused(cli(*arguments, "--plot", "x.gif"), "qrt compare: x.gif: plots are written as .png or .html")


def test_compare_knows_the_order_behind_a_flatten(cli: Cli) -> None:
    """The file flattens NHWC, and has the weights behind permuted; the source flattens NCHW."""
    pytest.importorskip("onnxruntime")
    onnx_models = pytest.importorskip("onnx_models")
    net = onnx_models.Net((1, 3, 9, 7))
    pool = net.node("MaxPool", net.conv("x", 5, 3), kernel_shape=[2, 2], strides=[2, 2])
    model = onnx_models.quantized(net.model(net.gemm(net.node("Flatten", pool), 4, 5 * 3 * 2)))
    Path("net.onnx").write_bytes(model.SerializeToString())
    assert cli("compile", "net.onnx").exit_code == 0
    np.save("x.npy", onnx_models.samples((1, 3, 9, 7), seed=2))
    document = json.loads(cli("compare", "net.qfb", "--against", "net.onnx", "--inputs", "x.npy", "--json").stdout)
    assert document["missing"] == []
    assert document["first_differing"] is None
    assert {"conv2d", "reshape", "linear"} <= {layer["kind"] for layer in document["layers"]}
    assert all(layer["sqnr"] > 25 for layer in document["layers"])


def test_compare_knows_the_layout_of_cubes(cli: Cli) -> None:
    """Outputs and inner images with as many channels as rows and columns, whose shape fits both layouts."""
    pytest.importorskip("onnxruntime")
    onnx_models = pytest.importorskip("onnx_models")
    net = onnx_models.Net((1, 4, 4, 4))
    inner = net.node("Relu", net.conv("x", 4, 4, pads=[1, 1, 1, 1]))
    model = onnx_models.quantized(net.model(net.conv(inner, 4, 4, pads=[1, 1, 1, 1])))
    Path("net.onnx").write_bytes(model.SerializeToString())
    assert cli("compile", "net.onnx").exit_code == 0
    np.save("x.npy", onnx_models.samples((1, 4, 4, 4), seed=2))
    arguments = ("compare", "net.qfb", "--against", "net.onnx", "--inputs", "x.npy", "--layout", "NCHW", "--json")
    document = json.loads(cli(*arguments).stdout)
    assert (document["missing"], document["first_differing"]) == ([], None)
    assert all(layer["sqnr"] > 25 for layer in document["layers"])


def test_calibration_is_deterministic_and_accurate(cli: Cli, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    rng = np.random.default_rng(0)
    w, labels = rng.normal(size=(4, 16)).astype(np.float32), rng.integers(0, 4, 200)
    x = (w[labels] + rng.normal(0, 0.5, (200, 16))).astype(np.float32)
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=1)],
        "g",
        [helper.make_tensor_value_info("x", kind, ["N", 16])],
        [helper.make_tensor_value_info("y", kind, ["N", 4])],
        [
            onnx.numpy_helper.from_array(w, "w"),
            onnx.numpy_helper.from_array((-(w**2).sum(1) / 2).astype(np.float32), "b"),
        ],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), tmp_path / "float.onnx")
    np.savez(tmp_path / "data.npz", x=x, labels=labels)
    arguments = ("compile", "float.onnx", "--calibrate", "data.npz", "--json")
    first = json.loads(cli(*arguments).stdout)
    explained = cli("explain", "float.qfb", "0", "--channel", "1", "--source", "float.onnx", "--json")
    (channel,) = json.loads(explained.stdout)["channels"]
    assert channel["bias_float"] == pytest.approx(-(w[1] ** 2).sum() / 2)
    assert 0 < abs(channel["bias_error_codes"]) < 0.01
    content = (tmp_path / "float.qfb").read_bytes()
    assert first["accuracy"]["qrt"] > first["accuracy"]["float"] - 0.02 > 0.8
    assert json.loads(cli(*arguments).stdout)["accuracy"] == first["accuracy"]
    assert (tmp_path / "float.qfb").read_bytes() == content
    refused = cli("compare", "float.qfb", "--against", "float.onnx", "--inputs", "data.npz", "--bias", "int32,float")
    assert_refused(refused, "qrt compare: float.onnx: --bias compiles the source, but this one is float")
    np.savez(tmp_path / "bad.npz", x=x[:, :5])
    refused = cli("compile", "float.onnx", "--calibrate", "bad.npz")
    assert_refused(refused, "qrt compile: bad.npz: input x takes samples of shape (n, 16), got x (200, 5) float32; ")
