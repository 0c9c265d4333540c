"""`qrt compare` and `qrt explain` with sources that the file is not made of; inputs whose shape fits both layouts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Cli, assert_refused
from places import SHARED

from qrt.compiler import GraphBuilder

onnx_models = pytest.importorskip("onnx_models")
SHAPE = (1, 3, 9, 7)
REMEDY = "give the source that it was compiled from"
# Small files that engines disagreed about, where this machine has them.
CASES = SHARED / "cases"


def write(name: str, make: Callable[[Any], str], shape: tuple[int, ...] = SHAPE) -> None:
    """A network, and samples for it."""
    net = onnx_models.Net(shape)
    Path(f"{name}.onnx").write_bytes(onnx_models.quantized(net.model(make(net))).SerializeToString())
    np.save("x.npy", onnx_models.samples(shape, seed=2)[:1])


def two_convolutions(inner: int, outputs: int) -> Callable[[Any], str]:
    return lambda n: n.conv(n.node("Relu", n.conv("x", inner, 3)), outputs, inner)


def compiled(cli: Cli, name: str, make: Callable[[Any], str], shape: tuple[int, ...] = SHAPE) -> None:
    write(name, make, shape)
    assert cli("compile", f"{name}.onnx", "-q").exit_code == 0


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (two_convolutions(5, 6), "its output 0 is 1x6x5x3, in net.qfb 1x4x5x3"),
        (two_convolutions(4, 4), "layer node_Conv0 is 1x4x7x5, in net.qfb 1x7x5x5"),
        (two_convolutions(8, 4), "layer node_Conv0 is 1x7x5x8, in net.qfb 1x7x5x5"),
        (lambda n: n.conv(n.node("Sigmoid", n.conv("x", 5, 3)), 4, 5, pads=[1, 1, 1, 1]), "its output 0 is 1x4x7x5"),
    ],
    ids=["outputs", "fewer channels", "more channels", "padding"],
)
def test_other_networks_are_refused(cli: Cli, make: Callable[[Any], str], reason: str) -> None:
    compiled(cli, "net", two_convolutions(5, 4))
    compiled(cli, "other", make)
    result = cli("compare", "net.qfb", "--against", "other.onnx", "--inputs", "x.npy", "--layout", "NCHW")
    assert_refused(result, f"qrt compare: other.onnx: {reason}")
    assert REMEDY in result.stderr


def test_a_network_of_other_names_is_refused(cli: Cli) -> None:
    onnx = pytest.importorskip("onnx")
    compiled(cli, "net", two_convolutions(5, 4))
    model = onnx.load("net.onnx")
    edges = {value.name for value in (*model.graph.input, *model.graph.output)}
    for node in model.graph.node:
        node.name = f"q{node.name}"
        for names in (node.input, node.output):
            names[:] = [name if name in edges or not name else f"q{name}" for name in names]
    for constant in model.graph.initializer:
        constant.name = f"q{constant.name}"
    del model.graph.value_info[:]
    onnx.save(model, "other.onnx")
    result = cli("compare", "net.qfb", "--against", "other.onnx", "--inputs", "x.npy")
    reason = "has none of the 1 inner layers of net.qfb, the first is node_Conv0"
    assert_refused(result, f"qrt compare: other.onnx: {reason}; {REMEDY}")
    assert cli("compile", "net.onnx", "-q", "--strip").exit_code == 0
    document = json.loads(cli("compare", "net.qfb", "--against", "other.onnx", "--inputs", "x.npy", "--json").stdout)
    assert [layer["differing"] for layer in document["layers"]] == [0], "a file without names has only its outputs"


def test_channels_that_compiling_removes_may_be_missing(cli: Cli) -> None:
    onnx = pytest.importorskip("onnx")
    write("net", two_convolutions(5, 4))
    model = onnx.load("net.onnx")
    (weights,) = [c for c in model.graph.initializer if c.dims == [4, 5, 3, 3]]
    codes = onnx.numpy_helper.to_array(weights).copy()
    codes[:, 2] = 0
    weights.CopyFrom(onnx.numpy_helper.from_array(codes, weights.name))
    onnx.save(model, "net.onnx")
    for options in ((), ("--no-remove-channels",)):
        assert cli("compile", "net.onnx", "-q", *options).exit_code == 0
        shown = cli("compare", "net.qfb", "--against", "net.onnx", "--inputs", "x.npy", "--json")
        assert json.loads(shown.stdout)["first_differing"] is None


def test_cubes_need_a_layout(cli: Cli) -> None:
    compiled(cli, "cube", lambda n: n.conv("x", 4, 4, pads=[1, 1, 1, 1]), (1, 4, 4, 4))
    arguments = ("compare", "cube.qfb", "--against", "cube.onnx", "--inputs", "x.npy")
    result = cli(*arguments)
    assert_refused(result, "qrt compare: x.npy: input x: ")
    assert "can be NHWC or NCHW; choose one with --layout NHWC or --layout NCHW" in result.stderr
    for layout in ("NHWC", "NCHW"):
        assert json.loads(cli(*arguments, "--layout", layout, "--json").stdout)["first_differing"] is None


@pytest.mark.parametrize("name", ["13_compare_flatten_false_alarm", "14_compare_cube_shape_traceback"])
def test_no_false_alarm(cli: Cli, name: str) -> None:
    if not CASES.is_dir():
        pytest.skip("the folder of cases is not on this machine")
    source, data = CASES / f"{name}.onnx", CASES / f"{name}_in.npy"
    assert cli("compile", str(source), "-o", "net.qfb", "-q").exit_code == 0
    layout = ("--layout", "NCHW") if "cube" in name else ()
    shown = cli("compare", "net.qfb", "--against", str(source), "--inputs", str(data), *layout, "--json")
    document = json.loads(shown.stdout)
    assert (document["missing"], document["first_differing"]) == ([], None)


def test_explain_refuses_a_source_that_does_not_fit(cli: Cli) -> None:
    compiled(cli, "net", two_convolutions(5, 4))
    write("other", two_convolutions(4, 4))
    result = cli("explain", "net.qfb", "1", "--source", "other.onnx")
    assert_refused(result, "qrt explain: other.onnx: layer node_Conv0 is ")
    assert REMEDY in result.stderr
    result = cli("explain", "net.qfb", "0", "--source", "net.onnx")
    assert_refused(result, "qrt explain: net.onnx: the biases of layer node_Conv0 are no floats there either; ")
    # Without quantizing, the source's biases are floats.
    net = onnx_models.Net((1, 12))
    Path("float.onnx").write_bytes(net.model(net.gemm("x", 5, 12)).SerializeToString())
    np.savez("data.npz", x=onnx_models.samples((1, 12), seed=3))
    assert cli("compile", "float.onnx", "--calibrate", "data.npz", "-q").exit_code == 0
    assert cli("explain", "float.qfb", "0", "--source", "float.onnx").exit_code == 0


@pytest.mark.parametrize("rounding", ["SINGLE", "DOUBLE"])
def test_the_derivation_ends_in_the_formula_of_its_rounding(cli: Cli, rounding: str) -> None:
    g = GraphBuilder("one")
    x = g.input("x", (1, 8), scale=0.5, zero_point=-3)
    weights = np.ones((3, 8), np.int8)
    g.output(g.linear(x, weights, weights_scale=0.01, scale=0.25, name="dense", rounding=rounding))
    Path("one.qfb").write_bytes(g.compile())
    found = json.loads(cli("explain", "one.qfb", "dense", "--json").stdout)
    assert found["numbers"]["rounding"] == rounding
    single, double = "2^(shift-1) before the shift rounds half up", "ties away from zero"
    assert (single in found["derivation"][-1], double in found["derivation"][-1]) == (
        rounding == "SINGLE",
        rounding == "DOUBLE",
    )
    shown = cli("explain", "one.qfb", "dense", "--channel", "0").stdout
    assert ("\naddend " in shown) == (rounding == "SINGLE")
