"""Writing files whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from qrt.cli.failure import Failure


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which takes the place of `path` when the block ends without an error."""
    target = path.resolve()
    if not target.parent.is_dir():
        raise Failure(f"{path}: there is no folder {path.parent}; create it, or write elsewhere with -o")
    if target.is_dir():
        raise Failure(f"{path}: is a folder; name a file in it with -o")
    if target.exists() and not target.is_file():
        # A device or a pipe must stay what it is.
        with target.open("wb") as stream:
            yield stream
        return
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
    except PermissionError as error:
        raise Failure(f"{path}: cannot be written: {error.strerror}; write elsewhere with -o") from None
    finally:
        temporary.unlink(missing_ok=True)
