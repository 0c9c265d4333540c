"""One run: every network on every processor with every contestant. The result is one plain document."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from bench.device import bakenn, forms, recorded
from bench.device.networks import Network
from bench.device.programs import Configuration, Figures
from bench.networks import Unusable
from qrt.firmware.emulated import require_packages
from qrt.firmware.errors import DeviceError
from qrt.firmware.targets import Target
from qrt.firmware.toolchain.compilers import find_compiler

FORMAT = 1
GCC = "arm-none-eabi-gcc"
PACKAGES = ("qrt", "bakenn", "ziglang", "unicorn")
Measure = Callable[[Network, Target, Configuration], Figures]


@dataclass(frozen=True)
class Settings:
    """What is run.

    Attributes
    ----------
    targets : sequence of Target
    engines : sequence of str
        ``"qrt"``, ``"bakenn"``.
    compilers : sequence of str
        Commands; empty for zig, and for Arm the installed gcc.
    optimize : sequence of str
        Levels of optimization.
    """

    targets: Sequence[Target]
    engines: Sequence[str]
    compilers: Sequence[str]
    optimize: Sequence[str]


@dataclass(frozen=True)
class Contestant:
    """A way to run a network on a processor.

    Attributes
    ----------
    name : str
    target : Target
    measure : callable
    expected : callable
        The outputs that it must have.
    """

    name: str
    target: Target
    measure: Measure
    expected: Callable[[Network], list[list[bytes]]]


def contestants(target: Target, engines: Sequence[str]) -> list[Contestant]:
    """Those for a processor; qrt's best first."""
    found = []
    if "qrt" in engines:
        for kernels in dict.fromkeys((target.kernels, "portable")):
            chosen = replace(target, kernels=kernels)
            for name, measure in (
                (f"qrt {kernels}", forms.generated),
                (f"qrt {kernels}, interpreter", forms.interpreted),
            ):
                found.append(Contestant(name, chosen, measure, lambda network: network.expected))
    if "bakenn" in engines:
        for name, measure in (("BakeNN, CMSIS-NN", bakenn.cmsis_nn), ("BakeNN, own kernels", bakenn.own_kernels)):
            found.append(Contestant(name, target, measure, lambda network: network.expected_exported))
    return found


def configurations(target: Target, settings: Settings) -> list[Configuration]:
    """The compilers to try, with each level. Raises DeviceError where there is none."""
    commands: list[str | None] = [*settings.compilers]
    if not commands:
        commands = [None, *([GCC] if target.is_arm and shutil.which(GCC) else [])]
    compilers = dict.fromkeys(find_compiler(target, command) for command in commands)
    return [Configuration(compiler, level) for compiler in compilers for level in settings.optimize]


def steps(settings: Settings, networks: int) -> int:
    """How often `run` calls `done`."""
    return networks * sum(len(contestants(target, settings.engines)) for target in settings.targets)


def run(
    settings: Settings,
    makers: Mapping[str, Callable[[], Network]],
    skipped: Mapping[str, str],
    say: Callable[[str], None],
    done: Callable[[], None],
) -> dict[str, Any]:
    """All results. `say` receives progress messages; `done` is called `steps` times."""
    absent = [{"what": name, "reason": reason} for name, reason in skipped.items()]
    engines = [name for name in settings.engines if name != "bakenn" or not bakenn.missing()]
    if len(engines) < len(settings.engines):
        absent.append({"what": "BakeNN", "reason": bakenn.missing()})
    settings = replace(settings, engines=engines)
    usable: dict[str, list[Configuration]] = {}
    for target in settings.targets:
        try:
            require_packages(target)
            usable[target.name] = configurations(target, settings)
        except DeviceError as error:
            absent.append({"what": target.name, "reason": str(error).splitlines()[0]})
    races = []
    for name, make in makers.items():
        say(f"{name}: compiling")
        try:
            network = make()
        except Unusable as reason:
            absent.append({"what": name, "reason": str(reason)})
            continue
        for target in settings.targets:
            if target.name in usable:
                races.append(_race(network, target, usable[target.name], settings, say, done))
    return {
        "format": FORMAT,
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
        "targets": {target.name: target.title for target in settings.targets if target.name in usable},
        "compilers": {how.compiler.kind: how.compiler.version for ways in usable.values() for how in ways},
        "optimize": list(settings.optimize),
        "races": races,
        "skipped": absent,
        "disagreements": [
            f"{name} on {race['target']}, {race['network']}" for race in races for name in race["disagreeing"]
        ],
    }


def _race(
    network: Network,
    target: Target,
    ways: Sequence[Configuration],
    settings: Settings,
    say: Callable[[str], None],
    done: Callable[[], None],
) -> dict[str, Any]:
    """All contestants with one network on one processor."""
    race: dict[str, Any] = {
        "network": network.name,
        "target": target.name,
        "macs": network.macs,
        "results": {},
        "absent": {},
        "disagreeing": [],
        "recorded": recorded.INSTRUCTIONS.get(target.name, {}).get(network.name),
    }
    for contestant in contestants(target, settings.engines):
        for how in ways:
            say(f"{network.name} on {target.name}: {contestant.name}, {how}")
            try:
                figures = contestant.measure(network, contestant.target, how)
            except (DeviceError, Unusable) as reason:
                race["absent"].setdefault(contestant.name, " ".join(str(reason).split("\n")[:2]))
                continue
            if figures.outputs != contestant.expected(network):
                if contestant.name not in race["disagreeing"]:
                    race["disagreeing"].append(contestant.name)
                continue
            # As in other benchmarks, the configuration counts with which a contestant is the fastest.
            best = race["results"].get(contestant.name)
            if best is None or figures.instructions < best["instructions"]:
                race["results"][contestant.name] = figures.plain() | {"configuration": str(how)}
        if contestant.name in race["results"]:
            race["absent"].pop(contestant.name, None)
        done()
    return race


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
