"""A network as a program for its target: its sizes, and runs of it on an emulated core."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from qrt.firmware.emulators import Call, Command, Execution, Read, Settings, Write, execute
from qrt.firmware.emulators.counts import Segment, by_label
from qrt.firmware.generate.network import Network
from qrt.firmware.toolchain.compilers import Compiler, link
from qrt.firmware.toolchain.image import Image

# The call of an operator's kernel tells the emulator which operator it is.
STEP = ("QRT_ON_STEP=qrt_on_step",)


@dataclass(frozen=True)
class Sizes:
    """Bytes that a network takes on its target.

    Attributes
    ----------
    memory : int
        RAM: activations and scratch memory; without the stack.
    constants : int
        Constants in flash.
    code : int
        Its kernels and calls, the functions of the compiler's library that these need, and what the linker adds between
        constants.
    """

    memory: int
    constants: int
    code: int

    @property
    def flash(self) -> int:
        return self.constants + self.code


def build(network: Network, compiler: Compiler, optimize: str = "s", defines: Sequence[str] = STEP) -> Image:
    """The network's functions, linked for the emulator of its target.

    Parameters
    ----------
    network : Network
    compiler : Compiler
    optimize : str
        The compiler's level of optimization: ``"z"`` (smallest), ``"s"``, ``"2"`` or ``"3"``.
    defines : sequence of str
        Macros.

    Raises
    ------
    DeviceError
        The compiler refuses.
    """
    with tempfile.TemporaryDirectory(prefix="qrt-") as name:
        folder = Path(name)
        for path, text in network.sources.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        sources = [folder / path for path in network.sources if path.endswith(".c")]
        return link(network.target, compiler, sources, [folder], network.functions, (f"-O{optimize}",), defines)


def sizes(network: Network, compiler: Compiler, optimize: str = "s") -> Sizes:
    """What the network takes, by linking it alone; parameters as for `build`.

    Raises
    ------
    DeviceError
        The compiler refuses.
    """
    # QEMU's programs contain what starts them; the code is the same for either emulator.
    alone = replace(network, target=replace(network.target, emulator="unicorn"))
    image = build(alone, compiler, optimize, defines=())
    return Sizes(network.memory_size, network.constants, image.flash - network.constants)


def run(
    network: Network,
    image: Image,
    samples: Sequence[Sequence[bytes]],
    *,
    state: bytes | None = None,
    count: bool = False,
    wait_states: int = 0,
) -> tuple[list[list[bytes]], Execution]:
    """Runs a network on the emulated core.

    Parameters
    ----------
    network : Network
    image : Image
        Of that network.
    samples : sequence of sequence of bytes
        For each run, the codes of each input.
    state : bytes, optional
        The first bytes of the network's memory; by default its reset function writes them.
    count : bool
        Whether to count instructions.
    wait_states : int
        Of the flash, for the estimate of cycles.

    Returns
    -------
    outputs : list of list of bytes
        For each run, the bytes of each output.
    execution : Execution
        A call for each run, its segments labelled by operator. The last read is that of the state after all runs.

    Raises
    ------
    DeviceError
        The emulator is not installed, or the program fails there.
    """
    start, offsets = image.free, network.plan.offsets
    commands: list[Command] = []
    calls = []
    resets = network.resets
    if resets:
        commands.append(Call(f"{network.name}_reset", (start,)))
    if state:
        commands.append(Write(start, state))
    for sample in samples:
        of_sample = _sample_commands(network, start, sample)
        calls.append(sum(isinstance(command, Call) for command in of_sample))
        commands += of_sample
        for edge in network.graph.outputs:
            commands.append(Read(start + offsets[edge.tensor], edge.tensor.nbytes))
    commands.append(Read(start, network.state_size))
    memory = network.memory_size + network.row_size
    execution = execute(image, network.target, commands, Settings(count=count, memory=memory, wait_states=wait_states))
    del execution.returned[:resets]
    del execution.calls[:resets]
    if count:
        execution.calls[:] = _joined(execution.calls, calls)
    per_run = len(network.graph.outputs)
    reads = execution.reads[:-1]
    return [reads[i : i + per_run] for i in range(0, len(reads), per_run)], execution


def _sample_commands(network: Network, start: int, sample: Sequence[bytes]) -> list[Command]:
    """What gives a network its inputs and runs it; a row of an input that is fed lies behind the network's memory."""
    commands: list[Command] = []
    for i, (edge, codes) in enumerate(zip(network.graph.inputs, sample, strict=True)):
        if i > 0 or network.fed is None:
            commands.append(Write(start + network.plan.offsets[edge.tensor], codes))
    if network.fed is None:
        return [*commands, Call(f"{network.name}_run", (start,))]
    row, size = start + network.memory_size, network.row_size
    for at in range(0, len(sample[0]), size):
        commands += [Write(row, sample[0][at : at + size]), Call(f"{network.name}_feed", (start, row))]
    return commands


def _joined(calls: list[list[Segment]], counts: Sequence[int]) -> list[list[Segment]]:
    """The segments of each run, of so many calls: one for each operator."""
    following = iter(calls)
    return [list(by_label(segment for _ in range(count) for segment in next(following)).values()) for count in counts]
