"""qrt compile --weights, and what inspect shows of int4."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import Cli, assert_refused
from places import DIGITS

NETWORK = str(DIGITS / "digits_resnet.onnx")


@pytest.fixture
def small(cli: Cli) -> str:
    pytest.importorskip("onnx")
    assert cli("compile", NETWORK, "-o", "small.qfb", "--weights", "int4", "-q").exit_code == 0
    return "small.qfb"


def test_all_layers(cli: Cli, small: str) -> None:
    assert cli("compile", NETWORK, "-o", "wide.qfb", "-q").exit_code == 0
    documents = [json.loads(cli("inspect", name, "--json").stdout) for name in (small, "wide.qfb")]
    packed, wide = (sum(op["weight_bytes"] for op in document["operators"]) for document in documents)
    assert packed == pytest.approx(wide / 2, abs=10)
    assert "int4 weights" in cli("inspect", small).stdout
    assert cli("check", small).exit_code == 0


def test_named_layers(cli: Cli, small: str) -> None:
    layers = [op for op in json.loads(cli("inspect", small, "--json").stdout)["operators"] if op["weight_bytes"]]
    chosen = ",".join(op["name"] for op in layers[1:3])
    assert cli("compile", NETWORK, "-o", "two.qfb", "--weights", f"int4:{chosen}", "-q").exit_code == 0
    operators = json.loads(cli("inspect", "two.qfb", "--json").stdout)["operators"]
    assert [op["name"] for op in operators if "weights" in op["parameters"]] == chosen.split(",")
    assert_refused(
        cli("compile", NETWORK, "--weights", "int4:nothing"), f"qrt compile: {NETWORK}: nothing (layer): is no"
    )


def test_other_words_are_refused(cli: Cli) -> None:
    result = cli("compile", NETWORK, "--weights", "int5")
    assert (result.exit_code, "int5" in result.stderr) == (2, True)


def test_the_accuracy_is_shown_beside_that_of_int8(cli: Cli) -> None:
    pytest.importorskip("onnxruntime")
    from qdq import Net

    net = Net(quantized=False)
    x = net.float_input("x", (1, 8))
    model = net.model(net.node("Gemm", x, net.weights((4, 8)), transB=1))
    Path("float.onnx").write_bytes(model.SerializeToString())
    given = np.random.default_rng(0).normal(0, 1, (32, 8)).astype(np.float32)
    np.savez("data.npz", x=given, labels=np.arange(32) % 4)
    result = cli("compile", "float.onnx", "--calibrate", "data.npz", "--weights", "int4", "--json")
    assert result.exit_code == 0, result.stderr
    assert list(json.loads(result.stdout)["accuracy"]) == ["float", "with weights of int8", "qrt"]
