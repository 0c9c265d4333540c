"""The layers of a model, and what they make: the codes of a file whose outputs are all layers' outputs."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from banded import banded
from places import VECTORS
from stateful import layered

import qrt
from qrt.cli.arrays import random_codes
from qrt.compiler import GraphBuilder, compile
from qrt.compiler.backends.qfb.reader import read
from qrt.compiler.study.layers import exposed_file

GOOD = sorted((VECTORS / "good").glob("*.qfb"))


def samples(model: qrt.Model, count: int) -> list[np.ndarray]:
    """As many samples, or one of a network whose batch is fixed."""
    rng = np.random.default_rng(count)
    count = count if all(info.shape[0] == 1 for info in model.inputs) else 1
    return [np.concatenate([random_codes(rng, info) for _ in range(count)]) for info in model.inputs]


def assert_traced(content: bytes, **options: int) -> None:
    """Every layer of two runs of three samples, states and outputs among them."""
    graph = read(content)
    model, exposed, plain = qrt.load(content, **options), qrt.load(exposed_file(graph)), qrt.load(content)
    for seed in (3, 4):
        x = samples(model, seed)
        expected = exposed.run(*x, layout="NHWC", as_list=True)
        traced = model.run(*x, layout="NHWC", tensors=range(len(model.layers)))
        assert list(traced) == list(range(len(graph.ops)))
        for op, wanted in zip(graph.ops, expected, strict=True):
            assert np.array_equal(traced[graph.ops.index(op)], wanted), op.name
        plain.run(*x, layout="NHWC")
        assert model.state == plain.state
    x = samples(model, 2)
    for got, wanted in zip(
        model.run(*x, layout="NHWC", as_list=True), plain.run(*x, layout="NHWC", as_list=True), strict=True
    ):
        assert np.array_equal(got, wanted)


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_golden_files(path: Path) -> None:
    assert_traced(path.read_bytes())


@pytest.mark.parametrize("together", [0, 1, 3])
def test_turns(together: int) -> None:
    assert_traced(banded(fed=True), together=together)


def test_states_and_threads() -> None:
    assert_traced(layered().compile(), threads=2)


def test_turns_need_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    content = banded(fed=False)
    model = qrt.load(content)
    model = qrt.load(content, max_arena=model.arena_size + model._program.plan_aside(1)[1], together=1)
    with pytest.raises(qrt.ModelError, match="beside it, the limit is"):
        model.run(*samples(model, 1), tensors=[0])


def network() -> GraphBuilder:
    rng = np.random.default_rng(1)
    g = GraphBuilder("named")
    x = g.input("x", (1, 4, 4, 2), scale=0.5)
    y = g.conv2d(x, rng.normal(size=(3, 3, 3, 2)), scale=0.25, zero_point=3, padding=1, name="conv1")
    z = g.reshape(y, (1, 48), name="flat")
    g.output(g.linear(z, rng.normal(size=(5, 48)), scale=0.5, name="head"))
    return g


def test_names() -> None:
    compiled = compile(network())
    model = qrt.load(compiled)
    x = samples(model, 2)[0]
    first = model.layers[0]
    assert (first.index, first.name, first.kind, first.inputs, first.dtype) == (0, "conv1", "conv2d", ("x",), "int8")
    assert (first.input_shapes, first.output_shape) == (((1, 4, 4, 2),), (1, 4, 4, 3))
    assert (first.macs, first.weight_bytes) == (4 * 4 * 3 * 9 * 2, 54)
    assert sum(layer.macs for layer in model.layers) == compiled.report.macs
    assert sum(layer.weight_bytes for layer in model.layers) == compiled.report.weight_bytes
    found = model.run(x, tensors=["head", "conv1", first.output])
    assert list(found) == list(dict.fromkeys(["head", "conv1", first.output]))
    assert np.array_equal(found["head"], model.run(x))
    assert np.array_equal(found["conv1"], found[first.output])
    assert list(model.run(x, tensors=(name for name in ("head", "conv1")))) == ["head", "conv1"]
    real = model.run(x[0], tensors=["conv1", "head"], dequantize=True)
    assert real["conv1"].shape == (4, 4, 3)
    assert np.array_equal(real["conv1"], np.float32(0.25) * (found["conv1"][0].astype(np.float32) - 3))
    assert np.array_equal(real["head"], model.run(x[0], dequantize=True))
    assert model.run(x, tensors=[]) == {}


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("conv", "no layer or tensor 'conv'; did you mean 'conv1'"),
        ("zzz", "no layer or tensor 'zzz'; give a name or number of Model.layers"),
        (3, "no layer 3; they are 0 to 2"),
        (-1, "no layer -1; they are 0 to 2"),
    ],
)
def test_unknown_names(wanted: str | int, said: str) -> None:
    model = qrt.load(compile(network()))
    with pytest.raises(ValueError, match=re.escape(said)):
        model.run(*samples(model, 1), tensors=[wanted])


def test_one_name_is_no_list() -> None:
    model = qrt.load(compile(network()))
    with pytest.raises(ValueError, match="tensors is a list of names or numbers, got 'conv1'"):
        model.run(*samples(model, 1), tensors="conv1")


def test_a_file_without_names() -> None:
    model = qrt.load(compile(network()).to_bytes(strip=True))
    x = samples(model, 1)
    with pytest.raises(ValueError, match=r"no layer or tensor 'conv1'; "):
        model.run(*x, tensors=["conv1"])
    assert np.array_equal(model.run(*x, tensors=[2])[2], model.run(*x))


def test_names_of_several_layers() -> None:
    g = GraphBuilder("twins")
    x = g.input("x", (1, 3), scale=0.5)
    for scale in (0.25, 0.125):
        g.output(g.linear(x, np.eye(3), scale=scale, name="gate"))
    compiled = compile(g)
    for op in compiled.graph.ops:
        op.name = "gate"
    model = qrt.load(compiled)
    with pytest.raises(ValueError, match="layers 0, 1 are named 'gate'; give a number"):
        model.run(*samples(model, 1), tensors=["gate"])
