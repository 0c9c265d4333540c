"""Codes for the inputs of a model, and files of its outputs."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import qrt
from qrt.cli.failure import Failure
from qrt.cli.files import replacing

Array = NDArray[Any]


def random_codes(rng: np.random.Generator, info: qrt.TensorInfo) -> Array:
    """Codes for an input, all of its type."""
    limits = np.iinfo(info.dtype)
    codes: Array = rng.integers(limits.min, limits.max + 1, info.shape, info.dtype)
    return codes


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
