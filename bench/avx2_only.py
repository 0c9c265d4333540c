"""LiteRT in a process limited to AVX2, to measure XNNPACK as on an AVX2 machine.

XNNPACK has no such option and detects the CPU once per process, so another process preloads avx2_only.c.
"""

from __future__ import annotations

import ctypes
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.managers import BaseManager
from pathlib import Path
from typing import Any

import qrt
from bench.contestants import Codes, Litert
from bench.measure import Turn, turns_of
from bench.networks import Network, Unusable
from bench.race import Avx2Peer, Races, Settings

SOURCE = Path(__file__).with_suffix(".c")
SYS_ARCH_PRCTL, ARCH_SET_CPUID = 158, 0x1012


def preload(folder: Path) -> Path:
    """The library that hides newer instruction sets; raises Unusable with the reason if it cannot be built."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise Unusable("hiding instruction sets from a process is supported on x86-64 Linux only")
    # CPUID is already allowed; the call only tests whether the CPU can trap it.
    if ctypes.CDLL(None).syscall(SYS_ARCH_PRCTL, ARCH_SET_CPUID, 1) != 0:
        raise Unusable("this machine cannot trap CPUID, so instruction sets cannot be hidden from a process")
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / "avx2_only.so"
    compiler = shlex.split(os.environ.get("CC", "cc"))
    try:
        subprocess.run(
            [*compiler, "-O2", "-shared", "-fPIC", str(SOURCE), "-o", str(library)], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise Unusable(f"{SOURCE.name} cannot be compiled: {error}; choose a compiler: CC=gcc make bench") from None
    return library


class Apart:
    """LiteRT's fastest runner in the process that creates this object."""

    def __init__(self, settings: Settings) -> None:
        self._races = Races(replace(settings, engines=(Litert.name,)), lambda text: None)
        self._turn: Turn | None = None

    def best_set(self) -> str:
        """The fastest kernel set that this process supports."""
        return qrt.kernel_sets()[-1]

    def prepare(self, network: Network, samples: Sequence[Codes], expected: Sequence[Codes]) -> dict[str, Any] | str:
        """The runner's configuration and agreement with `expected`, or why there is none."""
        peers, absent = self._races.peers(network, samples, expected)
        if not peers:
            return absent[Litert.name]
        peer = peers[Litert.name]
        self._turn = turns_of(peer.runner.call)
        return {"configuration": peer.configuration, **peer.agreement}

    def turn(self, seconds: float) -> float:
        """Seconds per call."""
        assert self._turn is not None
        return self._turn(seconds)


class _Manager(BaseManager):
    """Another process with an `Apart` in it."""

    Apart: Callable[[Settings], Any]


_Manager.register("Apart", Apart)


def _started(library: Path) -> _Manager:
    manager = _Manager(ctx=get_context("spawn"))
    before = os.environ.get("LD_PRELOAD")
    os.environ["LD_PRELOAD"] = f"{before or ''} {library}".strip()
    try:
        manager.start()
    finally:
        del os.environ["LD_PRELOAD"]
        if before is not None:
            os.environ["LD_PRELOAD"] = before
    return manager


@contextmanager
def litert_on_avx2(settings: Settings) -> Iterator[Callable[..., Avx2Peer | str]]:
    """`Races.avx2_peer`; raises Unusable with the reason if it is not available."""
    if qrt.kernel_sets()[-1] == "avx2":
        raise Unusable("this machine supports AVX2 only, so all ratios are for AVX2")
    if "avx2" not in qrt.kernel_sets():
        raise Unusable(qrt.absent_kernel_sets().get("avx2", "this qrt was built without AVX2 kernels"))
    library = preload(settings.folder)
    with _started(library) as manager:
        apart = manager.Apart(settings)
        if apart.best_set() != "avx2":
            raise Unusable(f"the process limited to AVX2 still supports {apart.best_set()}")

        def peer(network: Network, samples: Sequence[Codes], expected: Sequence[Codes]) -> Avx2Peer | str:
            found = apart.prepare(network, samples, expected)
            return found if isinstance(found, str) else Avx2Peer(apart.turn, found)

        yield peer
