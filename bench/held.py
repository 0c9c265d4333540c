"""Races in a process that is held to a lower class of machines: it sees no newer instruction sets.

Most engines ask the CPU what it can do once per process, and have no option. So another process preloads held.c, which
answers for the CPU. Where the CPU cannot trap that question, the engines that have a switch race by their switches, and
the others are left out.
"""

from __future__ import annotations

import ctypes
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import qrt
from bench.classes import MachineClass, own_class
from bench.measure import on_cpu
from bench.networks import Network, Unusable
from bench.race import ENGINES, Races, Settings

SOURCE = Path(__file__).with_suffix(".c")
SYS_ARCH_PRCTL, ARCH_SET_CPUID, ARCH_GET_XCOMP_PERM = 158, 0x1012, 0x1022
TILE_DATA = 1 << 18
# The C library read CPUID before anything could be preloaded.
C_LIBRARY = "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW"
TRAPPED, SWITCHED = "CPUID trapped", "engines' switches"


def preload(folder: Path) -> Path:
    """The library that hides instruction sets; raises Unusable with the reason if it cannot be built."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise Unusable("hiding instruction sets from a process is supported on x86-64 Linux only")
    # CPUID is already allowed; the call only tests whether the CPU can trap it.
    if ctypes.CDLL(None).syscall(SYS_ARCH_PRCTL, ARCH_SET_CPUID, 1) != 0:
        raise Unusable("this machine cannot trap CPUID, so instruction sets cannot be hidden from a process")
    library = folder / "held.so"
    compiler = shlex.split(os.environ.get("CC", "cc"))
    try:
        subprocess.run(
            [*compiler, "-O2", "-shared", "-fPIC", str(SOURCE), "-o", str(library)], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise Unusable(f"{SOURCE.name} cannot be compiled: {error}; choose a compiler: CC=gcc make bench") from None
    return library


def environment(lower: MachineClass, library: Path) -> dict[str, str]:
    """The variables with which a process sees what a machine of this class has."""
    before = os.environ.get("LD_PRELOAD")
    found = {"LD_PRELOAD": f"{before or ''} {library}".strip(), "QRT_BENCH_CLASS": lower.name}
    return found | ({} if lower.name == "avx512vnni" else {"GLIBC_TUNABLES": C_LIBRARY})


def wider_than(lower: MachineClass, since: float) -> list[str]:
    """Instruction sets above the class that this process has used since then (by `time.monotonic`), as Linux saw it."""
    found = []
    permitted = ctypes.c_uint64(0)
    ctypes.CDLL(None).syscall(SYS_ARCH_PRCTL, ARCH_GET_XCOMP_PERM, ctypes.byref(permitted))
    if permitted.value & TILE_DATA:
        found.append("AMX")
    ages = [int(path.read_text().split()[-1]) for path in Path("/proc/self/task").glob("*/arch_status")]
    passed = 1000 * (time.monotonic() - since)
    if lower.name != "avx512vnni" and any(0 <= age < passed for age in ages):
        found.append("AVX-512")
    return found


def raced(
    lower: MachineClass, settings: Settings, networks: Sequence[Network], say: Callable[[str], None]
) -> dict[str, Any]:
    """The races of all engines that can be held to the class, as plain data; raises Unusable if the process fails."""
    say(f"held to {lower.title}")
    try:
        variables, by = environment(lower, preload(settings.folder)), TRAPPED
        able, reason = settings.engines, ""
    except Unusable as unusable:
        variables, by = dict(lower.switches), SWITCHED
        able = tuple(kind.name for kind in ENGINES if kind.name in settings.engines and kind.switch)
        reason = f"it has no switch for instruction sets, and {unusable}"
    with _variables(variables), ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            held = replace(settings, engines=able)
            found = pool.submit(_raced_here, lower, held, list(networks), by == TRAPPED).result()
        except BrokenProcessPool:
            raise Unusable(f"the process held to {lower.title} ended") from None
    found["skipped"] += [{"what": name, "reason": reason} for name in settings.engines if name not in able]
    return {"class": lower.name, "by": by, **found}


def _raced_here(lower: MachineClass, settings: Settings, networks: list[Network], trapped: bool) -> dict[str, Any]:
    """Runs in the process that is held."""
    best = next(name for name in reversed(qrt.kernel_sets()) if name in lower.sets)
    if trapped and own_class() != lower:
        raise Unusable(f"the process held to {lower.title} still supports {qrt.kernel_sets()[-1]}")
    start = time.monotonic()
    races = Races(settings, lambda text: None, (best,))
    with on_cpu(settings.cpu):
        found = [races.race(network, whole=False) for network in networks]
    return {
        "networks": found,
        # Untrapped, numpy and PyTorch use what they see, beside the engines' kernels.
        "wider": wider_than(lower, start) if trapped else [],
        "skipped": races.skipped,
        "disagreements": races.disagreements,
    }


@contextmanager
def _variables(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables of processes that are started."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
