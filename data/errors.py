"""The error of data that cannot be used."""

from __future__ import annotations


def printable(text: str) -> str:
    """Text from a file with control characters escaped, so that a file cannot control the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class DataError(ValueError):
    """Data that cannot be used; one line that names the file, the row or the key, and the remedy."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))
