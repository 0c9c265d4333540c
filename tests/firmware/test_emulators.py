"""Emulated processors: results, exact counts, the stack, faults, on each core that each emulator has."""

from __future__ import annotations

import shutil
import struct
import sys
from dataclasses import replace

import pytest
from device_programs import PLACES, image, place

from qrt.firmware.emulators import Call, Execution, Read, Settings, Write, execute
from qrt.firmware.errors import DeviceError
from qrt.firmware.targets import TARGETS, Target
from qrt.firmware.toolchain.image import Image

EVERYWHERE = pytest.mark.parametrize(("name", "emulator"), PLACES, ids=[f"{name}-{where}" for name, where in PLACES])
BY_UNICORN = pytest.mark.parametrize("name", [name for name, emulator in PLACES if emulator == "unicorn"])
# What fits into the 16 KiB of the smallest board.
SMALL = Settings(memory=4096, stack=2048)
COUNTED = replace(SMALL, count=True)


def signed(value: int) -> int:
    """A result register as a signed number."""
    return value - (1 << 32) if value >> 31 else value


def call(target: Target, program: Image, symbol: str, *arguments: int, settings: Settings = SMALL) -> Execution:
    """One call."""
    return execute(program, target, [Call(symbol, arguments)], settings)


@EVERYWHERE
@pytest.mark.parametrize("compiler", ["zig", "gcc"])
@pytest.mark.parametrize("count", [False, True])
def test_results(name: str, emulator: str, compiler: str, count: bool) -> None:
    target = place(name, emulator)
    program = image(target, compiler)
    at = program.free
    values = bytes(i * 37 & 255 for i in range(200))
    commands = [
        Write(at, values),
        Call("sum", (at, 200)),
        Call("product_high", (0xFFFFFFFF, 0x12345678, 0x9ABCDEF1)),
        Call("quotient", (-100, 7)),
        Call("constant", (2,)),
        Call("next"),
        Call("next"),
        Call("copy", (at + 203, at, 101)),
        Read(at + 203, 101),
        Call("copy", (at + 204, at + 4, 64)),
        Read(at + 204, 64),
        Call("move", (at + 4, at, 50)),
        Read(at, 60),
        Call("move", (at, at + 4, 50)),
        Read(at, 50),
        Call("fill", (at + 1, -2, 70)),
        Read(at, 72),
        Call("deep", (5,)),
    ]
    found = execute(program, target, commands, replace(SMALL, count=count))
    results = [signed(found.returned[i]) for i in (0, 2, 3, 4, 5, 11)]
    assert results == [sum(struct.unpack("200b", values)), -14, -7, 141, 242, 15]
    assert found.returned[1] == (0x12345678FFFFFFFF * 0x9ABCDEF1 >> 32) & 0xFFFFFFFF
    moved = values[:4] + values[:50] + values[54:60]
    back = values[:50]
    filled = back[:1] + b"\xfe" * 70
    assert found.reads[:4] == [values[:101], values[4:68], moved, back]
    assert found.reads[4][:71] == filled
    assert found.stack >= 6 * 64
    assert len(found.calls) == (len(found.returned) if count else 0)


@EVERYWHERE
def test_counts_of_a_loop(name: str, emulator: str) -> None:
    target = place(name, emulator)
    program = image(target)
    for n in (1, 2, 1000):
        (segments,) = call(target, program, "count_down", n, settings=COUNTED).calls
        (segment,) = segments
        assert (segment.label, segment.instructions) == (None, 2 * n + 1)
        assert segment.functions == {"count_down": 2 * n + 1}
        assert sorted(segment.executed.values()) == sorted([n, n, 1])


@EVERYWHERE
def test_counts_are_cut_at_steps(name: str, emulator: str) -> None:
    target = place(name, emulator)
    commands = [Call("steps", (3,)), Call("count_down", (5,)), Call("steps", (1,))]
    program = image(target)
    calls = execute(program, target, commands, COUNTED).calls
    assert [[segment.label for segment in segments] for segments in calls] == [
        [None, 10, 11, 12, 13],
        [None],
        [None, 10, 11],
    ]
    assert [calls[0][1 + i].functions["count_down"] for i in range(3)] == [201, 401, 601]
    assert calls[1][0].instructions == 11
    assert all("qrt_on_step" not in segment.functions for segments in calls for segment in segments)


@pytest.mark.parametrize("name", ["cortex-m0", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33"])
@pytest.mark.parametrize("options", [("-Oz",), ("-O2",)])
def test_the_emulators_count_the_same(name: str, options: tuple[str, ...]) -> None:
    counts = []
    for emulator in ("unicorn", "qemu"):
        target = place(name, emulator)
        program = image(target, options=options)
        commands = [Call("deep", (3,)), Call("steps", (4,)), Call("fill", (program.free + 1, 9, 100))]
        found = execute(program, target, commands, COUNTED)
        counts.append([[(s.label, s.functions) for s in segments] for segments in found.calls])
        counts[-1].append([found.stack])
    assert counts[0] == counts[1]


@EVERYWHERE
def test_conditional_instructions_count(name: str, emulator: str) -> None:
    target = place(name, emulator)
    program = image(target)
    if "conditional" not in program.symbols:
        pytest.skip(f"{target.title} has no conditional instructions")
    for value, result in ((0, 7), (3, 3)):
        found = call(target, program, "conditional", value, settings=COUNTED)
        assert found.returned == [result]
        assert found.calls[0][0].instructions == 4


@pytest.mark.parametrize("name", ["generic", "cortex-m3", "cortex-m4", "cortex-m33"])
def test_cycles_of_a_loop(name: str) -> None:
    target = place(name, "unicorn")
    program = image(target)
    n = 50
    (plain,) = call(target, program, "count_down", n, settings=COUNTED).calls[0]
    # A cycle for each instruction, two more for each branch taken, the last of which returns.
    assert plain.cycles == 2 * n + 1 + 2 * n
    (slow,) = call(target, program, "count_down", n, settings=replace(COUNTED, wait_states=3)).calls[0]
    begin = program.symbols["count_down"]
    lines = (begin + 5) // 16 - begin // 16
    # One line for each branch that is taken, the call included, and each line that is run into.
    assert slow.cycles == plain.cycles + 3 * (n + lines)


@pytest.mark.parametrize("name", ["cortex-m0", "cortex-m7", "riscv32"])
def test_no_estimate_of_cycles(name: str) -> None:
    target = place(name, "unicorn")
    assert call(target, image(target), "count_down", 5, settings=COUNTED).calls[0][0].cycles is None


@EVERYWHERE
def test_stack(name: str, emulator: str) -> None:
    target = place(name, emulator)
    program = image(target)
    used = [call(target, program, "deep", depth).stack for depth in (0, 1, 2, 10)]
    level = used[2] - used[1]
    assert level >= 64
    assert used[3] - used[2] == 8 * level
    assert call(target, program, "count_down", 5).stack == 0


@EVERYWHERE
def test_a_stack_that_is_too_small(name: str, emulator: str) -> None:
    target = place(name, emulator)
    if emulator == "qemu" and target.core not in ("cortex-m33", "cortex-m55", "cortex-m85"):
        pytest.skip(f"{target.title} has no limit of the stack, and QEMU's board no gap below it")
    with pytest.raises(DeviceError, match=r"in deep: .*stack"):
        call(target, image(target), "deep", 10000, settings=replace(SMALL, stack=4096))


@EVERYWHERE
@pytest.mark.parametrize("function", ["load_word", "store_word"])
def test_memory_that_is_not_there(name: str, emulator: str, function: str) -> None:
    target = place(name, emulator)
    address = 0xF0000000 if target.board == "an547" else 0xB0000000
    with pytest.raises(DeviceError, match=rf"in {function}: (reads|writes|accesses|faults)"):
        call(target, image(target), function, address, 1)


@BY_UNICORN
def test_a_null_pointer(name: str) -> None:
    target = place(name, "unicorn")
    with pytest.raises(DeviceError, match=r"load_word on .* in load_word: reads 4 bytes at 0x0"):
        call(target, image(target), "load_word", 0)
    program = image(target)
    with pytest.raises(DeviceError, match=r"store_word: writes 4 bytes at 0x80"):
        call(target, program, "store_word", program.code_range[0], 1)
    with pytest.raises(DeviceError, match=r"executes"):
        call(target, program, "call_at", 0x10000001)


@EVERYWHERE
def test_an_undefined_instruction(name: str, emulator: str) -> None:
    target = place(name, emulator)
    with pytest.raises(DeviceError, match=r"in undefined: "):
        call(target, image(target), "undefined")


@EVERYWHERE
@pytest.mark.parametrize("function", ["load_word", "load_half", "store_word"])
def test_unaligned_accesses(name: str, emulator: str, function: str) -> None:
    target = place(name, emulator)
    if target.aligned and emulator == "qemu":
        pytest.skip("QEMU grants a Cortex-M0 unaligned accesses")
    program = image(target)
    strict = replace(SMALL, aligned=True)
    assert len(call(target, program, function, program.free + 4, 1, settings=strict).returned) == 1
    with pytest.raises(DeviceError, match=rf"in {function}: .*unaligned"):
        call(target, program, function, program.free + 1, 1, settings=strict)
    if target.aligned:
        with pytest.raises(DeviceError, match="unaligned"):
            call(target, program, function, program.free + 1, 1)
    else:
        assert len(call(target, program, function, program.free + 1, 1).returned) == 1


@EVERYWHERE
@pytest.mark.parametrize("settings", [SMALL, replace(SMALL, aligned=True), COUNTED, replace(COUNTED, aligned=True)])
def test_what_is_watched_runs_as_what_is_not(name: str, emulator: str, settings: Settings) -> None:
    target = place(name, emulator)
    program = image(target)
    if "load_under_condition" not in program.symbols:
        pytest.skip(f"{target.title} has no conditional instructions")
    for flag in (0, 1):
        commands = [
            Write(program.free, struct.pack("<I", flag)),
            Call("load_under_condition", (program.free,)),
            Call("count_down", (9,)),
        ]
        assert execute(program, target, commands, settings).returned == [5, 0]


@pytest.mark.parametrize("name", [name for name, emulator in PLACES if emulator == "unicorn" and name != "riscv32"])
def test_pairs_of_words_are_aligned_as_words(name: str) -> None:
    target = place(name, "unicorn")
    program = image(target)
    if "load_pair" not in program.symbols:
        pytest.skip(f"{target.title} has no load of two words")
    at, strict = program.free, replace(SMALL, aligned=True)
    found = execute(program, target, [Write(at, b"abcdefgh12"), Call("load_pair", (at + 4,))], strict)
    assert found.returned == [int.from_bytes(b"efgh", "little")]
    with pytest.raises(DeviceError, match="unaligned"):
        call(target, program, "load_pair", at + 2, settings=strict)


def test_a_processor_refuses_unaligned_pairs_of_words() -> None:
    target = place("cortex-m4", "qemu")
    program = image(target)
    with pytest.raises(DeviceError, match="in load_pair: makes an unaligned access"):
        call(target, program, "load_pair", program.free + 2)


def test_progress() -> None:
    for name, emulator in (("cortex-m3", "unicorn"), ("cortex-m55", "qemu")):
        seen: list[int] = []
        target = place(name, emulator)
        execute(image(target), target, [Call("next")] * 3, Settings(on_call=seen.append))
        assert seen == [1, 2, 3]


def test_vector_instructions() -> None:
    target = place("cortex-m55", "qemu")
    program = image(target, options=("-O2",))
    values = bytes(range(100)) * 20
    found = execute(
        program, target, [Write(program.free, values), Call("sum", (program.free, 2000))], Settings(count=True)
    )
    assert found.returned == [sum(values)]
    # 16 bytes at a time.
    assert found.calls[0][0].instructions < 2000


def test_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    target = place("cortex-m4", "unicorn")
    program = image(target)
    with pytest.raises(DeviceError, match="no symbol 'nothing'"):
        call(target, program, "nothing")
    with pytest.raises(DeviceError, match="unicorn does not emulate the Arm Cortex-M55"):
        call(replace(TARGETS["cortex-m55"], emulator="unicorn"), program, "next")
    with pytest.raises(ValueError, match="at most 4"):
        Call("next", (1, 2, 3, 4, 5))
    with pytest.raises(DeviceError, match=r"cannot write 4 bytes at 0x10"):
        execute(program, target, [Write(16, b"1234")])
    with pytest.raises(DeviceError, match=r"cannot read 4 bytes at 0x10"):
        execute(program, target, [Read(16, 4)])
    monkeypatch.setitem(sys.modules, "capstone", None)
    program.disassembled.clear()
    with pytest.raises(DeviceError, match=r'capstone is not installed: pip install "qrt\[device\]"'):
        call(target, program, "next", settings=COUNTED)
    monkeypatch.setitem(sys.modules, "unicorn", None)
    with pytest.raises(DeviceError, match=r'unicorn is not installed: pip install "qrt\[device\]"'):
        call(target, program, "next")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(
        DeviceError, match=r"needs qemu-system-arm, which is not installed: apt install qemu-system-arm"
    ):
        call(TARGETS["cortex-m55"], program, "next")
