"""All engines on one network, in turn: compared with each other, then timed."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import qrt
from bench.contestants import Codes, Engine, Litert, OnnxRuntime, OpenVino, Runner, runner_of_qrt
from bench.measure import Call, Timing, interleaved
from bench.networks import Network
from bench.peak import Peaks
from bench.pytorch import PyTorch
from bench.tract import Tract

ENGINES: tuple[type[Engine], ...] = (Litert, OnnxRuntime, OpenVino, PyTorch, Tract)
# Number of uniform random inputs, and the largest and mean difference allowed between an engine and qrt, in codes.
# Some engines round less often than the file specifies, or in bfloat16, which adds up over fifty layers; unrelated
# outputs differ by 30 codes on average.
SAMPLES = 3
LARGEST_DIFFERENCE, MEAN_DIFFERENCE = 32, 8.0
# LiteRT's reference kernels take seconds for larger networks.
REFERENCE_MACS = 50_000_000
# Rounds and seconds for finding an engine's fastest configuration.
TRIAL = (3, 0.03)
REFERENCE = "LiteRT reference kernels"


@dataclass(frozen=True)
class Settings:
    """How long to measure, where, and against which engines. With `cpu` None the system chooses."""

    rounds: int
    seconds: float
    threads: int
    cpu: int | None
    engines: tuple[str, ...]
    folder: Path


@dataclass(frozen=True)
class Peer:
    """An engine's fastest runner that agrees with qrt."""

    runner: Runner
    configuration: str
    agreement: dict[str, Any]


def measured_sets() -> list[str]:
    """This machine's kernel sets without the reference, which is not written for speed; the default last."""
    return [name for name in qrt.kernel_sets() if name != "reference"]


class Races:
    """Runs races with common settings. `say` receives progress messages; qrt runs on `sets`, and races on the last."""

    def __init__(self, settings: Settings, say: Callable[[str], None], sets: Sequence[str]) -> None:
        self.settings, self.say, self.sets = settings, say, tuple(sets)
        self.skipped: list[dict[str, str]] = []
        self.disagreements: list[str] = []
        self.peaks = Peaks(self.sets)
        self.engines: list[Engine] = []
        for engine in (kind() for kind in ENGINES if kind.name in settings.engines):
            if engine.missing():
                self.skip(engine.name, engine.missing())
            else:
                self.engines.append(engine)

    def skip(self, what: str, reason: str) -> None:
        self.skipped.append({"what": what, "reason": reason})

    def litert(self) -> Litert | None:
        return next((engine for engine in self.engines if isinstance(engine, Litert)), None)

    def race(self, network: Network, *, whole: bool = True) -> dict[str, Any]:
        """Times of all engines on a network, as plain data; with `whole`, of calls from arrays to arrays too."""
        samples, sets = network.samples(SAMPLES), self.sets
        codes = samples[0]
        ours = {name: runner_of_qrt(network, codes, network.content, name) for name in sets}
        expected = [ours[sets[-1]].outputs(sample) for sample in samples]
        for name, runner in ours.items():
            if not agreement_of(runner, samples, expected)["largest"] == 0:
                raise AssertionError(f"{network.name}: the kernel set {name} gives other bytes than {sets[-1]}")
        others = {title: runner_of_qrt(network, codes, content, sets[-1]) for title, content in network.others.items()}
        peers, absent = self.peers(network, samples, expected)
        calls: dict[str, Call] = {name: runner.call for name, runner in (ours | others).items()}
        calls |= {name: peer.runner.call for name, peer in peers.items()}
        litert = self.litert()
        if litert and litert.name in peers and network.macs <= REFERENCE_MACS:
            calls[REFERENCE] = litert.reference(network, codes).call
        calls |= {f"peak {name}": call for name, call in self.peaks.calls.items()}
        timings = self.time(network.name, calls)
        more = {"whole": self.whole(network, ours, peers)} if whole else {}
        return {**self.result(network, timings, peers), "absent": absent, **more}

    def whole(self, network: Network, ours: Mapping[str, Runner], peers: Mapping[str, Peer]) -> dict[str, Any]:
        """Times from arrays to arrays."""
        calls = {"qrt": ours[self.sets[-1]].whole} | {name: peer.runner.whole for name, peer in peers.items()}
        return {name: plain(timing) for name, timing in self.time(f"{network.name}, whole calls", calls).items()}

    def result(self, network: Network, timings: Mapping[str, Timing], peers: Mapping[str, Peer]) -> dict[str, Any]:
        peaks = {name: self.peaks.macs[name] / timings[f"peak {name}"].seconds / 1e9 for name in self.peaks.calls}
        per_set = {}
        for name in self.sets:
            gmacs = network.executed_macs / timings[name].seconds / 1e9
            share = gmacs / peaks[name] if name in peaks else None
            per_set[name] = {**plain(timings[name]), "gmacs": gmacs, "peak_share": share}
        ours = timings[self.sets[-1]]
        best = min(peers, key=lambda name: timings[name].seconds, default=None)
        return {
            "name": network.name,
            "macs": network.macs,
            "executed_macs": network.executed_macs,
            "qrt": plain(ours),
            "best_peer": best,
            "ratio": ratio(timings[best], ours) if best else None,
            "peers": {
                name: {**plain(timings[name]), "configuration": peer.configuration, **peer.agreement}
                for name, peer in peers.items()
            },
            "sets": per_set,
            "others": {title: plain(timings[title]) for title in network.others},
            "litert_reference": plain(timings[REFERENCE]) if REFERENCE in timings else None,
            "peak_gmacs": peaks,
        }

    def peers(
        self, network: Network, samples: Sequence[Codes], expected: Sequence[Codes]
    ) -> tuple[dict[str, Peer], dict[str, str]]:
        """The fastest runner of each engine; and why there is none of an engine, or of one of its configurations."""
        peers: dict[str, Peer] = {}
        absent: dict[str, str] = {}
        for engine in self.engines:
            if reason := engine.why_not(network):
                absent[engine.name] = reason
                continue
            found: dict[str, Peer] = {}
            for title, make in engine.candidates(network, samples[0]):
                self.say(f"{network.name}: {engine.name}, {title}")
                try:
                    runner = make()
                    agreement = agreement_of(runner, samples, expected)
                except Exception as error:
                    # An engine may reject a configuration for any reason; the others are still tried.
                    absent[f"{engine.name}, {title}"] = in_one_line(error)
                    continue
                if agreement["largest"] > LARGEST_DIFFERENCE or agreement["mean"] > MEAN_DIFFERENCE:
                    far = f"up to {agreement['largest']} codes from qrt, {agreement['mean']:.1f} on average"
                    self.disagreements.append(f"{network.name}: {engine.name}, {title}: {far}")
                    continue
                found[title] = Peer(runner, title, agreement)
            if found:
                trial = interleaved({title: peer.runner.call for title, peer in found.items()}, *TRIAL)
                # Of noise, the shortest round has the least.
                peers[engine.name] = found[min(trial, key=lambda title: min(trial[title].rounds))]
        return peers, absent

    def time(self, what: str, calls: Mapping[str, Call]) -> dict[str, Timing]:
        self.say(what)
        return interleaved(calls, self.settings.rounds, self.settings.seconds)

    def peak_gmacs(self, races: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """The machine's peak for each kernel set: the median over races."""
        return {
            name: statistics.median(race["peak_gmacs"][name] for race in races) for name in self.peaks.calls if races
        }


def agreement_of(runner: Runner, samples: Sequence[Codes], expected: Sequence[Codes]) -> dict[str, Any]:
    """A runner's codes compared with qrt's: the share of equal codes, the largest and the mean difference."""
    differences = np.concatenate(
        [
            np.abs(theirs.astype(np.int64) - ours.astype(np.int64)).ravel()
            for sample, right in zip(samples, expected, strict=True)
            for theirs, ours in zip(runner.outputs(sample), right, strict=True)
        ]
    )
    return {
        "equal_share": float((differences == 0).mean()),
        "largest": int(differences.max()),
        "mean": float(differences.mean()),
    }


def in_one_line(error: Exception) -> str:
    """The beginning of an engine's error message, or the error's type if there is none."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def ratio(theirs: Timing, ours: Timing) -> float:
    """How many times faster ours is."""
    return theirs.seconds / ours.seconds


def plain(timing: Timing) -> dict[str, Any]:
    return {"seconds": timing.seconds, "spread": timing.spread, "rounds": list(timing.rounds)}
