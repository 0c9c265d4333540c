"""One run of the benchmark: every race, then the overheads. The result is one plain document."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bench import recipes
from bench.classes import CLASSES, lower_classes, own_class
from bench.costs import cost_of_call, cost_of_loading, gain_of_threads
from bench.held import raced
from bench.machine import describe
from bench.measure import on_cpu
from bench.networks import Network, Plan, Unusable
from bench.race import LARGEST_DIFFERENCE, MEAN_DIFFERENCE, SAMPLES, Races, Settings, measured_sets

FORMAT = 2


def run(
    settings: Settings,
    plan: Plan,
    classes: Sequence[str],
    say: Callable[[str], None],
    done: Callable[[], None],
) -> dict[str, Any]:
    """All results. `say` receives progress messages; `done` is called `steps(plan, classes)` times."""
    settings.folder.mkdir(parents=True, exist_ok=True)
    # Where torch.compile keeps what its C++ compiler made; read by PyTorch.
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(settings.folder / "inductor"))
    races = Races(settings, say, measured_sets())
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

    own = own_class()
    here = own is None or own.name in classes
    networks: list[Network] = []
    raced_here: list[dict[str, Any]] = []
    layers: list[dict[str, Any]] = []
    call, loading, threads = None, [], []
    with on_cpu(settings.cpu):
        for network in made(plan.networks):
            networks.append(network)
            raced_here += [races.race(network)] if here else []
        if here:
            layers = [races.race(network) for network in made(plan.layers)]
            call = _call(races) if plan.call else None
            loading = cost_of_loading(races, [network for network in networks if network.name not in recipes.NETWORKS])
    if here:
        threads = gain_of_threads(races, networks)
        done()
    held = list(_held(races, networks, classes, done))
    return {
        "format": FORMAT,
        "machine": describe(),
        "settings": _settings(settings),
        "class": own.name if own else None,
        "peak_gmacs": races.peak_gmacs([*raced_here, *layers]),
        "networks": raced_here,
        "layers": layers,
        "call": call,
        "loading": loading,
        "threads": threads,
        "held": held,
        "skipped": races.skipped,
        "disagreements": races.disagreements,
    }


def steps(plan: Plan, classes: Sequence[str]) -> int:
    """Number of steps of a run: networks; layers and overheads on this machine's class; every other class."""
    own = own_class()
    here = own is None or own.name in classes
    return len(plan.networks) + (len(plan.layers) + 1 if here else 0) + len(set(classes) - {own.name if own else ""})


def _held(
    races: Races, networks: Sequence[Network], classes: Sequence[str], done: Callable[[], None]
) -> Iterator[dict[str, Any]]:
    """The races of the classes below this machine's own."""
    lower = [one.name for one in lower_classes()]
    own = own_class()
    for one in CLASSES:
        if one.name not in classes or one == own:
            continue
        if one.name not in lower:
            races.skip(one.title, "this machine has not all of its instructions")
        elif networks:
            try:
                yield raced(one, races.settings, networks, races.say)
            except Unusable as reason:
                races.skip(one.title, str(reason))
        done()


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
