"""What is done of an evaluation, in a file from which a later run continues."""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qrt.data import DataError
from qrt.data.dataset import digest_of
from qrt.evaluation.spans import Span, joined
from qrt.evaluation.tally import Tally

FORMAT = "qrt evaluation 1"
# Seconds between two writings, and how many times longer than a writing that is at least.
INTERVAL, PATIENCE = 2.0, 20


@dataclass
class Partial:
    """Counts of the samples that are done.

    Attributes
    ----------
    path : pathlib.Path or None
        The file; None keeps nothing. Of a folder, a file that is named after `key`.
    key : dict of str to str
        What the counts are of. A file with another key is refused.
    """

    path: Path | None
    key: dict[str, str]
    done: list[Span] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    written: float = field(default_factory=time.monotonic)
    pause: float = field(default_factory=lambda: INTERVAL)
    # Whether the evaluation goes on where the file cannot be written.
    is_optional: bool = False

    def __post_init__(self) -> None:
        if self.path is not None and self.path.is_dir():
            self.path, self.is_optional = self.path / f"evaluation-{digest_of(self.key)}.json", True

    def load(self) -> None:
        """Takes over what the file has, if there is one; makes one that can be written."""
        if self.path is None:
            return
        if not self.path.exists():
            if not self.is_optional:
                self.write()
            return
        remedy = "delete it, or name another file with --resume"
        try:
            document = json.loads(self.path.read_text(encoding="utf-8"))
            if document["format"] != FORMAT:
                raise ValueError
            key = document["key"]
            done = [(int(start), int(stop)) for start, stop in document["done"]]
            tally = Tally.from_dict(document["tally"])
        except (ValueError, KeyError, TypeError):
            raise DataError(f"{self.path}: is not a partial evaluation of this version of qrt; {remedy}") from None
        differing = [name for name, value in self.key.items() if key.get(name) != value]
        if differing:
            raise DataError(f"{self.path}: is of another evaluation: {self._said(differing[0], key)}; {remedy}")
        self.done, self.tally = done, tally

    def _said(self, name: str, key: dict[str, Any]) -> str:
        if name in ("model", "data"):
            return f"the {name} has changed since"
        return f"its {name} was {key.get(name)}, now it is {self.key[name]}"

    def add(self, span: Span, tally: Tally) -> None:
        """Adds the counts of a span, and writes the file when that is due."""
        self.done = joined([*self.done, span])
        self.tally.add(tally)
        start = time.monotonic()
        if self.path is not None and start - self.written >= self.pause:
            self.write()
            self.written = time.monotonic()
            self.pause = max(INTERVAL, PATIENCE * (self.written - start))

    def write(self) -> None:
        """Replaces the file: whenever the process ends, it is the old one or the new one."""
        if self.path is None:
            return
        with contextlib.suppress(*((OSError,) if self.is_optional else ())):
            self._write(self.path)

    def _write(self, path: Path) -> None:
        document = {"format": FORMAT, "key": self.key, "done": self.done, "tally": self.tally.as_dict()}
        other = _beside(path)
        try:
            with open(other, "w", encoding="utf-8") as stream:
                json.dump(document, stream)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(other, path)
        except BaseException:
            with contextlib.suppress(OSError):
                other.unlink()
            raise

    def remove(self) -> None:
        """Removes the file when the evaluation is complete."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
            _beside(self.path).unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    """Where the next state of a file is written; a process that is killed meanwhile leaves it for the next one."""
    return path.with_name(f".{path.name}.next")
