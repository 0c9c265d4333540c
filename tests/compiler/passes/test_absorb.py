"""absorb_qdq: each kind of float operator between dequantize and quantize, run by the engine, against numpy.

The wanted code is that of the real result in float64, rounded; where that is a tie either neighbour is right.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import qrt
from qrt.compiler import CompileError, compile
from qrt.compiler.ir import Edge, Graph, Op, Quantization, Tensor

Reals = NDArray[np.float64]
SCALES = {"x": (0.05, 7), "z": (0.031, -20), "y": (0.043, 11)}


def quantization(name: str) -> Quantization:
    scale, zero_point = SCALES[name]
    return Quantization(np.array(scale, np.float32), np.array(zero_point, np.int32))


def network(kind: str, shapes: list[tuple[int, ...]], extra: list[Tensor], out: Any, name: str, **attrs: Any) -> Graph:
    """Inputs x (and z) quantized, the operator on their real values, its result quantized as `name` says."""
    graph = Graph("one")
    reals = []
    for label, shape in zip("xz", shapes, strict=False):
        source, codes = Tensor(label, shape, "float32"), Tensor(f"{label}q", shape, "int8", quantization(label))
        real = Tensor(f"{label}r", shape, "float32")
        graph.inputs.append(Edge(source))
        graph.ops += [Op("quantize", codes.name, [source], codes), Op("dequantize", real.name, [codes], real)]
        reals.append(real)
    result = Tensor("r", out, "float32")
    graph.ops.append(Op(kind, "node", [*reals, *extra], result, attrs))
    if name:
        codes = Tensor("y", out, "int8", quantization(name))
        graph.ops.append(Op("quantize", "yq", [result], codes))
        result = codes
    graph.outputs.append(Edge(result))
    return graph


def constant(values: Any, name: str = "c") -> Tensor:
    array = np.asarray(values, np.float32)
    return Tensor(name, array.shape, "float32", None, array)


def real(codes: NDArray[Any], name: str) -> Reals:
    scale, zero_point = SCALES[name]
    return np.float64(np.float32(scale)) * (codes.astype(np.float64) - zero_point)


RNG = np.random.default_rng(5)
CONDITION = RNG.random((3, 6)) < 0.5
SLOPES = RNG.normal(size=(5, 1, 1)).astype(np.float32)
FACTORS = RNG.normal(size=(1, 5, 1, 1)).astype(np.float32)
GAMMA, BETA = RNG.normal(size=(2, 6)).astype(np.float32)
MANY = np.array([3, 0, 5, 5, 1, 0, 4, 2, 2])
FULL = (1, 5, 4, 6)


def axes(kind: str, over: tuple[int, ...], keepdims: bool, function: Callable[..., Any], name: str = "y") -> Any:
    shape = np.empty(FULL).max(over, keepdims=keepdims).shape
    return (
        f"{kind} {over} {keepdims}",
        network(kind, [FULL], [], shape, name, axes=over, keepdims=keepdims),
        lambda x: function(x, over, keepdims=keepdims),
        name,
    )


def normalized(x: Reals) -> Reals:
    centred = x - x.mean(-1, keepdims=True)
    result: Reals = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * GAMMA + BETA
    return result


def cases() -> list[tuple[str, Graph, Callable[..., Any], str]]:
    found: list[Any] = []
    for over in ((2, 3), (1,), (3,), (1, 3), (1, 2, 3), (2,)):
        for keepdims in (True, False):
            found.append(axes("mean", over, keepdims, np.mean))
            found.append(axes("sum", over, keepdims, np.sum))
            found.append(axes("reduce_max", over, keepdims, np.max, "x"))
            found.append(axes("reduce_min", over, keepdims, np.min, "x"))
    for k in (1, 2, 3):
        for label, indices in (
            ("few", MANY[:3] % FULL[k]),
            ("many", MANY % FULL[k]),
            ("turned", np.arange(FULL[k])[::-1]),
        ):
            shape = (*FULL[:k], len(indices), *FULL[k + 1 :])
            graph = network("gather", [FULL], [], shape, "x", axis=k, indices=indices)
            found.append((f"gather {k} {label}", graph, lambda x, k=k, i=indices: np.take(x, i, k), "x"))
    graph = network("slice", [FULL], [], (1, 2, 4, 3), "x", begin=(0, 1, 0, 5), stride=(1, 3, 1, -2))
    found.append(("slice", graph, lambda x: x[:, 1::3, :, 5::-2], "x"))
    for kind, function in (("maximum", np.maximum), ("minimum", np.minimum)):
        found.append((f"{kind} of two", network(kind, [FULL, (1, 1, 6)], [], FULL, "y"), function, "y"))
        graph = network(kind, [FULL], [constant(SLOPES)], FULL, "y")
        found.append((f"{kind} of constant", graph, lambda x, f=function: f(x, SLOPES), "y"))
    graph = network("where", [(1, 3, 6), (1, 3, 6)], [], (1, 3, 6), "y", condition=CONDITION)
    found.append(("where", graph, lambda x, z: np.where(CONDITION, x, z), "y"))
    graph = network("where", [(1, 3, 6)], [constant(-np.inf)], (1, 3, 6), "y", condition=CONDITION)
    found.append(("where constant", graph, lambda x: np.where(CONDITION, x, -1e9), "y"))
    found.append(("sub", network("sub", [FULL, FULL], [], FULL, "y"), np.subtract, "y"))
    graph = network("matmul", [(2, 3, 4), (2, 4, 5)], [], (2, 3, 5), "y")
    found.append(("matmul", graph, np.matmul, "y"))
    graph = network("matmul", [(1, 3, 4), (1, 2, 4, 5)], [], (1, 2, 3, 5), "y")
    found.append(("matmul repeats its first", graph, np.matmul, "y"))
    found.append(
        (
            "prelu",
            network("prelu", [FULL], [constant(SLOPES)], FULL, "y"),
            lambda x: np.where(x < 0, SLOPES * x, x),
            "y",
        )
    )
    for kind, function in (("add", np.add), ("sub", np.subtract), ("mul", np.multiply), ("div", np.divide)):
        graph = network(kind, [FULL], [constant(FACTORS)], FULL, "y")
        found.append((f"{kind} per channel", graph, lambda x, f=function: f(x, FACTORS.astype(np.float64)), "y"))
    graph = network("layer_norm", [(1, 7, 6)], [constant(GAMMA), constant(BETA)], (1, 7, 6), "y", epsilon=1e-5)
    found.append(("layer_norm", graph, normalized, "y"))
    for k in (1, 2):
        graph = network("log_softmax", [(1, 7, 6)], [], (1, 7, 6), "y", axis=k)
        found.append((f"log_softmax {k}", graph, lambda x, k=k: x - np.log(np.exp(x).sum(k, keepdims=True)), "y"))
    for kind, function in (("arg_max", np.argmax), ("arg_min", np.argmin)):
        for k in (1, 3):
            shape = (*FULL[:k], 1, *FULL[k + 1 :])
            graph = network(kind, [FULL], [], shape, "", axis=k, keepdims=True)
            found.append((f"{kind} {k}", graph, lambda x, k=k, f=function: f(x, k, keepdims=True), ""))
    return found


@pytest.mark.parametrize(("label", "graph", "function", "name"), [pytest.param(*c, id=c[0]) for c in cases()])
def test_operator_on_codes(label: str, graph: Graph, function: Callable[..., Any], name: str) -> None:
    codes = [RNG.integers(-128, 128, edge.tensor.shape).astype(np.int8) for edge in graph.inputs]
    shape = graph.outputs[0].tensor.shape
    wanted = function(*(real(c, label) for c, label in zip(codes, "xz", strict=False)))
    compiled = compile(graph, batch=codes[0].shape[0])
    model = qrt.load(compiled.to_bytes())
    given = [
        c.transpose(0, 2, 3, 1) if e.source_layout == "NCHW" else c for c, e in zip(codes, model.inputs, strict=True)
    ]
    got = np.asarray(model.run(*given))
    if model.outputs[0].source_layout == "NCHW":
        got = got.transpose(0, 3, 1, 2)
    assert got.shape == shape
    if not name:
        assert np.array_equal(got.astype(int) + 128, wanted)
        return
    scale, zero_point = SCALES[name]
    steps = np.asarray(wanted, np.float64) / np.float64(np.float32(scale)) + zero_point
    assert np.abs(got - np.clip(steps, -128, 127)).max() <= 0.5 + 1e-4


def test_a_power_for_each_channel_is_refused() -> None:
    with pytest.raises(CompileError, match="its constant operand c is not quantized"):
        compile(network("pow", [FULL], [constant(FACTORS)], FULL, "y"))
