"""What the verbs share that work for a microcontroller: --target, --cc, and errors about them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from qrt.cli.console import Waiting
from qrt.cli.failure import Failure

if TYPE_CHECKING:
    from qrt.firmware.emulated import EmulatedModel
    from qrt.firmware.generate.network import Network

CORES = (
    "generic, cortex-m0, cortex-m0plus, cortex-m3, cortex-m4, cortex-m7, cortex-m33, cortex-m55, cortex-m85, riscv32"
)
TARGET_HELP = f"Processor: {CORES}."

cc_option = click.option(
    "--cc",
    metavar="COMMAND",
    help="C compiler for the target, such as arm-none-eabi-gcc.  [default: zig cc, of qrt[device]]",
)
target_option = click.option(
    "--target",
    "target_name",
    metavar="CORE",
    help=f"Run on this emulated processor: {CORES}.",
)


def emulated(content: bytes, target_name: str, cc: str | None, optimize: str = "s") -> EmulatedModel:
    """A valid file as a model that runs on an emulated processor."""
    with device_errors(), Waiting("compiling"):
        from qrt.firmware.emulated import EmulatedModel
        from qrt.firmware.targets import target

        return EmulatedModel(content, target(target_name), cc, optimize)


def kernels_text(network: Network) -> str:
    """The kernel set of a network's target, and which operators run on the portable one."""
    steps = network.steps
    others = ", ".join(f"{i} {steps[i].op.kind}" for i in network.others)
    return f"{network.target.kernels}; portable for {others}" if others else network.target.kernels


def refuse_options(target_name: str | None, here: dict[str, object], there: dict[str, object]) -> None:
    """Raises Failure for an option without effect: one of this machine's with --target, one of a device's without."""
    for option, value in (here if target_name is not None else there).items():
        if value is not None and target_name is not None:
            raise Failure(f"{option} is for this machine; leave it out with --target")
        if value is not None:
            raise Failure(f"{option} is for an emulated processor; name one with --target")


@contextlib.contextmanager
def device_errors() -> Iterator[None]:
    """Turns a DeviceError into a Failure."""
    from qrt.firmware.errors import DeviceError

    try:
        yield
    except DeviceError as error:
        raise Failure(str(error)) from None
