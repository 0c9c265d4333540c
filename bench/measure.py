"""Times calls side by side: in every round each call has one turn; the result is the median of the turns' medians."""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

Call = Callable[[], object]
# Reading the clock and the loop around the calls cost well below a hundredth of this.
SHORTEST_SAMPLE = 0.002


@dataclass(frozen=True)
class Timing:
    """Seconds per call: the median of each round, their median, and their interquartile range."""

    rounds: tuple[float, ...]

    @property
    def seconds(self) -> float:
        return statistics.median(self.rounds)

    @property
    def spread(self) -> float:
        """Interquartile range of the rounds, as a share of the median."""
        if len(self.rounds) < 2:
            return 0.0
        low, _, high = statistics.quantiles(self.rounds, n=4, method="inclusive")
        return (high - low) / self.seconds


def seconds_each(call: Call, repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def repeats_for(call: Call, seconds: float = SHORTEST_SAMPLE) -> int:
    """Number of calls that take at least `seconds`; also warms up."""
    call()
    repeats = 1
    while (each := seconds_each(call, repeats)) * repeats < seconds:
        repeats = max(2 * repeats, min(int(seconds / max(each, 1e-9)) + 1, 100 * repeats))
    return repeats


def turn(call: Call, repeats: int, seconds: float) -> float:
    """The median of the samples that fit into `seconds`, at least one; the first call refills the caches."""
    call()
    samples = []
    end = time.perf_counter() + seconds
    while not samples or time.perf_counter() < end:
        samples.append(seconds_each(call, repeats))
    return statistics.median(samples)


def interleaved(calls: Mapping[str, Call], rounds: int, seconds: float) -> dict[str, Timing]:
    """A timing of each call; `seconds` is the length of one turn."""
    with no_garbage():
        repeats = {name: repeats_for(call) for name, call in calls.items()}
        medians: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(rounds):
            for name, call in calls.items():
                medians[name].append(turn(call, repeats[name], seconds))
    return {name: Timing(tuple(values)) for name, values in medians.items()}


@contextmanager
def no_garbage() -> Iterator[None]:
    """Disables garbage collection, which would disturb samples."""
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def available_cpus() -> int:
    """Number of CPUs available to this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def on_cpu(cpu: int | None) -> Iterator[None]:
    """Pins this thread, and those that it starts, to one CPU if the system supports it; None changes nothing."""
    if cpu is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
