"""Writes files atomically."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from qrt.cli.failure import Failure


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which replaces `path` when the block ends without an error."""
    target = Path(os.path.realpath(path))
    try:
        if target.is_symlink():
            raise Failure(f"{path}: is a link that leads to itself; name another file with -o")
        if target.is_dir():
            raise Failure(f"{path}: is a folder; name a file in it with -o")
        if not target.parent.is_dir():
            raise Failure(f"{path}: there is no folder {path.parent}; create it, or write elsewhere with -o")
        if target.exists() and not target.is_file():
            # A device or a pipe must not be replaced.
            with target.open("wb") as stream:
                yield stream
            return
        with _temporary(target) as stream:
            yield stream
    except OSError as error:
        reason = error.strerror or str(error)
        raise Failure(f"{path}: cannot be written: {reason[:1].lower()}{reason[1:]}; write elsewhere with -o") from None


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
