"""A float .tflite network and calibration samples -> an int8 .tflite network, by LiteRT's quantizer.

Activations become int8, weights int8 per output channel, biases int32. The package litert-quantizer runs the float
network in LiteRT and needs no TensorFlow. Networks whose weights alone are quantized are made float first.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np

from qrt.compiler.errors import CompileError, Problem
from qrt.compiler.frontends.float_network import Array, FloatNetwork, Samples, Seen, already_quantized
from qrt.compiler.frontends.tflite.floats import Floats
from qrt.compiler.frontends.tflite.islands import Islands
from qrt.compiler.libraries import load

# Name of the one signature that the network gets; its inputs are called as the tensors.
SIGNATURE = "calibrate"


class TfliteNetwork(FloatNetwork):
    """A .tflite file with float activations."""

    library = "litert-quantizer"
    methods = ("minmax",)

    def __init__(self, path: Path) -> None:
        content = path.read_bytes()
        if len(content) < 8 or content[4:8] != b"TFL3":
            raise CompileError([Problem(str(path), "file", "is not a TensorFlow Lite file")])
        load("litert_quantizer")
        from ai_edge_litert import schema_py_generated as schema

        model = _unpacked(schema, content)
        if len(model.subgraphs) != 1:
            reason = f"has {len(model.subgraphs)} subgraphs; only one is supported"
            raise CompileError([Problem(str(path), "file", reason)])
        floats = Floats(schema, model)
        if not floats.activations_are_float():
            raise already_quantized(path)
        floats.undo()
        self.path = os.fspath(path)
        self.inputs = _inputs(schema, model)
        self.activations = _activations(schema, model)
        self.content = _packed(schema, model)
        self._runner: Any = None

    def quantized(self, samples: Samples, method: str, seen: Seen, granularity: str) -> bytes:
        from litert_quantizer import Quantizer, recipe

        ranges = dict.fromkeys(self.activations, (np.inf, -np.inf))
        interpreter = self._interpreter(keep=True)
        for i in range(min(len(x) for x in samples.values())):
            _invoke(interpreter, [x[i] for x in samples.values()])
            for index, (low, high) in ranges.items():
                values = interpreter.get_tensor(index)
                ranges[index] = min(low, values.min()), max(high, values.max())
            seen(i + 1)
        self._refuse_infinite(ranges)
        known = {}
        for index, (low, high) in ranges.items():
            rank = (1,) * len(interpreter.get_tensor(index).shape)
            name = self.activations[index]
            known[name] = {"min": np.full(rank, low, np.float32), "max": np.full(rank, high, np.float32)}
        with _silence():
            result = Quantizer(self.content, recipe.static_wi8_ai8()).quantize(known, enable_progress_report=False)
        return self._closed(bytes(result.quantized_model), {self.activations[i]: held for i, held in ranges.items()})

    @staticmethod
    def _closed(content: bytes, ranges: dict[str, tuple[float, float]]) -> bytes:
        """The quantized file, in which no operator that TFLite has in int8 is left in float."""
        from ai_edge_litert import schema_py_generated as schema

        model = _unpacked(schema, content)
        Islands(schema, model, ranges).close()
        return _packed(schema, model)

    def _refuse_infinite(self, ranges: dict[int, tuple[float, float]]) -> None:
        infinite = [self.activations[index] for index, bounds in ranges.items() if not np.isfinite(bounds).all()]
        if infinite:
            reason = "becomes infinite or NaN on the samples; give samples that the float network can compute"
            raise CompileError([Problem(name, "tensor", reason) for name in infinite])

    def run(self, inputs: Sequence[Array]) -> Array:
        if self._runner is None:
            self._runner = self._interpreter()
        _invoke(self._runner, inputs)
        return np.asarray(self._runner.get_tensor(self._runner.get_output_details()[0]["index"]))

    def _interpreter(self, keep: bool = False) -> Any:
        """LiteRT with the network, on one thread so that float sums have one order; `keep` all activations."""
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that keeping activations takes memory
            interpreter = Interpreter(
                model_content=self.content,
                num_threads=1,
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
                experimental_preserve_all_tensors=keep,
            )
        interpreter.allocate_tensors()
        return interpreter


def float_network(path: Path) -> TfliteNetwork:
    return TfliteNetwork(path)


def _unpacked(schema: Any, content: bytes) -> Any:
    """The file as objects; constants behind the flatbuffer, where the quantizer writes 256 KiB or more, are in it."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    for buffer in model.buffers:
        if buffer.offset > 1:
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    return model


def _inputs(schema: Any, model: Any) -> list[tuple[str, tuple[int, ...]]]:
    """Names and shapes of the inputs; every tensor gets a name of its own, because ranges are kept by name."""
    (subgraph,) = model.subgraphs
    taken: set[bytes] = set()
    for index, tensor in enumerate(subgraph.tensors):
        if not tensor.name or tensor.name in taken:
            tensor.name = (tensor.name or b"tensor") + f"_{index}".encode()
        taken.add(tensor.name)
    inputs, problems = [], []
    for index in subgraph.inputs:
        tensor = subgraph.tensors[index]
        name = tensor.name.decode("utf-8", "replace")
        if tensor.type != schema.TensorType.FLOAT32:
            problems.append(Problem(name, "input", "is not float32; only networks with float inputs can be calibrated"))
        inputs.append((name, tuple(int(n) for n in tensor.shape)))
    if problems:
        raise CompileError(problems)
    return inputs


def _activations(schema: Any, model: Any) -> dict[int, str]:
    """Numbers and names of the float tensors that inputs and operators give values."""
    (subgraph,) = model.subgraphs
    written = [*subgraph.inputs, *(index for op in subgraph.operators for index in op.outputs)]
    tensors = {int(index): subgraph.tensors[index] for index in written}
    float32 = schema.TensorType.FLOAT32
    return {
        index: tensor.name.decode("utf-8", "replace") for index, tensor in tensors.items() if tensor.type == float32
    }


def _packed(schema: Any, model: Any) -> bytes:
    """The file, with one signature of all inputs and outputs."""
    (subgraph,) = model.subgraphs

    def maps(places: Sequence[int]) -> list[Any]:
        return [schema.TensorMapT(name=subgraph.tensors[index].name, tensorIndex=int(index)) for index in places]

    model.signatureDefs = [
        schema.SignatureDefT(inputs=maps(subgraph.inputs), outputs=maps(subgraph.outputs), signatureKey=SIGNATURE)
    ]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _invoke(interpreter: Any, inputs: Sequence[Array]) -> None:
    for details, x in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(details["index"], x)
    interpreter.invoke()


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Nothing is printed inside of the block: the quantizer draws progress bars, and LiteRT's C++ reports delegates."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        kept = os.dup(2)
        try:
            os.dup2(nowhere.fileno(), 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
