"""Samples that say in a file when they are read, for evaluations that end before their time."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

from qrt.data import Dataset


class LoggedSamples:
    """Random codes of a shape; a sample takes `seconds`, and each read adds a line to the file `log`."""

    def __init__(self, count: int, shape: tuple[int, ...], log: Path, seconds: float) -> None:
        self.count, self.shape, self.log, self.seconds = count, shape, log, seconds

    def read(self, start: int, stop: int) -> list[np.ndarray]:
        with open(self.log, "a", encoding="ascii") as stream:
            stream.write(f"{start} {stop} {os.getpid()}\n")
        time.sleep(self.seconds * (stop - start))
        whole = np.random.default_rng(self.count).integers(-128, 128, (self.count, *self.shape), np.int8)
        return [whole[start:stop]]

    def name(self, index: int) -> str:
        return str(index)


def logged(count: int, shape: tuple[int, ...], classes: int, log: Path, seconds: float = 0.0) -> Dataset:
    labels = np.random.default_rng(9).integers(0, classes, count)
    return Dataset("logged", count, labels, None, "digest", "", LoggedSamples(count, shape, log, seconds))


def reads(log: Path) -> list[tuple[int, int, int]]:
    """The first sample of each read, the one behind the last, and the process."""
    lines = log.read_text(encoding="ascii").splitlines() if log.exists() else []
    return [(int(start), int(stop), int(process)) for start, stop, process in map(str.split, lines)]


def samples_read(log: Path) -> list[int]:
    """All samples of the reads, in order; one twice that was read twice."""
    return sorted(sample for start, stop, _ in reads(log) for sample in range(start, stop))
