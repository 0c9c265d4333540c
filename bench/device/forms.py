"""The two forms in which qrt runs a network on a device: generated C, and the interpreter with the .qfb file."""

from __future__ import annotations

import functools
import re
import tempfile
from pathlib import Path

import qrt
import qrt.firmware
import qrt.schema
from bench.device.networks import Network
from bench.device.programs import Configuration, Figures, Source, aligned, total
from bench.networks import Unusable
from qrt.compiler.backends.qfb.reader import read
from qrt.firmware.build import build, run, sizes
from qrt.firmware.emulators import Call, Command, Read, Settings, Write, execute
from qrt.firmware.generate.network import generate
from qrt.firmware.targets import Target
from qrt.firmware.toolchain.image import Image

RUNTIME, SCHEMA, FIRMWARE = (Path(package.__path__[0]) for package in (qrt, qrt.schema, qrt.firmware))
ARM = RUNTIME / "kernels" / "arm"
INTERPRETER = Path(__file__).with_name("interpreter.c")


def generated(network: Network, target: Target, how: Configuration) -> Figures:
    """The network as C, on the kernels of the target's set."""
    net = generate(network.content, target, "net")
    image = build(net, how.compiler, how.optimize, defines=())
    outputs, execution = run(net, image, network.input_bytes, count=True)
    takes = sizes(net, how.compiler, how.optimize)
    instructions, cycles = total(execution.calls[0])
    return Figures(instructions, cycles, 0, takes.code, takes.constants, takes.memory, execution.stack, outputs)


# Lists the operators that the interpreter links.
OPERATORS = """\
#include "qrt_device.h"
extern const qrt_device_operator *const interpreter_operators[];
extern const uint32_t interpreter_operator_count;
const qrt_device_operator *const interpreter_operators[] = {{{operators}}};
const uint32_t interpreter_operator_count = {count};
"""


def interpreted(network: Network, target: Target, how: Configuration) -> Figures:
    """The interpreter, with the operators that the network has."""
    graph, content = read(network.content), network.content
    image, alone = _linked(tuple(sorted({op.kind for op in graph.ops})), target, how)
    file = aligned(image.free)
    block = aligned(file + len(content))
    start: list[Command] = [Write(file, content)]
    # How much memory it asks for, and then where the inputs and outputs are.
    ask = [*start, Call("interpreter_open", (file, len(content), 0, 0)), Call("interpreter_needed")]
    needed = execute(image, target, ask, Settings(memory=block - image.free)).returned[1]
    settings = Settings(count=True, memory=block + needed - image.free)
    start.append(Call("interpreter_open", (file, len(content), block, needed)))
    sides = [("interpreter_input", graph.inputs), ("interpreter_output", graph.outputs)]
    where = [Call(symbol, (i,)) for symbol, edges in sides for i in range(len(edges))]
    status, *places = execute(image, target, [*start, *where], settings).returned
    if status != 0:
        raise Unusable(f"the interpreter refuses the file with status {status - (1 << 32)}")
    inputs, results = places[: len(graph.inputs)], places[len(graph.inputs) :]
    commands = start
    for sample in network.input_bytes:
        commands += [Write(place, codes) for place, codes in zip(inputs, sample, strict=True)]
        commands.append(Call("interpreter_run"))
        commands += [Read(place, edge.tensor.nbytes) for place, edge in zip(results, graph.outputs, strict=True)]
    execution = execute(image, target, commands, settings)
    opened, first = execution.calls[:2]
    instructions, cycles = total(first)
    count = len(results)
    return Figures(
        instructions,
        cycles,
        total(opened)[0],
        alone.code,
        alone.constants + alone.data + len(content),
        needed + alone.data + alone.bss,
        execution.stack,
        [execution.reads[i : i + count] for i in range(0, len(execution.reads), count)],
    )


@functools.cache
def _linked(kinds: tuple[str, ...], target: Target, how: Configuration) -> tuple[Image, Image]:
    """The interpreter with these operators for the emulator, and for its sizes."""
    own, ending = _own_rows(target.kernels), f"_{target.kernels}"
    operators = [f"&qrt_device_{kind}{ending if kind in own else ''}" for kind in kinds]
    with tempfile.TemporaryDirectory(prefix="qrt-") as folder:
        listed = Path(folder) / "operators.c"
        listed.write_text(OPERATORS.format(operators=", ".join(operators), count=len(operators)), encoding="utf-8")
        program = Source(
            [INTERPRETER, listed, *_engine(target.kernels)],
            [FIRMWARE, RUNTIME, RUNTIME / "kernels", SCHEMA],
            [f"interpreter_{name}" for name in ("open", "needed", "input", "output", "run")],
        )
        return program.pair(target, how)


def _own_rows(kernels: str) -> set[str]:
    """The operators that a kernel set has kernels for itself; it takes the others from the portable one."""
    rows = ARM / kernels / "rows.h"
    return set(re.findall(r"^X\((\w+)\)", rows.read_text(encoding="utf-8"), re.MULTILINE)) if rows.is_file() else set()


def _engine(kernels: str) -> list[Path]:
    """What an application of the interpreter links."""
    device = [FIRMWARE / "qrt_device.c", *FIRMWARE.glob(f"qrt_device_{kernels}.c")]
    folders = [SCHEMA, RUNTIME / "engine", RUNTIME / "kernels" / "portable", ARM / kernels]
    return [*device, *(path for at in folders for path in sorted(at.glob("*.c")))]
