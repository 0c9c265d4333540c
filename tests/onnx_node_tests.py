"""ONNX's node tests as int8 networks, compiled and compared with onnxruntime.

Each test of one operator becomes a network of this operator between quantize and dequantize, in two ways: by nodes
that are put around it here (int8 codes, parameters in float), and by onnxruntime's static quantizer (uint8 codes, int8
weights, parameters behind DequantizeLinear). The tests' own data are the inputs, and what ranges are taken from.

``PYTHONPATH=tests python tests/onnx_node_tests.py [PART_OF_A_NAME]`` prints what comes out of each test.
"""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import quantization
from onnxruntime.quantization.registry import QLinearOpsRegistry

import qrt
from qrt.compiler import CompileError, compile

Array = np.ndarray[Any, Any]

# Operators that have a meaning between int8 codes. Left out are those of angles, logic, training, sequences, sampling
# and recurrence, and those whose results depend on more than 256 values in other ways than sums and products.
OPERATORS = frozenset(
    [
        "Abs",
        "Add",
        "ArgMax",
        "ArgMin",
        "AveragePool",
        "BatchNormalization",
        "Ceil",
        "Celu",
        "Clip",
        "Concat",
        "Conv",
        "ConvTranspose",
        "DepthToSpace",
        "Div",
        "Elu",
        "Erf",
        "Exp",
        "Expand",
        "Flatten",
        "Floor",
        "Gather",
        "GatherElements",
        "GatherND",
        "Gelu",
        "Gemm",
        "GlobalAveragePool",
        "GlobalMaxPool",
        "GroupNormalization",
        "HardSigmoid",
        "HardSwish",
        "Identity",
        "InstanceNormalization",
        "LayerNormalization",
        "LeakyRelu",
        "Log",
        "LogSoftmax",
        "MatMul",
        "Max",
        "MaxPool",
        "Mean",
        "Min",
        "Mish",
        "Mul",
        "Neg",
        "PRelu",
        "Pad",
        "Pow",
        "Reciprocal",
        "ReduceMax",
        "ReduceMean",
        "ReduceMin",
        "ReduceSum",
        "Relu",
        "Reshape",
        "Resize",
        "Round",
        "Selu",
        "Sigmoid",
        "Sign",
        "Slice",
        "Softmax",
        "Softplus",
        "Softsign",
        "SpaceToDepth",
        "Split",
        "Sqrt",
        "Squeeze",
        "Sub",
        "Sum",
        "Swish",
        "Tanh",
        "ThresholdedRelu",
        "Tile",
        "Transpose",
        "Unsqueeze",
        "Upsample",
        "Where",
    ]
)
# The first input that is a parameter of the network, for operators that have some; integers always are.
PARAMETERS = {"Div": 1, "Pow": 1, "Conv": 1, "ConvTranspose": 1, "Gemm": 1, "Pad": 1, "Resize": 1, "Upsample": 1} | (
    dict.fromkeys(("BatchNormalization", "GroupNormalization", "InstanceNormalization", "LayerNormalization"), 1)
    | dict.fromkeys(("Clip", "PRelu"), 1)
)
WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm"})
# Operators of which onnxruntime's quantizer fails to quantize parameters per channel.
PER_TENSOR = frozenset({"Gemm", "LayerNormalization"})
# Tests whose quantized bias has another scale than the product of the others: onnxruntime's QGemm takes it for that.
WRONG_WHEN_OPTIMIZED = frozenset({"gemm_beta"})
# The newest operator set that onnxruntime implements whole.
OPSET = 21
VERDICTS = ("exact", "within one", "different", "refused", "internal error", "not quantized")


class Case(NamedTuple):
    """A network of one operator, and data for its inputs."""

    name: str
    operator: str
    model: onnx.ModelProto
    feeds: dict[str, Array]


@cache
def cases() -> tuple[Case, ...]:
    """The node tests of `OPERATORS` in float32 whose results are float32, or positions."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return tuple(made for test in collect_testcases(None) if (made := _case(test)) is not None)


def _case(test: Any) -> Case | None:
    graph = test.model.graph
    if len(graph.node) != 1 or graph.node[0].op_type not in OPERATORS or "_expanded" in test.name:
        return None
    node = graph.node[0]
    given, _ = test.data_sets[0]
    names = [value.name for value in graph.input]
    outputs = graph.output if node.op_type == "Split" else graph.output[:1]
    types = {value.type.tensor_type.elem_type for value in outputs}
    first = 1 if node.op_type == "Where" else 0
    is_fit = len(given) > first and all(isinstance(x, np.ndarray) for x in given) and given[first].dtype == np.float32
    if not is_fit or types not in ({TensorProto.FLOAT}, {TensorProto.INT64}):
        return None
    if any(np.size(x) == 0 for x in given) or (types == {TensorProto.INT64} and not node.op_type.startswith("Arg")):
        return None
    parameters, feeds = [], {}
    for name, x in zip(names, given, strict=True):
        is_parameter = list(node.input).index(name) >= PARAMETERS.get(node.op_type, 99) or x.dtype != np.float32
        if is_parameter:
            parameters.append(numpy_helper.from_array(x, name))
        else:
            feeds[name] = x
    model = onnx.ModelProto()
    model.CopyFrom(test.model)
    del model.graph.input[:]
    model.graph.input.extend(value for value in graph.input if value.name in feeds)
    model.graph.initializer.extend(parameters)
    del model.graph.output[len(outputs) :], model.graph.node[0].output[len(outputs) :]
    model.ir_version = min(model.ir_version, 10)
    (imported,) = model.opset_import
    imported.version = min(imported.version, OPSET)
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError:  # of a newer operator set alone
        return None
    return Case(test.name.removeprefix("test_"), node.op_type, model, feeds)


# Two ways to quantize


def wrapped(case: Case) -> onnx.ModelProto | None:
    """The operator between int8 codes; weights are codes too, other parameters stay float."""
    results = dict(zip([value.name for value in case.model.graph.output], _float_results(case), strict=True))
    made = onnx.ModelProto()
    made.CopyFrom(case.model)
    graph = made.graph
    (node,) = graph.node
    before: list[onnx.NodeProto] = []
    after: list[onnx.NodeProto] = []
    constants = {constant.name: numpy_helper.to_array(constant) for constant in graph.initializer}
    for k, name in enumerate(node.input):
        is_weight = k == 1 and case.operator in WEIGHTED
        if name in case.feeds:
            node.input[k] = _pair(graph, name, case.feeds[name], before)
        elif is_weight:
            node.input[k] = _pair(graph, name, constants[name], before, symmetric=True)
    for k, name in enumerate(node.output):
        if results.get(name) is not None and results[name].dtype == np.float32:
            node.output[k] = f"{name}_float"
            _pair(graph, f"{name}_float", results[name], after, name)
    nodes = [*before, node, *after]
    del graph.node[:]
    graph.node.extend(nodes)
    return made


def _pair(
    graph: onnx.GraphProto, name: str, values: Array, nodes: list[onnx.NodeProto], y: str = "", symmetric: bool = False
) -> str:
    """Quantize and dequantize of `name` over the range of `values`, called `y`; its result's name."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    if symmetric:
        low, high = -max(-low, high), max(-low, high)
    scale = np.float32((high - low) / (254 if symmetric else 255) or 1.0)
    zero_point = np.int8(0 if symmetric else np.clip(np.rint(-128 - low / scale), -128, 127))
    parameters = [f"{name}_scale", f"{name}_zero_point"]
    graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), key)
        for key, value in zip(parameters, (scale, zero_point), strict=True)
    )
    nodes.append(helper.make_node("QuantizeLinear", [name, *parameters], [f"{name}_codes"]))
    nodes.append(helper.make_node("DequantizeLinear", [f"{name}_codes", *parameters], [y or f"{name}_real"]))
    return y or f"{name}_real"


def through_quantizer(case: Case, style: str) -> onnx.ModelProto | None:
    """What onnxruntime's static quantizer makes of the operator; None if it fails or changes nothing."""

    if style == "QOperator" and case.operator not in QLinearOpsRegistry:
        return None

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.rest = [case.feeds]

        def get_next(self) -> dict[str, Array] | None:
            return self.rest.pop() if self.rest else None

    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "quantized.onnx")
        try:
            quantization.quantize_static(
                onnx.shape_inference.infer_shapes(case.model),
                target,
                Reader(),
                quant_format=quantization.QuantFormat[style],
                op_types_to_quantize=[case.operator],
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                per_channel=case.operator not in PER_TENSOR,
                extra_options={"ForceQuantizeNoInputCheck": True},
            )
        except Exception:
            return None
        model = onnx.load(target)
    return model if any(node.op_type == "QuantizeLinear" for node in model.graph.node) else None


WAYS: dict[str, Callable[[Case], onnx.ModelProto | None]] = {
    "wrapped": wrapped,
    "QDQ": partial(through_quantizer, style="QDQ"),
    "QOperator": partial(through_quantizer, style="QOperator"),
}


# Verdicts


def _session(model: onnx.ModelProto, optimized: bool = True) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _float_results(case: Case) -> list[Array]:
    results: list[Array] = _session(case.model).run(None, case.feeds)
    return results


def verdict(case: Case, way: str) -> tuple[str, str]:
    """One of `VERDICTS`, and what there is to say about it."""
    try:
        model = WAYS[way](case)
        optimized = case.name not in WRONG_WHEN_OPTIMIZED
        theirs = None if model is None else _session(model, optimized).run(None, case.feeds)
    except Exception as error:
        return "not quantized", f"{type(error).__name__}: {error}"
    if model is None or theirs is None:
        return "not quantized", ""
    try:
        runtime = qrt.load(compile(model).to_bytes())
        layout = "NCHW" if any(edge.source_layout == "NCHW" for edge in runtime.inputs) else None
        ours: Any = runtime.run(*case.feeds.values(), dequantize=True, layout=layout)
    except CompileError as error:
        internal = [p.reason for p in error.problems if "cannot be read" in p.reason]
        return ("internal error", internal[0]) if internal else ("refused", " | ".join(map(str, error.problems)))
    except Exception as error:
        return "internal error", f"{type(error).__name__}: {error}"
    worst = 0.0
    for edge, mine, right in zip(runtime.outputs, ours if isinstance(ours, list) else [ours], theirs, strict=True):
        mine = np.moveaxis(mine, -1, 1) if edge.source_layout == "NCHW" else mine
        if mine.size != right.size:
            return "different", f"{mine.shape} for {right.shape}"
        step = 1.0 if right.dtype == np.int64 else edge.scale
        apart = np.abs(mine.reshape(right.shape).astype(np.float64) - right) / step
        worst = max(worst, float(apart.max(initial=0)))
    return ("exact" if worst < 0.5 else "within one" if worst < 1.5 else "different"), f"{worst:.2f} steps"


class Line(NamedTuple):
    name: str
    operator: str
    way: str
    verdict: str
    text: str


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what onnxruntime's quantizer writes while it works."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def table(part: str = "", ways: tuple[str, ...] = tuple(WAYS)) -> list[Line]:
    """A line for each test whose name contains `part`, for each of `ways`."""
    lines = []
    with quiet():
        for case in cases():
            if part in case.name:
                lines += [Line(case.name, case.operator, way, *verdict(case, way)) for way in ways]
    return lines


def counts(lines: list[Line]) -> Counter[str]:
    return Counter(line.verdict for line in lines)


if __name__ == "__main__":
    shown = table(*sys.argv[1:2])
    for line in shown:
        print(f"{line.operator:22} {line.name:60} {line.way:10} {line.verdict:14} {line.text}")
    for chosen in WAYS:
        found = counts([line for line in shown if line.way == chosen])
        print(f"{chosen}: {', '.join(f'{found[each]} {each}' for each in VERDICTS)}; {found.total()} tests")
