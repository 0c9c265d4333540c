"""A float ONNX network and calibration samples -> a quantized ONNX network, by onnxruntime's static quantizer.

Activations become uint8, weights int8 per output channel or per tensor, biases int32.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qrt.compiler.frontends.float_network import Array, FloatNetwork, Samples, Seen, already_quantized
from qrt.compiler.frontends.onnx import int16
from qrt.compiler.frontends.onnx.dynamic import undone
from qrt.compiler.frontends.onnx.graph import load_model, to_graph
from qrt.compiler.libraries import load

# Operators that work on several numbers at once and that onnxruntime quantizes only when told.
SEVERAL = (
    *("Sub", "Max", "Min", "PRelu", "Where", "Slice", "Expand", "Tile", "DepthToSpace", "SpaceToDepth", "GatherND"),
    *("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "LogSoftmax", "GroupNormalization", "Upsample"),
)


class OnnxNetwork(FloatNetwork):
    """An .onnx file with float activations, or with activations that are quantized while it runs."""

    library = "onnxruntime"
    methods = ("minmax", "entropy", "percentile")
    granularities = ("per_channel", "per_tensor")

    def __init__(self, path: Path) -> None:
        loaded, _ = load_model(path)
        self.model = undone(loaded)
        graph = to_graph(self.model, calibrating=True)
        if any(op.kind == "quantize" for op in graph.ops):
            raise already_quantized(path)
        self.path = os.fspath(path)
        self.inputs = [(edge.tensor.name, edge.tensor.shape) for edge in graph.inputs]
        self._session: Any = None

    def quantized(self, samples: Samples, method: str, seen: Seen, granularity: str) -> bytes:
        load("onnxruntime")
        from onnxruntime import quantization
        from onnxruntime.quantization.shape_inference import quant_pre_process

        methods = quantization.CalibrationMethod
        chosen = {"minmax": methods.MinMax, "entropy": methods.Entropy, "percentile": methods.Percentile}[method]
        # onnxruntime prints progress, which must not appear in the caller's output.
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            prepared, target = Path(folder, "prepared.onnx"), Path(folder, "quantized.onnx")
            quant_pre_process(self.model, prepared)
            quantization.quantize_static(
                prepared,
                target,
                _reader(quantization.CalibrationDataReader, samples, seen),
                op_types_to_quantize=_types(prepared),
                quant_format=quantization.QuantFormat.QDQ,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                per_channel=granularity == "per_channel",
                calibrate_method=chosen,
            )
            return target.read_bytes()

    def layers(self, content: bytes) -> list[str]:
        return int16.layers(content)

    def with_int16(self, content: bytes, layers: Sequence[str]) -> bytes:
        return int16.with_int16(content, layers)

    def run(self, inputs: Sequence[Array]) -> Array:
        if self._session is None:
            onnxruntime = load("onnxruntime")
            self._session = onnxruntime.InferenceSession(
                self.model.SerializeToString(), providers=["CPUExecutionProvider"]
            )
        named = dict(zip((name for name, _ in self.inputs), inputs, strict=True))
        return np.asarray(self._session.run(None, named)[0])


def _types(path: Path) -> list[str]:
    """The operators to quantize: onnxruntime's own choice, and what would else be left between floats.

    That is what works on several numbers at once, and what is at the edges of the network. Functions of one number
    elsewhere stay float, and become one table with the scales around them.
    """
    import onnx
    from onnxruntime.quantization import registry

    graph = onnx.load(path).graph
    inputs, outputs = {entry.name for entry in graph.input}, {entry.name for entry in graph.output}
    at_edges = {
        node.op_type for node in graph.node if inputs.intersection(node.input) or outputs.intersection(node.output)
    }
    return sorted({*registry.QDQRegistry, *registry.QLinearOpsRegistry, *SEVERAL, *at_edges})


def float_network(path: Path) -> OnnxNetwork:
    return OnnxNetwork(path)


def _reader(base: Any, samples: Samples, seen: Seen) -> Any:
    """Passes the samples to onnxruntime, one run at a time."""
    count = min(len(x) for x in samples.values())

    class Reader(base):  # type: ignore[misc]
        def __init__(self) -> None:
            self.place = 0

        def get_next(self) -> dict[str, np.ndarray] | None:
            if self.place == count:
                return None
            taken = {name: x[self.place] for name, x in samples.items()}
            self.place += 1
            seen(self.place)
            return taken

    return Reader()
