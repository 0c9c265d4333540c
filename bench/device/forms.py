"""The two forms in which qrt runs a network on a device: generated C, and the interpreter with the .qfb file."""

from __future__ import annotations

from pathlib import Path

import qrt
import qrt.firmware
import qrt.schema
from bench.device.networks import Network
from bench.device.programs import Configuration, Figures, Source, aligned, call_numbers, counted, total
from bench.networks import Unusable
from qrt.compiler.backends.qfb.reader import read
from qrt.firmware.build import build, run, sizes
from qrt.firmware.emulators import Call, Command, Read, Write, execute
from qrt.firmware.generate.network import generate
from qrt.firmware.targets import Target

RUNTIME, SCHEMA, FIRMWARE = (Path(package.__path__[0]) for package in (qrt, qrt.schema, qrt.firmware))
INTERPRETER = Path(__file__).with_name("interpreter.c")


def generated(network: Network, target: Target, how: Configuration) -> Figures:
    """The network as C, on the kernels of the target's set."""
    net = generate(network.content, target, "net")
    image = build(net, how.compiler, how.optimize, defines=())
    outputs, execution = run(net, image, network.input_bytes, count=True)
    takes = sizes(net, how.compiler, how.optimize)
    instructions, cycles = total(execution.calls[0])
    return Figures(instructions, cycles, 0, takes.code, takes.constants, takes.memory, execution.stack, outputs)


def interpreted(network: Network, target: Target, how: Configuration) -> Figures:
    """The interpreter, with the operators that the network has."""
    graph, content = read(network.content), network.content
    kinds = sorted({op.kind for op in graph.ops})
    operators = ",".join(f"&qrt_device_{kind}" for kind in kinds)
    roots = [f"interpreter_{name}" for name in ("open", "needed", "input", "output", "run")]
    program = Source(
        [INTERPRETER, FIRMWARE / "qrt_device.c", *_engine()],
        [FIRMWARE, RUNTIME, RUNTIME / "kernels", SCHEMA],
        roots,
        [f"OPERATORS={operators}"],
    )
    image = program.link(target, how)
    alone = program.alone(target, how) if target.emulator != "unicorn" else image
    file = aligned(image.free)
    block = aligned(file + len(content))
    start: list[Command] = [Write(file, content)]
    # How much memory it asks for, and then where the inputs and outputs are.
    ask = [*start, Call("interpreter_open", (file, len(content), 0, 0)), Call("interpreter_needed")]
    needed = execute(image, target, ask).returned[1]
    memory = block + needed - image.free
    start.append(Call("interpreter_open", (file, len(content), block, needed)))
    sides = [("interpreter_input", graph.inputs), ("interpreter_output", graph.outputs)]
    where = [Call(symbol, (i,)) for symbol, edges in sides for i in range(len(edges))]
    status, *places = counted(image, target, [*start, *where], memory).returned
    if status != 0:
        raise Unusable(f"the interpreter refuses the file with status {status - (1 << 32)}")
    inputs, results = places[: len(graph.inputs)], places[len(graph.inputs) :]
    commands = start
    for sample in network.input_bytes:
        commands += [Write(place, codes) for place, codes in zip(inputs, sample, strict=True)]
        commands.append(Call("interpreter_run"))
        commands += [Read(place, edge.tensor.nbytes) for place, edge in zip(results, graph.outputs, strict=True)]
    execution = counted(image, target, commands, memory)
    instructions, cycles = total(execution.calls[call_numbers(commands, "interpreter_run")[0]])
    count = len(results)
    return Figures(
        instructions,
        cycles,
        total(execution.calls[0])[0],
        alone.code,
        alone.constants + alone.data + len(content),
        needed + alone.data + alone.bss,
        execution.stack,
        [execution.reads[i : i + count] for i in range(0, len(execution.reads), count)],
    )


def _engine() -> list[Path]:
    """What an application of the interpreter links beside `qrt_device.c`."""
    kernels = sorted((RUNTIME / "kernels" / "portable").glob("*.c"))
    return [*sorted(SCHEMA.glob("*.c")), RUNTIME / "engine" / "qrt_params.c", *kernels]
