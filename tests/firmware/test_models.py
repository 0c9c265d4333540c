"""The digits network and the published ones, generated, on emulated cores: the host's bytes, stack, and sizes."""

from __future__ import annotations

import functools
import importlib.util
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from device_programs import COMPILERS, place
from expected import DEVICE_MODELS, LARGE, Expected, model
from many_networks import device_image, differ_on_device, stack_of

from qrt.firmware.build import sizes
from qrt.firmware.generate.network import Network, generate
from qrt.firmware.targets import TARGETS, Target
from qrt.firmware.toolchain.compilers import Compiler, find_compiler
from qrt.firmware.toolchain.image import Image

CORES = ["cortex-m0", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "riscv32", "cortex-m55"]
# The core with all samples of a model; the others have the last.
FIRST = "cortex-m4"
# Cores that run what another core's kernel set and instructions run already: one small network is enough of them.
LIKE_OTHERS = ("cortex-m3", "cortex-m33")
# A core of which there are chips with the memory for the large ones; on one, for they take long.
WIDE = ("cortex-m7",)
# Constants and RAM of what fits a Cortex-M0: 256 KiB of flash, of which 16 are for code, and 32 KiB.
SMALL_CONSTANTS, SMALL_RAM = 240 << 10, 32 << 10
# The most bytes of stack, on any core.
STACK = 600
# On a Cortex-M4 with the smallest code: bytes of code (None: no goal), of flash in all, of RAM.
GOALS: dict[str, tuple[int | None, int | None, int]] = {
    "ic_resnet8": (7 << 10, 90 << 10, 36_500),
    "kws_dscnn": (None, 42 << 10, 11_300),
    "vww_mobilenet": (None, 62 << 10, 42_000),
    "ad_autoencoder": (None, None, 2_100),
    "sww": (None, None, 5_000),
}


@functools.cache
def network(name: str, kernels: str = "dsp") -> Network:
    """A model as C; the targets with the same kernels have the same."""
    target = next(target for target in TARGETS.values() if target.kernels == kernels)
    return generate(model(name).file, target, f"net_{name}")


def chosen(target: Target) -> tuple[list[Expected], list[Network]]:
    """The models that run on a core."""
    names = [name for name in DEVICE_MODELS if name not in LARGE or target.name in WIDE]
    if target.name == "cortex-m0":
        names = [name for name in names if fits_small(network(name, target.kernels))]
        assert names[0] == "digits"
    if target.name in LIKE_OTHERS:
        names = names[:2]
    networks = [replace(network(name, target.kernels), target=target) for name in names]
    return [model(name) for name in names], networks


def fits_small(network: Network) -> bool:
    return network.constants <= SMALL_CONSTANTS and network.memory_size <= SMALL_RAM


def image_of(target: Target, kind: str) -> tuple[Image, list[Expected], list[Network]]:
    cases, networks = chosen(target)
    with tempfile.TemporaryDirectory() as folder:
        return device_image(networks, Path(folder), target, compiler_of(target, kind)), cases, networks


def compiler_of(target: Target, kind: str) -> Compiler:
    """A compiler; skips the test where it is not installed."""
    command = COMPILERS[kind]
    if command is None and importlib.util.find_spec("ziglang") is None:
        pytest.skip("ziglang is not installed")
    if command is not None and shutil.which(command) is None:
        pytest.skip(f"{command} is not installed")
    return find_compiler(target, command)


@pytest.mark.parametrize("core", CORES)
def test_the_hosts_bytes(core: str) -> None:
    """And on two cores the stack; in one test, for the program takes longer to build than to run."""
    target = place(core, "qemu" if core == "cortex-m55" else "unicorn")
    image, cases, networks = image_of(target, "zig")
    if core != FIRST:
        cases = [replace(case, samples=case.samples[-1:]) for case in cases]
    assert differ_on_device(image, target, networks, cases, aligned=False) == []
    if core in (FIRST, "cortex-m0"):
        check_stack(image, target, cases, networks)


def test_stack_with_gcc() -> None:
    target = place(FIRST, "unicorn")
    image, cases, networks = image_of(target, "gcc")
    check_stack(image, target, cases, networks)


def check_stack(image: Image, target: Target, cases: list[Expected], networks: list[Network]) -> None:
    stacks = {case.name: stack_of(image, target, n) for case, n in zip(cases, networks, strict=True)}
    assert max(stacks.values()) <= STACK, stacks


@pytest.mark.parametrize("kind", ["zig", "gcc"])
@pytest.mark.parametrize("name", GOALS)
def test_sizes(name: str, kind: str) -> None:
    if name not in DEVICE_MODELS:
        pytest.skip("the published .tflite models are not beside the project")
    found = sizes(network(name), compiler_of(TARGETS["cortex-m4"], kind))
    code, flash, ram = GOALS[name]
    assert found.memory <= ram
    assert code is None or found.code <= code, found
    assert flash is None or found.flash <= flash, found
