"""Operators by what they mean, and how each source's form of them compiles: a minimal network for each cell.

``PYTHONPATH=.:tests python tests/source_operators.py`` writes the table of docs/operators.md.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import engines
import numpy as np
import onnxruntime
import single_operators
import torch_modules
from marked_tables import write_table
from onnx import TensorProto
from places import ROOT
from qdq import Net
from single_operators import Model
from source_operator_networks import (
    FLIP,
    IMAGE,
    POOL,
    POOLED,
    ROWS_OF_12,
    gelu,
    integers,
    layer_normalization,
    lite,
    lite_convolution,
    lite_division,
    lite_fixed,
    lite_fully_connected,
    lite_lstm,
    lite_many,
    lite_matmul,
    lite_of_two,
    lite_positions,
    lite_prelu,
    lite_select,
    lite_shape_arithmetic,
    lite_svdf,
    lstm,
    node,
    normalization,
    of_two,
    of_two_outputs,
    positions,
    resize,
    shape_arithmetic,
    weighted,
    where,
)

import qrt
from qrt.compiler import CompileError, compile

Array = np.ndarray[Any, Any]
PAGE, TITLE = ROOT / "docs" / "operators.md", "operators by source"
NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True)
class Operator:
    """A network of each source, where it has the operator; of PyTorch the name of one in `torch_modules`."""

    onnx: Callable[[Net], str] | None = None
    tflite: Callable[[Model], None] | None = None
    torch: str | None = None


OPERATORS: dict[str, Operator] = {
    "convolution": Operator(
        weighted("Conv", (1, 4, 6, 8), (5, 4, 3, 3)), lite_convolution("CONV_2D"), "Conv2d"
    ),
    "depthwise convolution": Operator(
        weighted("Conv", (1, 4, 6, 8), (4, 1, 3, 3), group=4), lite_convolution("DEPTHWISE_CONV_2D"), "Conv2d depthwise"
    ),
    "convolution over one axis": Operator(weighted("Conv", (1, 4, 12), (5, 4, 3)), None, "Conv1d"),
    "convolution of volumes": Operator(weighted("Conv", (1, 2, 4, 5, 6), (3, 2, 3, 3, 3)), None, "Conv3d"),
    "transposed convolution": Operator(
        weighted("ConvTranspose", (1, 4, 6, 8), (4, 5, 2, 2), strides=[2, 2]),
        lite_convolution("TRANSPOSE_CONV"),
        "ConvTranspose2d",
    ),
    "fully connected": Operator(weighted("Gemm", (1, 12), (12, 5)), lite_fully_connected, "Linear"),
    "product of matrices": Operator(of_two("MatMul", (1, 3, 8), (1, 8, 5)), lite_matmul, "matmul"),
    "attention": Operator(None, None, "attention"),
    "addition": Operator(of_two("Add"), lite_of_two("ADD", "AddOptions"), "add"),
    "subtraction": Operator(of_two("Sub"), lite_of_two("SUB", "SubOptions"), "sub"),
    "multiplication": Operator(of_two("Mul"), lite_of_two("MUL", "MulOptions"), "mul"),
    "division": Operator(node("Div", (1, 4, 6, 8), np.float32(3)), lite_division, "div number"),
    "squared difference": Operator(None, lite_of_two("SQUARED_DIFFERENCE", "SquaredDifferenceOptions")),
    "maximum": Operator(of_two("Max"), lite_of_two("MAXIMUM", "MaximumMinimumOptions", True), "maximum"),
    "minimum": Operator(of_two("Min"), lite_of_two("MINIMUM", "MaximumMinimumOptions", True), "minimum"),
    "choice by a constant mask": Operator(where, lite_select, "where"),
    "ReLU": Operator(node("Relu"), lite("RELU", None, IMAGE, IMAGE), "ReLU"),
    "clamp": Operator(
        node("Clip", (1, 4, 6, 8), np.float32(-0.4), np.float32(0.5)), lite("RELU6", None, IMAGE, IMAGE), "clamp"
    ),
    "leaky ReLU": Operator(
        node("LeakyRelu", alpha=0.1), lite("LEAKY_RELU", "LeakyReluOptions", IMAGE, IMAGE, keeps=False, alpha=0.1),
        "LeakyReLU",
    ),
    "PReLU": Operator(node("PRelu", (1, 4, 6, 8), np.full((4, 1, 1), 0.23, np.float32)), lite_prelu, "PReLU"),
    "sigmoid": Operator(node("Sigmoid"), lite_fixed("LOGISTIC", None, 1 / 256, -128), "Sigmoid"),
    "tanh": Operator(node("Tanh"), lite_fixed("TANH", None, 1 / 128, 0), "Tanh"),
    "hard swish": Operator(
        node("HardSwish"), lite("HARD_SWISH", "HardSwishOptions", IMAGE, IMAGE, keeps=False), "Hardswish"
    ),
    "ELU": Operator(node("Elu"), lite("ELU", None, IMAGE, IMAGE, keeps=False), "ELU"),
    "GELU": Operator(gelu, lite("GELU", "GeluOptions", IMAGE, IMAGE, keeps=False), "GELU"),
    "exponential": Operator(node("Exp"), lite("EXP", "ExpOptions", IMAGE, IMAGE, keeps=False), "exp"),
    "absolute value": Operator(node("Abs"), lite("ABS", "AbsOptions", IMAGE, IMAGE, keeps=False), "abs"),
    "power": Operator(node("Pow", (1, 4, 6, 8), np.float32(2)), None, "pow"),
    "softmax": Operator(
        node("Softmax", ROWS_OF_12, axis=-1), lite_fixed("SOFTMAX", "SoftmaxOptions", 1 / 256, -128, beta=1.0),
        "Softmax",
    ),
    "log softmax": Operator(
        node("LogSoftmax", ROWS_OF_12, axis=-1), lite_fixed("LOG_SOFTMAX", "LogSoftmaxOptions", 16 / 256, 127),
        "LogSoftmax",
    ),
    "batch normalization": Operator(normalization("BatchNormalization", 4), None, "BatchNorm2d"),
    "layer normalization": Operator(layer_normalization, None, "LayerNorm"),
    "instance normalization": Operator(normalization("InstanceNormalization", 2), None, "InstanceNorm2d"),
    "L2 normalization": Operator(
        node("LpNormalization", ROWS_OF_12, axis=-1, p=2), lite_fixed("L2_NORMALIZATION", "L2NormOptions", 1 / 128, 0)
    ),
    "maximum of windows": Operator(
        node("MaxPool", **POOLED), lite("MAX_POOL_2D", "Pool2DOptions", IMAGE, (1, 3, 4, 4), **POOL), "MaxPool2d"
    ),
    "average of windows": Operator(
        node("AveragePool", **POOLED), lite("AVERAGE_POOL_2D", "Pool2DOptions", IMAGE, (1, 3, 4, 4), **POOL),
        "AvgPool2d",
    ),
    "pools over one axis": Operator(node("MaxPool", (1, 4, 12), kernel_shape=[2], strides=[2]), None, "MaxPool1d"),
    "pools of volumes": Operator(node("MaxPool", (1, 2, 4, 6, 6), kernel_shape=[2, 2, 2]), None, "MaxPool3d"),
    "adaptive pools": Operator(None, None, "AdaptiveAvgPool2d 3x4"),
    "global average": Operator(
        node("GlobalAveragePool"), lite("MEAN", "ReducerOptions", IMAGE, (1, 4), [1, 2], keeps=False),
        "AdaptiveAvgPool2d",
    ),
    "mean over any axes": Operator(
        node("ReduceMean", axes=[1], keepdims=0), lite("MEAN", "ReducerOptions", IMAGE, (1, 6, 8), [3], keeps=False),
        "mean over channels",
    ),
    "sum over axes": Operator(
        node("ReduceSum", (1, 4, 6, 8), integers(1)),
        lite("SUM", "ReducerOptions", IMAGE, (1, 6, 8), [3], keeps=False), "sum",
    ),
    "greatest over axes": Operator(
        node("ReduceMax", axes=[2, 3]), lite("REDUCE_MAX", "ReducerOptions", IMAGE, (1, 4), [1, 2]), "amax"
    ),
    "least over axes": Operator(
        node("ReduceMin", axes=[1]), lite("REDUCE_MIN", "ReducerOptions", IMAGE, (1, 6, 8), [3]), "amin"
    ),
    "position of the greatest": Operator(positions("ArgMax"), lite_positions("ARG_MAX", "ArgMaxOptions"), "argmax"),
    "position of the least": Operator(positions("ArgMin"), lite_positions("ARG_MIN", "ArgMinOptions")),
    "resize, nearest": Operator(
        resize("nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
        lite("RESIZE_NEAREST_NEIGHBOR", "ResizeNearestNeighborOptions", IMAGE, (1, 12, 16, 4), [12, 16]),
        "Upsample nearest",
    ),
    "resize, linear": Operator(
        resize("linear"), lite("RESIZE_BILINEAR", "ResizeBilinearOptions", IMAGE, (1, 12, 16, 4), [12, 16]),
        "Upsample bilinear",
    ),
    "slice": Operator(
        node("Slice", (1, 4, 6, 8), integers(1, 0), integers(3, 8), integers(1, 3), integers(1, 2)),
        lite("SLICE", "SliceOptions", IMAGE, (1, 2, 3, 4), [0, 1, 2, 0], [1, 2, 3, 4]), "x[..., 1::2]",
    ),
    "split": Operator(
        of_two_outputs("Split", (1, 4, 6, 8), axis=1),
        lite_many("SPLIT", "SplitOptions"), "chunk",
    ),
    "gather of constant positions": Operator(
        node("Gather", (1, 4, 6, 8), integers(2, 0, 3), axis=1),
        lite("GATHER", "GatherOptions", IMAGE, (1, 6, 8, 3), [2, 0, 3], axis=3), "index_select",
    ),
    "concatenation": Operator(
        of_two("Concat", axis=1), lite_many("CONCATENATION", "ConcatenationOptions"), "cat"
    ),
    "stack": Operator(None, lite_many("PACK", "PackOptions"), "stack"),
    "unstack": Operator(None, lite_many("UNPACK", "UnpackOptions"), "unbind"),
    "pad with a constant": Operator(
        node("Pad", (1, 4, 6, 8), integers(0, 0, 1, 2, 0, 0, 3, 0)),
        lite("PAD", "PadOptions", IMAGE, (1, 10, 10, 4), [[0, 0], [1, 3], [2, 0], [0, 0]]), "ZeroPad2d",
    ),
    "pad with a mirror image": Operator(
        node("Pad", (1, 4, 6, 8), integers(0, 0, 1, 2, 0, 0, 3, 0), mode="reflect"),
        lite("MIRROR_PAD", "MirrorPadOptions", IMAGE, (1, 10, 10, 4), [[0, 0], [1, 3], [2, 0], [0, 0]]),
        "ReflectionPad2d",
    ),
    "pad with the edge": Operator(
        node("Pad", (1, 4, 6, 8), integers(0, 0, 1, 2, 0, 0, 3, 0), mode="edge"), None, "ReplicationPad2d"
    ),
    "reshape": Operator(
        node("Reshape", (1, 4, 6, 8), integers(1, -1)), lite("RESHAPE", "ReshapeOptions", IMAGE, (1, 192), [1, 192]),
        "Flatten",
    ),
    "shape arithmetic": Operator(shape_arithmetic, lite_shape_arithmetic, "view of size"),
    "transpose": Operator(
        node("Transpose", perm=[0, 2, 3, 1]), lite("TRANSPOSE", "TransposeOptions", IMAGE, (1, 4, 6, 8), [0, 3, 1, 2]),
        "permute",
    ),
    "repeat": Operator(
        node("Tile", (1, 4, 6, 8), integers(1, 2, 1, 1)),
        lite("TILE", "TileOptions", IMAGE, (1, 12, 8, 4), [1, 2, 1, 1]), "repeat",
    ),
    "broadcast": Operator(
        node("Expand", (1, 4, 1, 8), integers(1, 4, 6, 8)),
        lite("BROADCAST_TO", "BroadcastToOptions", (1, 1, 8, 4), IMAGE, list(IMAGE)), "expand",
    ),
    "reverse": Operator(
        node("Slice", (1, 4, 6, 8), *FLIP), lite("REVERSE_V2", "ReverseV2Options", IMAGE, IMAGE, [2]), "flip"
    ),
    "depth to space": Operator(
        node("DepthToSpace", blocksize=2),
        lite("DEPTH_TO_SPACE", "DepthToSpaceOptions", IMAGE, (1, 12, 16, 1), block_size=2), "PixelShuffle",
    ),
    "space to depth": Operator(
        node("SpaceToDepth", blocksize=2),
        lite("SPACE_TO_DEPTH", "SpaceToDepthOptions", IMAGE, (1, 3, 4, 16), block_size=2), "PixelUnshuffle",
    ),
    "space to batch": Operator(
        None,
        lite("SPACE_TO_BATCH_ND", "SpaceToBatchNDOptions", IMAGE, (4, 3, 4, 4), [2, 2], [[0, 0], [0, 0]]),
    ),
    "batch to space": Operator(
        None,
        lite("BATCH_TO_SPACE_ND", "BatchToSpaceNDOptions", (4, 3, 4, 4), IMAGE, [2, 2], [[0, 0], [0, 0]]),
    ),
    "sorting": Operator(of_two_outputs("TopK", (1, 12), integers(3), axis=-1), None, "topk"),
    "running sum": Operator(
        node("CumSum", (1, 12), np.int64(1)), lite("CUMSUM", "CumsumOptions", (1, 12), (1, 12), 1), "cumsum"
    ),
    "recurrence": Operator(lstm, lite_lstm, "LSTM"),
    "filters over time": Operator(None, lite_svdf),
}  # fmt: skip


# Verdicts


def cell(apart: float) -> str:
    assert apart < 1.01, f"{apart} steps"
    return "exact" if apart < 0.01 else "within 1"


def refusal(error: CompileError) -> str:
    """The first reason."""
    reason = error.problems[0].reason
    assert not any(part in reason for part in torch_modules.INTERNAL), reason
    return f"refused: {reason}"


def steps(model: qrt.Model, index: int, ours: Array, theirs: Array) -> float:
    """The largest difference of an output in steps of its scale, or in positions; the engine has channels first."""
    edge = model.outputs[index]
    ours = np.moveaxis(ours, -1, 1) if edge.source_layout == "NCHW" else ours
    assert ours.size == theirs.size, (ours.shape, theirs.shape)
    step = edge.scale if theirs.dtype == np.float32 else 1.0
    return float(np.abs(ours.reshape(theirs.shape).astype(np.float64) - theirs).max() / step)


def listed(result: Any) -> list[Array]:
    return list(result) if isinstance(result, (list, tuple)) else [result]


def of_onnx(make: Callable[[Net], str]) -> str:
    n = Net()
    content = n.model(make(n))
    if content.graph.node[-1].op_type in ("ArgMax", "ArgMin"):
        content.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    try:
        model = qrt.load(compile(content).to_bytes())
    except CompileError as error:
        return refusal(error)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(content.SerializeToString(), options, providers=["CPUExecutionProvider"])
    layout = "NCHW" if any(edge.source_layout == "NCHW" for edge in model.inputs) else None
    apart = 0.0
    for _ in range(4):
        shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in content.graph.input}
        feeds = {name: n.rng.uniform(-6, 6, shape).astype(np.float32) for name, shape in shapes.items()}
        (theirs,) = session.run(None, feeds)
        ours = model.run(*feeds.values(), dequantize=True, layout=layout)
        apart = max(apart, steps(model, 0, ours, theirs))
    return cell(apart)


def of_tflite(make: Callable[[Model], None]) -> str:
    """Of TFLite Micro and of LiteRT; an engine that lacks the operator, or has it for other types, is left out."""
    m = Model(np.random.default_rng(1))
    make(m)
    content = m.to_bytes()
    inputs = [m.rng.integers(-128, 128, shape).astype(np.int8) for shape in m.shapes]
    refused, apart = "", []
    with tempfile.TemporaryDirectory() as folder:
        for match, engine in {"tflm": engines.Tflm, "litert": engines.Litert}.items():
            try:
                ours = single_operators.ours(Path(folder, "one.tflite"), content, match, inputs)
            except CompileError as error:
                refused = refused or refusal(error)
                continue
            try:
                theirs = engine(content).run(inputs, len(m.outputs))
            except Exception:
                continue
            for mine, right in zip(ours, theirs, strict=True):
                codes = right if right.dtype == np.int8 else (right - 128).astype(np.int8)
                apart.append(float(np.abs(mine.reshape(codes.shape).astype(int) - codes).max()))
    assert apart or refused, "no engine runs it"
    return cell(max(apart)) if apart else refused


def onnx_cells() -> dict[str, str]:
    return {name: of_onnx(row.onnx) if row.onnx else NOT_APPLICABLE for name, row in OPERATORS.items()}


def tflite_cells() -> dict[str, str]:
    return {name: of_tflite(row.tflite) if row.tflite else NOT_APPLICABLE for name, row in OPERATORS.items()}


def of_torch(name: str, way: str) -> str:
    """As the engine fbgemm gives it, or PyTorch's own operators; what PyTorch does not run itself is not applicable."""
    verdict, text = torch_modules.verdict(name, way)
    assert verdict not in ("wrong", "internal"), text
    if verdict == "refused":
        return f"refused: {text.split(' | ')[0].split('): ', 1)[1]}"
    return {"within one": "within 1", "not run": NOT_APPLICABLE}.get(verdict, verdict)


def torch_cells(way: str) -> dict[str, str]:
    return {name: of_torch(row.torch, way) if row.torch else NOT_APPLICABLE for name, row in OPERATORS.items()}


CELLS: dict[str, Callable[[], dict[str, str]]] = {
    "ONNX": onnx_cells,
    "TFLite": tflite_cells,
    "PyTorch (PT2E)": lambda: torch_cells("pt2e"),
    "PyTorch (FX)": lambda: torch_cells("fx"),
}


def shown(cells: dict[str, dict[str, str]]) -> str:
    """The table of docs/operators.md from the cells of all columns."""
    rows = [f"| {name} | {' | '.join(cells[column][name] for column in CELLS)} |" for name in OPERATORS]
    return "\n".join([f"| operator | {' | '.join(CELLS)} |", "|---" * (len(CELLS) + 1) + "|", *rows]) + "\n"


if __name__ == "__main__":
    write_table(PAGE, TITLE, shown({column: cells() for column, cells in CELLS.items()}))
