"""Inputs and outputs of a model: their types, and how real values become codes and back (SPEC.md, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# int8, or int16 where a tensor is of that type.
Codes = NDArray[Any]
Floats = NDArray[np.float32]
Array = NDArray[Any]

NHWC_TO_NCHW = (0, 3, 1, 2)
NCHW_TO_NHWC = (0, 2, 3, 1)
# The lowest and the highest code, in float32 as the values compared with them; otherwise numpy would convert them each
# time.
RANGES = {np.dtype(f"int{bits}"): (np.float32(-(2 ** (bits - 1))), np.float32(2 ** (bits - 1) - 1)) for bits in (8, 16)}


class TestVector(NamedTuple):
    """Inputs in a file and the outputs that belong to them, codes in the order of `Model.inputs` and `Model.outputs`.

    `continues`: whether the states are those that the vector before it left; otherwise the model is reset first.
    """

    inputs: list[Codes]
    outputs: list[Codes]
    continues: bool


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of a model.

    Attributes
    ----------
    name : str
    shape : tuple of int
        NHWC for images; the first axis is the batch.
    dtype : numpy.dtype
        int8 or int16, or int32 for an output that is not requantized.
    scale, zero_point : float, int
        ``real = scale * (code - zero_point)``; a scale of 0 means that the file does not state one.
    scales : tuple of float
        For an int32 output: ``real = scales[c] * number`` for entry c of the last axis. Otherwise empty.
    labels : tuple of str
        Names of the entries of the last axis, or empty.
    source_layout : str
        ``"NCHW"`` if the source model has channels first, otherwise ``"NHWC"``.
    quantize_rule : str
        ``"DIVIDE"``, ``"MULTIPLY_RECIPROCAL"`` or ``"DIVIDE_HALF_AWAY"``: how floats become codes.
    source_dtype : str
        ``"INT8"``, ``"INT16"``, or, of codes that are 128 or 32768 higher than those here, ``"UINT8"``, ``"UINT16"``.
        `Model.run` accepts the source's codes and those of `dtype`.
    requant : tuple or None
        For an int8 input that is int16 in the source: multiplier, shift, whether it rounds twice, output_min,
        output_max (SPEC.md, section 1.1).
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: float
    zero_point: int
    labels: tuple[str, ...]
    source_layout: str
    quantize_rule: str
    source_dtype: str
    requant: tuple[int, int, bool, int, int] | None
    scales: tuple[float, ...] = ()

    def quantize(self, x: Floats) -> Codes:
        """Codes of real values; SPEC.md, section 3. Raises ValueError on NaN or a missing scale."""
        if self.scale == 0:
            raise ValueError(f"input {self.name!r}: the file states no scale, so only {self.dtype} codes can be given")
        if np.isnan(np.minimum.reduce(x, axis=None, initial=0)):
            raise ValueError(f"input {self.name!r}: contains NaN, which has no {self.dtype} code")
        scale = np.float32(self.scale)
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = np.asarray(
                x * (np.float32(1) / scale) if self.quantize_rule == "MULTIPLY_RECIPROCAL" else x / scale
            )
        # In place from here on: allocating memory costs more than the arithmetic.
        if self.quantize_rule == "DIVIDE_HALF_AWAY":
            scaled = half_away(scaled)
        else:
            np.rint(scaled, out=scaled)
        scaled += np.float32(self.zero_point)
        lowest, highest = RANGES[self.dtype]
        np.minimum(np.maximum(scaled, lowest, out=scaled), highest, out=scaled)
        codes: Codes = scaled.astype(self.dtype)
        return codes

    def requantize(self, x: Array) -> Codes:
        """Codes of the source's int16 numbers; SPEC.md, sections 1.1 and 3."""
        assert self.requant is not None
        multiplier, shift, rounds_twice, lowest, highest = self.requant
        acc = x.astype(np.int64)
        if rounds_twice:
            high = ((acc << max(31 - shift, 0)) * multiplier + 2**30) >> 31
            right = max(shift - 31, 0)
            y = (high + ((1 << right) >> 1) - ((high < 0) & (right > 0))) >> right
        else:
            y = (acc * multiplier + 2 ** (shift - 1)) >> shift
        codes: Codes = np.clip(y + self.zero_point, lowest, highest).astype(np.int8)
        return codes

    def dequantize(self, codes: Codes) -> Floats:
        """Real values of codes or of an output's int32 numbers, float32. Raises ValueError on a missing scale."""
        if self.scales:
            numbers: Floats = np.array(self.scales, np.float32) * codes.astype(np.float32)
            return numbers
        if self.scale == 0:
            raise ValueError(
                f"output {self.name!r}: the file states no scale, so only {self.dtype} codes can be returned"
            )
        real: Floats = np.float32(self.scale) * (codes.astype(np.int32) - self.zero_point).astype(np.float32)
        return real


def half_away(x: Floats) -> Floats:
    """To nearest, ties away from zero; exact, unlike floor(x + 0.5)."""
    whole = np.trunc(x)
    result: Floats = whole + np.sign(x) * (np.abs(x - whole) >= 0.5)
    return result


def fits_both_layouts(info: TensorInfo) -> bool:
    """Whether an array of the input's shape may be NHWC or NCHW, with different results."""
    nchw = tuple(info.shape[axis] for axis in NHWC_TO_NCHW) if len(info.shape) == 4 else ()
    return info.source_layout == "NCHW" and nchw == info.shape and info.shape[-1] > 1


def fits(x: Array, shape: tuple[int, ...]) -> bool:
    """Whether `x` has `shape`, with any number of samples if its batch is 1."""
    if x.ndim != len(shape) or x.shape[1:] != shape[1:]:
        return False
    return x.shape[0] == shape[0] or (shape[0] == 1 and x.shape[0] > 0)


def codes_of(info: TensorInfo, x: Array) -> Codes:
    """Codes as the network has them, from an array of such codes, of the source's, or of real values."""
    x = x.astype(x.dtype.newbyteorder("="), copy=False)
    if x.dtype == info.dtype:
        return x
    if np.issubdtype(x.dtype, np.floating):
        if x.dtype != np.float32:
            with np.errstate(over="ignore"):
                x = x.astype(np.float32)
        return info.quantize(x)
    if x.dtype == np.uint8 and info.source_dtype == "UINT8":
        return (x ^ np.uint8(128)).view(np.int8)
    if x.dtype == np.uint16 and info.source_dtype == "UINT16":
        return (x ^ np.uint16(32768)).view(np.int16)
    if x.dtype == np.int16 and info.requant is not None:
        return info.requantize(x)
    is_unsigned = x.dtype == np.uint8 and info.dtype == "int8"
    hint = "; uint8 codes of the source model become int8 by subtracting 128" if is_unsigned else ""
    raise ValueError(f"input {info.name!r}: expected {info.dtype} codes or floats, got dtype {x.dtype}{hint}")


def tensor_info(edge: dict[str, Any]) -> TensorInfo:
    """What the executor says of an input or output."""
    return TensorInfo(**{name: value for name, value in edge.items() if name not in ("tensor", "arena_offset")})


def returned(infos: Sequence[TensorInfo], results: list[Codes], dequantize: bool, batched: bool) -> list[Array]:
    """What `run` and `feed` return of codes: without a batch axis of one row if inputs have none."""
    values = [info.dequantize(x) if dequantize else x for info, x in zip(infos, results, strict=True)]
    return [value if batched or len(value) != 1 else value[0] for value in values]


def ranked(info: TensorInfo, output: Array) -> Array:
    """A row for each sample whose order is that of the real values: real values, codes, or numbers by their scales."""
    rows = output.reshape(len(output), -1)
    if not info.scales or not np.issubdtype(rows.dtype, np.integer):
        return rows
    scaled: Array = rows * np.tile(np.array(info.scales, np.float64), rows.shape[1] // len(info.scales))
    return scaled
