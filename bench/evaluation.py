"""How fast qrt.evaluate runs the 8x8 digits network, beside bare loops of Model.run.

python -m bench.evaluation                      # 1,000,000 samples, all CPUs
python -m bench.evaluation --samples 100000 --rounds 3
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np

import qrt
from qrt.compiler import compile as compile_network
from qrt.evaluation import evaluate
from qrt.evaluation.local import cores

DIGITS = Path(__file__).resolve().parents[1] / "examples" / "digits"
# Samples of a call of `run` in the batched loop.
BATCH = 1000
# The loop over single samples takes part of the samples, since it is slower.
SHARE = 10


def contestants(model: qrt.Model, x: np.ndarray, labels: np.ndarray) -> dict[str, tuple[int, Callable[[], object]]]:
    """For each name, the number of samples and what runs them."""

    def single() -> None:
        for sample in x[: len(x) // SHARE]:
            model.run(sample)

    def batched() -> None:
        for start in range(0, len(x), BATCH):
            model.run(x[start : start + BATCH])

    return {
        "model.run, sample by sample": (len(x) // SHARE, single),
        f"model.run, {BATCH:,} at a time": (len(x), batched),
        "qrt.evaluate, one thread": (len(x), lambda: evaluate(model, x, labels, threads=1)),
        "qrt.evaluate": (len(x), lambda: evaluate(model, x, labels)),
    }


def rate(count: int, call: Callable[[], object]) -> tuple[float, float]:
    """Samples per second, and per second of the CPUs' time, which other processes hardly change."""
    start, used = time.perf_counter(), time.process_time()
    call()
    return count / (time.perf_counter() - start), count / (time.process_time() - used)


@click.command()
@click.option("--samples", type=click.IntRange(min=1000), default=1_000_000, show_default=True)
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True)
def main(samples: int, rounds: int) -> None:
    """Prints medians of rounds in which each has one turn, and the share of the bare loops times the CPUs."""
    model = qrt.load(compile_network(DIGITS / "digits_resnet.onnx"))
    digits = np.load(DIGITS / "test_digits.npz")
    times = -(-samples // len(digits["labels"]))
    x = np.concatenate([model.codes(digits["images"])[0]] * times)[:samples]
    labels = np.tile(digits["labels"].astype(np.int64), times)[:samples]
    calls = contestants(model, x, labels)
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, (count, call) in calls.items():
            rates[name].append(rate(count, call))
    medians = {
        name: [statistics.median(column) for column in zip(*found, strict=True)] for name, found in rates.items()
    }
    click.echo(f"{'samples per second':28}  {'of time':>10}  {'of CPU':>10}")
    for name, (wall, used) in medians.items():
        click.echo(f"{name:28}  {wall:>10,.0f}  {used:>10,.0f}")
    single, batched, _, whole = medians.values()
    for name, bare in (("sample by sample", single), ("in batches", batched)):
        click.echo(
            f"qrt.evaluate on {cores()} CPUs: {whole[0] / bare[0] / cores():.2f} of the loop {name} times the CPUs; "
            f"{whole[1] / bare[1]:.2f} by CPU time"
        )


if __name__ == "__main__":
    main()
