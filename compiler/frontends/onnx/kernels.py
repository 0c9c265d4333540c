"""How onnxruntime computes operators between codes: in float32, as they are written, or by QLinear kernels.

With default options it fuses dequantize, operator and quantize into one QLinear node if all codes have one type and
no other node reads the intermediate results. Ties depend on it.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from qrt.compiler.ir import Graph, Op, Tensor

# Operators between codes whose ties depend on float32, and the nodes among them that have a QLinear kernel.
CONCERNED = frozenset({"add", "sub", "mul", "mean", "average_pool2d"})
FUSED = frozenset({"Add", "Mul", "AveragePool", "GlobalAveragePool"})
# Layers that have a QLinear kernel, by the types of codes.
LAYERS = {"Conv": {"uint8"}, "MatMul": {"uint8"}, "Gemm": {"uint8", "int8"}}
# Operators that dequantize and quantize are moved across first, by the source's names.
PASSED = frozenset({"MaxPool", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})


def state_kernels(graph: Graph, four_bits: Collection[str]) -> None:
    """Sets the attribute ``float32`` of operators between codes (`qrt.compiler.integers.singles`).

    `four_bits` are names of constants of 4 bits, which no layer's QLinear kernel reads.
    """
    producers = {op.output: op for op in graph.ops}
    for op in graph.ops:
        if op.kind in ("conv2d", "linear"):
            if _has_layer_kernel(graph, op, producers) and not _reads(producers.get(op.inputs[1]), four_bits):
                op.attrs["engine"] = "onnxruntime"
            continue
        if op.kind not in CONCERNED:
            continue
        dtypes = {_codes_above(graph, tensor, producers) for tensor in op.inputs} | {_codes_below(graph, op)}
        has_kernel = str(op.attrs["source"]).removeprefix("QLinear") in FUSED
        if not has_kernel or len(dtypes) > 1 or not dtypes <= {"uint8", "int8"}:
            op.attrs["float32"] = "DIVIDE"
        elif op.kind == "mean":
            op.attrs["float32"] = "QLINEAR_SUM"
        else:
            op.attrs["float32"] = f"QLINEAR_{dtypes.pop().upper()}"
            if op.kind == "add" and _is_one_number(op.inputs[0], op.output.shape):
                op.inputs.reverse()
        if op.attrs["float32"] == "DIVIDE" and op.kind in ("mean", "average_pool2d"):
            op.attrs["rounding"] = "HALF_EVEN"  # the kernel for windows adds the zero point before it rounds


def _is_one_number(operand: Tensor, shape: tuple[int, ...]) -> bool:
    """Whether an operand is one number all along the innermost axis of a sum, so that the kernel adds it first."""
    innermost = next((k for k in range(1, len(shape) + 1) if shape[-k] != 1), None)
    return innermost is not None and (innermost > len(operand.shape) or operand.shape[-innermost] == 1)


def _has_layer_kernel(graph: Graph, op: Op, producers: dict[Tensor, Op]) -> bool:
    """Whether a layer adds integers and rounds its accumulators once."""
    source = str(op.attrs["source"])
    if source.startswith("Q"):
        return True
    x, result = _codes_above(graph, op.inputs[0], producers), _codes_below(graph, op)
    bias = producers.get(op.inputs[2]) if len(op.inputs) > 2 else None
    int32_bias = len(op.inputs) < 3 or (bias is not None and bias.kind == "dequantize")
    return x == result and x in LAYERS[source] and int32_bias


def _reads(dequantize: Op | None, names: Collection[str]) -> bool:
    return dequantize is not None and dequantize.inputs[0].name in names


def _codes_above(graph: Graph, tensor: Tensor, producers: dict[Tensor, Op]) -> str:
    """The type of the codes that onnxruntime dequantizes `tensor` from; empty if there are none."""
    op = producers.get(tensor)
    is_paired = False
    while op is not None and (op.attrs.get("source") in PASSED or _is_inserted(op)):
        is_paired = is_paired or not _is_inserted(op)
        op = producers.get(op.inputs[0])
    if op is None or op.kind != "dequantize":
        return ""
    quantize = producers.get(op.inputs[0])
    is_paired = is_paired or (quantize is not None and _is_pair(graph, quantize))
    return "uint8" if is_paired and op.inputs[0].dtype == "int8" else op.inputs[0].dtype


def _is_pair(graph: Graph, quantize: Op) -> bool:
    """Whether one dequantize with one reader follows: onnxruntime turns int8 codes between the two into uint8.

    It does so behind nodes that it has pushed such a pair through as well.
    """
    readers = graph.consumers(quantize.output)
    return len(readers) == 1 and readers[0].kind == "dequantize" and _uses(graph, readers[0].output) == 1


def _is_inserted(op: Op) -> bool:
    """Whether a reshape is none of the source's: the frontend runs operators on one spatial axis as images."""
    return op.kind == "reshape" and op.attrs.get("source") not in {*PASSED, "Flatten"}


def _uses(graph: Graph, tensor: Tensor) -> int:
    """How often a tensor is read; onnxruntime gives every reader a dequantize of its own."""
    return sum(op.inputs.count(tensor) for op in graph.ops) + graph.is_output(tensor)


def _codes_below(graph: Graph, op: Op) -> str:
    """The type of the codes that quantize alone makes of the result of `op`; empty if anything else reads it."""
    is_paired = False
    while True:
        readers = graph.consumers(op.output)
        if len(readers) != 1 or graph.is_output(op.output):
            return ""
        (op,) = readers
        if op.kind == "quantize":
            is_paired = is_paired or _is_pair(graph, op)
            return "uint8" if is_paired and op.output.dtype == "int8" else op.output.dtype
        if op.attrs.get("source") in PASSED:
            is_paired = True
        elif not _is_inserted(op) and not _is_range(graph, op):
            return ""


def _is_range(graph: Graph, op: Op) -> bool:
    """Whether an activation is redundant because the range of the codes after it clamps as well."""
    readers = graph.consumers(op.output)
    if op.kind not in ("relu", "clip") or len(readers) != 1 or readers[0].kind != "quantize":
        return False
    codes = readers[0].output
    limits = np.iinfo(codes.dtype)
    least, largest = (codes.scale * (limit - codes.zero_point) for limit in (limits.min, limits.max))
    low, high = (0.0, None) if op.kind == "relu" else (op.attrs.get("min"), op.attrs.get("max"))
    return (low is None or low <= least) and (high is None or high >= largest)
