"""The error of an evaluation that cannot be made."""

from __future__ import annotations


class EvaluationError(ValueError):
    """An evaluation that cannot be made of a network; one line that says what is wrong, and the remedy."""
