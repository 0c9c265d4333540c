"""The writer: deterministic bytes, aligned constants, a seal, and embedded test vectors."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

import qrt
from qrt.compiler import GraphBuilder, compile
from qrt.schema import generated as fb


def network() -> GraphBuilder:
    rng = np.random.default_rng(1)
    g = GraphBuilder("net")
    y = g.input("x", (1, 5, 5, 3), scale=0.1, zero_point=-4)
    for k in range(2):
        y = g.conv2d(y, rng.normal(size=(3, 3, 3, 3)), rng.normal(size=3), scale=0.2, padding=1, name=f"conv{k}")
    g.output(y)
    return g


def test_equal_graphs_give_equal_bytes() -> None:
    assert network().compile() == network().compile()


def test_header_and_seal() -> None:
    content = network().compile()
    assert content[4:8] == b"QRT1"
    model = fb.Model.GetRootAs(content, 0)
    assert model.FormatVersion() == qrt.FORMAT_VERSION
    assert model.Producer().decode() == f"qrt {qrt.__version__}"
    seal = model.Seal()
    assert seal.Size() == len(content)
    place = seal._tab.Pos + 4
    assert seal.Crc32() == zlib.crc32(content[:place] + bytes(4) + content[place + 4 :])


def test_constants_are_aligned_to_16_bytes() -> None:
    content = network().compile()
    model = fb.Model.GetRootAs(content, 0)
    constants = [model.Tensors(i) for i in range(model.TensorsLength()) if not model.Tensors(i).DataIsNone()]
    assert len(constants) == 2
    for tensor in constants:
        start = tensor._tab.Vector(tensor._tab.Offset(4 + 2 * 7))
        assert start % 16 == 0
        assert content[start : start + tensor.DataLength()] == tensor.DataAsNumpy().tobytes()


def test_equal_constants_are_written_once() -> None:
    def size(other: float) -> int:
        g = GraphBuilder()
        y = g.input("x", (1, 64), scale=0.1)
        weights = np.outer(np.arange(1, 65), np.ones(64))
        y = g.linear(y, weights, scale=9.0)
        g.output(g.linear(y, weights + other * np.eye(64), scale=9.0))
        return len(g.compile())

    assert size(0.0) < size(1.0) - 4000


def test_vectors_travel_in_the_file(kernels: str) -> None:
    compiled = compile(network())
    x = np.random.default_rng(0).integers(-128, 128, (1, 5, 5, 3), dtype=np.int8)
    y = qrt.load(compiled.to_bytes(), kernels="reference").run(x)
    model = qrt.load(compiled.to_bytes(test_vectors=[([x], [y]), ([x[:, ::-1]], [y])]), kernels=kernels)
    ((given,), (expected,), _), _ = model.test_vectors
    assert np.array_equal(given, x)
    assert np.array_equal(model.run(given), expected)
    assert model.test_vectors[1][0][0].shape == (1, 5, 5, 3)


def test_every_cut_is_noticed() -> None:
    content = network().compile()
    for size in range(0, len(content), 7):
        with pytest.raises(qrt.ModelError):
            qrt.load(content[:size])
