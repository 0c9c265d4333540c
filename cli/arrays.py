"""Arrays from .npy and .npz files for the inputs of a model, and back into files."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import qrt
from qrt.cli.console import printable
from qrt.cli.failure import Failure
from qrt.cli.files import replacing

Array = NDArray[Any]

NPY_MAGIC = b"\x93NUMPY"
ZIP_MAGIC = b"PK"


@dataclass(frozen=True, eq=False)
class Given:
    """An array that the user gave; `name` is its name in an .npz file, empty for an .npy file."""

    path: Path
    name: str
    array: Array

    def __str__(self) -> str:
        return f"{printable(self.name) or self.path} {self.array.shape} {self.array.dtype}"


def read(path: Path) -> list[Given]:
    """The arrays of an .npy or .npz file."""
    with path.open("rb") as stream:
        magic = stream.read(len(NPY_MAGIC))
    if magic != NPY_MAGIC and not magic.startswith(ZIP_MAGIC):
        raise Failure(f"{path}: neither .npy nor .npz; write it with numpy.save(path, array)")
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return [Given(path, "", loaded)]
        with loaded:
            arrays = [Given(path, name, loaded[name]) for name in loaded.files]
    except Exception as error:  # numpy, zipfile and what they call raise some ten types over a damaged file
        if "Object arrays" in str(error):
            raise Failure(f"{path}: holds Python objects, which are never loaded; save numbers only") from None
        raise Failure(f"{path}: damaged: {' '.join(str(error).split())}; write it again") from None
    foreign = [given.name for given in arrays if not isinstance(given.array, np.ndarray)]
    if foreign:
        raise Failure(f"{path}: member {printable(foreign[0])} is no array; write the file with numpy.savez")
    return arrays


def choose(given: Sequence[Given], infos: Sequence[qrt.TensorInfo], layout: str | None) -> list[Given]:
    """The arrays for the inputs: by name, else in order, else the only one that fits the only input."""
    by_name = {item.name: item for item in given if item.name}
    if all(info.name in by_name for info in infos):
        return [by_name[info.name] for info in infos]
    if len(given) == len(infos):
        return list(given)
    if len(infos) == 1:
        fitting = [item for item in given if fits(infos[0], item.array, layout)]
        if len(fitting) == 1:
            return fitting
    wanted = ", ".join(f"{printable(info.name)} {info.shape}" for info in infos)
    raise Failure(
        f"{', '.join(dict.fromkeys(str(item.path) for item in given))}: cannot tell which array is for which input; "
        f"the model's inputs are {wanted}, the arrays {', '.join(map(str, given)) or 'none'}; "
        "name the arrays of an .npz after the inputs, or give one .npy for each"
    )


def fits(info: qrt.TensorInfo, array: Array, layout: str | None) -> bool:
    """Whether an array can be codes or values of an input: a sample, with or without its batch axis, or a batch."""
    as_codes = array.dtype == np.int8 or array.dtype.name.upper() == info.source_dtype
    if not as_codes and not np.issubdtype(array.dtype, np.floating):
        return False
    shapes = [info.shape]
    if len(info.shape) == 4 and "NCHW" in (info.source_layout, layout):
        batch, height, width, channels = info.shape
        shapes.append((batch, channels, height, width))
    return any(array.shape == s[1:] or (array.ndim == len(s) and array.shape[1:] == s[1:]) for s in shapes)


def check_suffix(path: Path, infos: Sequence[qrt.TensorInfo]) -> None:
    """Refuses, before any work, a file name that the outputs cannot be written to."""
    if path.suffix == ".npz" or (path.suffix == ".npy" and len(infos) == 1):
        return
    if path.suffix == ".npy":
        raise Failure(f"{path}: an .npy file holds one array, the model has {len(infos)} outputs; name it .npz")
    raise Failure(f"{path}: outputs are written as .npy or .npz; name it so")


def save(path: Path, infos: Sequence[qrt.TensorInfo], outputs: Sequence[Array]) -> None:
    """Writes outputs to an .npy file, or by name to an .npz file; equal outputs give equal files."""
    with replacing(path) as stream:
        if path.suffix == ".npy":
            np.save(stream, outputs[0], allow_pickle=False)
            return
        with zipfile.ZipFile(stream, "w") as archive:
            for name, output in zip(names(infos), outputs, strict=True):
                # A ZipInfo made by hand carries no time of writing.
                with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, output, allow_pickle=False)


def names(infos: Sequence[qrt.TensorInfo]) -> list[str]:
    """A name for each output: its own, or ``output_<i>`` where it has none or another has the same."""
    own = [info.name for info in infos]
    return [name if name and own.count(name) == 1 else f"output_{i}" for i, name in enumerate(own)]
