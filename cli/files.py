"""Writes files atomically."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from qrt.cli.failure import Failure

# What may be in a folder that is replaced, besides the names of what replaces it: made by builds and by other options.
REPLACEABLE = frozenset({"board", "build"})


def refuse_target(path: Path) -> None:
    """Raises Failure for a file that cannot be written; long work begins after it."""
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise Failure(f"{path}: is a link that leads to itself; name another file with -o")
    if target.is_dir():
        raise Failure(f"{path}: is a folder; name a file in it with -o")
    if not target.parent.is_dir():
        raise Failure(f"{path}: there is no folder {path.parent}; create it, or write elsewhere with -o")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which replaces `path` when the block ends without an error."""
    target = Path(os.path.realpath(path))
    try:
        refuse_target(path)
        if target.exists() and not target.is_file():
            # A device or a pipe must not be replaced.
            with target.open("wb") as stream:
                yield stream
            return
        with _temporary(target) as stream:
            yield stream
    except OSError as error:
        raise _cannot_write(path, error) from None


@contextlib.contextmanager
def replacing_folder(path: Path, mark: str) -> Iterator[Path]:
    """A folder to write into, which replaces `path` when the block ends without an error.

    Refuses a folder with files in it, unless one of its C headers says `mark` and no others are with them.
    """
    target = Path(os.path.realpath(path))
    temporary = target.parent / f".qrt-{secrets.token_hex(8)}"
    try:
        if target.exists() and not target.is_dir():
            raise Failure(f"{path}: is a file; name a folder with -o")
        if not target.parent.is_dir():
            raise Failure(f"{path}: there is no folder {path.parent}; create it, or write elsewhere with -o")
        if target.is_dir() and any(target.iterdir()) and not _is_marked(target, mark):
            raise Failure(f"{path}: holds files that are not of an earlier run; name a new folder with -o")
        temporary.mkdir()
        yield temporary
        _refuse_others(path, target, temporary)
        if target.exists():
            old = target.rename(temporary.with_name(f"{temporary.name}-old"))
            temporary.rename(target)
            shutil.rmtree(old)
        else:
            temporary.rename(target)
    except OSError as error:
        raise _cannot_write(path, error) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _refuse_others(path: Path, target: Path, new: Path) -> None:
    """Raises Failure for a folder that holds what neither an earlier run wrote nor a build makes."""
    if target.exists():
        others = {item.name for item in target.iterdir()} - {item.name for item in new.iterdir()} - REPLACEABLE
        if others:
            lost = f"would lose {min(others)}, which an earlier run did not write"
            raise Failure(f"{path}: {lost}; move it, or name a new folder with -o")


def _is_marked(folder: Path, mark: str) -> bool:
    return any(mark in header.read_text(encoding="utf-8", errors="replace") for header in folder.glob("src/*.h"))


def _cannot_write(path: Path, error: OSError) -> Failure:
    reason = error.strerror or str(error)
    return Failure(f"{path}: cannot be written: {reason[:1].lower()}{reason[1:]}; write elsewhere with -o")


@contextlib.contextmanager
def _temporary(target: Path) -> Iterator[BinaryIO]:
    """A file in the folder of `target`, completely on disk before it gets that name."""
    # An unpredictable name, of a length independent of the target's name.
    temporary = target.with_name(f".qrt-{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
