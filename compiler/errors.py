"""What the compiler says when it cannot compile a network exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass


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
def understanding(where: str, remedy: str) -> Iterator[None]:
    """Around code that reads a foreign file: whatever a damaged one makes Python raise becomes a CompileError."""
    try:
        yield
    except (CompileError, ImportError, OSError):
        raise
    except Exception as error:
        reason = f"cannot be understood ({type(error).__name__}: {' '.join(str(error).split())}); {remedy}"
        raise CompileError([Problem(where, "file", reason)]) from error
