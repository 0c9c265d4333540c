"""Spans of samples on the cores of this machine."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Generator, Sequence
from queue import SimpleQueue

from qrt.evaluation.job import Job
from qrt.evaluation.spans import Span, Spans
from qrt.evaluation.tally import Tally
from qrt.model import Model

# What a span should take: short enough that all threads end at about the same time, and soon after Ctrl-C.
SECONDS = 0.05
# Each has an arena of its own.
MOST_THREADS = 1024


def cores() -> int:
    """The number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_threads(model: Model) -> int:
    """As many threads as this process has CPUs, or fewer if the model has threads."""
    return min(MOST_THREADS, max(1, cores() // model.threads))


def run(model: Model, job: Job, gaps: Sequence[Span], threads: int) -> Generator[tuple[Span, Tally]]:
    """Counts of the samples of `gaps`, as they become ready: one fork of the model for each thread."""
    spans = Spans(gaps, job.unit, SECONDS)
    results: SimpleQueue[tuple[Span, Tally] | BaseException | None] = SimpleQueue()
    stopped = threading.Event()

    def work(fork: Model) -> None:
        try:
            while not stopped.is_set() and (span := spans.take()) is not None:
                start = time.perf_counter()
                tally = job.run(fork, *span)
                spans.took(tally.samples, time.perf_counter() - start)
                results.put((span, tally))
            results.put(None)
        except BaseException as error:
            results.put(error)

    workers = [threading.Thread(target=work, args=(model.fork(),), daemon=True) for _ in range(threads)]
    for worker in workers:
        worker.start()
    try:
        running = threads
        while running:
            result = results.get()
            if result is None:
                running -= 1
            elif isinstance(result, BaseException):
                raise result
            else:
                yield result
    finally:
        stopped.set()
        for worker in workers:
            worker.join()
