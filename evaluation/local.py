"""Chunks on the cores of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from queue import SimpleQueue

from qrt.evaluation.job import Job
from qrt.evaluation.tally import Tally
from qrt.model import Model


def cores() -> int:
    """The number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(model: Model, job: Job, todo: Sequence[int], threads: int) -> Iterator[tuple[int, Tally]]:
    """Counts of the chunks `todo`, as they become ready: one fork of the model for each thread."""
    forks: SimpleQueue[Model] = SimpleQueue()
    for _ in range(threads):
        forks.put(model.fork())

    def one(chunk: int) -> Tally:
        fork = forks.get()
        try:
            return job.run(fork, chunk)
        finally:
            forks.put(fork)

    pool = ThreadPoolExecutor(threads)
    try:
        running = {pool.submit(one, chunk): chunk for chunk in todo}
        for future in as_completed(running):
            yield running.pop(future), future.result()
    finally:
        pool.shutdown(cancel_futures=True)
