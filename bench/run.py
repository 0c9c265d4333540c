"""One run of the benchmark: every race, then the overheads. The result is one plain document."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

from bench.avx2_only import litert_on_avx2
from bench.costs import cost_of_call, cost_of_loading, gain_of_threads
from bench.machine import describe
from bench.measure import on_cpu
from bench.networks import Network, Plan, Unusable
from bench.race import LARGEST_DIFFERENCE, MEAN_DIFFERENCE, ON_AVX2, SAMPLES, Races, Settings

FORMAT = 1


def run(settings: Settings, plan: Plan, say: Callable[[str], None], done: Callable[[], None]) -> dict[str, Any]:
    """All results. `say` receives progress messages; `done` is called `plan.steps` times."""
    races = Races(settings, say)
    for name, reason in plan.skipped.items():
        races.skip(name, reason)

    def made(makers: dict[str, Callable[[], Network]]) -> Iterator[Network]:
        for name, make in makers.items():
            say(f"{name}: compiling")
            try:
                yield make()
            except Unusable as reason:
                races.skip(name, str(reason))
            done()

    with on_cpu(settings.cpu), ExitStack() as ended:
        if races.litert():
            try:
                races.avx2_peer = ended.enter_context(litert_on_avx2(settings))
            except Unusable as reason:
                races.skip(ON_AVX2, str(reason))
        raced = []
        networks: list[Network] = []
        for network in made(plan.networks):
            raced.append(races.race(network))
            networks.append(network)
        layers = [races.race(network) for network in made(plan.layers)]
        call = _call(races) if plan.call else None
        done()
        loading = cost_of_loading(races, [network for network in networks if network.recipe is None])
        done()
    threads = gain_of_threads(races, networks)
    done()
    return {
        "format": FORMAT,
        "machine": describe(),
        "settings": _settings(settings),
        "peak_gmacs": races.peak_gmacs([*raced, *layers]),
        "networks": raced,
        "layers": layers,
        "call": call,
        "loading": loading,
        "threads": threads,
        "skipped": races.skipped,
        "disagreements": races.disagreements,
    }


def _call(races: Races) -> dict[str, Any] | None:
    try:
        return cost_of_call(races)
    except ImportError as error:
        races.skip("call", str(error))
        return None


def _settings(settings: Settings) -> dict[str, Any]:
    return {
        "rounds": settings.rounds,
        "seconds": settings.seconds,
        "cpu": settings.cpu,
        "engines": list(settings.engines),
        "samples": SAMPLES,
        "largest_difference": LARGEST_DIFFERENCE,
        "mean_difference": MEAN_DIFFERENCE,
    }
