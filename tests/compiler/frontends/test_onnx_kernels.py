"""Whose kernels onnxruntime takes between quantize and dequantize: codes at ties, against its default options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import qrt
from qrt.compiler import CompileError, compile
from qrt.compiler.report import Report

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from qdq import Net  # noqa: E402

Array = np.ndarray[Any, Any]
SCALE = 0.05


def compared(n: Net, y: str, given: list[Array]) -> tuple[Report, Array, Array]:
    """The report, and the real values that qrt and onnxruntime give, in the model's layout."""
    model = n.model(y)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [edge.name for edge in model.graph.input]
    (theirs,) = session.run(None, dict(zip(names, given, strict=True)))
    compiled = compile(model)
    runtime = qrt.load(compiled.to_bytes())
    layout = "NCHW" if any(edge.source_layout == "NCHW" for edge in runtime.inputs) else None
    ours = runtime.run(*given, dequantize=True, layout=layout)
    if runtime.outputs[0].source_layout == "NCHW":
        ours = ours.transpose(0, 3, 1, 2)
    return compiled.report, ours, theirs


def pairs(zero_points: tuple[int, int]) -> list[Array]:
    """Real values of every pair of codes."""
    grids = np.meshgrid(*[np.arange(-128, 128)] * 2, indexing="ij")
    return [((x - z) * np.float32(SCALE)).astype(np.float32) for x, z in zip(grids, zero_points, strict=True)]


MOVES: dict[str, Callable[[Net, str], str]] = {
    "none": lambda n, x: x,
    "Flatten": lambda n, x: n.node("Flatten", x),
    "Reshape": lambda n, x: n.node("Reshape", x, n.constant([256, 256], np.int64)),
    "Transpose": lambda n, x: n.node("Transpose", n.node("Transpose", x, perm=[1, 0]), perm=[1, 0]),
    "MaxPool": lambda n, x: n.node(
        "Reshape",
        n.node("MaxPool", n.node("Reshape", x, n.constant([1, 1, 256, 256], np.int64)), kernel_shape=[1, 1]),
        n.constant([256, 256], np.int64),
    ),
}


@pytest.mark.parametrize("kind", ["Add", "Mul"])
@pytest.mark.parametrize("move", list(MOVES))
def test_int8_between_quantize_and_dequantize(move: str, kind: str) -> None:
    """onnxruntime computes it in uint8; which nodes it pushes quantize and dequantize through decides the kernel."""
    for zero_points, ratio in (((-128, 7), 2.0), ((0, -97), 5.0), ((3, -128), 0.25)):
        n = Net()
        a, b = (
            n.qdq(x, SCALE, z)
            for x, z in zip((n.float_input("x", (256, 256)), n.float_input("y", (256, 256))), zero_points, strict=True)
        )
        y_scale = SCALE * ratio * (SCALE if kind == "Mul" else 1)
        y = n.qdq(n.node(kind, MOVES[move](n, a), b), y_scale, 0)
        report, ours, theirs = compared(n, y, pairs(zero_points))
        differing = int((np.abs(ours - theirs) > y_scale / 2).sum())
        assert differing == sum(one.count for one in report.deviations), (zero_points, ratio)


@pytest.mark.parametrize("shape", [(), (4, 1, 1), (5, 1), (1, 6), (1, 4, 5, 6)])
@pytest.mark.parametrize("first", [False, True])
def test_sums_with_an_operand_that_is_one_number(first: bool, shape: tuple[int, ...]) -> None:
    for trial in range(12):
        n, rng = Net(), np.random.default_rng(trial)
        scales = [float(np.float32(SCALE * r)) for r in rng.choice([1, 2, 3, 4, 5], 3)]
        low, high = (int(z) for z in rng.integers(-128, 128, 2))
        x = n.qdq(n.float_input("x", (1, 4, 5, 6)), scales[0], low)
        z = n.qdq(n.float_input("z", shape), scales[1], high) if shape else n.qdq(n.constant(3.0), scales[1], high)
        y = n.qdq(n.node("Add", *((z, x) if first else (x, z))), scales[2], 1)
        given = [((rng.integers(-128, 128, (1, 4, 5, 6)) - low) * np.float32(scales[0])).astype(np.float32)]
        if shape:
            given.append(((rng.integers(-128, 128, shape) - high) * np.float32(scales[1])).astype(np.float32))
        report, ours, theirs = compared(n, y, given)
        assert report.deviations or np.abs(ours - theirs).max() < scales[2] / 2, trial


def test_flatten_keeps_a_layer_in_float() -> None:
    """A layer behind it is added up in float32, where Reshape lets it have a kernel."""
    for kind, expected in (("Flatten", 1), ("Reshape", 0)):
        n = Net()
        x = n.input("x", (1, 4, 2, 2))
        move = n.node("Flatten", x) if kind == "Flatten" else n.node("Reshape", x, n.constant([1, 16], np.int64))
        assert len(compile(n.model(n.op("Gemm", move, n.weights((16, 3))))).report.deviations) == expected


@pytest.mark.parametrize(("low", "high"), [(9.0, 99.0), (-99.0, -9.0), (-1.0, 9.0), (-9.0, 1.0)])
def test_clip_beyond_what_the_codes_hold(low: float, high: float) -> None:
    n = Net()
    x = n.qdq(n.float_input("x", (1, 256)), 0.02, 0)
    y = n.qdq(n.node("Clip", x, n.constant(low), n.constant(high)), 0.2, 0)
    given = [(np.arange(-128, 128) * np.float32(0.02)).astype(np.float32).reshape(1, 256)]
    _, ours, theirs = compared(n, y, given)
    assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("kind", ["Div", "Pow"])
def test_an_operator_that_qrt_has_not_is_refused(kind: str) -> None:
    n = Net()
    with pytest.raises(CompileError, match=f"{kind} has no integer form in qrt; "):
        compile(n.model(n.op(kind, n.input("x", (1, 6)), n.input("y", (1, 6)))))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_quantized_twice(dtype: Any) -> None:
    """onnxruntime merges the pairs, in the order of the file; the scale of the result is in neither of them."""
    low, rng = np.iinfo(dtype).min, np.random.default_rng(5)
    x = np.linspace(-40, 40, 4096, dtype=np.float32).reshape(1, 4096)
    for trial in range(60):
        n = Net()
        y = n.float_input("x", (1, 4096))
        for _ in range(2 + trial % 3 // 2):
            zero_point = int(rng.choice([low, low + 128, low + 255, rng.integers(low, low + 256)]))
            parameters = n.constant(SCALE * rng.choice([1, 2, 5, 1 / 3, rng.uniform()])), n.constant(zero_point, dtype)
            y = n.node("DequantizeLinear", n.node("QuantizeLinear", y, *parameters), *parameters)
        report, ours, theirs = compared(n, y, [x])
        assert not report.deviations
        assert np.array_equal(ours, theirs), trial


READERS: dict[str, Callable[[Net, str], list[str]]] = {
    "two of the first": lambda n, x: [n.node("Relu", x), n.qdq(x, 3 * SCALE, 0)],
    "two of the second": lambda n, x: [n.op(kind, n.qdq(x, 3 * SCALE, 0), scale=SCALE) for kind in ("Relu", "Abs")],
    "a move between": lambda n, x: [n.qdq(n.node("Transpose", x, perm=[1, 0]), 3 * SCALE, 0)],
    "an output between": lambda n, x: [x, n.qdq(x, 3 * SCALE, 0)],
    "none": lambda n, x: [n.op("Relu", n.qdq(x, 3 * SCALE, 0), scale=SCALE)],
    "constant codes": lambda n, x: [n.node("Add", n.qdq(n.qdq(n.weights((1, 4)), 0.07, 0), 3 * SCALE, 0), x)],
}


@pytest.mark.parametrize("readers", READERS)
def test_readers_of_what_is_quantized_twice(readers: str) -> None:
    n = Net()
    outputs = READERS[readers](n, n.qdq(n.float_input("x", (64, 4)), SCALE, 0))
    model = n.model(*(n.qdq(y, 0.137, 5) for y in outputs))
    x = np.linspace(-9, 9, 256, dtype=np.float32).reshape(64, 4)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    ours = qrt.load(compile(model).to_bytes()).run(x, dequantize=True)
    for mine, theirs in zip(ours if isinstance(ours, list) else [ours], session.run(None, {"x": x}), strict=True):
        assert np.array_equal(mine, theirs)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_hard_swish(dtype: Any) -> None:
    """onnxruntime computes it as HardSigmoid times x, every operation rounded to float32."""
    low, rng = np.iinfo(dtype).min, np.random.default_rng(6)
    for trial in range(100):
        n = Net()
        x_scale = np.float32(rng.choice([0.03, 0.05, 0.0625, 0.1, 0.12, 0.047]))
        zero_point = int(low + rng.integers(256))
        x = n.float_input("x", (1, 256))
        for scale in (x_scale, x_scale * np.float32(rng.choice([1, 2, 0.5, 1 / 3, 0.25]))):
            parameters = n.constant(scale), n.constant(zero_point, dtype)
            x = n.node("DequantizeLinear", n.node("QuantizeLinear", x, *parameters), *parameters)
            x = n.node("HardSwish", x) if scale is x_scale else x
        report, ours, theirs = compared(
            n, x, [(np.arange(low, low + 256, dtype=np.float32)[None] - zero_point) * x_scale]
        )
        assert not report.deviations
        assert np.array_equal(ours, theirs), trial
