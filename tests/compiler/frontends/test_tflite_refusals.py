"""What is said of .tflite files that cannot be converted: the cause, once."""

from __future__ import annotations

import random
import runpy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import engines
import numpy as np
import pytest

import qrt
from qrt.compiler import CompileError, compile

pytest.importorskip("tflite")

from qrt.compiler.backends.tflite.file import TfliteFile

NUMBERS: dict[str, Any] = {"scale": 0.1, "zero_point": 3}
SHAPE = (1, 8)
# Files that are changed at random.
CHANGED = 400


def chain(*kinds: str) -> bytes:
    """Operators on int8, one after another; results are called t1, t2, ..."""
    file = TfliteFile("net")
    tensors = [file.tensor(f"t{k}", SHAPE, **NUMBERS) for k in range(len(kinds) + 1)]
    for k, kind in enumerate(kinds):
        file.operator(kind, [tensors[k]], [tensors[k + 1]])
    return file.to_bytes(tensors[:1], tensors[-1:])


def custom(code: str) -> bytes:
    def change(schema: Any, model: Any) -> None:
        one = model.operatorCodes[0]
        one.builtinCode = one.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
        one.customCode = code

    return engines.repacked(chain("RELU"), change)


def fully_connected(x_type: str, w_type: str, y_type: str) -> bytes:
    """Types other than int8 have a scale only if they are integers; float16 weights are dequantized first."""
    file = TfliteFile("net")

    def tensor(name: str, shape: Sequence[int], dtype: str, **options: Any) -> int:
        scale = {} if dtype.startswith("float") else {"scale": 0.01}
        return file.tensor(name, shape, dtype, **scale, **options)

    x, w = tensor("x", SHAPE, x_type), tensor("w", (4, 8), w_type, data=np.ones((4, 8)))
    if w_type == "float16":
        wide = tensor("wide", (4, 8), "float32")
        file.operator("DEQUANTIZE", [w], [wide])
        w = wide
    y = tensor("y", (1, 4), y_type)
    file.operator("FULLY_CONNECTED", [x, w], [y], "FullyConnectedOptions")
    return file.to_bytes([x], [y])


def of_rank(rank: int) -> bytes:
    file = TfliteFile("net")
    x, y = (file.tensor(name, (2,) * rank, **NUMBERS) for name in "xy")
    file.operator("RELU", [x], [y])
    return file.to_bytes([x], [y])


def island() -> bytes:
    """int8, then floats, then int8."""
    file = TfliteFile("net")
    x, real, more = file.tensor("x", SHAPE, **NUMBERS), *(file.tensor(n, SHAPE, "float32") for n in ("real", "more"))
    most, back, y = file.tensor("most", SHAPE, "float32"), *(file.tensor(n, SHAPE, **NUMBERS) for n in ("back", "y"))
    file.operator("DEQUANTIZE", [x], [real])
    file.operator("EXP", [real], [more], "ExpOptions")
    file.operator("RELU", [more], [most])
    file.operator("QUANTIZE", [most], [back], "QuantizeOptions")
    file.operator("RELU", [back], [y])
    return file.to_bytes([x], [y])


def subgraphs(*kinds: str) -> bytes:
    """Two subgraphs, the first of these operators."""

    def change(schema: Any, model: Any) -> None:
        model.subgraphs.append(model.subgraphs[0])

    return engines.repacked(chain(*kinds), change)


def many_outputs(count: int) -> bytes:
    file = TfliteFile("net")
    x = file.tensor("x", SHAPE, **NUMBERS)
    outputs = [file.tensor(f"y{k}", SHAPE, **NUMBERS) for k in range(count)]
    for y in outputs:
        file.operator("RELU", [x], [y])
    return file.to_bytes([x], outputs)


CASES: dict[str, tuple[Callable[[], bytes], list[tuple[str, str, str]]]] = {
    "Vela": (lambda: custom("ethos-u"), [("t1", "ethos-u", "give the file before Vela")]),
    "Edge TPU": (lambda: custom("edgetpu-custom-op"), [("t1", "edgetpu-custom-op", "before the Edge TPU compiler")]),
    "Flex": (lambda: custom("FlexErf"), [("t1", "FlexErf", r"of TensorFlow \(Flex\)")]),
    "custom": (
        lambda: custom("TFLite_Detection_PostProcess"),
        [("t1", "TFLite_Detection_PostProcess", "is a custom operator")],
    ),
    "a custom operator called as a known one": (lambda: custom("RELU"), [("t1", "RELU", "is a custom operator")]),
    "float": (
        lambda: fully_connected("float32", "float32", "float32"),
        [("", "file", "is a float network; .*--calibrate")],
    ),
    "float16": (
        lambda: fully_connected("float32", "float16", "float32"),
        [("", "file", "float16 weights; .*--calibrate")],
    ),
    "dynamic range": (
        lambda: fully_connected("float32", "int8", "float32"),
        [("", "file", "int8 weights but float activations .*--calibrate")],
    ),
    "int8 to int16": (
        lambda: fully_connected("int8", "int8", "int16"),
        [("y", "FULLY_CONNECTED", "int8 and int16 codes, which only QUANTIZE converts")],
    ),
    "floats inside": (island, [("", "file", r"1 operator computes floats .*: more \(EXP\); quantize the whole")]),
    "what reads a refused result is silent": (
        lambda: chain("COS", "RELU", "LOGISTIC", "SOFTMAX"),
        [("t1", "COS", "is not supported")],
    ),
    "each cause once": (
        lambda: chain("COS", "COS", "RELU", "COS", "FLOOR"),
        [("t1", "COS", "2 more of this kind"), ("t5", "FLOOR", "is not supported")],
    ),
    "rank 7": (lambda: of_rank(7), [("y", "clamp", "has a tensor of rank 7; at most 6 axes are supported")]),
    "another LSTM": (lambda: chain("LSTM", "RELU"), [("t1", "LSTM", "TFLite Micro has no kernel for it; use UNI")]),
    "SVDF without options": (lambda: chain("SVDF"), [("t1", "SVDF", "its SVDFOptions are missing")]),
    "no variable": (lambda: chain("READ_VARIABLE"), [("operator 0", "READ_VARIABLE", "has no VAR_HANDLE before it")]),
    "a loop": (lambda: subgraphs("WHILE", "RELU"), [("", "file", "2 subgraphs for WHILE; .* unroll")]),
    "signatures": (lambda: subgraphs("RELU"), [("", "file", "2 subgraphs; only one is supported")]),
    "300 outputs": (lambda: many_outputs(300), [("net", "file", "has 300 outputs; 1 to 256 are supported")]),
}


@pytest.mark.parametrize("name", CASES)
def test_the_cause_once(name: str, tmp_path: Path) -> None:
    make, expected = CASES[name]
    path = tmp_path / "net.tflite"
    path.write_bytes(make())
    with pytest.raises(CompileError) as error:
        compile(path)
    found = [(problem.name, problem.kind) for problem in error.value.problems]
    assert found == [(one or str(path) if one != "net" else "net", kind) for one, kind, _ in expected]
    for problem, (_, _, reason) in zip(error.value.problems, expected, strict=True):
        assert len(problem.reason.replace(str(path), path.name)) < 200
        with pytest.raises(CompileError, match=reason):
            raise CompileError([problem])


@pytest.mark.parametrize("match", ["tflm", "litert"])
def test_dequantize_and_quantize_inside(match: str, tmp_path: Path) -> None:
    """Codes by way of floats: one table."""
    file = TfliteFile("net")
    x, real = file.tensor("x", (1, 256), **NUMBERS), file.tensor("real", (1, 256), "float32")
    back, y = file.tensor("back", (1, 256), scale=0.05, zero_point=-20), file.tensor("y", (1, 256), scale=0.3)
    file.operator("DEQUANTIZE", [x], [real])
    file.operator("QUANTIZE", [real], [back], "QuantizeOptions")
    file.operator("QUANTIZE", [back], [y], "QuantizeOptions")
    content, path = file.to_bytes([x], [y]), tmp_path / "net.tflite"
    path.write_bytes(content)
    codes = np.arange(-128, 128, dtype=np.int8)[np.newaxis]
    (expected,) = (engines.Tflm(content) if match == "tflm" else engines.Litert(content)).run([codes])
    np.testing.assert_array_equal(qrt.load(compile(path, match=match).to_bytes()).run(codes), expected)


def changed(content: bytes, rng: random.Random) -> bytes:
    """A file of one operator of which one number, type or operand is another."""

    def change(schema: Any, model: Any) -> None:
        graph = model.subgraphs[0]
        tensor, op = rng.choice(graph.tensors), graph.operators[0]
        quantization, what = tensor.quantization, rng.randrange(8)
        if what == 0 and op.builtinOptions is not None:
            fields = [k for k, v in vars(op.builtinOptions).items() if isinstance(v, int | float)]
            if fields:
                field = rng.choice(fields)
                old = getattr(op.builtinOptions, field)
                setattr(op.builtinOptions, field, not old if isinstance(old, bool) else old + rng.choice([-1, 1, 2]))
        elif what == 1 and quantization is not None and quantization.zeroPoint is not None:
            quantization.zeroPoint = [rng.choice([0, -128, 127, 255, 1000])] * len(quantization.zeroPoint)
        elif what == 2 and quantization is not None and quantization.scale is not None:
            quantization.scale = [rng.choice([1e-12, 1e-5, 1.0, 1e12, 0.0, 1 / 256])] * len(quantization.scale)
        elif what == 3:
            tensor.type = rng.choice([0, 1, 2, 3, 4, 6, 7, 9, 17])
        elif what == 4 and tensor.shape is not None and len(tensor.shape):
            axis = rng.randrange(len(tensor.shape))
            tensor.shape = [int(n) + (k == axis) * rng.choice([1, 2]) for k, n in enumerate(tensor.shape)]
        elif what == 5:
            op.inputs = rng.sample(list(op.inputs), rng.randrange(len(op.inputs) + 1))
        elif what == 6:
            tensor.quantization = None
        elif what == 7 and quantization is not None:
            quantization.quantizedDimension = rng.randrange(5)

    return engines.repacked(content, change)


def test_changed_files_are_refused_by_name(tmp_path: Path) -> None:
    """No exception of Python gets into a message."""
    operators = runpy.run_path(str(Path(__file__).with_name("test_tflite_operators.py")))
    rng, path = random.Random(5), tmp_path / "net.tflite"
    contents = [operators["drawn"](name, 0).to_bytes() for name in operators["MODELS"]]
    compiled = 0
    for _ in range(CHANGED):
        path.write_bytes(changed(rng.choice(contents), rng))
        try:
            compile(path, match=rng.choice(["tflm", "litert", "xnnpack"]))
            compiled += 1
        except CompileError as error:
            assert "cannot be read" not in str(error), error
    assert compiled > CHANGED // 10
