"""qrt.compiler: turns a quantized network into a .qfb file. Floats end here.

>>> from qrt.compiler import compile                            # doctest: +SKIP
>>> compiled = compile("model.onnx")                            # doctest: +SKIP
>>> compiled.save("model.qfb")                                  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, SupportsIndex

from qrt.compiler.backends.qfb.writer import TestVector, write
from qrt.compiler.builder import GraphBuilder
from qrt.compiler.calibration import Quantized, quantize
from qrt.compiler.errors import CompileError, Problem, understanding
from qrt.compiler.frontends.float_network import Seen
from qrt.compiler.integers.requant import lower
from qrt.compiler.integers.thresholds import TORCH
from qrt.compiler.ir import Graph
from qrt.compiler.passes import (
    OPTIONAL,
    check_source,
    quantize_to_int4,
    run_lowered_passes,
    run_passes,
    run_source_passes,
)
from qrt.compiler.passes.carry_state import carry_state
from qrt.compiler.passes.set_batch import set_batch
from qrt.compiler.plan.account import account
from qrt.compiler.plan.memory import peak, plan
from qrt.compiler.plan.plan import Plan
from qrt.compiler.plan.schedule import schedule
from qrt.compiler.report import WEIGHTED, Report
from qrt.compiler.untrusted import check, refuse_no_file
from qrt.compiler.verify import verify

__all__ = [
    "CompileError",
    "Compiled",
    "Graph",
    "GraphBuilder",
    "Problem",
    "Quantized",
    "Report",
    "compile",
    "from_torch",
    "quantize",
    "quantize_torch",
]

# For each suffix of a source file, the module of qrt.compiler.frontends that reads it.
FRONTENDS = {".onnx": "onnx.graph", ".tflite": "tflite.graph", ".pt2": "torch.pt2"}
# For each of those modules, the engines that it can match bit for bit; the first is the default.
ENGINES = {
    "onnx.graph": ("onnxruntime",),
    "tflite.graph": ("tflm", "litert", "xnnpack"),
    "torch.pt2": ("pytorch", *TORCH),
}
BIASES = ("int32", "float")
# Optimizations that `compile` can leave out.
SKIPPABLE = frozenset(apply.__name__ for apply in OPTIONAL) | {"schedule", "overlap"}


@dataclass(frozen=True, repr=False)
class Compiled:
    """A compiled network: lowered graph, memory plan and report.

    ``qrt.load(compiled)`` loads it, and ``bytes(compiled)`` is `to_bytes`.
    """

    graph: Graph
    plan: Plan
    report: Report

    def __repr__(self) -> str:
        return f"<qrt.compiler.Compiled {self.report.facts}>"

    def _repr_html_(self) -> str:
        return self.report._repr_html_()

    def __bytes__(self) -> bytes:
        return self.to_bytes()

    def to_bytes(self, test_vectors: Sequence[TestVector] = (), *, strip: bool = False) -> bytes:
        """The content of the .qfb file.

        Parameters
        ----------
        test_vectors : sequence of (inputs, outputs) or (inputs, outputs, continues)
            Arrays of codes in the order of the model's inputs and outputs, stored in the file for checking. `continues`
            says that the states are those that the vector before it left; otherwise they are reset first.
        strip : bool
            Whether to leave out the names of operators and of tensors other than inputs and outputs.
        """
        return write(self.graph, self.plan, test_vectors=test_vectors, strip=strip)

    def save(
        self, path: str | os.PathLike[str], test_vectors: Sequence[TestVector] = (), *, strip: bool = False
    ) -> None:
        """Writes a .qfb file; parameters as for `to_bytes`."""
        Path(path).write_bytes(self.to_bytes(test_vectors, strip=strip))


def compile(
    source: Any,
    *,
    name: str | None = None,
    labels: Sequence[str] | None = None,
    match: str | None = None,
    bias: str | None = None,
    batch: int | None = None,
    state: Mapping[str, str] | None = None,
    skip: Collection[str] = (),
    weights: str | None = None,
    stream: int | None = None,
    ram: str | int = "fast",
    feed: bool = False,
) -> Compiled:
    """Compiles a network; returns it with its memory plan and the report.

    Parameters
    ----------
    source : path, Quantized, ModelProto, Graph or GraphBuilder
        An .onnx, .tflite or .pt2 file, what `quantize` made of a float file, an ONNX model in memory, or a network
        built in Python.
    name : str, optional
        Name of the network; by default the source's.
    labels : sequence of str, optional
        Names of the entries of the output's last axis.
    match : str, optional
        The engine to match bit for bit: for .tflite ``"tflm"`` (the default; also CMSIS-NN), ``"litert"``
        (LiteRT's reference kernels) or ``"xnnpack"`` (LiteRT's default on most machines; at least 99.999 % of
        each layer's codes are equal); for .onnx ``"onnxruntime"``.
    bias : {"int32", "float"}, optional
        Rounds every bias to int32, or keeps every bias at full precision in the addend, regardless of the source
        and `match`. Layers with double rounding always have int32 biases.
    batch : int, optional
        The leading axis of every input. By default 1, unless an operator mixes the samples of a batch; then the
        source's batch is kept and the report names the operator. A network built in Python (Graph, GraphBuilder)
        keeps the batch that it was built with.
    state : mapping of str to str, optional
        For each input that is a state, the output whose real values it has in the next run; in the first run it is
        0. Either is a name, or a position counted from 0. The compiled network has neither.
    skip : collection of str
        Optimizations to skip, from `SKIPPABLE`; they do not change results.
    weights : str, optional
        ``"int4"`` quantizes the weights of all convolutions and linear layers to 4 bits, with a scale for each output
        channel; ``"int4:conv1,conv2"`` those of these layers. That changes results. By default weights that have 4 bits
        in the source are stored as int4; ``"int8"`` stores them as int8, which microcontrollers compute faster.
    stream : int, optional
        Turns a network that reads a window of frames into one that reads the next frame of a stream in each run, and
        keeps what it needs of those before in states. The axis that the frames lie along in every input, as the source
        has it (``[1, frames, ...]``: 1). The report has the frames of a run, and from which run on the outputs are
        those of the window's network.
    ram : {"fast", "least"} or int
        ``"least"`` makes the arena as small as can be: operators take turns, each making some rows of its output, so
        that memory holds a few rows of what lies between them. A number does so as far as this many bytes of arena ask.
        The results are the same, and nothing is computed twice. The report says what that costs.
    feed : bool
        Lets the rows of the first input be given one after another, so that the arena holds a few of them.

    Raises
    ------
    CompileError
        Lists everything that cannot be compiled exactly.
    OSError
        The source cannot be read.
    ImportError
        The frontend's library is missing; the message says what to install.
    """
    start = time.perf_counter()
    _check_options(bias, batch, skip, weights, state, stream, ram)
    report = Report()
    graph = _graph(source, match, batch, state, report)
    if not isinstance(source, GraphBuilder | Graph) and _is_float(graph):
        is_path = isinstance(source, str | os.PathLike)
        where, file = (os.fspath(source),) * 2 if is_path else ("model", "FILE.onnx")
        reason = f"is a float network; quantize it: qrt compile {file} --calibrate DATA"
        raise CompileError([Problem(where, "file", reason)])
    with understanding(source):
        return _compiled(graph, report, start, name, labels, bias, skip, weights, stream, ram, feed)


def from_torch(
    module: Any,
    example_inputs: Sequence[Any],
    *,
    name: str | None = None,
    labels: Sequence[str] | None = None,
    match: str | None = None,
    bias: str | None = None,
    batch: int | None = None,
    state: Mapping[str, str] | None = None,
    skip: Collection[str] = (),
    weights: str | None = None,
    stream: int | None = None,
    ram: str | int = "fast",
    feed: bool = False,
) -> Compiled:
    """Compiles a quantized PyTorch module.

    Parameters
    ----------
    module : torch.nn.Module or torch.export.ExportedProgram
        The result of ``torch.ao.quantization.convert``, ``convert_fx``, ``convert_to_reference_fx`` or PT2E's
        ``convert_pt2e``, or an exported program of the last.
    example_inputs : sequence of torch.Tensor
        One for each argument of forward, accepted by the module; only their shapes matter.
    match : {"pytorch", "fbgemm", "qnnpack", "x86", "onednn"}, optional
        The engine to match bit for bit. ``"pytorch"`` runs quantize, dequantize and float operators as they are
        written (PT2E, reference models), with biases as the model has them. qnnpack rounds biases to int32, the
        others keep them at full precision. By default the engine that PyTorch would run the module with.
    name, labels, bias, batch, state, skip, weights, stream, ram, feed
        As for `compile`.

    Raises
    ------
    CompileError
        Lists everything that cannot be compiled exactly.
    ImportError
        PyTorch is missing; the message says what to install.
    """
    start = time.perf_counter()
    _check_options(bias, batch, skip, weights, state, stream, ram)
    if match is not None:
        _engine("module", "torch.pt2", match)
    from qrt.compiler.frontends.torch import graph as frontend

    report = Report()
    with understanding(type(module).__name__):
        graph = frontend.to_graph(module, example_inputs, match)
        check(graph)
        graph = set_batch(carry_state(graph, state or {}), batch, report)
    if _is_float(graph):
        reason = "is a float module; quantize it with qrt.compiler.quantize_torch"
        raise CompileError([Problem(type(module).__name__, "module", reason)])
    report.match = graph.engine
    with understanding(type(module).__name__):
        return _compiled(graph, report, start, name, labels, bias, skip, weights, stream, ram, feed)


def quantize_torch(
    module: Any,
    example_inputs: Sequence[Any],
    samples: Sequence[Any],
    method: str = "minmax",
    seen: Seen = lambda count: None,
) -> Any:
    """Quantizes a float PyTorch module on samples, by PT2E with `QrtQuantizer`; `from_torch` compiles the result.

    Parameters
    ----------
    module : torch.nn.Module or torch.export.ExportedProgram
        A float module in evaluation mode.
    example_inputs : sequence of torch.Tensor
        One for each argument of forward; their shapes are the network's.
    samples : sequence of torch.Tensor
        For each argument, samples along the first axis.
    method : {"minmax", "histogram"}
        How the range of each activation follows from its values: minimum and maximum, or the least squared error.
    seen : function
        Called with the number of runs that are done.

    Returns
    -------
    torch.export.ExportedProgram
        For `from_torch`, or for ``torch.export.save`` and ``qrt compile``.

    Raises
    ------
    CompileError
        The module cannot be exported or quantized; the message has PyTorch's reason.
    ValueError
        Samples that do not fit the inputs.
    ImportError
        PyTorch or torchao is missing; the message says what to install.
    """
    from qrt.compiler.frontends.torch.calibrate import quantize_module

    return quantize_module(module, example_inputs, samples, method, seen)


def _is_float(graph: Graph) -> bool:
    """Whether a source graph has only float activations."""
    inputs = all(edge.tensor.dtype == "float32" for edge in graph.inputs)
    return inputs and not any(op.kind == "quantize" for op in graph.ops)


def _check_options(
    bias: str | None,
    batch: int | None,
    skip: Collection[str],
    weights: str | None,
    state: Any,
    stream: Any,
    ram: Any,
) -> None:
    if bias not in (None, *BIASES):
        raise ValueError(f"bias must be {' or '.join(map(repr, BIASES))}, got {bias!r}")
    if batch is not None and batch < 1:
        raise ValueError(f"batch must be at least 1, got {batch}")
    if weights is not None and weights not in ("int8", "int4") and not weights.startswith("int4:"):
        raise ValueError(f"weights must be 'int4', 'int4:LAYER,...' or 'int8', got {weights!r}")
    if state is not None and not (
        isinstance(state, Mapping) and all(isinstance(name, str) for pair in state.items() for name in pair)
    ):
        raise ValueError(f"state must map names, or positions as strings, of inputs to those of outputs, got {state!r}")
    if stream is not None and not isinstance(stream, SupportsIndex):
        raise ValueError(f"stream must be the number of an axis, got {stream!r}")
    if ram not in ("fast", "least") and not (isinstance(ram, SupportsIndex) and int(ram) >= 0):
        raise ValueError(f"ram must be 'fast', 'least' or a number of bytes, got {ram!r}")
    unknown = sorted(set(skip) - SKIPPABLE)
    if unknown:
        raise ValueError(f"unknown optimizations: {', '.join(unknown)}; known are {', '.join(sorted(SKIPPABLE))}")


def _compiled(
    graph: Graph,
    report: Report,
    start: float,
    name: str | None,
    labels: Sequence[str] | None,
    bias: str | None,
    skip: Collection[str],
    weights: str | None,
    stream: int | None,
    ram: str | int,
    feed: bool,
) -> Compiled:
    """Compiles a source graph; `start` is the time at which compilation began."""
    is_int4 = graph.int4 if weights is None else weights != "int8"
    graph = run_passes(graph, report, skip, stream)
    codes = ("int8", "int16", "int32")
    floats = [edge.tensor for edge in (*graph.inputs, *graph.outputs) if edge.tensor.dtype not in codes]
    if floats:
        reason = "is a model input or output of type {} that no operator quantizes; quantize it, or remove it"
        raise CompileError([Problem(tensor.name, "tensor", reason.format(tensor.dtype)) for tensor in floats])
    if weights is not None and is_int4:
        layers = weights.removeprefix("int4").removeprefix(":")
        graph = quantize_to_int4(graph, layers.split(",") if layers else None, report)
    if bias is not None:
        _set_bias(graph, bias, report)
    if name is not None:
        graph.name = name
    if labels is not None:
        _set_labels(graph, labels)
    lower(graph, report)
    verify(graph, "lowered")
    graph = run_lowered_passes(graph, report, skip, is_int4)
    if "schedule" not in skip:
        graph = schedule(graph, report)
        verify(graph, "lowered", "schedule")
    memory = plan(graph, overlap="overlap" not in skip, ram=ram, feed=feed)
    if ram != "fast" or feed:
        report.row_by_row = account(graph, memory, plan(graph, overlap="overlap" not in skip))
    if memory.overlaps:
        report.note("overlap", f"{len(memory.overlaps)} operators overwrite an input that is not needed after them")
    report.describe(graph)
    report.arena_size, report.arena_peak = memory.arena_size, peak(graph, memory.bands)
    report.arena_lower_bound = report.arena_peak.size
    report.state_size = memory.state_size
    report.seconds = time.perf_counter() - start
    return Compiled(graph, memory, report)


def source_graph(
    source: Any, match: str | None = None, batch: int | None = None, state: Mapping[str, str] | None = None
) -> Graph:
    """The network of a source as its frontend reads it, quantized or float; parameters and errors as for `compile`.

    States are pairs of an input and an output (`Edge.state`).
    """
    return _graph(source, match, batch, state, Report())


def folded_graph(source: Any) -> Graph:
    """The network of a source, quantized or float, with batch normalization folded; errors as for `compile`."""
    graph = source_graph(source)
    with understanding(source):
        return run_source_passes(graph, Report())


def _graph(source: Any, match: str | None, batch: int | None, state: Mapping[str, str] | None, report: Report) -> Graph:
    if isinstance(source, GraphBuilder | Graph):
        if match is not None:
            raise CompileError([Problem("match", "option", "a network built in Python sets its own rounding modes")])
        graph = carry_state((source if isinstance(source, Graph) else source.graph).copy(), state or {})
        return graph if batch is None else set_batch(graph, batch, report)
    graph = carry_state(_read(source, match, report), state or {})
    with understanding(source):
        return set_batch(graph, batch, report)


def _read(source: Any, match: str | None, report: Report) -> Graph:
    """The network of a file, of a file quantized in memory, or of an ONNX model in memory."""
    if isinstance(source, str | os.PathLike | Quantized):
        path = Path(source.path if isinstance(source, Quantized) else source)
        refuse_no_file(path)
        if path.suffix not in FRONTENDS:
            known = " or ".join(FRONTENDS)
            raise CompileError([Problem(str(path), "file", f"its suffix is not supported; give {known}")])
        kind = FRONTENDS[path.suffix]
        report.match = _engine(str(path), kind, match)
        frontend = importlib.import_module(f"qrt.compiler.frontends.{kind}")
        with understanding(path):
            if isinstance(source, Quantized):
                graph = _read_quantized(frontend, source, report.match)
            else:
                graph = frontend.to_graph(path, report.match)
            check(graph)
            # A file may be inconsistent, for example in its shapes. A rule broken after this is a compiler error.
            check_source(graph)
        return graph
    if type(source).__name__ == "ModelProto":
        from qrt.compiler.frontends.onnx.graph import to_graph

        report.match = _engine("model", "onnx.graph", match)
        with understanding(source):
            graph = to_graph(source, report.match)
            check(graph)
            check_source(graph)
        return graph
    kinds = "a path, Quantized, ONNX ModelProto, Graph or GraphBuilder"
    raise TypeError(f"source must be {kinds}, got {type(source).__name__}")


def _read_quantized(frontend: ModuleType, source: Quantized, match: str) -> Graph:
    """The network of a file in memory; problems that concern all of it have the name of the float file."""
    try:
        graph: Graph = frontend.to_graph(source.content, match)
    except CompileError as error:
        named = [replace(p, name=str(source.path)) if p.kind == "file" else p for p in error.problems]
        raise CompileError(named) from None
    graph.name = source.path.stem
    return graph


def _engine(source: str, frontend: str, match: str | None) -> str:
    engines = ENGINES[frontend]
    if match is not None and match not in engines:
        reason = f"cannot match {match!r}; this kind of file supports {', '.join(engines)}"
        raise CompileError([Problem(source, "file", reason)])
    return match or engines[0]


def _set_bias(graph: Graph, bias: str, report: Report) -> None:
    """Sets for every layer with weights how its bias is stored."""
    double = []
    for op in graph.ops:
        if op.kind in WEIGHTED and len(op.inputs) > 2:
            op.attrs["float_bias"] = bias == "float" and op.attrs.get("rounding", "SINGLE") == "SINGLE"
            op.attrs.pop("engine", None)
            double += [op.name] if op.attrs["float_bias"] != (bias == "float") else []
    text = f"biases are {'int32' if bias == 'int32' else 'kept at full precision in the addends'}"
    report.note("bias", text + (f", but {len(double)} layers with double rounding keep int32 biases" if double else ""))


def _set_labels(graph: Graph, labels: Sequence[str]) -> None:
    if len(graph.outputs) != 1:
        raise CompileError([Problem(graph.name, "labels", f"labels need one output, got {len(graph.outputs)}")])
    edge = graph.outputs[0]
    count = edge.tensor.shape[-1]
    if len(labels) != count:
        raise CompileError([Problem(edge.tensor.name, "labels", f"has {count} entries, got {len(labels)} labels")])
    edge.labels = list(labels)
