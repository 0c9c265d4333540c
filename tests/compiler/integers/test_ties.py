"""Ties that onnxruntime's float32 decides: every case of an operator between codes, with numbers near ties.

A code may differ from onnxruntime's only if the report names the operator; for sums and products of two codes the
report must state the exact number.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import qrt
from qrt.compiler import Compiled, compile
from qrt.compiler.backends.qfb.reader import read
from qrt.compiler.report import Deviation, Report
from qrt.compiler.study.explain import explain

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

TensorProto, helper, numpy_helper = onnx.TensorProto, onnx.helper, onnx.numpy_helper
Single = np.float32
Numbers = tuple[Any, int]
TYPES = {"uint8": (np.uint8, TensorProto.UINT8, 128), "int8": (np.int8, TensorProto.INT8, 0)}


def network(
    kind: str | None, dtype: str, operands: list[Numbers], y: Numbers, shapes: list[tuple[int, ...]], **attrs: Any
) -> Any:
    """Dequantize, one node (or none) and quantize, between codes; constants of the node come as attribute `given`."""
    codes, element, _ = TYPES[dtype]
    constants = {"sy": Single(y[0]), "zy": codes(y[1])}
    nodes, inputs = [], []
    for k, (scale, zero_point) in enumerate(operands):
        constants |= {f"s{k}": Single(scale), f"z{k}": codes(zero_point)}
        nodes.append(helper.make_node("DequantizeLinear", [f"q{k}", f"s{k}", f"z{k}"], [f"x{k}"]))
        inputs.append(helper.make_tensor_value_info(f"q{k}", element, shapes[k]))
    given = {f"g{k}": np.asarray(value) for k, value in enumerate(attrs.pop("given", ()))}
    names = [f"x{k}" for k in range(len(operands))]
    if kind is not None:
        nodes.append(helper.make_node(kind, [*names, *given], ["r"], **attrs))
    nodes.append(helper.make_node("QuantizeLinear", [names[0] if kind is None else "r", "sy", "zy"], ["y"]))
    initializers = [numpy_helper.from_array(np.asarray(v), name) for name, v in (constants | given).items()]
    output = helper.make_tensor_value_info("y", element, None)
    graph = helper.make_graph(nodes, "net", inputs, [output], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def answers(model: Any, dtype: str, given: list[np.ndarray]) -> tuple[Compiled, np.ndarray, np.ndarray]:
    """The compiled network, qrt's codes and onnxruntime's, in the model's layout and type."""
    codes, _, higher = TYPES[dtype]
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (theirs,) = session.run(None, {f"q{k}": x.astype(codes) for k, x in enumerate(given)})
    compiled = compile(model)
    images = given[0].ndim == 4
    runtime = qrt.load(compiled.to_bytes())
    ours = runtime.run(*((x - higher).astype(np.int8) for x in given), layout="NCHW" if images else None)
    ours = ours.transpose(0, 3, 1, 2) if images else ours
    return compiled, ours.astype(int) + higher, theirs.astype(int)


def numbers(seed: int, dtype: str, count: int) -> Iterator[tuple[list[Any], list[int], np.random.Generator]]:
    """Three scales, random, in ratios of small integers, and powers of two; and zero points."""
    rng = np.random.default_rng(seed)
    low = 0 if dtype == "uint8" else -128
    for index in range(count):
        a, b, y = (Single(s) for s in rng.uniform(0.001, 0.2, 3))
        if index % 3 == 1:
            b, y = (a * Single(n) for n in rng.integers(1, 6, 2))
        if index % 3 == 2:
            a, b, y = (Single(2.0) ** -Single(n) for n in rng.integers(3, 7, 3))
        yield [a, b, y], [int(z) for z in rng.integers(low, low + 256, 3)], rng


def every(dtype: str) -> np.ndarray:
    return np.arange(256) - (0 if dtype == "uint8" else 128)


@pytest.mark.parametrize("dtype", list(TYPES))
@pytest.mark.parametrize("kind", ["Add", "Mul"])
def test_all_pairs_of_codes(kind: str, dtype: str) -> None:
    a, b = np.meshgrid(every(dtype), every(dtype), indexing="ij")
    exact = 0
    for scales, zeros, rng in numbers(1, dtype, 12):
        y = scales[2] if kind == "Add" else scales[0] * scales[1] * Single(rng.integers(1, 64))
        operands = list(zip(scales[:2], zeros[:2], strict=True))
        compiled, ours, theirs = answers(network(kind, dtype, operands, (y, zeros[2]), [a.shape] * 2), dtype, [a, b])
        differing = np.abs(ours - theirs)
        assert differing.max() <= 1
        assert differing.sum() == sum(one.count for one in compiled.report.deviations)
        exact += not differing.any()
    assert exact >= 4


FUNCTIONS: dict[str, tuple[str | None, dict[str, Any]]] = {
    "requantize": (None, {}),
    "relu": ("Relu", {}),
    "clip": ("Clip", {"given": (Single(-1), Single(3))}),
    "leaky relu": ("LeakyRelu", {"alpha": 0.25}),
    "hard swish": ("HardSwish", {}),
    "hard sigmoid": ("HardSigmoid", {"alpha": 0.25}),
    "times a number": ("Mul", {"given": (Single(0.3),)}),
    "plus a number": ("Add", {"given": (Single(0.7),)}),
    "pool of 1x1": ("AveragePool", {"kernel_shape": [1, 1]}),
}


@pytest.mark.parametrize("dtype", list(TYPES))
@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_functions_of_one_code_are_exact(name: str, dtype: str) -> None:
    kind, attrs = FUNCTIONS[name]
    x = every(dtype).reshape((1, 1, 16, 16) if name.startswith("pool") else (256,))
    for scales, zeros, _ in numbers(2, dtype, 30):
        model = network(kind, dtype, [(scales[0], zeros[0])], (scales[2], zeros[2]), [x.shape], **dict(attrs))
        compiled, ours, theirs = answers(model, dtype, [x])
        if name.startswith("pool") and compiled.report.deviations:
            continue
        assert np.array_equal(ours, theirs)
        assert not compiled.report.deviations


@pytest.mark.parametrize("dtype", list(TYPES))
def test_concat_of_other_scales_is_exact(dtype: str) -> None:
    x = every(dtype)[np.newaxis]
    kinds: set[str] = set()
    for scales, zeros, _ in numbers(3, dtype, 30):
        operands = list(zip(scales[:2], zeros[:2], strict=True))
        model = network("Concat", dtype, operands, (scales[2], zeros[2]), [x.shape] * 2, axis=1)
        compiled, ours, theirs = answers(model, dtype, [x, x])
        assert np.array_equal(ours, theirs)
        assert not compiled.report.deviations
        kinds |= set(compiled.report.operators)
    assert {"lut", "requantize"} <= kinds, "a table only where the integers of a requantize are not the same"


@pytest.mark.parametrize("kind", ["Sigmoid", "Exp", "Softplus"])
def test_functions_that_libraries_approximate(kind: str) -> None:
    x = every("int8")
    for scales, zeros, rng in numbers(4, "int8", 60):
        y = Single(rng.integers(1, 9)) * Single(2.0**-9)
        model = network(kind, "int8", [(scales[0], zeros[0])], (y, zeros[2]), [x.shape])
        compiled, ours, theirs = answers(model, "int8", [x])
        differing = np.abs(ours - theirs)
        assert differing.max() <= 1
        assert differing.sum() <= sum(one.count for one in compiled.report.deviations)


@pytest.mark.parametrize("dtype", list(TYPES))
@pytest.mark.parametrize("size", [(2, 2), (3, 2), (7, 7)])
@pytest.mark.parametrize("kind", ["AveragePool", "GlobalAveragePool", "ReduceMean"])
def test_averages(kind: str, size: tuple[int, int], dtype: str) -> None:
    high, wide = size
    low = int(every(dtype)[0])
    attrs: dict[str, Any] = {
        "AveragePool": {"kernel_shape": list(size), "strides": list(size)},
        "GlobalAveragePool": {},
        "ReduceMean": {"axes": [2, 3]},
    }[kind]
    exact = 0
    for scales, zeros, rng in numbers(5, dtype, 6):
        center, spread = rng.integers(low, low + 256), rng.choice([2, 30])
        windows = np.clip(np.rint(rng.normal(center, spread, (1, 2000, high, wide))), low, low + 255).astype(int)
        if kind == "AveragePool":
            windows = windows.reshape(1, 20, 10, 10, high, wide).transpose(0, 1, 2, 4, 3, 5)
            windows = windows.reshape(1, 20, 10 * high, 10 * wide)
        for y in ((scales[0], zeros[0]), (scales[2], zeros[2])):
            model = network(kind, dtype, [(scales[0], zeros[0])], y, [windows.shape], **attrs)
            compiled, ours, theirs = answers(model, dtype, [windows])
            differing = np.abs(ours - theirs)
            assert differing.max() <= 1
            assert not differing.any() or compiled.report.deviations
            exact += not compiled.report.deviations
    # Of float sums at odd scales no tie is sure.
    assert exact >= (1 if kind == "ReduceMean" else 2)


@pytest.mark.parametrize("behind", ["relu", "reshape"])
def test_kernels_that_onnxruntime_makes_of_more_nodes(behind: str) -> None:
    """A relu that the range of the codes contains, and moves in between, keep nothing from becoming a QLinear node."""
    a, b = np.meshgrid(every("uint8"), every("uint8"), indexing="ij")
    scale, zeros = Single(0.05), (100, 60, 0 if behind == "relu" else 7)
    model = network("Add", "uint8", [(scale, zeros[0]), (scale, zeros[1])], (scale * 2, zeros[2]), [a.shape] * 2)
    quantize = model.graph.node[-1]
    shape = numpy_helper.from_array(np.array([256, 256]), "shape")
    model.graph.initializer.append(shape)
    node = helper.make_node(behind.capitalize(), ["r"] if behind == "relu" else ["r", "shape"], ["m"])
    quantize.input[0] = "m"
    nodes = [*model.graph.node[:-1], node, quantize]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    compiled, ours, theirs = answers(model, "uint8", [a, b])
    assert np.abs(ours - theirs).sum() == sum(one.count for one in compiled.report.deviations) > 0


def layer(kind: str, dtype: str, seed: int, per: int) -> tuple[Any, np.ndarray]:
    """A layer of 16 inputs and outputs with an int32 bias, and inputs; of powers of two where `per` is odd."""
    codes, element, _ = TYPES[dtype]
    rng, count = np.random.default_rng(seed), 16
    low = int(every(dtype)[0])
    x_scale, w_scale, y_scale = Single(rng.uniform(0.01, 0.1)), rng.uniform(0.001, 0.02, count), rng.uniform(1, 5)
    if per % 2:
        x_scale, w_scale, y_scale = Single(1 / 32), 2.0 ** rng.integers(-9, -5, count), 2.0
    w_scale, weights = w_scale.astype(np.float32), rng.integers(-127, 128, (count, count)).astype(np.int8)
    x = rng.integers(low, low + 256, (1, count, 500, 1) if kind == "Conv" else (500, count))
    w = weights[..., np.newaxis, np.newaxis] if kind == "Conv" else weights.T.copy() if kind == "MatMul" else weights
    constants = {
        **{"sx": x_scale, "zx": codes(low + 100), "w": w, "sw": w_scale, "zw": np.zeros(count, np.int8)},
        **{"b": rng.integers(-5000, 5000, count).astype(np.int32), "sb": x_scale * w_scale},
        **{"zb": np.zeros(count, np.int32), "sy": Single(y_scale), "zy": codes(low + 90)},
    }
    nodes = [
        helper.make_node("DequantizeLinear", ["q0", "sx", "zx"], ["x"]),
        helper.make_node("DequantizeLinear", ["w", "sw", "zw"], ["wr"], axis=1 if kind == "MatMul" else 0),
        helper.make_node("DequantizeLinear", ["b", "sb", "zb"], ["br"], axis=0),
        helper.make_node(
            kind,
            ["x", "wr"] if kind == "MatMul" else ["x", "wr", "br"],
            ["r"],
            **{"transB": 1} if kind == "Gemm" else {},
        ),
        helper.make_node("QuantizeLinear", ["r", "sy", "zy"], ["y"]),
    ]
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    edges = [helper.make_tensor_value_info("q0", element, x.shape)], [helper.make_tensor_value_info("y", element, None)]
    graph = helper.make_graph(nodes, "layer", *edges, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), x


@pytest.mark.parametrize("dtype", list(TYPES))
@pytest.mark.parametrize("kind", ["Conv", "Gemm", "MatMul"])
def test_layers(kind: str, dtype: str) -> None:
    """Those with a kernel of their own are fitted to it; those that onnxruntime adds up in float32 are named."""
    has_kernel = dtype == "uint8" or kind == "Gemm"
    exact = 0
    for seed in range(8):
        model, x = layer(kind, dtype, seed, seed)
        compiled, ours, theirs = answers(model, dtype, [x])
        differing = np.abs(ours - theirs)
        assert differing.max() <= 1
        named = {(one.cases, one.total) for one in compiled.report.deviations}
        assert not differing.any() or named
        exact += not named
        if not has_kernel:
            assert [total for _, total in named] == [0]
    assert exact >= (1 if has_kernel else 0)


def test_an_addend_that_float32_asks_for_is_explained() -> None:
    half = Single(0.05) * Single(0.05) * Single(4)
    model = network("Mul", "uint8", [(0.05, 100), (0.05, 3)], (half, 9), [(256, 256)] * 2)
    graph = read(compile(model).to_bytes())
    explained = explain(graph, 0)
    assert explained.numbers["addend"] == graph.ops[0].attrs["requant"].addend[0]
    assert any("value in the file" in line for line in explained.formulas)


def test_summary_names_what_can_differ() -> None:
    from qrt.cli.summary import deviation_text, match_text

    report = Report(match="onnxruntime")
    assert match_text(report) == "onnxruntime"
    report.deviations = [
        Deviation("Add_3", "add", 14753, 65536, "pairs of codes"),
        Deviation("Conv_1;more", "conv2d", 0, 0, "summed in float32 by the engine, cases not counted"),
    ]
    assert match_text(report) == "onnxruntime, but for 2 operators, see below"
    assert [deviation_text(one) for one in report.deviations] == [
        "Add_3: 14,753 of 65,536 pairs of codes",
        "Conv_1: summed in float32 by the engine, cases not counted",
    ]
    assert report.as_dict()["deviations"][0]["count"] == 14753
