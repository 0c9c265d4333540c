"""The error of an evaluation that cannot be made."""

from __future__ import annotations


class EvaluationError(ValueError):
    """An evaluation that cannot be made; one line that names what is wrong, where, and the remedy."""
