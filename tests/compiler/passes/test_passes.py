"""Each pass: what it changes, and that it is bit-exact."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import qrt
from qrt.compiler import CompileError, Graph, GraphBuilder, Report
from qrt.compiler.backends.qfb.writer import write
from qrt.compiler.integers.requant import lower
from qrt.compiler.ir import Edge, Op, Quantization, Tensor
from qrt.compiler.passes import PASSES, run_passes
from qrt.compiler.passes.quantized.fuse_activation import fuse_activation
from qrt.compiler.passes.quantized.fuse_pad import fuse_pad
from qrt.compiler.passes.quantized.simplify import simplify
from qrt.compiler.passes.quantized.to_dwconv2d import to_dwconv2d
from qrt.compiler.passes.quantized.to_nhwc import to_nhwc
from qrt.compiler.passes.remove_dead import remove_dead
from qrt.compiler.plan.memory import plan
from qrt.compiler.verify import verify

RNG = np.random.default_rng(11)


def outputs(graph: Graph, x: np.ndarray) -> list[np.ndarray]:
    """The codes of a quantized graph as it stands, no pass applied."""
    lowered = lower(graph.copy(), Report())
    verify(lowered, "lowered")
    result = qrt.load(write(lowered, plan(lowered)), kernels="reference").run(x)
    return result if isinstance(result, list) else [result]


def codes(shape: tuple[int, ...]) -> np.ndarray:
    return RNG.integers(-128, 128, shape, dtype=np.int8)


def kinds(graph: Graph) -> list[str]:
    return [op.kind for op in graph.ops]


def check(graph: Graph, apply: Callable[[Graph, Report], Graph], expected: list[str]) -> Graph:
    """Applies a pass and holds that the codes stay and that `expected` operators are left."""
    x = codes((3, *graph.inputs[0].tensor.shape[1:]))
    before = outputs(graph, x)
    changed = apply(graph.copy(), Report())
    verify(changed, "quantized", apply.__name__)
    assert kinds(changed) == expected
    if changed.inputs[0].tensor.shape != graph.inputs[0].tensor.shape:
        x = x.transpose(0, 2, 3, 1)
    for old, new in zip(before, outputs(changed, x), strict=True):
        assert np.array_equal(old, new)
    return changed


def convolved(g: GraphBuilder, x: Tensor, channels: int = 4, **options: object) -> Tensor:
    weights = RNG.normal(size=(channels, 3, 3, x.shape[3]))
    return g.conv2d(x, weights, RNG.normal(size=channels), scale=0.1, zero_point=-7, **options)  # type: ignore[arg-type]


def test_every_pass_has_a_docstring_that_argues() -> None:
    for apply, _ in PASSES:
        assert apply.__doc__ and len(apply.__doc__) > 60


def test_remove_dead() -> None:
    g = GraphBuilder()
    x = g.input("x", (1, 6, 6, 2), scale=0.1)
    convolved(g, convolved(g, x))
    g.output(convolved(g, x))
    check(g.graph, remove_dead, ["conv2d"])


def test_fuse_pad() -> None:
    g = GraphBuilder()
    x = g.input("x", (1, 6, 6, 2), scale=0.1, zero_point=9)
    y = g.pad(x, (0, 1, 2, 0), (0, 0, 1, 0))
    g.output(convolved(g, y, padding=(1, 0, 0, 1)))
    fused = check(g.graph, lambda graph, report: remove_dead(fuse_pad(graph, report), report), ["conv2d"])
    assert fused.ops[0].attrs["padding"] == (2, 0, 2, 2)


@pytest.mark.parametrize(("value", "before"), [(8, (0, 1, 1, 0)), (None, (0, 1, 1, 1))])
def test_fuse_pad_leaves_what_is_no_zero_around_the_image(value: int | None, before: tuple[int, ...]) -> None:
    g = GraphBuilder()
    x = g.input("x", (1, 6, 6, 2), scale=0.1, zero_point=9)
    g.output(convolved(g, g.pad(x, before, (0, 0, 0, 0), value=value)))
    check(g.graph, fuse_pad, ["pad", "conv2d"])


def test_fuse_activation() -> None:
    g = GraphBuilder()
    x = g.input("x", (1, 6, 6, 2), scale=0.1)
    y = g.clamp(convolved(g, x, activation="relu"), output_min=-50, output_max=60)
    z = g.clamp(g.lut(y, "tanh", scale=0.01), output_min=-3, output_max=33)
    g.output(z)
    fused = check(g.graph, fuse_activation, ["conv2d", "lut"])
    assert (fused.ops[0].attrs["output_min"], fused.ops[0].attrs["output_max"]) == (-7, 60)


def test_fuse_activation_leaves_codes_that_others_read() -> None:
    g = GraphBuilder()
    y = convolved(g, g.input("x", (1, 6, 6, 2), scale=0.1))
    g.output(g.add(y, g.relu(y), scale=0.2))
    check(g.graph, fuse_activation, ["conv2d", "clamp", "add"])


def test_simplify() -> None:
    g = GraphBuilder()
    x = g.input("x", (1, 4, 4, 2), scale=0.1, zero_point=3)
    y = g.requantize(convolved(g, x), scale=0.1, zero_point=-7)
    y = g.reshape(g.reshape(g.clamp(y), (1, 2, 8)), (1, 16))
    y = g.lut(y, np.arange(-128, 128), scale=0.1, zero_point=-7)
    g.output(g.linear(y, RNG.normal(size=(3, 16)), scale=0.3))
    both = check(
        g.graph, lambda graph, report: remove_dead(simplify(graph, report), report), ["conv2d", "reshape", "linear"]
    )
    assert both.ops[1].output.shape == (1, 16)


def test_simplify_keeps_a_requantize_that_rounds() -> None:
    g = GraphBuilder()
    g.output(g.requantize(g.input("x", (1, 16), scale=0.1), scale=0.2))
    check(g.graph, simplify, ["requantize"])


def test_a_model_input_never_becomes_a_model_output() -> None:
    g = GraphBuilder()
    x = g.input("x", (1, 16), scale=0.1)
    g.output(g.clamp(x))
    g.output(g.reshape(x, (1, 16)))
    assert run_passes(g.graph.copy(), Report()).outputs[0].tensor is not g.graph.inputs[0].tensor
    x_codes = codes((2, 16))
    assert all(np.array_equal(y, x_codes) for y in qrt.load(g.compile()).run(x_codes))


@pytest.mark.parametrize("multiplier", [1, 3])
def test_to_dwconv2d(multiplier: int) -> None:
    g = GraphBuilder()
    x = g.input("x", (1, 6, 6, 4), scale=0.1, zero_point=5)
    weights = RNG.normal(size=(4 * multiplier, 3, 3, 1))
    g.output(g.conv2d(x, weights, RNG.normal(size=4 * multiplier), scale=0.1, groups=4, padding=1))
    check(g.graph, to_dwconv2d, ["dwconv2d"])


# Layout: networks as a source with channels first has them


def nchw(g: GraphBuilder, shape: tuple[int, ...] = (1, 3, 6, 5)) -> Tensor:
    return g.input("x", shape, scale=0.1, zero_point=2)


def nchw_conv(g: GraphBuilder, x: Tensor, channels: int) -> Tensor:
    return g.transpose(convolved(g, g.transpose(x, (0, 2, 3, 1)), channels, padding=1), (0, 3, 1, 2))


def flatten_into_linear(g: GraphBuilder) -> Tensor:
    y = g.reshape(g.relu(nchw_conv(g, nchw(g), 4)), (1, 120))
    return g.linear(g.relu(y), RNG.normal(size=(7, 120)), scale=0.5)


def residual_with_constants(g: GraphBuilder) -> Tensor:
    y = nchw_conv(g, nchw(g), 4)
    y = g.add(y, nchw_conv(g, y, 4), scale=0.2)
    per_channel = g.constant(codes((1, 4, 1, 1)), scale=0.02)
    y = g.mul(y, per_channel, scale=0.1)
    return g.reshape(g.mean(g.transpose(y, (0, 2, 3, 1)), scale=0.1), (1, 4))


def concat_pad_softmax(g: GraphBuilder) -> Tensor:
    x = nchw(g)
    y = g.concat([nchw_conv(g, x, 4), nchw_conv(g, x, 2)], 1)
    y = g.pad(y, (0, 0, 1, 2), (0, 0, 0, 3), value=5)
    return g.softmax(nchw_conv(g, y, 3), scale=1 / 100, zero_point=0)


def padded_input(g: GraphBuilder) -> Tensor:
    y = nchw_conv(g, g.pad(nchw(g), (0, 0, 1, 0), (0, 0, 0, 1)), 4)
    return g.reshape(g.mean(g.transpose(y, (0, 2, 3, 1)), scale=0.1), (1, 4))


@pytest.mark.parametrize(
    ("network", "transposes"),
    [(flatten_into_linear, 0), (residual_with_constants, 0), (concat_pad_softmax, 1), (padded_input, 0)],
)
def test_to_nhwc(network: Callable[[GraphBuilder], Tensor], transposes: int) -> None:
    g = GraphBuilder()
    g.output(network(g))
    x = codes((3, 3, 6, 5))
    (before,) = outputs(g.graph, x)
    changed = to_nhwc(g.graph.copy(), Report())
    verify(changed, "quantized", "to_nhwc")
    assert kinds(changed).count("transpose") == transposes
    assert changed.inputs[0].source_layout == "NCHW"
    (after,) = outputs(changed, x.transpose(0, 2, 3, 1))
    assert np.array_equal(before, after)


def test_to_nhwc_at_an_output() -> None:
    g = GraphBuilder()
    g.output(g.relu(nchw_conv(g, nchw(g), 4)))
    changed = to_nhwc(g.graph.copy(), Report())
    assert kinds(changed) == ["conv2d", "clamp"]
    assert changed.outputs[0].source_layout == "NCHW"
    assert changed.outputs[0].tensor.name == "clamp"
    x = codes((1, 3, 6, 5))
    (before,), (after,) = outputs(g.graph, x), outputs(changed, x.transpose(0, 2, 3, 1))
    assert np.array_equal(before.transpose(0, 2, 3, 1), after)


def test_to_nhwc_takes_one_transpose_from_an_output() -> None:
    """The second, which a turned input leaves, is none of the source's layout."""
    g = GraphBuilder()
    x = g.input("x", (1, 4, 3, 4), scale=0.05, zero_point=3)
    g.output(g.transpose(g.pad(x, (0, 0, 0, 0), (0, 0, 0, 1)), (0, 3, 1, 2)))
    changed = to_nhwc(g.graph.copy(), Report())
    assert [edge.source_layout for edge in (*changed.inputs, *changed.outputs)] == ["NHWC", "NCHW"]
    given = codes((1, 4, 3, 4))
    (before,), (after,) = outputs(g.graph, given), outputs(changed, given)
    assert np.array_equal(before.transpose(0, 2, 3, 1), after)


# Source graphs


def quantization(scale: float, zero_point: int = 0) -> Quantization:
    return Quantization(np.array(scale, np.float32), np.array(zero_point, np.int32))


class Source:
    """A source graph of float operators between quantize and dequantize, channels last."""

    def __init__(self) -> None:
        self.graph = Graph("source")

    def op(self, kind: str, inputs: list[Tensor], shape: tuple[int, ...], **attrs: object) -> Tensor:
        name = f"{kind}{len(self.graph.ops)}"
        output = Tensor(name, shape, "float32")
        self.graph.ops.append(Op(kind, name, inputs, output, attrs))
        return output

    def input(self, shape: tuple[int, ...], scale: float, zero_point: int) -> Tensor:
        x = Tensor("x", shape, "float32")
        self.graph.inputs.append(Edge(x))
        return self.qdq(x, scale, zero_point)

    def qdq(self, x: Tensor, scale: float, zero_point: int) -> Tensor:
        name = f"codes{len(self.graph.ops)}"
        y = Tensor(name, x.shape, "uint8", quantization(scale, zero_point))
        self.graph.ops.append(Op("quantize", name, [x], y))
        return self.op("dequantize", [y], x.shape)

    def weights(self, data: np.ndarray, scale: np.ndarray) -> Tensor:
        constant = Tensor("w", data.shape, "int8", Quantization(scale, np.zeros(len(scale), np.int32), 0), data)
        return self.op("dequantize", [constant], data.shape)

    def output(self, x: Tensor) -> None:
        self.graph.outputs.append(Edge(x))


def constant(name: str, values: object) -> Tensor:
    data = np.asarray(values, np.float32)
    return Tensor(name, data.shape, "float32", None, data)


def test_fold_batch_norm_with_negative_gamma() -> None:
    source = Source()
    w, scale = codes((3, 1, 1, 2)), np.array([0.01, 0.02, 0.03], np.float32)
    w = np.maximum(w, -127)
    x = source.input((1, 4, 4, 2), 0.05, 120)
    attrs = {"layout": "NHWC", "stride": (1, 1), "dilation": (1, 1), "padding": (0, 0, 0, 0), "groups": 1}
    y = source.op("conv2d", [x, source.weights(w, scale)], (1, 4, 4, 3), **attrs)
    gamma, beta, mean, var = [1.5, -2.0, 0.5], [0.1, 0.2, -0.3], [0.4, -0.5, 0.6], [1.0, 4.0, 0.25]
    parameters = [
        constant(n, v) for n, v in zip(("gamma", "beta", "mean", "var"), (gamma, beta, mean, var), strict=True)
    ]
    y = source.op("batch_norm", [y, *parameters], y.shape, epsilon=0.0, layout="NHWC")
    source.output(source.qdq(source.op("relu", [y], y.shape), 0.1, 10))
    compiled = run_passes(source.graph, Report())
    assert kinds(compiled) == ["conv2d"]
    x_codes = codes((1, 4, 4, 2))
    real = (0.05 * (x_codes.astype(float) - (120 - 128))) @ (w.reshape(3, 2) * scale[:, np.newaxis]).T
    real = np.maximum((real - mean) / np.sqrt(var) * gamma + beta, 0)
    (got,) = outputs(compiled, x_codes)
    assert np.abs(0.1 * (got.astype(float) - (10 - 128)) - np.minimum(real, 0.1 * (127 + 118))).max() <= 0.05 + 1e-3


def test_batch_norm_of_codes_is_a_depthwise_convolution() -> None:
    """With a division per channel in front of it, as quantization-aware training can leave both."""
    source = Source()
    x = source.input((1, 2, 4, 4), 0.05, 120)
    gamma, beta, mean, var = np.array([[1.5, -2.0], [0.1, 0.2], [0.4, -0.5], [1.0, 4.0]], np.float32)
    shape = (2,)
    sum_ = source.op("add", [constant("var", var), constant("epsilon", 0.0)], shape)
    divisor = source.op("div", [constant("gamma", gamma), source.op("sqrt", [sum_], shape)], shape)
    divisor = source.op("reshape", [divisor], (1, 2, 1, 1))
    y = source.op("div", [x, divisor], x.shape)
    parameters = [constant(n, v) for n, v in (("gamma2", gamma), ("beta", beta), ("mean", mean), ("var2", var))]
    y = source.op("batch_norm", [y, *parameters], y.shape, epsilon=0.0, layout="NCHW")
    source.output(source.qdq(y, 0.0731, 140))
    compiled = run_passes(source.graph, Report())
    assert kinds(compiled) == ["dwconv2d"]
    x_codes = codes((1, 4, 4, 2))
    factor = gamma / np.sqrt(var)
    real = (0.05 * (x_codes - (120.0 - 128)) / factor - mean) * factor + beta
    expected = np.clip(np.rint(real / 0.0731) + 140 - 128, -128, 127)
    assert np.array_equal(outputs(compiled, x_codes)[0], expected)


@pytest.mark.parametrize("zero_point", [0, 7, -128])
def test_fold_batch_norm_with_a_negative_factor_mirrors_any_weights(zero_point: int) -> None:
    """Also the least code, whose negative is not int8, and asymmetric weights."""
    source = Source()
    x = source.input((1, 4, 4, 1), 0.05, 120)
    w = constant("w", np.array([[-128], [127], [1]], np.int8).reshape(3, 1, 1, 1))
    w.quantization = Quantization(np.array([0.1, 0.2, 0.3]), np.full(3, zero_point, np.int32), 0)
    w = source.op("dequantize", [w], w.shape)
    attrs = {"layout": "NHWC", "stride": (1, 1), "dilation": (1, 1), "padding": (0, 0, 0, 0), "groups": 1}
    y = source.op("conv2d", [x, w], (1, 4, 4, 3), **attrs)
    gamma = np.array([-1.0, -0.5, 2.0])
    parameters = [constant(n, v) for n, v in (("gamma", gamma), ("beta", [0.0] * 3), ("mean", [0.0] * 3))]
    y = source.op("batch_norm", [y, *parameters, constant("var", [1.0] * 3)], y.shape, epsilon=0.0, layout="NHWC")
    source.output(source.qdq(y, 0.7301, 130))
    x_codes = codes((1, 4, 4, 1))
    weights = np.array([0.1, 0.2, 0.3]) * (np.array([-128, 127, 1]) - zero_point)
    real = 0.05 * (x_codes + 8.0) * weights * gamma
    expected = np.clip(np.rint(real / 0.7301) + 2, -128, 127)
    assert np.array_equal(outputs(run_passes(source.graph, Report()), x_codes)[0], expected)


def test_equal_q_dq_pairs_vanish_and_others_become_one_requantize() -> None:
    source = Source()
    x = source.qdq(source.qdq(source.input((1, 8), 0.05, 128), 0.05, 128), 0.1, 100)
    source.output(source.qdq(source.op("relu", [x], x.shape), 0.1, 100))
    compiled = run_passes(source.graph, Report())
    assert kinds(compiled) == ["requantize"]
    assert compiled.ops[0].attrs["output_min"] == 100 - 128
    x_codes = codes((1, 8))
    expected = np.maximum(np.clip(np.floor(x_codes * 0.5 + 0.5) - 28, -128, 127), -28)
    assert np.array_equal(outputs(compiled, x_codes)[0], expected)


def test_scalars_and_functions_of_one_tensor_become_one_table() -> None:
    source = Source()
    x = source.input((1, 256), 0.05, 128)
    y = source.op("mul", [x, source.op("hard_sigmoid", [x], x.shape, alpha=1 / 6, beta=0.5)], x.shape)
    y = source.op("add", [y, constant("three", 3.0)], x.shape)
    source.output(source.qdq(y, 0.1, 60))
    compiled = run_passes(source.graph, Report())
    assert kinds(compiled) == ["lut"]
    every = np.arange(-128, 128, dtype=np.int8).reshape(1, 256)
    real = 0.05 * every.astype(float)
    real = real * np.clip(real / 6 + 0.5, 0, 1) + 3
    assert np.abs(outputs(compiled, every)[0] - np.clip(real / 0.1 - 68, -128, 127)).max() <= 0.501


def test_what_is_left_in_float_is_named_all_at_once() -> None:
    source = Source()
    x = source.input((1, 2, 4), 0.05, 128)
    y = source.op("mul", [x, constant("per_entry", np.arange(8).reshape(2, 4))], x.shape)
    source.output(source.op("softmax", [source.qdq(y, 0.1, 0)], x.shape, axis=1))
    with pytest.raises(CompileError) as caught:
        run_passes(source.graph, Report())
    found = {problem.kind: problem.reason for problem in caught.value.problems}
    assert set(found) == {"mul", "softmax"}
    assert "varies along several axes and is not quantized" in found["mul"]
    assert "is not quantized" in found["softmax"]
