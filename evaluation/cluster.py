"""Spans of samples on the workers of a Dask cluster."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from qrt.evaluation.errors import EvaluationError
from qrt.evaluation.held import Held
from qrt.evaluation.job import Job
from qrt.evaluation.spans import Span, Spans
from qrt.evaluation.tally import Tally
from qrt.model import Model

if TYPE_CHECKING:
    from distributed import Client

# What a task should take: much longer than its way to a worker, and short enough that a lost worker costs little.
SECONDS = 1.0
# Tasks for each thread of the cluster that are on their way.
AT_ONCE = 2
# Samples in memory that a task has, in pieces of a job: some megabytes.
HELD_PIECES = 2


def connect(address: str) -> Client:
    """A client of the scheduler at an address."""
    try:
        from distributed import Client
    except ImportError:
        raise EvaluationError('--dask needs the package distributed; run pip install "qrt[dask]"') from None
    try:
        return Client(address)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise EvaluationError(f"no Dask scheduler at {address}: {reason}; start one with 'dask scheduler'") from None


def run(client: Client, model: Model, job: Job, gaps: Sequence[Span]) -> Generator[tuple[Span, Tally]]:
    """Counts of the samples of `gaps`, as they become ready.

    The model travels once, as the result of a task that can be repeated: so it outlives the workers that have it. So
    does the job, unless its samples are in memory: of these each task has its own.
    """
    from distributed import CancelledError, KilledWorker, as_completed

    threads = threads_of(client)
    held = isinstance(job.data.source, Held)
    spans = Spans(gaps, job.unit, SECONDS, HELD_PIECES * job.piece if held else None)
    network = client.submit(same, model, pure=False)
    shared = None if held else client.submit(same, job, pure=False)
    running = as_completed(loop=client.loop)
    waiting: dict[Any, Span] = {}

    def start() -> None:
        if (span := spans.take()) is not None:
            part = job.part(*span) if shared is None else shared
            future = client.submit(_timed, network, part, *span, pure=False)
            waiting[future] = span
            running.add(future)

    try:
        for _ in range(AT_ONCE * threads):
            start()
        while waiting:
            future = next(running)
            try:
                tally, seconds = future.result()
            except (KilledWorker, CancelledError) as error:
                first, stop = waiting[future]
                raise EvaluationError(
                    f"the Dask workers of samples {first} to {stop - 1} were lost again and again: {error}; see their "
                    "logs, or give each more memory"
                ) from None
            spans.took(tally.samples, seconds)
            start()
            yield waiting.pop(future), tally
    finally:
        client.cancel([network, *waiting, *([] if shared is None else [shared])])


def threads_of(client: Client) -> int:
    """The threads of all workers, at least one."""
    threads: int = sum(client.nthreads().values())
    if not threads:
        raise EvaluationError("the Dask cluster has no workers; start some with 'dask worker'")
    return threads


def same(thing: Any) -> Any:
    """The task whose result travels, and can be made again when the workers that hold it are lost."""
    return thing


def _timed(model: Model, job: Job, start: int, stop: int) -> tuple[Tally, float]:
    """Counts of a span, and the seconds that it took."""
    began = time.perf_counter()
    return job.run(model.fork(), start, stop), time.perf_counter() - began
