"""Random .tflite files of one SVDF or one UNIDIRECTIONAL_SEQUENCE_LSTM, as TFLM runs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from qrt.compiler.backends.tflite.file import TfliteFile

Rng = np.random.Generator
Array = np.ndarray[Any, Any]
LSTM_INPUTS = 24
TANH = 4


@dataclass(frozen=True)
class Svdf:
    """What an SVDF is drawn from; `gain` above 1 lets the memory saturate."""

    batch: int
    features: int
    units: int
    rank: int
    memory: int
    state: str
    gain: float = 1.0


def put_svdf(file: TfliteFile, rng: Rng, s: Svdf) -> tuple[int, int]:
    """Adds an SVDF; the indices of its x and y."""
    filters, wide = s.units * s.rank, s.state == "int16"
    largest = 32767 if wide else 127
    x_scale, features_scale, time_scale = rng.uniform(0.01, 0.1), rng.uniform(0.002, 0.02), rng.uniform(0.002, 0.02)
    reach = x_scale * features_scale * 127 * 128 * s.features**0.5
    state_scale = reach / (30000 if wide else 120) / s.gain * rng.uniform(0.7, 3)
    scale = state_scale * time_scale * largest**2 * (s.memory * s.rank) ** 0.5 / 127 * rng.uniform(0.05, 0.5)
    x = file.tensor("x", (s.batch, s.features), scale=x_scale, zero_point=int(rng.integers(-128, 128)))
    features = rng.integers(-127, 128, (filters, s.features))
    time = rng.integers(-largest, largest + 1, (filters, s.memory))
    bias = rng.integers(-5000, 5000, s.units)
    bias_scale = np.float32(state_scale) * np.float32(time_scale)
    inputs = [
        x,
        file.tensor("features", features.shape, scale=features_scale, data=features),
        file.tensor("time", time.shape, s.state, scale=time_scale, data=time),
        file.tensor("bias", (s.units,), "int32", scale=bias_scale, data=bias),
        file.tensor(
            "state",
            (s.batch, filters * s.memory),
            s.state,
            scale=state_scale,
            zero_point=0 if wide else int(rng.integers(-60, 60)),
            variable=True,
        ),
    ]
    y = file.tensor("y", (s.batch, s.units), scale=scale, zero_point=int(rng.integers(-128, 128)))
    file.operator("SVDF", inputs, [y], "SVDFOptions", rank=s.rank)
    return x, y


def svdf(rng: Rng, s: Svdf) -> bytes:
    file = TfliteFile("svdf")
    x, y = put_svdf(file, rng, s)
    return file.to_bytes([x], [y])


@dataclass(frozen=True)
class Lstm:
    """What an LSTM is drawn from; `gain` above 1 drives the gates beyond what 16 bits hold."""

    batch: int
    steps: int
    features: int
    units: int
    dtype: str = "int8"
    time_major: bool = False
    power: int = -11
    clip: float = 0.0
    gain: float = 1.0


def put_lstm(file: TfliteFile, rng: Rng, s: Lstm, **changes: Any) -> tuple[int, int]:
    """Adds an LSTM; the indices of its x and y.

    `changes`: other inputs, by their places, and ``options``, other fields of the options.
    """
    wide = s.dtype == "int16"
    shape = (s.steps, s.batch) if s.time_major else (s.batch, s.steps)
    x_scale = rng.uniform(2e-5, 2e-4) if wide else rng.uniform(0.005, 0.05)
    h_scale = rng.uniform(2.5e-5, 3.5e-5) if wide else rng.uniform(0.006, 0.009)
    h_zero_point = 0 if wide else int(rng.integers(-20, 20))
    inputs = [-1] * LSTM_INPUTS
    x_zero_point = 0 if wide else int(rng.integers(-128, 128))
    inputs[0] = file.tensor("x", (*shape, s.features), s.dtype, scale=x_scale, zero_point=x_zero_point)
    for first, columns in ((1, s.features), (5, s.units)):
        for k in range(first, first + 4):
            codes = rng.integers(-127, 128, (s.units, columns))
            inputs[k] = file.tensor(f"w{k}", codes.shape, scale=rng.uniform(0.002, 0.02) * s.gain, data=codes)
    for k in range(12, 16):
        codes = rng.integers(-3000, 3000, s.units) * (200 if wide else 1)
        inputs[k] = file.tensor(f"b{k}", codes.shape, "int64" if wide else "int32", scale=1e-4, data=codes)
    state = (s.batch, s.units)
    inputs[18] = file.tensor("h", state, s.dtype, scale=h_scale, zero_point=h_zero_point, variable=True)
    inputs[19] = file.tensor("c", state, "int16", scale=2.0**s.power, variable=True)
    y = file.tensor("y", (*shape, s.units), s.dtype, scale=h_scale, zero_point=h_zero_point)
    options = {"fused_activation_function": TANH, "cell_clip": s.clip, "time_major": s.time_major}
    options |= changes.pop("options", {})
    for place, index in changes.items():
        inputs[int(place)] = index
    file.operator("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, [y], "UnidirectionalSequenceLSTMOptions", **options)
    return inputs[0], y


def lstm(rng: Rng, s: Lstm, **changes: Any) -> bytes:
    file = TfliteFile("lstm")
    x, y = put_lstm(file, rng, s, **changes)
    return file.to_bytes([x], [y])
