"""Overhead outside the kernels (a call, loading a file), and the speedup of several threads."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import qrt
from bench import recipes
from bench.contestants import runner_of_qrt
from bench.measure import available_cpus
from bench.networks import Network, from_recipe
from bench.race import SAMPLES, Races, in_one_line, plain, ratio

# Layers of the longer network, which gives the time of one layer.
LONG = 303


def cost_of_call(races: Races) -> dict[str, Any]:
    """Three tiny layers: `Model.run`, the kernels' own time, and the peers' calls.

    The kernels' own time is three times the time that each of 300 more layers adds to `invoke`.
    """
    short, long = (from_recipe(recipes.tiny(layers), races.settings.folder) for layers in (3, LONG))
    samples, kernels = short.samples(SAMPLES), races.sets[-1]
    ours = runner_of_qrt(short, samples[0], short.content, kernels)
    longer = runner_of_qrt(long, samples[0], long.content, kernels)
    peers, absent = races.peers(short, samples, [ours.outputs(sample) for sample in samples])
    calls = {"run": ours.whole, "invoke": ours.call, "long": longer.call}
    calls |= {name: peer.runner.call for name, peer in peers.items()}
    calls |= {f"{name}, whole": peer.runner.whole for name, peer in peers.items()}
    timings = races.time("calls of three tiny layers", calls)
    own = 3 * (timings["long"].seconds - timings["invoke"].seconds) / (LONG - 3)
    return {
        "run": plain(timings["run"]),
        "invoke": plain(timings["invoke"]),
        "kernels_seconds": own,
        "overhead_seconds": timings["run"].seconds - own,
        "peers": {name: {"call": plain(timings[name]), "whole": plain(timings[f"{name}, whole"])} for name in peers},
        "absent": absent,
    }


def cost_of_loading(races: Races, networks: Sequence[Network]) -> list[dict[str, Any]]:
    """Time to load a file until it can run: `qrt.load` and LiteRT's Interpreter with allocate_tensors."""
    if races.litert() is None:
        return []
    from ai_edge_litert.interpreter import Interpreter

    result = []
    for network in networks:
        for _, tflite in network.tflite():
            path = races.settings.folder / f"{network.name}.qfb"
            path.write_bytes(network.content)

            def ours(path: str = str(path)) -> object:
                return qrt.load(path)

            def theirs(path: str = str(tflite)) -> object:
                return Interpreter(path, num_threads=1).allocate_tensors()

            try:
                theirs()
            except ValueError as error:
                races.skip(f"loading {network.name}", f"LiteRT: {in_one_line(error)}")
                continue
            timings = races.time(f"{network.name}, loading", {"qrt": ours, "LiteRT": theirs})
            times = {name: plain(timing) for name, timing in timings.items()}
            result.append({"name": network.name, "ratio": ratio(timings["LiteRT"], timings["qrt"]), **times})
    return result


def gain_of_threads(races: Races, networks: Sequence[Network]) -> list[dict[str, Any]]:
    """qrt on one thread and on several."""
    count = races.settings.threads
    if count < 2:
        return []
    if "threads" not in inspect.signature(qrt.load).parameters:
        races.skip("threads", "this qrt supports one thread only")
        return []
    if available_cpus() < count:
        races.skip("threads", f"{count} threads need as many CPUs, and this process may use {available_cpus()}")
        return []
    result = []
    for network in networks:
        (codes,) = network.samples(1)

        def call(threads: int, network: Network = network, codes: Any = codes) -> Callable[[], object]:
            return runner_of_qrt(network, codes, network.content, races.sets[-1], threads=threads).call

        timings = races.time(f"{network.name}, {count} threads", {"one": call(1), "several": call(count)})
        times = {name: plain(timing) for name, timing in timings.items()}
        result.append(
            {"name": network.name, "threads": count, "ratio": ratio(timings["one"], timings["several"]), **times}
        )
    return result
