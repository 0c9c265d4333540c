"""Shapes that an ONNX network computes from other shapes, as exporters write them for a symbolic batch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import qrt
from qrt.compiler import compile

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from qdq import Net  # noqa: E402

INT = np.int64


def numbers(n: Net, *values: int) -> str:
    return n.constant(values, INT)


def size(n: Net, x: str, axis: int) -> str:
    """One axis of a tensor, as a vector of one entry."""
    one = n.node("Gather", n.node("Shape", x), n.constant(axis, INT))
    return n.node("Unsqueeze", one, numbers(n, 0))


def flattened(n: Net, x: str) -> str:
    return n.node("Reshape", x, n.node("Concat", size(n, x, 0), numbers(n, -1), axis=0))


def halves(n: Net, x: str) -> str:
    """Windows of two rows: an axis is divided, with casts in between."""
    rows = n.node("Cast", n.node("Div", n.node("Cast", size(n, x, 2), to=1), n.constant([2.0])), to=7)
    y = n.node("Reshape", x, n.node("Concat", size(n, x, 0), size(n, x, 1), rows, numbers(n, 2, -1), axis=0))
    return n.node("Reshape", n.node("Transpose", y, perm=[0, 1, 3, 2, 4]), n.node("Shape", x))


def enlarged(n: Net, x: str) -> str:
    """A resize to sizes that are computed."""
    doubled = n.node("Mul", n.node("Slice", n.node("Shape", x), numbers(n, 2), numbers(n, 4)), numbers(n, 2, 2))
    sizes = n.node("Concat", n.node("Slice", n.node("Shape", x), numbers(n, 0), numbers(n, 2)), doubled, axis=0)
    return n.node("Resize", x, "", "", sizes, mode="nearest", coordinate_transformation_mode="asymmetric")


def every_second_row(n: Net, x: str) -> str:
    """A gather by a range of positions."""
    count = n.node("Gather", n.node("Shape", x), n.constant(2, INT))
    return n.node("Gather", x, n.node("Range", n.constant(0, INT), count, n.constant(2, INT)), axis=2)


def expanded(n: Net, x: str) -> str:
    """PyTorch's expand: -1 keeps an axis, which is chosen by Where among constants."""
    given = numbers(n, -1, -1, 6, -1)
    ones = n.node("ConstantOfShape", numbers(n, 4), value=onnx.numpy_helper.from_array(np.ones(1, INT)))
    is_kept = n.node("Equal", given, n.node("Mul", ones, numbers(n, -1)))
    means = n.op("ReduceMean", x, axes=[2])
    return n.node("Expand", means, n.node("Where", is_kept, ones, given))


NETWORKS: dict[str, Callable[[Net, str], str]] = {
    function.__name__: function for function in (flattened, halves, enlarged, every_second_row, expanded)
}


@pytest.mark.parametrize("batch", ["n", 1])
@pytest.mark.parametrize("name", NETWORKS)
def test_shapes_are_computed_when_compiling(name: str, batch: str | int) -> None:
    n = Net()
    x = n.qdq(n.float_input("x", (batch, 3, 4, 6)), 0.05, 3)
    y = n.qdq(NETWORKS[name](n, x), 0.05, 3)
    graph = onnx.helper.make_graph(n.nodes, "net", n.inputs, [onnx.helper.make_empty_tensor_value_info(y)], n.constants)
    graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    given = n.rng.normal(size=(1, 3, 4, 6), scale=3).astype(np.float32)
    (theirs,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": given})
    runtime = qrt.load(compile(model).to_bytes())
    layout = "NCHW" if runtime.inputs[0].source_layout == "NCHW" else None
    ours = runtime.run(given, dequantize=True, layout=layout)
    ours = ours.transpose(0, 3, 1, 2) if runtime.outputs[0].source_layout == "NCHW" else ours
    assert np.array_equal(ours.reshape(theirs.shape), theirs)
