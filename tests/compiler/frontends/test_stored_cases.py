"""Small files with the outputs of their engine beside them, where the machine has them; other tests make the same anew.

`NAME_in.npy` is one input, of which a run may take a part; in `NAME.in0.npy`, `NAME.in1.npy` the first axis is the run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from places import SHARED

import qrt
from qrt.compiler import CompileError, compile

CASES = SHARED / "cases"
Array = np.ndarray[Any, Any]
# The engine that stored outputs are of, by the end of their names: what --match calls it.
ENGINES = {".tflm.npy": "tflm", ".litert.npy": "litert", ".ort0.npy": None, "_out.npy": None}
# The engine of outputs whose name does not tell it.
MATCH = {"16_litert_fully_connected": "litert"}
PACKAGES = {".onnx": "onnx", ".tflite": "tflite", ".pt2": "numpy"}
# Networks with state, of 16 bits, with float layers, and whose last operator is in float; why they are refused.
REFUSED = {
    "dynamic_quantized_conv": "--calibrate",
    "dynamic_range_fully_connected": "--calibrate",
    "float_conv": "--calibrate",
    "17_maxmin": "not quantized",
    "20_prelu": "not quantized",
    "custom_op_unnamed": "Vela",
}
# Of which an engine's kernel computes something else than the file says.
REFUSED_FOR = {
    ("sum_int8", ".litert.npy"): "reads its codes as uint8",
    ("svdf_int8", ".litert.npy"): "SVDF.*differently by LiteRT",
    ("int16x8_fully_connected", ".litert.npy"): "FULLY_CONNECTED.*differently by LiteRT for int16",
    ("int8_then_int16_fully_connected", ".litert.npy"): "FULLY_CONNECTED.*differently by LiteRT for int16",
    ("lstm_int8", ".litert.npy"): "UNIDIRECTIONAL_SEQUENCE_LSTM.*differently by LiteRT",
}
# Ties that the engine's float32 decides, and the summary names: how many codes differ at most, and by how many steps.
TIES = {
    "01_avgpool_ceil.pt2": (86, 2),
    "15_avgpool_ties.pt2": (151, 1),
    "qdq_add_float_tie.onnx": (4, 1),
    "qdq_conv_transpose.onnx": (13, 1),
}


def files() -> list[Path]:
    return sorted(path for path in CASES.glob("*") if path.suffix in PACKAGES)


def stored(path: Path) -> dict[str, Array]:
    """Outputs by the end of their file's name, the first axis being the run."""
    found = {end: path.with_name(path.stem + end) for end in ENGINES}
    return {end: np.load(name) for end, name in found.items() if name.exists()}


def inputs(path: Path, shapes: list[tuple[int, ...]]) -> list[list[Array]]:
    """The inputs of each run."""
    runs = sorted(CASES.glob(f"{path.stem}.in*.npy"))
    if runs:
        return [list(arrays) for arrays in zip(*(np.load(name) for name in runs), strict=True)]
    (shape,) = shapes
    given = np.load(path.with_name(f"{path.stem}_in.npy"))
    return [[x[None]] for x in given] if shape[0] == 1 else [[given]]


@pytest.mark.skipif(not files(), reason=f"no such folder: {CASES.name}, beside the project")
@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_outputs_of_the_engine(path: Path) -> None:
    pytest.importorskip(PACKAGES[path.suffix])
    if path.stem in REFUSED:
        with pytest.raises(CompileError, match=REFUSED[path.stem]):
            compile(path)
        return
    for end, theirs in stored(path).items():
        if (path.stem, end) in REFUSED_FOR:
            with pytest.raises(CompileError, match=REFUSED_FOR[path.stem, end]):
                compile(path, match=ENGINES[end])
            continue
        compiled = compile(path, match=ENGINES[end] or MATCH.get(path.stem))
        differ, apart = compared(qrt.load(compiled.to_bytes()), path, theirs)
        codes, steps = TIES.get(path.name, (0, 0))
        assert differ <= codes and apart < steps + 0.01, (end, differ, apart)
        assert compiled.report.deviations or not codes


def compared(model: qrt.Model, path: Path, theirs: Array) -> tuple[int, float]:
    """How many codes differ, and by how many steps at most."""
    of_codes = theirs.dtype in (np.int8, np.uint8, np.int16)
    channels_first = path.suffix != ".tflite"
    layout = "NCHW" if channels_first and any(edge.source_layout == "NCHW" for edge in model.inputs) else None
    edge = model.outputs[0]
    ours = []
    for given in inputs(path, [edge.shape for edge in model.inputs]):
        y = model.run(*given, dequantize=not of_codes, layout=layout)
        if isinstance(y, list):
            y = np.concatenate(y)
        ours.append(np.moveaxis(y, -1, 1) if edge.source_layout == "NCHW" else y)
    got = np.concatenate([y.reshape(-1) for y in ours]).astype(np.float64) + (128 if theirs.dtype == np.uint8 else 0)
    assert got.size == theirs.size, (got.shape, theirs.shape)
    steps = np.abs(got - theirs.reshape(-1)) / (edge.scale if theirs.dtype == np.float32 else 1)
    return int((steps > 0.01).sum()), float(steps.max())
