"""Chunks on the workers of a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from qrt.evaluation.errors import EvaluationError
from qrt.evaluation.held import Held
from qrt.evaluation.job import Job
from qrt.evaluation.tally import Tally
from qrt.model import Model

if TYPE_CHECKING:
    from distributed import Client

# Tasks for each thread of the cluster, in total and at once. They are many, so that a lost worker costs little.
TASKS, AT_ONCE = 16, 2
# Chunks of samples in memory that a task has: some megabytes.
HELD_CHUNKS = 2


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


def run(client: Client, model: Model, job: Job, todo: Sequence[int]) -> Iterator[tuple[list[int], Tally]]:
    """Counts of the chunks `todo`, as they become ready.

    The model travels once, as the result of a task that can be repeated: so it outlives the workers that have it. So
    does the job, unless its samples are in memory: of these each task has its own.
    """
    from distributed import CancelledError, KilledWorker, as_completed

    threads = sum(client.nthreads().values())
    if not threads:
        raise EvaluationError("the Dask cluster has no workers; start some with 'dask worker'")
    held = isinstance(job.data.source, Held)
    length = max(1, min(len(todo) // (TASKS * threads), HELD_CHUNKS if held else len(todo)))
    groups = iter([list(todo[i : i + length]) for i in range(0, len(todo), length)])
    network = client.submit(_same, model, pure=False)
    shared = None if held else client.submit(_same, job, pure=False)
    running = as_completed(loop=client.loop)
    waiting = {}

    def start() -> None:
        group = next(groups, None)
        if group is not None:
            part = job.part(group[0], group[-1] + 1) if shared is None else shared
            future = client.submit(_chunks, network, part, group, pure=False)
            waiting[future] = group
            running.add(future)

    try:
        for _ in range(AT_ONCE * threads):
            start()
        while waiting:
            future = next(running)
            try:
                tally = future.result()
            except (KilledWorker, CancelledError) as error:
                first = waiting[future][0] * job.size
                raise EvaluationError(
                    f"the Dask workers of the samples from {first} on were lost again and again: {error}; see their "
                    "logs, or give each more memory"
                ) from None
            start()
            yield waiting.pop(future), tally
    finally:
        client.cancel([network, *waiting, *([] if shared is None else [shared])])


def _same(thing: Model | Job) -> Model | Job:
    return thing


def _chunks(model: Model, job: Job, chunks: Sequence[int]) -> Tally:
    fork, total = model.fork(), Tally()
    for chunk in chunks:
        total.add(job.run(fork, chunk))
    return total
