"""Peak throughput of one core, for the kernel sets with instructions of their own.

The loops are those of `qrt.measure_peak`, as calls that take turns with the other calls that are timed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from qrt import _executor

# Rounds of a loop in one call: enough that the overhead of the call is negligible.
ROUNDS = 20_000


class Peaks:
    """For each of `sets` with instructions of its own, the loop as a call, and its multiply-accumulates.

    Attributes
    ----------
    calls : dict of str to callable
    macs : dict of str to int
        Multiply-accumulates of one call.
    """

    def __init__(self, sets: Iterable[str]) -> None:
        self.calls: dict[str, Callable[[], tuple[int, int]]] = {}
        self.macs: dict[str, int] = {}
        for name in sets:
            macs, _ = _executor.peak(name, ROUNDS)
            if macs:
                self.calls[name] = partial(_executor.peak, name, ROUNDS)
                self.macs[name] = macs
