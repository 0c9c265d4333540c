"""Inputs of networks, and files of samples for them, made by the tests of data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import qrt


def input_info(
    shape: tuple[int, ...],
    scale: float = 1 / 255,
    zero_point: int = -128,
    layout: str = "NHWC",
    source: str = "INT8",
    name: str = "x",
    dtype: str = "int8",
) -> qrt.TensorInfo:
    """An input whose codes cover 0 to 1, unless said otherwise."""
    return qrt.TensorInfo(name, shape, np.dtype(dtype), scale, zero_point, (), layout, "DIVIDE", source, None)


def pixels(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray[Any, Any]:
    """Bytes that change smoothly, with noise: [height, width, channels], without channels for 0."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    smooth = (y * 3 + x * 2)[:, :, np.newaxis] + np.arange(channels or 1) * 40 + rng.integers(0, 60, (height, width, 1))
    return (smooth % 256).astype(np.uint8)[:, :, slice(None) if channels else 0]


def write_image(path: Path, array: np.ndarray[Any, Any]) -> Path:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def write_sound(path: Path, samples: np.ndarray[Any, Any], rate: int = 16_000) -> Path:
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate)
    return path
