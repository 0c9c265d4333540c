"""Limits of memory, from the environment or by default."""

from __future__ import annotations

import os

# Default limit of the arena, in bytes.
DEFAULT_MAX_ARENA = 256 << 20


def default_max_arena() -> int:
    """Limit of a file's arena in bytes: the environment variable QRT_MAX_ARENA, otherwise 256 MiB.

    Raises
    ------
    ValueError
        QRT_MAX_ARENA is not a number of bytes.
    """
    stated = _stated_bytes("QRT_MAX_ARENA")
    return DEFAULT_MAX_ARENA if stated is None else stated


def default_max_packed() -> int | None:
    """Limit of packed weights in bytes: the environment variable QRT_MAX_PACKED, otherwise None.

    None stands for 16 times the size of the file and 1 MiB.

    Raises
    ------
    ValueError
        QRT_MAX_PACKED is not a number of bytes.
    """
    return _stated_bytes("QRT_MAX_PACKED")


def _stated_bytes(variable: str) -> int | None:
    """What an environment variable says, None if it is not set."""
    stated = os.environ.get(variable)
    if not stated:
        return None
    if not (stated.isascii() and stated.isdigit()):
        raise ValueError(f"{variable}: expected a number of bytes such as {DEFAULT_MAX_ARENA}, got {stated!r}")
    return int(stated)
