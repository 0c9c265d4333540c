"""Cortex-M0 to M33 and RISC-V by unicorn, a package that pip installs."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qrt.firmware.emulators.commands import Call, Command, Execution, Read, Settings, Write
from qrt.firmware.emulators.counts import Segment, segment
from qrt.firmware.errors import DeviceError
from qrt.firmware.targets import Target
from qrt.firmware.toolchain.host import library
from qrt.firmware.toolchain.image import Image

PAGE = 4096
# Unmapped between RAM and stack, so that a stack that is too deep faults.
GUARD = 16 * PAGE
# Where functions return to: a page of its own.
RETURN = 0x0700_0000
PAINT = b"\xc5"
_CORES = {
    "cortex-m0": "M0",
    "cortex-m0plus": "M0",
    "cortex-m3": "M3",
    "cortex-m4": "M4",
    "cortex-m7": "M7",
    "cortex-m33": "M33",
}


def execute(image: Image, target: Target, commands: Sequence[Command], settings: Settings) -> Execution:
    """What `qrt.firmware.emulators.execute` says, by unicorn."""
    core = _Core(image, target, settings)
    result = Execution()
    for command in commands:
        if isinstance(command, Write):
            core.write(command)
        elif isinstance(command, Read):
            result.reads.append(core.read(command))
        else:
            core.call(command, result)
            if settings.on_call is not None:
                settings.on_call(len(result.returned))
    return result


class _Core:
    """A processor with a program in its memory."""

    def __init__(self, image: Image, target: Target, settings: Settings) -> None:
        try:
            import unicorn
        except ImportError as error:
            raise DeviceError('unicorn is not installed: pip install "qrt[device]"') from error
        self.image, self.target, self.settings = image, target, settings
        self.unicorn = unicorn
        self.registers = _registers(target)
        self.uc: Any = _processor(target)
        self.fault = ""
        self.map_memory()
        self.uc.hook_add(unicorn.UC_HOOK_MEM_INVALID, self.on_fault)
        self.counter = _Counter(self) if settings.count else None
        self.alignment = _Alignment(self) if settings.aligned or target.aligned else None

    def map_memory(self) -> None:
        """Flash, RAM, and behind an unmapped guard the stack."""
        uc, image = self.uc, self.image
        read_and_execute = self.unicorn.UC_PROT_READ | self.unicorn.UC_PROT_EXEC
        ram = image.address("board_data_begin")
        flash = [part for part in image.segments if part.address < ram]
        first = min(part.address for part in flash)
        last = max(part.address + len(part.data) for part in flash)
        uc.mem_map(first, _pages(last - first), read_and_execute)
        uc.mem_map(RETURN, PAGE, read_and_execute)
        size = _pages(image.free + self.settings.memory - ram)
        uc.mem_map(ram, size, self.unicorn.UC_PROT_READ | self.unicorn.UC_PROT_WRITE)
        self.stack_bottom = ram + size + GUARD
        # Functions expect a stack pointer that is a multiple of 16 on RISC-V, 8 on Arm.
        self.stack = self.settings.stack // 16 * 16
        uc.mem_map(self.stack_bottom, _pages(self.stack), self.unicorn.UC_PROT_READ | self.unicorn.UC_PROT_WRITE)
        for part in image.segments:
            uc.mem_write(part.address, part.data)

    def on_fault(self, uc: Any, kind: int, address: int, size: int, value: int, data: object) -> bool:
        """Keeps what the failing access was."""
        names = {
            self.unicorn.UC_MEM_READ_UNMAPPED: "reads",
            self.unicorn.UC_MEM_WRITE_UNMAPPED: "writes",
            self.unicorn.UC_MEM_FETCH_UNMAPPED: "executes",
            self.unicorn.UC_MEM_READ_PROT: "reads",
            self.unicorn.UC_MEM_WRITE_PROT: "writes",
            self.unicorn.UC_MEM_FETCH_PROT: "executes",
        }
        stack = self.stack_bottom - GUARD <= address < self.stack_bottom
        where = f"{address:#x}, below the stack: its {self.stack} bytes are too few" if stack else f"{address:#x}"
        self.fault = f"{names.get(kind, 'accesses')} {size} bytes at {where}"
        return False

    def write(self, command: Write) -> None:
        """Performs a write."""
        try:
            self.uc.mem_write(command.address, command.data)
        except self.unicorn.UcError as error:
            raise DeviceError(f"cannot write {len(command.data)} bytes at {command.address:#x}: {error}") from error

    def read(self, command: Read) -> bytes:
        """Performs a read."""
        try:
            return bytes(self.uc.mem_read(command.address, command.size))
        except self.unicorn.UcError as error:
            raise DeviceError(f"cannot read {command.size} bytes at {command.address:#x}: {error}") from error

    def call(self, command: Call, result: Execution) -> None:
        """Performs a call, and adds what comes of it."""
        uc, registers = self.uc, self.registers
        thumb = 1 if self.target.is_arm else 0
        uc.mem_write(self.stack_bottom, PAINT * self.stack)
        uc.reg_write(registers.sp, self.stack_bottom + self.stack)
        uc.reg_write(registers.lr, RETURN | thumb)
        for register, value in zip(registers.arguments, command.arguments, strict=False):
            uc.reg_write(register, value & 0xFFFFFFFF)
        if self.counter:
            self.counter.begin()
        self.fault = ""
        try:
            uc.emu_start(self.image.address(command.symbol) | thumb, RETURN)
        except self.unicorn.UcError as error:
            raise self.failure(command, self.fault or self.exception(error)) from error
        if self.alignment and self.alignment.state.size:
            state = self.alignment.state
            raise self.failure(command, f"accesses {state.size} bytes at {state.address:#x}, which is unaligned")
        if uc.reg_read(registers.pc) != RETURN:
            raise self.failure(command, "stops")
        result.returned.append(uc.reg_read(registers.arguments[0]))
        painted = bytes(uc.mem_read(self.stack_bottom, self.stack))
        result.stack = max(result.stack, len(painted.lstrip(PAINT)))
        if self.counter:
            result.calls.append(self.counter.end())

    def exception(self, error: Any) -> str:
        """What an exception of the processor means."""
        if error.errno not in (self.unicorn.UC_ERR_EXCEPTION, self.unicorn.UC_ERR_INSN_INVALID):
            return str(error)
        if not self.target.is_arm:
            # Unicorn has moved on by then.
            self.uc.reg_write(self.registers.pc, self.uc.reg_read(self.registers.pc) - 4)
        return "executes what is no instruction, or memory that holds none"

    def failure(self, command: Call, what: str) -> DeviceError:
        """The error of a call that has gone wrong."""
        pc = self.uc.reg_read(self.registers.pc)
        function = self.image.function(pc)
        return DeviceError(f"{command.symbol} on {self.target.title}: at {pc:#x} in {function}: {what}")


def _pages(size: int) -> int:
    return -(-size // PAGE) * PAGE


class _Registers:
    """The numbers that unicorn has for registers."""

    def __init__(self, pc: int, sp: int, lr: int, arguments: tuple[int, ...]) -> None:
        self.pc, self.sp, self.lr, self.arguments = pc, sp, lr, arguments


def _registers(target: Target) -> _Registers:
    if target.is_arm:
        from unicorn import arm_const as arm

        arguments = (arm.UC_ARM_REG_R0, arm.UC_ARM_REG_R1, arm.UC_ARM_REG_R2, arm.UC_ARM_REG_R3)
        return _Registers(arm.UC_ARM_REG_PC, arm.UC_ARM_REG_SP, arm.UC_ARM_REG_LR, arguments)
    from unicorn import riscv_const as riscv

    arguments = (riscv.UC_RISCV_REG_A0, riscv.UC_RISCV_REG_A1, riscv.UC_RISCV_REG_A2, riscv.UC_RISCV_REG_A3)
    return _Registers(riscv.UC_RISCV_REG_PC, riscv.UC_RISCV_REG_SP, riscv.UC_RISCV_REG_RA, arguments)


def _processor(target: Target) -> Any:
    import unicorn
    from unicorn import arm_const, riscv_const

    if not target.is_arm:
        uc = unicorn.Uc(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV32)
        uc.ctl_set_cpu_model(riscv_const.UC_CPU_RISCV32_SIFIVE_E31)
        return uc
    if target.core not in _CORES:
        raise DeviceError(f"unicorn does not emulate the {target.title}; it needs qemu-system-arm")
    uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
    uc.ctl_set_cpu_model(getattr(arm_const, f"UC_CPU_ARM_CORTEX_{_CORES[target.core]}"))
    return uc


class _CounterState(ctypes.Structure):
    """``struct counter`` of hooks.c."""

    _fields_ = (
        ("change", ctypes.c_void_p),
        ("taken", ctypes.c_void_p),
        ("entered", ctypes.c_void_p),
        ("base", ctypes.c_uint32),
        ("size", ctypes.c_uint32),
        ("end", ctypes.c_uint32),
    )


class _AlignmentState(ctypes.Structure):
    """``struct alignment`` of hooks.c."""

    _fields_ = (
        ("stop", ctypes.c_void_p),
        ("read", ctypes.c_void_p),
        ("write", ctypes.c_void_p),
        ("address", ctypes.c_uint64),
        ("size", ctypes.c_uint32),
        ("xpsr", ctypes.c_int32),
    )


@functools.cache
def _hooks() -> ctypes.CDLL:
    return ctypes.CDLL(str(library(Path(__file__).with_name("hooks.c"))))


def _add_hook(uc: Any, kind: int, function: str, state: ctypes.Structure) -> None:
    """Has unicorn call a function of hooks.c with the address of the state."""
    from unicorn.unicorn_py3.unicorn import uclib

    handle = ctypes.c_size_t()
    pointer = ctypes.cast(getattr(_hooks(), function), ctypes.c_void_p)
    everywhere = (ctypes.c_uint64(1), ctypes.c_uint64(0))
    status = uclib.uc_hook_add(uc._uch, ctypes.byref(handle), kind, pointer, ctypes.byref(state), *everywhere)
    if status != 0:
        raise DeviceError(f"unicorn refuses a hook, error {status}")


class _Counter:
    """Counts of the present call."""

    def __init__(self, core: _Core) -> None:
        first, last = core.image.code_range
        self.core = core
        self.first = first
        self.arrays = [np.zeros((last - first) // 2 + 1, np.uint64) for _ in range(3)]
        change, taken, entered = (array.ctypes.data for array in self.arrays)
        self.state = _CounterState(change, taken, entered, first, last - first, 0)
        self.label: int | None = None
        self.segments: list[Segment] = []
        _add_hook(core.uc, core.unicorn.UC_HOOK_BLOCK, "qrt_count_block", self.state)
        step = core.image.symbols.get("qrt_on_step")
        if step is not None:
            core.uc.hook_add(core.unicorn.UC_HOOK_CODE, self.on_step, begin=step, end=step)

    def begin(self) -> None:
        """Starts with a call."""
        self.label, self.segments = None, []
        self.state.end = RETURN
        self.clear()

    def clear(self) -> None:
        """Forgets the counts."""
        for array in self.arrays:
            array.fill(0)

    def on_step(self, uc: Any, address: int, size: int, data: object) -> None:
        """Ends a segment and begins the next one."""
        self.cut()
        self.label = uc.reg_read(self.core.registers.arguments[0])

    def end(self) -> list[Segment]:
        """The segments of the call that has ended, with a branch that no block follows."""
        self.arrays[1][(self.state.end - self.first) // 2] += np.uint64(1)
        self.cut()
        return self.segments

    def cut(self) -> None:
        """Makes a segment of the counts."""
        change, taken, entered = self.arrays
        times = np.cumsum(change)
        core = self.core
        executed: dict[int, int] = {}
        skip = -1
        for at in np.flatnonzero(times).tolist():
            if at != skip:
                address = self.first + 2 * at
                executed[address] = int(times[at])
                skip = at + 1 if core.image.is_wide(address) else -1
        branches = [
            {self.first + 2 * at: int(array[at]) for at in np.flatnonzero(array).tolist()} for array in (taken, entered)
        ]
        self.segments.append(
            segment(core.image, core.target, self.label, executed, branches[0], branches[1], core.settings.wait_states)
        )
        self.clear()


class _Alignment:
    """Stops at an unaligned access."""

    def __init__(self, core: _Core) -> None:
        from unicorn.arm_const import UC_ARM_REG_XPSR
        from unicorn.unicorn_py3.unicorn import uclib

        functions = (uclib.uc_emu_stop, uclib.uc_reg_read, uclib.uc_reg_write)
        pointers = [ctypes.cast(function, ctypes.c_void_p) for function in functions]
        conditional = core.target.is_arm and core.target.core not in ("cortex-m0", "cortex-m0plus")
        self.state = _AlignmentState(*pointers, 0, 0, UC_ARM_REG_XPSR if conditional else 0)
        kinds = core.unicorn.UC_HOOK_MEM_READ | core.unicorn.UC_HOOK_MEM_WRITE
        _add_hook(core.uc, kinds, "qrt_check_alignment", self.state)
