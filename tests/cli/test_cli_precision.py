"""qrt compile --int16: layers of a float network that keep int16 activations, named or found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Cli, assert_refused
from float_tflite import SHAPE, float_tflite

import qrt
from qrt.compiler import compile, quantize
from qrt.compiler.calibration import float_network

RUNS = 40


@pytest.fixture
def network() -> Path:
    """net.onnx with a layer whose outputs have one channel a hundred times as large as the others."""
    pytest.importorskip("onnxruntime")
    onnx_models = pytest.importorskip("onnx_models")
    n = onnx_models.Net((1, 3, 8, 8))
    x = n.node("Relu", n.conv("x", 6, 3, pads=[1, 1, 1, 1]))
    x = n.node("Add", x, n.conv(x, 6, 6, pads=[1, 1, 1, 1]))
    gains = np.array([100, 1, 1, 1, 1, 1], np.float32).reshape(6, 1, 1)
    x = n.node("MaxPool", n.node("Mul", x, n.constant(gains)), kernel_shape=[2, 2], strides=[2, 2])
    x = n.conv(n.node("Div", x, n.constant(gains)), 6, 6)
    x = n.node("LeakyRelu", x, alpha=0.3)
    y = n.gemm(n.node("Flatten", n.node("GlobalAveragePool", x)), 4, 6)
    Path("net.onnx").write_bytes(n.model(y).SerializeToString())
    x = np.random.default_rng(1).normal(size=(RUNS, 3, 8, 8)).astype(np.float32)
    meant = float_network("net.onnx")
    labels = np.array([meant.run([one[np.newaxis]])[0].argmax() for one in x])
    np.savez("data.npz", x=x, labels=labels)
    np.savez("plain.npz", x=x)
    return Path("net.onnx")


def compiled(cli: Cli, *options: str) -> dict[str, Any]:
    result = cli("compile", "net.onnx", "--json", *options)
    assert result.exit_code == 0, result.stderr
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def error(path: str) -> float:
    """The error of the compiled file, as the summary states it."""
    model, network, x = qrt.load(path), float_network("net.onnx"), np.load("data.npz")["x"]
    meant = np.concatenate([network.run([one[np.newaxis]]) for one in x])
    noise = model.run(x, layout="NCHW", dequantize=True) - meant
    return float(np.sqrt((noise**2).mean() / (meant**2).mean()))


def test_layers_are_found(cli: Cli, network: Path) -> None:
    """The first is the one whose scale one channel spoils; the file is what the last step says."""
    document = compiled(cli, "--calibrate", "plain.npz", "--int16", "auto", "--error", "0.02")
    steps = document["int16_steps"]
    assert [len(step["layers"]) for step in steps] == list(range(len(steps)))
    assert steps[1]["layers"] == ["node_Mul4"]
    assert steps[0]["error"] > 0.02 >= steps[-1]["error"] and steps[1]["error"] < steps[0]["error"] / 2
    assert steps[0]["int16_macs"] == 0 < steps[-1]["int16_macs"] <= steps[-1]["macs"]
    assert steps[-1]["arena"] == document["arena_size"] and steps[-1]["accuracy"] is None
    assert error("net.qfb") == pytest.approx(steps[-1]["error"], rel=1e-5)


def test_until_the_accuracy_is_reached(cli: Cli, network: Path) -> None:
    """By default that of float but for one percent; a goal that int8 reaches adds no layer."""
    options = ("--calibrate", "data.npz", "--int16", "auto")
    document = compiled(cli, *options)
    assert document["int16_steps"][-1]["accuracy"] == document["accuracy"]["qrt"] >= 0.99
    document = compiled(cli, *options, "--accuracy", "0.1")
    assert [step["layers"] for step in document["int16_steps"]] == [[]]
    text = cli("compile", "net.onnx", *options, "--error", "0.02").stdout
    assert "int8 alone" in text and "of the MACs read int16" in " ".join(text.split())


def test_named_layers_give_what_onnxruntime_gives(cli: Cli, network: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    names = ["x", "node_Conv2", "node_Mul4"]
    document = compiled(cli, "--calibrate", "data.npz", "--int16", ",".join(names))
    assert [step["layers"] for step in document["int16_steps"]] == [[], names]
    x = np.load("data.npz")["x"]
    quantized = quantize("net.onnx", x, int16=names)
    content = compile(quantized).to_bytes()
    assert content == Path("net.qfb").read_bytes()
    model = qrt.load(content)
    assert model.inputs[0].dtype == np.int16
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(quantized.content, options, providers=["CPUExecutionProvider"])
    theirs = np.concatenate([session.run(None, {"x": one[np.newaxis]})[0] for one in x])
    codes = (model.run(x, layout="NCHW", dequantize=True) - theirs) / model.outputs[0].scale
    assert np.abs(np.rint(codes)).max() <= 1


REFUSED = {
    "unknown": (("data.npz", "--int16", "conv9"), "conv9 (layer): is no layer with quantized outputs; there are x, "),
    "function": (("data.npz", "--int16", "node_LeakyRelu8"), "function from or to int16 codes"),
    "no labels": (("plain.npz", "--int16", "auto", "--accuracy", "1"), "--accuracy needs labels"),
    "too good": (
        ("plain.npz", "--int16", "auto", "--error", "1e-9"),
        "no layers of int16 reach error 1e-09; the best",
    ),
    "goal": (("data.npz", "--error", "0.1"), "goals of --int16 auto; give that too"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused(cli: Cli, network: Path, kind: str) -> None:
    options, reason = REFUSED[kind]
    refused = cli("compile", "net.onnx", "--calibrate", *options)
    assert_refused(refused, "qrt compile: ")
    assert reason in refused.stderr and not Path("net.qfb").exists()


def test_without_samples(cli: Cli, network: Path) -> None:
    assert "give samples with --calibrate" in cli("compile", "net.onnx", "--int16", "auto").stderr


def test_states_need_names(cli: Cli) -> None:
    """Samples are single runs: they do not say what a network with states gives."""
    pytest.importorskip("onnxruntime")
    onnx_models = pytest.importorskip("onnx_models")
    n = onnx_models.Net((1, 8, 4))
    x = n.node("Conv", n.node("Transpose", "x", perm=[0, 2, 1]), n.constant(n.rng.normal(size=(5, 4, 3))))
    Path("net.onnx").write_bytes(n.model(n.node("Relu", x)).SerializeToString())
    np.save("x.npy", np.random.default_rng(0).normal(size=(9, 8, 4)).astype(np.float32))
    options = ("compile", "net.onnx", "--calibrate", "x.npy", "--stream", "1", "--int16")
    assert_refused(cli(*options, "auto"), "qrt compile: x.npy: samples are single runs, but the network has states")
    document = compiled(cli, *options[2:], "node_Conv1")
    assert document["int16_steps"] == [] and qrt.load("net.qfb").outputs[0].dtype == np.int16


def test_other_files(cli: Cli) -> None:
    pytest.importorskip("litert_quantizer")
    Path("net.tflite").write_bytes(float_tflite())
    np.save("x.npy", np.random.default_rng(0).normal(size=(4, *SHAPE[1:])).astype(np.float32))
    refused = cli("compile", "net.tflite", "--calibrate", "x.npy", "--int16", "auto")
    assert_refused(
        refused, "qrt compile: net.tflite: litert-quantizer gives all layers 8 bits here; for layers of int16"
    )
