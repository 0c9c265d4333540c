"""Reads .npy and .npz files safely, and finds the array of each input of a network among those of a file."""

from __future__ import annotations

import io
import math
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrt.data.errors import DataError
from qrt.edges import NCHW_TO_NHWC, TensorInfo, codes_of
from qrt.model import refuse_device

Array = NDArray[Any]

NPY_MAGIC = b"\x93NUMPY"
ZIP_MAGIC = b"PK"
# An archive may expand to this many bytes, or to this many times its own size.
ARCHIVE_SIZE = 256 << 20
ARCHIVE_RATIO = 16
# The flag of a zip member that needs a password.
ENCRYPTED = 1


@dataclass(frozen=True, eq=False)
class Given:
    """An array that the user gave; `name` is its name in an .npz file, empty for an .npy file."""

    path: Path
    name: str
    array: Array

    def __str__(self) -> str:
        return f"{self.name or self.path} {self.array.shape} {self.array.dtype}"


def read(path: Path) -> list[Given]:
    """The arrays of an .npy or .npz file. Never unpickles; a stated size larger than the file's content is refused."""
    return parse(path, read_bytes(path))


def read_bytes(path: Path) -> bytes:
    """The content of a file; refuses devices."""
    refuse_device(path)
    return path.read_bytes()


def parse(path: Path, content: bytes) -> list[Given]:
    """The arrays in the content of a file; `path` is what errors call it."""
    if not content.startswith((NPY_MAGIC, ZIP_MAGIC)):
        raise DataError(f"{path}: neither .npy nor .npz; write it with numpy.save(path, array)")
    try:
        if content.startswith(NPY_MAGIC):
            return [Given(path, "", _array(content))]
        found = [Given(path, name.removesuffix(".npy"), _array(member)) for name, member in _members(content)]
    except _Damaged as error:
        raise DataError(f"{path}: {error}") from None
    if not found:
        raise DataError(f"{path}: contains no arrays; write it with numpy.savez, one array for each input")
    return found


class _Damaged(Exception):
    """A file that cannot be used; the text gives the reason and the remedy."""


def _array(content: bytes) -> Array:
    """The array of an .npy file; it shares the memory of `content`."""
    stream = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, fortran_order, dtype = read_header[version](stream)
    except (ValueError, LookupError, TypeError, SyntaxError, RecursionError, MemoryError, tokenize.TokenError):
        raise _Damaged("damaged: its header cannot be read; write it again with numpy.save") from None
    if dtype.hasobject:
        raise _Damaged("contains Python objects, which are never loaded; save numbers only")
    needed, start = math.prod(shape) * dtype.itemsize, stream.tell()
    if min(shape, default=0) < 0 or needed > len(content) - start:
        raise _Damaged(f"damaged: its header states {needed} bytes, {len(content) - start} follow; write it again")
    try:
        flat = np.frombuffer(content, dtype, math.prod(shape), start) if needed else np.empty(0, dtype)
        return flat.reshape(shape, order="F" if fortran_order else "C")
    except ValueError:
        raise _Damaged(f"damaged: its header states an array of shape {shape}; write it again") from None


def _members(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Names and contents of an archive's members, read in memory only."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            size = sum(info.file_size for info in infos)
            if size > max(ARCHIVE_SIZE, ARCHIVE_RATIO * len(content)):
                raise _Damaged(f"expands from {len(content)} to {size} bytes; write it with numpy.savez, uncompressed")
            for info in infos:
                # Other methods may expand without a bound before the size is known; numpy does not write them.
                if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or info.flag_bits & ENCRYPTED:
                    raise _Damaged("is compressed or encrypted, unlike numpy's files; write it with numpy.savez")
                with archive.open(info) as stream:
                    # The size limits what is expanded; without it, all data is, whatever size the archive states.
                    member = stream.read(info.file_size)
                if not member.startswith(NPY_MAGIC):
                    raise _Damaged(f"member {info.filename} is not an array; write the file with numpy.savez")
                yield info.filename, member
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, OverflowError, RuntimeError) as error:
        raise _Damaged(f"damaged: {' '.join(str(error).split())}; write it again") from None


def choose(
    given: Sequence[Given], infos: Sequence[TensorInfo], layout: str | None, stream: bool = False
) -> list[Given]:
    """The arrays for the inputs: by name, else in order, else the only one that fits the only input.

    `stream`: whether they may be sequences of runs, with an axis for these before all others.
    """
    chosen = _chosen(given, infos, layout, stream)
    for item, info in zip(chosen, infos, strict=True):
        if fits(info, item.array, layout, stream):
            refuse_ambiguous(item, info.name, layouts(info.shape, info.source_layout, layout))
    return chosen


def _chosen(given: Sequence[Given], infos: Sequence[TensorInfo], layout: str | None, stream: bool) -> list[Given]:
    by_name = {item.name: item for item in given if item.name}
    if all(info.name in by_name for info in infos):
        return [by_name[info.name] for info in infos]
    if len(given) == len(infos):
        return list(given)
    if len(infos) == 1:
        fitting = [item for item in given if fits(infos[0], item.array, layout, stream)]
        if len(fitting) == 1:
            return fitting
    wanted = ", ".join(f"{info.name} {info.shape}" for info in infos)
    raise DataError(
        f"{', '.join(dict.fromkeys(str(item.path) for item in given))}: cannot tell which array is for which input; "
        f"the model's inputs are {wanted}, the arrays {', '.join(map(str, given)) or 'none'}; "
        "name the arrays of an .npz after the inputs, or give one .npy for each"
    )


def fits(info: TensorInfo, array: Array, layout: str | None, stream: bool = False) -> bool:
    """Whether an array can be codes or values of an input: a sample, with or without its batch axis, or a batch.

    `stream`: or runs, with an axis for these before all others.
    """
    if not holds_codes(info, array) and not np.issubdtype(array.dtype, np.floating):
        return False
    shapes = layouts(info.shape, info.source_layout, layout).values()
    if stream and array.shape[1:] in shapes:
        return True
    return any(array.shape == s[1:] or (array.ndim == len(s) and array.shape[1:] == s[1:]) for s in shapes)


def holds_codes(info: TensorInfo, array: Array) -> bool:
    """Whether an array is of codes, of the network or of its source."""
    return bool(array.dtype == info.dtype or array.dtype.name.upper() == info.source_dtype)


def layouts(shape: tuple[int, ...], source_layout: str, layout: str | None) -> dict[str, tuple[int, ...]]:
    """The shapes that an array for an input may have, by layout; only one for an input that is not an image."""
    shapes = {"NHWC": shape}
    if len(shape) == 4 and "NCHW" in (source_layout, layout):
        batch, height, width, channels = shape
        shapes["NCHW"] = (batch, channels, height, width)
    return {layout: shapes[layout]} if layout is not None and len(shape) == 4 else shapes


def refuse_ambiguous(item: Given, name: str, shapes: dict[str, tuple[int, ...]]) -> None:
    """Refuses an array for input `name` if both `layouts` have its shape and would give different codes."""
    if len(shapes) > 1 and len(set(shapes.values())) == 1 and max(shapes["NHWC"][1:]) > 1:
        reason = "can be NHWC or NCHW; choose one with --layout NHWC or --layout NCHW"
        raise DataError(f"{item.path}: input {name}: {item} {reason}")


def rows(item: Given, info: TensorInfo, layout: str | None) -> Array:
    """The samples of an input along the first axis, NHWC, a view: codes of the model or of its source, or floats."""
    x, called = item.array, f"{item.path}: input {info.name}"
    if not holds_codes(info, x) and not np.issubdtype(x.dtype, np.floating):
        kinds = "floats" if np.issubdtype(info.dtype, np.floating) else f"floats or {info.dtype} codes"
        raise DataError(f"{called} takes {kinds}, got {item}; convert them with astype(numpy.float32)")
    shapes = layouts(info.shape, info.source_layout, layout)
    found = {name: samples for name, shape in shapes.items() if (samples := _as_rows(x, shape)) is not None}
    if not found:
        fitting = " or ".join(f"(n, {', '.join(map(str, shape[1:]))})" for shape in shapes.values())
        raise DataError(f"{called} takes samples of shape {fitting}, got {item}; give n samples, at least one")
    refuse_ambiguous(item, info.name, shapes)
    return found["NHWC"] if "NHWC" in found else found["NCHW"].transpose(NCHW_TO_NHWC)


def _as_rows(x: Array, shape: tuple[int, ...]) -> Array | None:
    """`x` with all samples along the first axis; None if it does not fit an input of this shape."""
    sample = shape[1:]
    if x.shape == sample:
        return x[np.newaxis]
    if x.ndim == len(shape) + 1 and x.shape[1] == shape[0]:
        x = x.reshape(-1, *x.shape[2:])
    return x if x.ndim == len(shape) and x.shape[1:] == sample and x.shape[0] > 0 else None


def runs(x: Array, item: Given, size: int) -> Array:
    """Rows, each `size` of which are those of one run, as runs."""
    if len(x) % size:
        many = f"{len(x)} samples for a network that takes {size} at a time"
        raise DataError(f"{item.path}: contains {many}; give a multiple of {size}, or compile it with --batch 1")
    return x.reshape(-1, size, *x.shape[1:])


def values(x: Array, info: TensorInfo, where: str, start: int = 0) -> Array:
    """Samples as `Dataset.read` gives them: codes of the network, or finite float32.

    `where` and the number of the first sample are for errors.
    """
    if not np.issubdtype(x.dtype, np.floating):
        return codes_of(info, x)
    with np.errstate(over="ignore"):
        real: Array = x.astype(np.float32, copy=False)
    finite = np.isfinite(real)
    if not finite.all():
        index = start + int(np.argmin(finite.reshape(len(real), -1).all(axis=1)))
        raise DataError(
            f"{where}: input {info.name}: sample {index} has NaN or infinity, in float32; give finite numbers"
        )
    return real
