"""A function of many arguments on this machine's cores or on the workers of a Dask cluster."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any

from qrt.evaluation.cluster import same, threads_of
from qrt.evaluation.errors import EvaluationError

if TYPE_CHECKING:
    from distributed import Client

# What every call gets first, in a process of its own.
_shared: Any = None


def on_processes(function: Callable[[Any, Any], Any], shared: Any, given: Sequence[Any], jobs: int) -> Generator[Any]:
    """``function(shared, one)`` of each of `given`, as they become ready; with 1 job in this process."""
    if jobs == 1 or len(given) == 1:
        yield from (function(shared, one) for one in given)
        return
    # Not forked: libraries with threads do not outlive a fork.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(jobs, len(given)), context, _hold, (shared,))
    try:
        for future in as_completed([pool.submit(_call, function, one) for one in given]):
            yield future.result()
    except BrokenProcessPool:
        raise EvaluationError("a process ended before its work was done; free memory, or use fewer --jobs") from None
    finally:
        pool.shutdown(cancel_futures=True)


def on_cluster(
    function: Callable[[Any, Any], Any], shared: Any, given: Sequence[Any], client: Client
) -> Generator[Any]:
    """The same on a Dask cluster. `shared` travels once, as the result of a task, so it outlives a lost worker."""
    from distributed import CancelledError, KilledWorker
    from distributed import as_completed as completed

    threads_of(client)
    held = client.submit(same, shared, pure=False)
    futures = [client.submit(function, held, one, pure=False) for one in given]
    try:
        for future in completed(futures):
            yield future.result()
    except (KilledWorker, CancelledError) as error:
        raise EvaluationError(
            f"the Dask workers were lost again and again: {error}; see their logs, or give each more memory"
        ) from None
    finally:
        client.cancel([held, *futures])


def _hold(shared: Any) -> None:
    global _shared
    _shared = shared


def _call(function: Callable[[Any, Any], Any], one: Any) -> Any:
    return function(_shared, one)
