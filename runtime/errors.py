"""The error of a file that cannot be used."""

from __future__ import annotations


class ModelError(ValueError):
    """A .qfb file that cannot be used.

    Attributes
    ----------
    rule : int or None
        Number of the rule of SPEC.md, section 5, that the file violates; None if no file was validated.
    """

    def __init__(self, message: str, rule: int | None = None) -> None:
        super().__init__(message)
        self.rule = rule
