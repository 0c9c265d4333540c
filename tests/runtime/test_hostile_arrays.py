"""Malicious .npy and .npz files: refused by their headers, before memory is allocated or code is run."""

from __future__ import annotations

import dataclasses
import io
import os
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Cli, assert_refused, images

import qrt
from qrt.cli import arrays

# Bytes that refusing a small file may take.
MODEST = 16 << 20


class Trap:
    """Creates a file when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("trapped",)


def npy(descr: Any, shape: Any, data: bytes = b"1234", version: bytes = b"\x01\x00") -> bytes:
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY" + version + len(header).to_bytes(2 if version[0] == 1 else 4, "little") + header + data


def pickled(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


HEADERS = {
    "objects": (pickled(np.array([Trap()])), "contains Python objects, which are never loaded; save numbers only"),
    "objects in a record": (npy([("a", "<f4"), ("b", "|O")], (1,)), "contains Python objects"),
    "immense": (npy("|i1", (2**31, 4, 4, 2)), "damaged: its header states 68719476736 bytes, 4 follow"),
    "beyond int64": (npy("|i1", (2**62, 4, 4, 2)), "damaged: its header states "),
    "beyond int64, by a factor": (npy("<f8", (2**61,)), "damaged: its header states "),
    "immense of nothing": (npy("|i1", (2**62, 2**62, 0), b""), "damaged: its header states "),
    "negative": (npy("|i1", (-1, 4, 4, 2), bytes(32)), "damaged: its header states "),
    "negative twice": (npy("|i1", (-2, -16), bytes(32)), "damaged: its header states "),
    "immense elements": (npy(("<f4", (2**30,)), (1,)), "damaged: its header "),
    "no shape": (npy("|i1", "x"), "damaged: its header cannot be read"),
    "no type": (npy("|x9", (4,)), "damaged: its header cannot be read"),
    "a call": (b"\x93NUMPY\x01\x00\x20\x00__import__('os').mkdir('trapped')\n", "damaged: its header cannot be read"),
    "nested": (b"\x93NUMPY\x01\x00\x20\x4e" + b"(" * 20000, "damaged: its header cannot be read"),
    "another version": (npy("|i1", (4,), version=b"\x09\x00"), "damaged: its header cannot be read"),
    "cut in the header": (npy("|i1", (4,))[:40], "damaged: its header cannot be read"),
    "cut in the data": (npy("|i1", (1, 4, 4, 2), bytes(31)), "damaged: its header states 32 bytes, 31 follow"),
}


def refuses(cli: Cli, name: str, content: bytes, reason: str) -> None:
    """`content` is refused for `reason`, quickly, without memory to speak of, and nothing is written."""
    Path(name).write_bytes(content)
    before = sorted(os.listdir())
    tracemalloc.start()
    try:
        result = cli("run", "pets.qfb", name, "-o", "y.npy")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert_refused(result, f"qrt run: {name}: {reason}")
    assert peak < MODEST
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize("name", HEADERS)
def test_headers_that_lie(cli: Cli, pets: Path, name: str) -> None:
    content, reason = HEADERS[name]
    refuses(cli, "x.npy", content, reason)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("image.npy", content)
    refuses(cli, "x.npz", stream.getvalue(), reason)


def archive(method: int, data: bytes, name: str = "image.npy") -> bytearray:
    """An archive of one member."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as target:
        target.writestr(name, data)
    return bytearray(stream.getvalue())


def patched(content: bytearray, local: int, size: int, value: int) -> bytes:
    """`content` with a field of its member's header, and of the directory, replaced."""
    directory = content.index(b"PK\x01\x02")
    for place in (local, directory + local + 2):
        content[place : place + size] = value.to_bytes(size, "little")
    return bytes(content)


def good() -> bytes:
    stream = io.BytesIO()
    np.save(stream, images(1))
    return stream.getvalue()


# Of a member's header: flags, method, and the sizes as they are stored and as they are read.
FLAGS, METHOD, EXPANDED = 6, 8, 22


def test_archives_that_expand_without_a_bound(cli: Cli, pets: Path) -> None:
    zeros = good() + bytes(32 << 20)
    honest = archive(zipfile.ZIP_DEFLATED, zeros)
    assert len(honest) < 100_000
    declared = patched(honest.copy(), EXPANDED, 4, 3 << 30)
    refuses(
        cli, "declared.npz", declared, f"expands from {len(declared)} to {3 << 30} bytes; write it with numpy.savez"
    )
    # The directory says less than there is: no more than that is read.
    refuses(cli, "hidden.npz", patched(honest.copy(), EXPANDED, 4, len(good())), "damaged: Bad CRC-32")
    # Many members of the same bytes.
    single = archive(zipfile.ZIP_DEFLATED, zeros)
    start, end = single.index(b"PK\x01\x02"), single.index(b"PK\x05\x06")
    many = single[:start] + single[start:end] * 1000 + single[end:]
    tail = len(many) - 22
    many[tail + 8 : tail + 12] = (1000).to_bytes(2, "little") * 2
    many[tail + 12 : tail + 16] = (1000 * (end - start)).to_bytes(4, "little")
    refuses(cli, "many.npz", bytes(many), "expands from ")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compression_without_a_bound_is_refused(cli: Cli, pets: Path, method: int) -> None:
    refuses(cli, "x.npz", bytes(archive(method, good())), "is compressed or encrypted, unlike numpy's files")


def test_archives_that_numpy_does_not_write(cli: Cli, pets: Path) -> None:
    stored = archive(zipfile.ZIP_STORED, good())
    refuses(cli, "locked.npz", patched(stored.copy(), FLAGS, 2, 1), "is compressed or encrypted, unlike numpy's files")
    refuses(
        cli, "method.npz", patched(stored.copy(), METHOD, 2, 77), "is compressed or encrypted, unlike numpy's files"
    )
    refuses(cli, "text.npz", bytes(archive(0, b"a text", "../\x1b[2Jx")), "member ../\\x1b[2Jx is not an array; ")
    refuses(cli, "cut.npz", bytes(stored[:-9]), "damaged: File is not a zip file; write it again")
    changed = stored.copy()
    changed[180] ^= 1
    refuses(cli, "changed.npz", bytes(changed), "damaged: Bad CRC-32 for file 'image.npy'; write it again")


@pytest.mark.parametrize("name", ["../../escaped.npy", "/tmp/escaped.npy", "..\\escaped.npy", "C:\\escaped.npy"])
def test_names_of_members_are_no_paths(cli: Cli, pets: Path, name: str) -> None:
    folder = Path("inner")
    folder.mkdir()
    (folder / "x.npz").write_bytes(archive(zipfile.ZIP_STORED, good(), name))
    assert cli("run", "pets.qfb", "inner/x.npz").exit_code == 0
    assert sorted(os.listdir()) == ["inner", "pets.qfb"]
    assert os.listdir(folder) == ["x.npz"]


@pytest.mark.parametrize("name", ["../y", "/y", "a/../../y", "a\\..\\y", "a\x00b", "", "a//y"])
def test_names_of_outputs_stay_in_the_archive(pets: Path, name: str) -> None:
    (info,) = qrt.load(pets).outputs
    infos = [dataclasses.replace(info, name=name), dataclasses.replace(info, name="model/fine")]
    assert arrays.names(infos) == ["output_0", "model/fine"]


def test_samples_that_are_none(cli: Cli, pets: Path) -> None:
    Path("net.onnx").write_bytes(b"")
    Path("folder").mkdir()
    np.savez("label.npz", image=images(2), labels=np.int64(3))
    np.savez("far.npz", image=np.full((2, 4, 4, 2), 1e300))
    with zipfile.ZipFile("folder/empty.npy", "w"):
        pass
    for name, reason in (
        ("label.npz", "label.npz: labels are int64 (); give one integer for each sample"),
        ("far.npz", "far.npz: input image: sample 0 has NaN or infinity, in float32"),
        ("folder", "folder/empty.npy: contains no arrays; write it with numpy.savez, one array for each input"),
    ):
        result = cli("compare", "pets.qfb", "--against", "net.onnx", "--inputs", name)
        assert_refused(result, f"qrt compare: {reason}")
