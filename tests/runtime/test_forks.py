"""24 threads on forks of a model: the same bytes as one thread, and no memory growth.

``python tests/runtime/test_forks.py --seconds 600`` runs the test's load for ten minutes on each kernel set.
"""

from __future__ import annotations

import argparse
import gc
import resource
import sys
import threading
import time
import tracemalloc
from dataclasses import dataclass

import numpy as np
from command_line import images, residual
from places import VECTORS

import qrt

THREADS = 24
SAMPLES = 64
# Runs after which a thread takes a new fork, so that forks come and go while others run.
RUNS_OF_A_FORK = 10
# Bytes that may be there afterwards: what Python keeps of its own. A fork that stayed would be an arena each time.
KEPT = 64 << 10
# Kilobytes that the most memory ever used may rise after the first part of the time.
GROWTH = 16 << 10


@dataclass
class Work:
    """A model, samples for its inputs, and the outputs of one thread for each sample."""

    model: qrt.Model
    samples: list[tuple[np.ndarray, ...]]
    expected: list[list[np.ndarray]]

    @staticmethod
    def of(content: bytes, kernels: str, samples: list[tuple[np.ndarray, ...]]) -> Work:
        model = qrt.load(content, kernels)
        return Work(model, samples, [outputs(model, sample) for sample in samples])


def outputs(model: qrt.Model, sample: tuple[np.ndarray, ...]) -> list[np.ndarray]:
    result = model.run(*sample, layout="NHWC")
    return result if isinstance(result, list) else [result]


def works(kernels: str) -> list[Work]:
    """A residual network, and one that has every operator and two inputs."""
    every = (VECTORS / "good" / "format1_every_operator.qfb").read_bytes()
    shapes = [info.shape for info in qrt.load(every).inputs]
    rng = np.random.default_rng(7)
    several = [tuple(rng.integers(-128, 128, shape, np.int8) for shape in shapes) for _ in range(SAMPLES)]
    single = [(image[np.newaxis],) for image in images(SAMPLES)]
    return [Work.of(residual().compile(), kernels, single), Work.of(every, kernels, several)]


def hammer(work: list[Work], seconds: float) -> int:
    """Runs forks on THREADS threads for some seconds; how many runs there were. Raises what a thread raised.

    Each thread runs one fork at least, however busy the machine.
    """
    counts, errors = [0] * THREADS, []
    together, end = threading.Barrier(THREADS), time.monotonic() + seconds

    def run(number: int) -> None:
        mine, rng = work[number % len(work)], np.random.default_rng(number)
        try:
            together.wait()
            while not errors:
                model = mine.model.fork()
                for place in rng.integers(0, SAMPLES, RUNS_OF_A_FORK):
                    for got, y in zip(outputs(model, mine.samples[place]), mine.expected[place], strict=True):
                        np.testing.assert_array_equal(got, y)
                counts[number] += RUNS_OF_A_FORK
                if time.monotonic() > end:
                    break
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=[number]) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return sum(counts)


def peak() -> int:
    """Kilobytes of the most memory that this process has ever used."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_forks_on_many_threads(kernels: str) -> None:
    work = works(kernels)
    # The first threads and the first error-free pass make what Python keeps.
    hammer(work, 0.2)
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        assert hammer(work, 0.6) >= THREADS * RUNS_OF_A_FORK
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < KEPT


def main() -> int:
    """Every kernel set for its part of the time; 1 when memory grew. A wrong byte raises."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600, help="In all; default 600.")
    seconds = parser.parse_args().seconds / len(qrt.kernel_sets())
    grown = False
    for name in qrt.kernel_sets():
        work = works(name)
        runs = hammer(work, 0.2 * seconds)
        early = peak()
        runs += hammer(work, 0.8 * seconds)
        late = peak()
        grown |= late - early > GROWTH
        print(f"{name}: {runs} runs on {THREADS} threads, all as on one; peak {early} kB, then {late} kB", flush=True)
    return int(grown)


if __name__ == "__main__":
    sys.exit(main())
