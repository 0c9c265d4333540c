"""Limits of memory, threads and turns: as asked for, from the environment, or by default."""

from __future__ import annotations

import operator
import os
from typing import TYPE_CHECKING

from qrt.errors import ModelError

if TYPE_CHECKING:
    from qrt._executor import Program

MAX_THREADS = 256
# As QRT_MOST_TOGETHER of qrt_prepare_band.h.
MOST_TOGETHER = 32767
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


def turns_within(program: Program, max_arena: int | None, threads: int, together: int | None) -> int:
    """How many turns of a band run at once: what was asked for, otherwise all if `max_arena` bytes are enough for that.

    ModelError when the arena and what is beside it are above `max_arena`, by default `default_max_arena()`.
    """
    if not 1 <= operator.index(threads) <= MAX_THREADS:
        raise ValueError(f"threads is 1 to {MAX_THREADS}, got {threads}")
    limit = default_max_arena() if max_arena is None else max_arena
    arena = program.header[3]
    if together is None:
        together = 0 if threads > 1 or arena + program.plan_aside(0)[1] <= limit else 1
    if not 0 <= operator.index(together) <= MOST_TOGETHER:
        raise ValueError(f"together is 0 to {MOST_TOGETHER}, got {together}")
    if threads > 1 and together:
        raise ValueError(f"{threads} threads run all turns together; load with together=0, or one thread")
    needed = arena + program.plan_aside(together)[1]
    if needed > limit:
        beside = "" if needed == arena else f" and {needed - arena} beside it"
        raise ModelError(
            f"states an arena of {arena} bytes{beside}, the limit is {limit}; "
            f"if you trust the file, set QRT_MAX_ARENA={needed}, or max_arena of qrt.load()"
        )
    return together
