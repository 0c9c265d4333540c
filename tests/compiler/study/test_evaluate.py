"""The real functions that `qrt compare` measures errors against: those of the engine, for every operator of ONNX."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qrt.compiler import source_graph
from qrt.compiler.errors import CompileError
from qrt.compiler.study.evaluate import evaluate

onnxruntime = pytest.importorskip("onnxruntime")
source_operators = pytest.importorskip("source_operators")
qdq = pytest.importorskip("qdq")

OPERATORS = {name: row.onnx for name, row in source_operators.OPERATORS.items() if row.onnx is not None}


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_of_onnx(name: str, tmp_path: Path) -> None:
    """With quantize as it is written, within one step of onnxruntime's results."""
    net = qdq.Net()
    content = net.model(OPERATORS[name](net))
    if content.graph.node[-1].op_type in ("ArgMax", "ArgMin"):
        content.graph.output[0].type.tensor_type.elem_type = source_operators.TensorProto.INT64
    path = tmp_path / "net.onnx"
    path.write_bytes(content.SerializeToString())
    try:
        graph = source_graph(path)
    except CompileError:
        return  # tests/project/test_source_operators.py has the reason
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    inputs = [net.rng.uniform(-3, 3, edge.tensor.shape).astype(np.float32) for edge in graph.inputs]
    (right,) = session.run(None, {edge.tensor.name: x for edge, x in zip(graph.inputs, inputs, strict=True)})
    output = graph.outputs[0].tensor.name
    real = evaluate(graph, inputs, quantized=True)[output]
    assert real.shape == right.shape
    assert np.abs(real - right).max() < 0.7  # at most a step: Net's scales are below
