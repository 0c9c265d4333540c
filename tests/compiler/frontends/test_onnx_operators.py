"""ONNX operators between int8 codes, with several scales each, against onnxruntime with default options.

A code may differ by one where onnxruntime computes in float32 what is exact here; the report then says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import qrt
from qrt.compiler import CompileError, compile

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from qdq import Net  # noqa: E402

Array = np.ndarray[Any, Any]
IMAGE = (1, 4, 6, 5)
# Scales with ties between them, and one without.
SCALES = (0.05, 0.1, 0.025, 0.0371)


class Drawn(Net):
    """A network with drawn inputs, and the scale and zero point of the last one."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed=seed)
        self.feeds: dict[str, Array] = {}
        self.drawn = SCALES[0], 0

    def x(self, *shape: int) -> str:
        name, scale, zero_point = f"x{len(self.feeds)}", float(self.rng.choice(SCALES)), int(self.rng.integers(-90, 90))
        codes = self.rng.integers(-128, 128, shape)
        self.drawn = scale, zero_point
        self.feeds[name] = ((codes - zero_point) * np.float32(scale)).astype(np.float32)
        return self.qdq(self.float_input(name, shape), scale, zero_point)

    def real(self, *shape: int) -> str:
        return self.constant(self.rng.uniform(0.5, 2, shape))

    def numbers(self, *values: int) -> str:
        return self.constant(values, np.int64)


def _unary(kind: str, **attrs: Any) -> Callable[[Drawn], str]:
    return lambda n: n.node(kind, n.x(1, 1024), **attrs)


def _reduced(kind: str, *axes: int) -> Callable[[Drawn], str]:
    """Axes are an input of ReduceSum and an attribute of the others."""
    if kind == "ReduceSum":
        return lambda n: n.node(kind, n.x(*IMAGE), n.numbers(*axes))
    return lambda n: n.node(kind, n.x(*IMAGE), axes=axes, keepdims=0)


def _resized(mode: str, where: str, **attrs: Any) -> Callable[[Drawn], str]:
    def resize(n: Drawn) -> str:
        sizes = n.numbers(1, 4, 11, 4)
        return n.node("Resize", n.x(*IMAGE), "", "", sizes, mode=mode, coordinate_transformation_mode=where, **attrs)

    return resize


# What each operator is, and how large its results are.
OPERATORS: dict[str, tuple[Callable[[Drawn], str], float]] = {
    "Sub": (lambda n: n.node("Sub", n.x(*IMAGE), n.x(*IMAGE)), 1),
    "Max of three": (lambda n: n.node("Max", n.x(*IMAGE), n.x(*IMAGE), n.x(1, 4, 1, 1)), 1),
    "Min with a number": (lambda n: n.node("Min", n.x(*IMAGE), n.constant(0.35)), 1),
    "Div by a number": (lambda n: n.node("Div", n.x(*IMAGE), n.constant(3.0)), 0.3),
    "Div per channel": (lambda n: n.node("Div", n.x(*IMAGE), n.real(4, 1, 1)), 1),
    "Add per channel": (lambda n: n.node("Add", n.real(4, 1, 1), n.x(*IMAGE)), 1),
    "Pow": (lambda n: n.node("Pow", n.x(*IMAGE), n.constant(2.0)), 10),
    "Pow, two exponents": (lambda n: n.node("Pow", n.x(*IMAGE), n.constant([2.0, 1.0, 2.0, 1.0, 1.0])), 10),
    "PRelu": (lambda n: n.node("PRelu", n.x(*IMAGE), n.real(4, 1, 1)), 1),
    "PRelu, quantized": (lambda n: n.node("PRelu", n.x(*IMAGE), n.qdq(n.real(4, 1, 1), 0.02, 0)), 1),
    "Where": (lambda n: n.node("Where", n.constant(np.eye(6, 5), bool), n.x(*IMAGE), n.x(*IMAGE)), 1),
    "Where, a number": (lambda n: n.node("Where", n.constant(np.eye(6, 5), bool), n.x(*IMAGE), n.constant(0.0)), 1),
    "Slice": (lambda n: n.node("Slice", n.x(*IMAGE), *(n.numbers(*k) for k in ((4, 0), (-9, 5), (2, 3), (-2, 2)))), 1),
    "Split": (lambda n: n.node("Split", n.x(*IMAGE), n.numbers(4), axis=1), 1),
    "Gather": (lambda n: n.node("Gather", n.x(*IMAGE), n.numbers(2, 0, -1), axis=1), 1),
    "Gather, one": (lambda n: n.node("Gather", n.x(*IMAGE), n.constant(2, np.int64), axis=2), 1),
    "GatherND": (lambda n: n.node("GatherND", n.x(*IMAGE), n.constant([[0, 1], [0, 3]], np.int64)), 1),
    "Expand": (lambda n: n.node("Expand", n.x(1, 4, 1, 1), n.numbers(*IMAGE)), 1),
    "Tile": (lambda n: n.node("Tile", n.x(*IMAGE), n.numbers(1, 2, 1, 3)), 1),
    "DepthToSpace": (lambda n: n.node("DepthToSpace", n.x(*IMAGE), blocksize=2), 1),
    "DepthToSpace, CRD": (lambda n: n.node("DepthToSpace", n.x(*IMAGE), blocksize=2, mode="CRD"), 1),
    "SpaceToDepth": (lambda n: n.node("SpaceToDepth", n.x(1, 3, 4, 6), blocksize=2), 1),
    **{
        f"Pad, {mode}": (
            lambda n, mode=mode: n.node("Pad", n.x(*IMAGE), n.numbers(0, 0, 1, 2, 0, 0, 2, 1), mode=mode),
            1,
        )
        for mode in ("constant", "reflect", "edge")
    },
    "Pad, negative": (lambda n: n.node("Pad", n.x(*IMAGE), n.numbers(0, 0, -1, 2, 0, 0, 2, -1)), 1),
    **{
        f"{kind} {axes}": (_reduced(kind, *axes), 3 if kind == "ReduceSum" else 1)
        for kind in ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin")
        for axes in ((1,), (2, 3), (1, 3))
    },
    "GlobalAveragePool, 1-D": (lambda n: n.node("GlobalAveragePool", n.x(1, 7, 9)), 1),
    "GlobalMaxPool, 1-D": (lambda n: n.node("GlobalMaxPool", n.x(1, 7, 9)), 1),
    "MaxPool, 1-D": (lambda n: n.node("MaxPool", n.x(1, 4, 9), kernel_shape=[3], strides=[2]), 1),
    "MaxPool, dilated": (
        lambda n: n.node("MaxPool", n.x(*IMAGE), kernel_shape=[3, 2], dilations=[2, 3], strides=[1, 2]),
        1,
    ),
    "AveragePool without padding": (
        lambda n: n.node("AveragePool", n.x(*IMAGE), kernel_shape=[3, 2], pads=[1, 1, 1, 0], strides=[2, 1]),
        1,
    ),
    "AveragePool of the whole image": (lambda n: n.node("AveragePool", n.x(*IMAGE), kernel_shape=[6, 5]), 0.5),
    "AveragePool of the whole row": (lambda n: n.node("AveragePool", n.x(1, 4, 9), kernel_shape=[9]), 0.5),
    "MatMul": (lambda n: n.node("MatMul", n.x(1, 5, 7), n.x(1, 7, 6)), 3),
    "MatMul, broadcast": (lambda n: n.node("MatMul", n.x(3, 5, 7), n.x(2, 1, 7, 6)), 3),
    "MatMul, rank 1": (lambda n: n.node("MatMul", n.x(1, 3, 5, 7), n.x(7)), 3),
    "Gemm, rows": (lambda n: n.node("Gemm", n.x(3, 7), n.weights((7, 4)), n.real(3, 4)), 2),
    "Gemm, all attributes": (
        lambda n: n.node("Gemm", n.x(7, 3), n.weights((4, 7)), n.real(4), transA=1, transB=1, alpha=0.5, beta=2.0),
        2,
    ),
    "ConvTranspose": (
        lambda n: n.node(
            "ConvTranspose", n.x(*IMAGE), n.weights((4, 3, 3, 3)), strides=[2, 2], pads=[1] * 4, output_padding=[1, 1]
        ),
        2,
    ),
    "ConvTranspose, 1-D": (lambda n: n.node("ConvTranspose", n.x(1, 4, 9), n.weights((4, 3, 3)), strides=[2]), 2),
    **{
        f"ConvTranspose, {pad} of filters shorter than the stride": (
            lambda n, pad=pad: n.node(
                "ConvTranspose", n.x(*IMAGE), n.weights((4, 2, 1, 2)), strides=[3, 3], auto_pad=pad
            ),
            2,
        )
        for pad in ("SAME_UPPER", "SAME_LOWER")
    },
    "ConvTranspose, groups": (
        lambda n: n.node("ConvTranspose", n.x(*IMAGE), n.weights((4, 2, 3, 2)), group=2, dilations=[2, 1]),
        2,
    ),
    **{
        f"Resize, {mode} {rounding}": (_resized("nearest", mode, nearest_mode=rounding), 1)
        for mode in ("asymmetric", "half_pixel", "align_corners", "pytorch_half_pixel")
        for rounding in ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")
    },
    "BatchNormalization": (lambda n: n.node("BatchNormalization", n.x(*IMAGE), *(n.real(4) for _ in range(4))), 1),
    "BatchNormalization of one channel": (
        lambda n: n.node("BatchNormalization", n.x(1, 1, 6, 5), *(n.real(1) for _ in range(4))),
        1,
    ),
    "BatchNormalization, quantized": (
        lambda n: n.node("BatchNormalization", n.x(*IMAGE), *(n.qdq(n.real(4), 0.02, 0) for _ in range(4))),
        1,
    ),
    "LogSoftmax": (lambda n: n.node("LogSoftmax", n.x(1, 9), axis=-1), 3),
    "LayerNormalization": (lambda n: n.node("LayerNormalization", n.x(1, 5, 16), n.real(16), n.real(16)), 0.5),
    "LayerNormalization of an image": (
        lambda n: n.node("LayerNormalization", n.x(*IMAGE), n.real(4, 6, 5), n.real(4, 6, 5), axis=1),
        0.5,
    ),
    "InstanceNormalization": (lambda n: n.node("InstanceNormalization", n.x(*IMAGE), n.real(4), n.real(4)), 0.5),
    **{
        kind: (_unary(kind), 1)
        for kind in (
            *("Selu", "Celu", "Softsign", "ThresholdedRelu", "Sign", "Floor", "Ceil", "Round", "Sqrt", "Log"),
            *("Exp", "Abs", "Neg", "Reciprocal", "HardSwish", "Elu", "Softplus", "Erf"),
        )
    },
}


def outcome(n: Drawn, y: str) -> tuple[Any, float]:
    """The report, and the largest difference from onnxruntime in steps."""
    model = n.model(y)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (theirs,) = session.run(None, n.feeds)
    compiled = compile(model)
    runtime = qrt.load(compiled.to_bytes())
    layout = "NCHW" if any(edge.source_layout == "NCHW" for edge in runtime.inputs) else None
    ours = runtime.run(*n.feeds.values(), dequantize=True, layout=layout)
    ours = np.moveaxis(ours, -1, 1) if runtime.outputs[0].source_layout == "NCHW" else ours
    return compiled.report, float(np.abs(ours.reshape(theirs.shape) - theirs).max() / runtime.outputs[0].scale)


@pytest.mark.parametrize("name", OPERATORS)
def test_codes_of_onnxruntime(name: str) -> None:
    make, size = OPERATORS[name]
    for seed in range(4):
        n = Drawn(seed)
        y = make(n)
        scale, zero_point = size * float(n.rng.choice(SCALES)), int(n.rng.integers(-60, 60))
        report, apart = outcome(n, n.qdq(y, scale, zero_point))
        assert apart < 0.5 or (apart < 1.5 and report.deviations), (seed, apart)


def test_an_input_read_in_float_and_quantized() -> None:
    """Its codes do not stand for it, whichever reader comes first."""
    for first in ("Clip", "Sigmoid"):
        n = Drawn(0)
        x = n.float_input("x", (1, 8))
        if first == "Clip":
            ys = [n.qdq(n.node("Clip", x, n.constant(0.0), n.constant(6.0)), 0.0236, -128)]
            ys.append(n.qdq(n.node("Reshape", x, n.numbers(2, 4)), 0.05, 0))
            reason = "input x is quantized in two ways"
        else:
            ys = [n.qdq(x, 0.05, 0), n.qdq(n.node("Sigmoid", x), 0.004, -128)]
            reason = "reads the input x in float"
        for outputs in (ys, ys[::-1]):
            with pytest.raises(CompileError, match=reason):
                compile(n.model(*outputs))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
@pytest.mark.parametrize("value", [None, 0, 5, 100])
def test_pad_of_codes_with_a_code(dtype: type, value: int | None) -> None:
    """As QOperator models have it; by default the code 0, whatever number that is."""
    n = Drawn(0)
    numbers = n.constant(0.05), n.constant(7, dtype)
    n.feeds["x"] = n.rng.normal(size=(2, 5)).astype(np.float32)
    codes = n.node("QuantizeLinear", n.float_input("x", (2, 5)), *numbers)
    filled = [] if value is None else [n.constant(value, dtype)]
    y = n.node("DequantizeLinear", n.node("Pad", codes, n.numbers(0, 1, 1, 2), *filled), *numbers)
    assert outcome(n, y)[1] == 0


def test_clip_and_relu_of_codes() -> None:
    for kind, bounds in (("Clip", (10, 40)), ("Relu", ())):
        n = Drawn(0)
        numbers = n.constant(0.05), n.constant(7, np.int8)
        n.feeds["x"] = n.rng.normal(size=(2, 5)).astype(np.float32)
        codes = n.node("QuantizeLinear", n.float_input("x", (2, 5)), *numbers)
        y = n.node(kind, codes, *(n.constant(bound, np.int8) for bound in bounds))
        assert outcome(n, n.node("DequantizeLinear", y, *numbers))[1] == 0


def test_a_position_changes_its_type_and_shape() -> None:
    n = Drawn(0)
    y = n.node("ArgMax", n.x(1, 5, 4, 3), axis=1, keepdims=0)
    y = n.node("Cast", n.node("Unsqueeze", y, n.numbers(3)), to=onnx.TensorProto.INT32)
    model = n.model(y)
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.INT32
    (theirs,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, n.feeds)
    runtime = qrt.load(compile(model).to_bytes())
    layout = "NCHW" if runtime.inputs[0].source_layout == "NCHW" else None
    ours = runtime.run(*n.feeds.values(), dequantize=True, layout=layout)
    assert np.array_equal(np.reshape(ours, theirs.shape), theirs)


def test_an_output_that_is_the_input_in_float() -> None:
    n = Drawn(0)
    x = n.float_input("x", (1, 8))
    with pytest.raises(CompileError, match="is the input x in float"):
        compile(n.model(n.qdq(x, 0.05, 0), n.node("Identity", x)))


@pytest.mark.parametrize("where", ["asymmetric", "half_pixel", "align_corners", "pytorch_half_pixel"])
def test_linear_resize_of_equal_scale(where: str) -> None:
    for seed in range(4):
        n = Drawn(seed)
        y = _resized("linear", where)(n)
        report, apart = outcome(n, n.qdq(y, *n.drawn))
        assert apart < 1.5
        assert report.deviations


REFUSED: dict[str, tuple[Callable[[Drawn], str], str]] = {
    "TopK": (lambda n: n.node("TopK", n.x(1, 9), n.numbers(3)), "chooses by values"),
    "CumSum": (lambda n: n.node("CumSum", n.x(1, 9), n.constant(1, np.int64)), "this operator is not supported"),
    "LpPool": (lambda n: n.node("LpPool", n.x(*IMAGE), kernel_shape=[2, 2]), "this operator is not supported"),
    "MaxPool": (
        lambda n: n.node("MaxPool", n.x(1, 2, 4, 4, 4), kernel_shape=[2, 2, 2]),
        "pools a rank-5 tensor; only one or two spatial axes are supported",
    ),
    "Conv": (
        lambda n: n.node("Conv", n.x(1, 2, 4, 4, 4), n.weights((3, 2, 2, 2, 2))),
        "convolves a rank-5 tensor; only one or two spatial axes are supported",
    ),
    "Resize": (_resized("cubic", "half_pixel"), "has mode cubic, which is not supported"),
    "Sum": (lambda n: n.node("Sum", n.x(1, 4), n.x(1, 4), n.x(1, 4)), "adds 3 tensors"),
    "LSTM": (lambda n: n.node("LSTM", n.x(5, 1, 4), n.real(1, 12, 4), n.real(1, 12, 3), hidden_size=3), "is recurrent"),
}


def _branches(n: Drawn) -> str:
    output = onnx.helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, (1, 4))
    branch = onnx.helper.make_graph([onnx.helper.make_node("Identity", [n.x(1, 4)], ["z"])], "branch", [], [output])
    return n.node("If", n.constant(True, bool), then_branch=branch, else_branch=branch)


REFUSED |= {
    "If": (_branches, "is control flow, which is not supported"),
    "SplitToSequence": (lambda n: n.node("SplitToSequence", n.x(1, 4), axis=1), "works on sequences"),
    "Detect": (
        lambda n: n.node("Detect", n.x(1, 4), domain="acme.vision"),
        "is an operator of the domain 'acme.vision', which is not supported",
    ),
    "DequantizeLinear": (
        lambda n: n.node("DequantizeLinear", n.constant([1, 2], np.int64), n.constant(0.1), n.constant(0, np.int64)),
        "reads codes of type int64; only int8, uint8, int16 and uint16 are supported",
    ),
    "QuantizeLinear": (
        lambda n: n.node("QuantizeLinear", n.x(1, 4), n.constant(0.1), n.constant(0, np.int32)),
        "quantizes to int32; only int8, uint8, int16 and uint16 are supported",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_the_cause_alone_is_refused(kind: str) -> None:
    """Whatever reads the result of an unsupported node is not refused as well."""
    make, reason = REFUSED[kind]
    n = Drawn(0)
    y = n.qdq(n.node("Relu", n.qdq(make(n))))
    graph = onnx.helper.make_graph(n.nodes, "net", n.inputs, [onnx.helper.make_empty_tensor_value_info(y)], n.constants)
    graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    with pytest.raises(CompileError) as caught:
        compile(model)
    (problem,) = caught.value.problems
    assert problem.kind == kind
    assert problem.reason.startswith(reason)
