"""What the compiler says when it cannot compile a network exactly."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

# Where nothing better is known.
REMEDY = "make it again, or report it where the fault is not the file's"


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
    """A network that cannot be compiled exactly; `problems` lists all that was found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        lines = [str(problem) for problem in self.problems]
        text = lines[0] if len(lines) == 1 else "\n".join([f"{len(lines)} problems", *(f"  {line}" for line in lines)])
        super().__init__(text)


@contextmanager
def understanding(source: Any, remedy: str = REMEDY) -> Iterator[None]:
    """Around code that works on a foreign file: whatever a damaged one makes Python raise becomes a CompileError.

    `source` is its path, or a name for it. Anything else is a program's own object, and fails as it does.
    """
    try:
        yield
    except (CompileError, ImportError, OSError, MemoryError):
        raise
    except Exception as error:
        if not isinstance(source, str | os.PathLike):
            raise
        reason = f"cannot be understood ({type(error).__name__}: {' '.join(str(error).split())}); {remedy}"
        raise CompileError([Problem(os.fspath(source), "file", reason)]) from error
