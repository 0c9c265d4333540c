"""The corpora: inputs that the fuzzers kept, a small zip archive for each target."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"


def read(name: str) -> list[bytes]:
    """The files of a target's corpus."""
    with zipfile.ZipFile(FOLDER / f"{name}.zip") as archive:
        return [archive.read(member) for member in archive.namelist()]


def write(name: str, files: Iterable[bytes]) -> None:
    """Replaces a target's corpus; equal files give an equal archive."""
    with zipfile.ZipFile(FOLDER / f"{name}.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for key, content in sorted((hashlib.sha1(content).hexdigest(), content) for content in files):
            # A ZipInfo made by hand carries no time of writing.
            info = zipfile.ZipInfo(key)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)


def unpack(files: Iterable[bytes], folder: Path) -> None:
    """Writes files into a folder, named by what they hold."""
    folder.mkdir(parents=True, exist_ok=True)
    for content in files:
        (folder / hashlib.sha1(content).hexdigest()).write_bytes(content)
