"""SVDF and UNIDIRECTIONAL_SEQUENCE_LSTM against TFLM, byte for byte, over runs that carry the state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import engines
import numpy as np
import pytest
from graphs import run
from places import RECURRENT, SHARED
from recurrent_tflite import Lstm, Svdf, lstm, svdf

import qrt
from qrt.compiler import CompileError, compile
from qrt.compiler.backends.tflite.file import TfliteFile
from qrt.compiler.frontends.tflite.graph import to_graph
from qrt.compiler.integers.arithmetic import requantize
from qrt.compiler.integers.functions import double

RUNS = 8


def drawn_svdf(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    return svdf(
        rng,
        Svdf(
            batch=int(rng.integers(1, 3)),
            features=int(rng.integers(1, 20)),
            units=int(rng.integers(1, 9)),
            rank=int(rng.integers(1, 4)),
            memory=int(rng.integers(1, 9)),
            state=("int8", "int16")[seed % 2],
            gain=(1.0, 8.0)[seed // 2 % 2],
        ),
    )


def drawn_lstm(seed: int, dtype: str) -> bytes:
    rng = np.random.default_rng([seed, 1])
    return lstm(
        rng,
        Lstm(
            batch=int(rng.integers(1, 4)),
            steps=int(rng.integers(1, 6)),
            features=int(rng.integers(1, 20)),
            units=int(rng.integers(1, 16)),
            dtype=dtype,
            time_major=bool(seed % 2),
            power=-15 + seed % 7,
            clip=(0.0, 10.0, float(rng.uniform(0.2, 3)))[seed % 3],
            gain=(1.0, 8.0)[seed // 2 % 2],
        ),
    )


def compared(content: bytes, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The outputs of TFLM and ours: of runs in a row, then of some after a reset."""
    rng = np.random.default_rng([seed, 2])
    theirs, compiled = engines.Tflm(content), compile(to_graph(content)).to_bytes()
    for runs in (RUNS, 3):
        ours = qrt.load(compiled)
        for _ in range(runs):
            view = ours.input_view(0)
            limits = np.iinfo(view.dtype)
            x = rng.integers(limits.min, limits.max, view.shape, view.dtype, endpoint=True)
            (expected,) = theirs.run([x])
            (got,) = run(ours, [x])
            yield expected, got
        theirs.reset()


@pytest.mark.parametrize("seed", range(24))
def test_svdf(seed: int) -> None:
    for expected, got in compared(drawn_svdf(seed), seed):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("dtype", ["int8", "int16"])
@pytest.mark.parametrize("seed", range(21))
def test_lstm(seed: int, dtype: str) -> None:
    for expected, got in compared(drawn_lstm(seed, dtype), seed):
        np.testing.assert_array_equal(got, expected)


def test_the_files_move_the_outputs() -> None:
    """Guards the files themselves: half of all outputs must not be at the ends of their range."""
    for make in (drawn_svdf, lambda seed: drawn_lstm(seed, "int8")):
        codes = np.concatenate([got.reshape(-1) for seed in range(8) for _, got in compared(make(seed), seed)])
        assert len(np.unique(codes)) > 100
        assert np.isin(codes, [-128, 127]).mean() < 0.5


def as_int32(codes: np.ndarray, scale: float, content: bytes) -> np.ndarray:
    """What the file's last QUANTIZE makes of int16 codes with zero point -2^15."""
    tflite = pytest.importorskip("tflite")
    graph = tflite.Model.GetRootAsModel(content, 0).Subgraphs(0)
    y_scale = float(graph.Tensors(graph.Outputs(0)).Quantization().Scale(0))
    wide = replace(double(scale / y_scale), output_min=-(2**31), output_max=2**31 - 1)
    return requantize(codes.astype(np.int64) + 2**15, wide, 0)


@pytest.mark.parametrize("name", RECURRENT)
def test_published_networks(name: str) -> None:
    """Runs in a row, with a reset in the middle."""
    path = SHARED / "models" / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"{path.name} is not on this machine")
    content, model = path.read_bytes(), qrt.load(compile(path).to_bytes())
    theirs, rng = engines.Tflm(content), np.random.default_rng(0)
    info = model.inputs[0]
    dtype = np.int16 if info.source_dtype == "INT16" else np.int8
    limits = np.iinfo(dtype)
    for step in range(RECURRENT[name]):
        if step == RECURRENT[name] // 2:
            model.reset()
            theirs.reset()
        real = rng.normal(0, rng.choice([0.02, 0.2, 0.8, 2]) * limits.max, info.shape)
        x = np.clip(np.rint(real), limits.min, limits.max).astype(dtype)
        (expected,) = theirs.run([x])
        got = model.run(x)
        if expected.dtype == np.int32:
            got = as_int32(got, model.outputs[0].scale, content)
        np.testing.assert_array_equal(got, expected)


def refused(content: bytes, match: str = "tflm") -> str:
    with pytest.raises(CompileError) as caught:
        to_graph(content, match)
    return str(caught.value)


def test_what_is_refused() -> None:
    rng = np.random.default_rng(0)
    plain = Lstm(1, 2, 3, 4)
    assert "is not a power of two" in refused(of_cell_scale(0.0003))
    assert "from 2^-29 to 2^1" in refused(of_cell_scale(4.0))
    assert "has peepholes" in refused(lstm(rng, plain, **{"9": 1}))
    assert "has a projection" in refused(lstm(rng, plain, **{"16": 1}))
    assert "has layer normalization" in refused(lstm(rng, plain, **{"20": 1}))
    assert "couples its input gate" in refused(lstm(rng, plain, **{"1": -1}))
    assert "another activation than tanh" in refused(lstm(rng, plain, options={"fused_activation_function": 1}))
    assert "below one step of its scale" in refused(lstm(rng, plain, options={"cell_clip": 1e-5}))
    assert "compile with --match tflm" in refused(lstm(rng, plain), "litert")
    assert "compile with --match tflm" in refused(drawn_svdf(0), "xnnpack")


def of_cell_scale(scale: float) -> bytes:
    return lstm(np.random.default_rng(0), Lstm(1, 2, 3, 4, power=float(np.log2(scale))))  # type: ignore[arg-type]


def test_an_lstm_of_keras_that_is_not_unrolled() -> None:
    """A GRU becomes a WHILE; the message says how to convert it."""
    file = TfliteFile("gru")
    x, y = (file.tensor(name, (1, 4), scale=0.1) for name in "xy")
    file.operator("WHILE", [x], [y], "WhileOptions", cond_subgraph_index=0, body_subgraph_index=0)
    assert "unroll it when converting (Keras: unroll=True)" in refused(file.to_bytes([x], [y]))
