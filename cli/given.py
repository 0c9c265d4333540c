"""What `qrt run` runs on: arrays, or samples that are read one after another."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qrt.cli.failure import Failure
from qrt.cli.stated import note_assumed
from qrt.data import Dataset, Preprocess
from qrt.data.arrays import Given, parse, read
from qrt.data.opening import is_table, kind_of, kind_of_content, open_content, open_dataset, open_files

if TYPE_CHECKING:
    import qrt

# In place of the name of a file.
STDIN, STDIN_NAME = "-", "standard input"


def given_arrays(paths: Sequence[Path], content: bytes | None) -> list[Given] | None:
    """The arrays of files, `content` for standard input; None where they are something else."""
    for path in paths:
        if str(path) == STDIN:
            if kind_of_content(content or b"") != "arrays":
                return None
        elif path.is_dir() or is_table(path) or kind_of(path) in ("images", "recordings"):
            return None
    found = [parse(Path(STDIN_NAME), content or b"") if str(path) == STDIN else read(path) for path in paths]
    return [item for items in found for item in items]


def read_stdin(paths: Sequence[Path]) -> bytes | None:
    """All of standard input, if one of the paths means it."""
    count = [str(path) for path in paths].count(STDIN)
    if count == 0:
        return None
    if count > 1 or sys.stdin.isatty():
        reason = "is given more than once" if count > 1 else "is a terminal; pipe a file into it"
        raise Failure(f"{STDIN_NAME}: {reason}")
    return sys.stdin.buffer.read()


def given_samples(
    paths: Sequence[Path],
    content: bytes | None,
    inputs: Sequence[qrt.TensorInfo],
    preprocess: Preprocess | None,
    layout: str | None,
    classes: Sequence[str],
) -> Dataset:
    """The samples of a folder, a table or files of images or recordings."""
    if len(paths) == 1 and content is not None:
        dataset = open_content(content, STDIN_NAME, inputs, preprocess, layout, classes)
    elif len(paths) == 1:
        dataset = open_dataset(paths[0], inputs, preprocess, layout, classes)
    else:
        for path in paths:
            if path.is_dir() or kind_of(path) not in ("images", "recordings"):
                raise Failure(f"{path}: beside other files; give one folder or table, or several images or recordings")
        dataset = open_files(paths, inputs, preprocess, layout, classes)
    note_assumed(dataset)
    return dataset
