"""The files of samples in a folder, and their classes if they lie in folders of classes."""

from __future__ import annotations

import os
from pathlib import Path

from qrt.data import images, sounds
from qrt.data.dataset import Entry
from qrt.data.errors import DataError

# For each kind of file, the endings of its names.
KINDS = {"arrays": (".npy",), "images": images.SUFFIXES, "recordings": sounds.SUFFIXES}


def kind_of(path: Path) -> str | None:
    """What kind of sample a file is, by its name."""
    return next((kind for kind, suffixes in KINDS.items() if path.suffix.lower() in suffixes), None)


def scan_folder(path: Path) -> list[Entry]:
    """The files of samples in a folder, of one kind, by class and name; other files are left alone.

    Files below the folders in it belong to the classes that these name.
    """
    entries = []
    for folder, inner, files in os.walk(path):
        inner[:] = [name for name in inner if not name.startswith(".")]
        for name in files:
            place = Path(folder, name)
            if kind_of(place) is not None and not name.startswith("."):
                relative = place.relative_to(path)
                label = relative.parts[0] if len(relative.parts) > 1 else None
                entries.append(Entry(place, relative.as_posix(), str(place), label))
    if not entries:
        known = ", ".join(suffix for suffixes in KINDS.values() for suffix in suffixes)
        raise DataError(f"{path}: contains no samples ({known}); give a folder of samples or one .npz")
    entries.sort(key=lambda entry: (entry.label or "", entry.name))
    direct = next((entry for entry in entries if entry.label is None), None)
    inside = next((entry for entry in entries if entry.label is not None), None)
    if direct is not None and inside is not None:
        reason = f"contains {direct.name} beside folders of classes with {inside.name}"
        raise DataError(f"{path}: {reason}; put all samples into folders of classes, or none")
    return entries


def same_kind(path: Path, entries: list[Entry]) -> str:
    """The kind of the files."""
    first = kind_of(entries[0].path)
    for entry in entries:
        if kind_of(entry.path) != first:
            reason = f"contains {first} ({entries[0].name}) and {kind_of(entry.path)} ({entry.name})"
            raise DataError(f"{path}: {reason}; give samples of one kind")
    assert first is not None
    return first
