"""Files that the interpreter of a device, firmware/qrt_device.h, opens and runs on emulated cores."""

from __future__ import annotations

import functools
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace

from c_programs import ARM, DEVICE
from device_programs import place
from places import ROOT

from qrt.firmware.emulators import Call, Command, Read, Settings, Write, execute
from qrt.firmware.targets import Target
from qrt.firmware.toolchain.compilers import find_compiler, link
from qrt.firmware.toolchain.image import Image

GUARD = 64
INCLUDE = [ROOT / folder for folder in ("schema", "runtime", "runtime/kernels", "firmware")]
ANSWER = struct.Struct("<iiiIiIii")


@dataclass(frozen=True)
class Answer:
    """What open_files.c says of a file."""

    status: int
    rule: int
    place: int
    index: int
    kind: int
    needed: int
    status_of_less: int
    intact: int


def target_of(core: str) -> Target:
    """A core; unaligned accesses are looked for where that costs nothing."""
    return replace(place(core, "qemu" if core == "cortex-m55" else "unicorn"), aligned=False)


@functools.cache
def interpreter(target: Target) -> Image:
    sources, defines = [*DEVICE, ROOT / "tests/firmware/open_files.c"], []
    if target.kernels != "portable":
        sources += [*ARM[target.kernels], ROOT / f"firmware/qrt_device_{target.kernels}.c"]
        defines = [f"ALL=QRT_DEVICE_ALL_{target.kernels.upper()}"]
    return link(target, find_compiler(target), sources, INCLUDE, ["run_file"], defines=defines)


def run_files(core: str, files: Sequence[tuple[bytes, int, int, bytes, int]]) -> list[tuple[Answer, bytes]]:
    """Runs each file: its bytes, its memory, the number of samples, their inputs, the size of their outputs."""
    target = target_of(core)
    image = interpreter(target)
    at = -(-image.free // 16) * 16
    request, answer = at, at + 32
    commands: list[Command] = []
    end = at
    for file, memory, samples, inputs, outputs in files:
        file_at = at + 64
        inputs_at = file_at + len(file)
        workspace = -(-(inputs_at + len(inputs)) // 16) * 16 + 8
        outputs_at = workspace + memory + 2 * GUARD
        words = (file_at, len(file), memory, inputs_at, samples, workspace, outputs_at)
        commands.append(Write(request, struct.pack("<7I", *words)))
        commands.append(Write(file_at, file + inputs))
        commands.append(Call("run_file", (request, answer)))
        commands.append(Read(answer, ANSWER.size))
        commands.append(Read(outputs_at, outputs))
        end = max(end, outputs_at + outputs)
    # QEMU's processor looks for unaligned accesses itself; unicorn would take twenty times as long.
    settings = Settings(memory=end - image.free, aligned=target.emulator == "qemu")
    reads = execute(image, target, commands, settings).reads
    return [(Answer(*ANSWER.unpack(reads[i])), reads[i + 1]) for i in range(0, len(reads), 2)]
