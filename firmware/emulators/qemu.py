"""Cortex-M by qemu-system-arm, where it is installed: the processors that unicorn lacks, and all others too."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from qrt.firmware.emulators.commands import Call, Command, Execution, Read, Settings, Write
from qrt.firmware.emulators.counts import Segment, segment
from qrt.firmware.errors import DeviceError
from qrt.firmware.targets import Target
from qrt.firmware.toolchain.host import library
from qrt.firmware.toolchain.image import Image

PROGRAM = "qemu-system-arm"
MACHINES = {
    "microbit": "microbit",
    "an385": "mps2-an385",
    "an386": "mps2-an386",
    "an500": "mps2-an500",
    "an505": "mps2-an505",
    "an547": "mps3-an547",
}
# No window, and the services that boards/start.c asks for.
OPTIONS = ("-nographic", "-monitor", "none", "-serial", "none", "-semihosting-config", "enable=on,target=native")
# The rows of agent.c.
_COMMAND = struct.Struct("<8I")
_RESULT = struct.Struct("<3I")
_WRITE, _READ, _CALL, _STRICT = range(4)
_ENTRY = struct.Struct("<IIQ")
# Bits of the Configurable Fault Status Register, and what they say.
_CAUSES = {
    0: "executes where it must not",
    8: "executes memory that is not there",
    9: "accesses memory that is not there, at {address:#x}",
    10: "accesses memory that is not there",
    16: "executes what is no instruction",
    17: "changes to a state that the processor lacks",
    19: "uses a coprocessor that is not there or off",
    20: "the stack's {stack} bytes are too few",
    24: "makes an unaligned access",
    25: "divides by zero",
}


def execute(image: Image, target: Target, commands: Sequence[Command], settings: Settings) -> Execution:
    """What `qrt.firmware.emulators.execute` says, by QEMU."""
    if shutil.which(PROGRAM) is None:
        raise DeviceError(
            f"{target.title} needs {PROGRAM}, which is not installed: apt install qemu-system-arm, or brew install qemu"
        )
    if target.board not in MACHINES:
        raise DeviceError(f"there is no board of QEMU for {target.title}")
    with tempfile.TemporaryDirectory(prefix="qrt-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "image.elf").write_bytes(image.elf)
        (folder / "commands").write_bytes(b"".join(_rows(image, commands, settings)))
        options = ["-M", MACHINES[target.board], *OPTIONS, "-kernel", "image.elf"]
        if settings.count:
            plugin = library(Path(__file__).with_name("plugin.c"))
            first, last = image.code_range
            cuts = ",".join(f"cut={address:#x}" for address in _cuts(image))
            options += ["-plugin", f"{plugin},out=counts,base={first:#x},size={last - first},{cuts}"]
        _run(image, target, [PROGRAM, *options], folder, settings)
        result, labels = _results((folder / "results").read_bytes(), commands)
        if settings.count:
            result.calls.extend(_calls(image, target, (folder / "counts").read_bytes(), labels))
        return result


def _rows(image: Image, commands: Sequence[Command], settings: Settings) -> Iterator[bytes]:
    """What agent.c reads."""
    if settings.aligned:
        yield _COMMAND.pack(_STRICT, 0, 0, 0, 0, 0, 0, 0)
    for command in commands:
        if isinstance(command, Write):
            yield _COMMAND.pack(_WRITE, command.address, len(command.data), 0, 0, 0, 0, 0) + command.data
        elif isinstance(command, Read):
            yield _COMMAND.pack(_READ, command.address, command.size, 0, 0, 0, 0, 0)
        else:
            arguments = [value & 0xFFFFFFFF for value in command.arguments]
            arguments += [0] * (4 - len(arguments))
            yield _COMMAND.pack(_CALL, image.address(command.symbol), settings.stack // 16 * 16, *arguments, 0)


def _cuts(image: Image) -> list[int]:
    """Where counts end: a step, the begin of a call, its end."""
    names = ("qrt_on_step", "agent_call", "agent_return")
    return [image.symbols[name] & ~1 for name in names if name in image.symbols]


def _run(image: Image, target: Target, command: list[str], folder: Path, settings: Settings) -> None:
    """Runs QEMU, and tells what is done after each dot that the agent prints."""
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        calls, text = 0, b""
        while byte := process.stdout.read(1):
            if byte == b"." and not text:
                calls += 1
                if settings.on_call is not None:
                    settings.on_call(calls)
            else:
                text += byte
    if process.returncode != 0:
        raise DeviceError(_failure(image, target, text.decode(errors="replace").strip(), settings))


def _failure(image: Image, target: Target, text: str, settings: Settings) -> str:
    """What a fault that start.c has printed means."""
    found = {name: int(value, 16) for name, value in re.findall(r"(status|address|pc|lr) ([0-9a-f]{8})", text)}
    if "pc" not in found:
        return f"QEMU fails for {target.title}: {text}"
    status = found.get("status", 0)
    causes = [words for bit, words in _CAUSES.items() if status >> bit & 1] or ["faults"]
    what = causes[0].format(address=found.get("address", 0), stack=settings.stack)
    return f"on {target.title}: at {found['pc']:#x} in {image.function(found['pc'])}: {what}"


def _results(content: bytes, commands: Sequence[Command]) -> tuple[Execution, list[list[int]]]:
    """What agent.c wrote; and the labels of each call."""
    result = Execution()
    labels: list[list[int]] = []
    at = 0
    for command in commands:
        if isinstance(command, Read):
            result.reads.append(content[at : at + command.size])
            at += command.size
        elif isinstance(command, Call):
            returned, stack, count = _RESULT.unpack_from(content, at)
            result.returned.append(returned)
            result.stack = max(result.stack, stack)
            labels.append(list(struct.unpack_from(f"<{count}I", content, at + _RESULT.size)))
            at += _RESULT.size + 4 * count
    return result, labels


def _calls(image: Image, target: Target, content: bytes, labels: list[list[int]]) -> Iterator[list[Segment]]:
    """The segments of each call from what the plugin wrote."""
    end = image.symbols["agent_return"] & ~1
    begin = image.symbols["agent_call"] & ~1
    segments: list[Segment] = []
    remaining = iter(labels)
    names: Iterator[int] = iter(())
    label: int | None = None
    at = 0
    while at < len(content):
        cut, count = struct.unpack_from("<II", content, at)
        at += 8
        rows = _ENTRY.iter_unpack(content[at : at + count * _ENTRY.size])
        at += count * _ENTRY.size
        if cut == begin:
            segments, names, label = [], iter(next(remaining)), None
            continue
        executed = {address: times for address, _, times in rows}
        segments.append(segment(image, target, label, executed))
        if cut == end:
            yield segments
        else:
            label = next(names)
