"""Reads .npy and .npz files for the inputs of a model, and writes its outputs to such files."""

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

import qrt
from qrt.cli.console import printable
from qrt.cli.failure import Failure, read_content
from qrt.cli.files import replacing

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
        return f"{printable(self.name) or self.path} {self.array.shape} {self.array.dtype}"


def read(path: Path) -> list[Given]:
    """The arrays of an .npy or .npz file. Never unpickles; a stated size larger than the file's content is refused."""
    content = read_content(path)
    if not content.startswith((NPY_MAGIC, ZIP_MAGIC)):
        raise Failure(f"{path}: neither .npy nor .npz; write it with numpy.save(path, array)")
    try:
        if content.startswith(NPY_MAGIC):
            return [Given(path, "", _array(content))]
        found = [Given(path, name.removesuffix(".npy"), _array(member)) for name, member in _members(content)]
    except _Damaged as error:
        raise Failure(f"{path}: {error}") from None
    if not found:
        raise Failure(f"{path}: contains no arrays; write it with numpy.savez, one array for each input")
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
                    name = printable(info.filename)
                    raise _Damaged(f"member {name} is not an array; write the file with numpy.savez")
                yield info.filename, member
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, OverflowError, RuntimeError) as error:
        raise _Damaged(f"damaged: {printable(' '.join(str(error).split()))}; write it again") from None


def random_codes(rng: np.random.Generator, info: qrt.TensorInfo) -> Array:
    """Codes for an input, all of its type."""
    limits = np.iinfo(info.dtype)
    codes: Array = rng.integers(limits.min, limits.max + 1, info.shape, info.dtype)
    return codes


def choose(
    given: Sequence[Given], infos: Sequence[qrt.TensorInfo], layout: str | None, stream: bool = False
) -> list[Given]:
    """The arrays for the inputs: by name, else in order, else the only one that fits the only input.

    `stream`: whether they may be sequences of runs, with an axis for these before all others.
    """
    chosen = _chosen(given, infos, layout, stream)
    for item, info in zip(chosen, infos, strict=True):
        if fits(info, item.array, layout, stream):
            refuse_ambiguous(item, info.name, layouts(info.shape, info.source_layout, layout))
    return chosen


def _chosen(given: Sequence[Given], infos: Sequence[qrt.TensorInfo], layout: str | None, stream: bool) -> list[Given]:
    by_name = {item.name: item for item in given if item.name}
    if all(info.name in by_name for info in infos):
        return [by_name[info.name] for info in infos]
    if len(given) == len(infos):
        return list(given)
    if len(infos) == 1:
        fitting = [item for item in given if fits(infos[0], item.array, layout, stream)]
        if len(fitting) == 1:
            return fitting
    wanted = ", ".join(f"{printable(info.name)} {info.shape}" for info in infos)
    raise Failure(
        f"{', '.join(dict.fromkeys(str(item.path) for item in given))}: cannot tell which array is for which input; "
        f"the model's inputs are {wanted}, the arrays {', '.join(map(str, given)) or 'none'}; "
        "name the arrays of an .npz after the inputs, or give one .npy for each"
    )


def fits(info: qrt.TensorInfo, array: Array, layout: str | None, stream: bool = False) -> bool:
    """Whether an array can be codes or values of an input: a sample, with or without its batch axis, or a batch.

    `stream`: or runs, with an axis for these before all others.
    """
    as_codes = array.dtype == info.dtype or array.dtype.name.upper() == info.source_dtype
    if not as_codes and not np.issubdtype(array.dtype, np.floating):
        return False
    shapes = layouts(info.shape, info.source_layout, layout).values()
    if stream and array.shape[1:] in shapes:
        return True
    return any(array.shape == s[1:] or (array.ndim == len(s) and array.shape[1:] == s[1:]) for s in shapes)


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
        raise Failure(f"{item.path}: input {printable(name)}: {item} {reason}")


def check_suffix(path: Path, infos: Sequence[qrt.TensorInfo]) -> None:
    """Refuses, before any work, a file name whose format cannot store the outputs."""
    if path.suffix == ".npz" or (path.suffix == ".npy" and len(infos) == 1):
        return
    if path.suffix == ".npy":
        raise Failure(f"{path}: an .npy file holds one array, the model has {len(infos)} outputs; name it .npz")
    raise Failure(f"{path}: outputs are written as .npy or .npz; use one of these suffixes")


def save(path: Path, infos: Sequence[qrt.TensorInfo], outputs: Sequence[Array]) -> None:
    """Writes outputs to an .npy file, or by name to an .npz file; equal outputs give equal files."""
    with replacing(path) as stream:
        if path.suffix == ".npy":
            # Into memory first: numpy does not report a full disk.
            content = io.BytesIO()
            np.save(content, outputs[0], allow_pickle=False)
            stream.write(content.getbuffer())
            return
        with zipfile.ZipFile(stream, "w") as archive:
            for name, output in zip(names(infos), outputs, strict=True):
                # A ZipInfo made by hand carries no time of writing.
                with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, output, allow_pickle=False)


def names(infos: Sequence[qrt.TensorInfo]) -> list[str]:
    """A name for each output: its own, or ``output_<i>`` where it is not unique or not a valid file name."""
    own = [info.name for info in infos]
    return [name if _is_file_name(name) and own.count(name) == 1 else f"output_{i}" for i, name in enumerate(own)]


def _is_file_name(name: str) -> bool:
    """Whether an archive's member of this name is extracted inside the target folder."""
    return name.isprintable() and "\\" not in name and not {"", ".", ".."} & set(name.split("/"))
