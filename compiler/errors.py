"""The errors that the compiler raises if it cannot compile a network exactly."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

# If the reader has no better remedy.
REMEDY = "create the file again, or report a bug if the file is valid"


@dataclass(frozen=True)
class Problem:
    """One reason why a network cannot be compiled.

    Attributes
    ----------
    name : str
        The node, tensor or file that the problem is about.
    kind : str
        Its operator type, or ``"file"``, ``"input"``, ``"tensor"``.
    reason : str
        What is wrong, and the remedy.
    """

    name: str
    kind: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name} ({self.kind}): {self.reason}"


class CompileError(ValueError):
    """A network that cannot be compiled exactly; `problems` lists everything that was found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        lines = [str(problem) for problem in self.problems]
        text = lines[0] if len(lines) == 1 else "\n".join([f"{len(lines)} problems", *(f"  {line}" for line in lines)])
        super().__init__(text)


@contextmanager
def understanding(source: Any, remedy: str = REMEDY) -> Iterator[None]:
    """Converts exceptions that a damaged file causes inside of the block to CompileError.

    `source` is the file's path or name, or an ONNX model in memory. For any other object exceptions are not converted.
    """
    try:
        yield
    except (CompileError, ImportError, OSError, MemoryError):
        raise
    except Exception as error:
        if type(source).__name__ == "ModelProto":
            source = "model"
        if not isinstance(source, str | os.PathLike):
            raise
        reason = f"cannot be read ({type(error).__name__}: {' '.join(str(error).split())}); {remedy}"
        raise CompileError([Problem(os.fspath(source), "file", reason)]) from error
