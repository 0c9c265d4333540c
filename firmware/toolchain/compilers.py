"""Compilers for microcontrollers: finding one, compiling, and linking programs that need no C library."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from qrt.firmware.errors import DeviceError
from qrt.firmware.targets import Target
from qrt.firmware.toolchain.image import Image, read_image

BOARDS = Path(__file__).parents[1] / "boards"
# Two compilers at once; more would not have the memory on small machines.
PARALLEL = 2
INSTALL = 'pip install "qrt[device]"'
# For what defines memcpy: a loop that copies must not become a call of it.
_LIBRARY = {
    "gcc": ("-ffreestanding", "-fno-tree-loop-distribute-patterns"),
    "clang": ("-ffreestanding", "-fno-builtin"),
}
# What is of no use without exceptions and debuggers.
_LEAN = ("-fno-unwind-tables", "-fno-asynchronous-unwind-tables")
# How many lines of a compiler's errors a message quotes.
_QUOTED = 8
# And how much of each.
_WIDTH = 200


@dataclass(frozen=True)
class Compiler:
    """A C compiler.

    Attributes
    ----------
    command : tuple of str
        How it is called.
    kind : str
        ``"zig"``, ``"clang"`` or ``"gcc"``: whose options it takes.
    version : str
        The first line that it says of itself.
    """

    command: tuple[str, ...]
    kind: str
    version: str

    def options(self, target: Target) -> tuple[str, ...]:
        """The options that select the target."""
        return {"zig": target.zig, "clang": target.clang, "gcc": target.gcc}[self.kind]

    def spelled(self, options: Sequence[str]) -> list[str]:
        """Options as this compiler takes them: ``-Oz``, the smallest code, has other names elsewhere.

        ``zig cc`` takes it for ``-Os``, whose code for the kernels is 1.6 times larger; its clang can be told directly.
        Outlining saves nothing here, and hides in which function time goes. To gcc it is ``-Os``, for versions before
        12 do not know ``-Oz``.
        """
        smallest = {
            "zig": ("-Os", "-Xclang", "-Oz", "-mno-outline"),
            "clang": ("-Oz", "-mno-outline"),
            "gcc": ("-Os",),
        }[self.kind]
        return [part for option in options for part in (smallest if option == "-Oz" else (option,))]


def find_compiler(target: Target, cc: str | None = None) -> Compiler:
    """The compiler to use: the given one, else ziglang's, else an installed ``arm-none-eabi-gcc``.

    Parameters
    ----------
    target : Target
        What it is to compile for.
    cc : str, optional
        A command, with options if need be: ``"arm-none-eabi-gcc"``, ``"clang"``.

    Raises
    ------
    DeviceError
        There is none, or `cc` cannot be run, or is neither gcc nor clang.
    """
    if cc is not None:
        return _recognized(_command(cc))
    command = zig()
    if command:
        return Compiler(command, "zig", f"zig {_output((command[0], 'version')).strip()}")
    if target.is_arm and shutil.which("arm-none-eabi-gcc"):
        return _recognized(("arm-none-eabi-gcc",))
    raise DeviceError(f"no C compiler for {target.title}: {INSTALL} brings one, or name yours with --cc")


def _command(cc: str) -> tuple[str, ...]:
    """The parts of ``--cc``; a relative path is made one that leads there from every folder."""
    try:
        # In a path of Windows a backslash escapes nothing.
        program, *options = shlex.split(cc.replace("\\", "/") if os.name == "nt" else cc) or [""]
    except ValueError as error:
        raise DeviceError(f"--cc {cc}: {str(error).lower()}") from None
    if not program:
        raise DeviceError("--cc is empty; it takes the command of a C compiler, such as arm-none-eabi-gcc")
    return (os.path.abspath(program) if os.path.dirname(program) else program, *options)


def zig() -> tuple[str, ...]:
    """The command of ziglang's C compiler; empty when the package is not installed."""
    try:
        import ziglang
    except ImportError:
        return ()
    program = "zig.exe" if sys.platform == "win32" else "zig"
    return (str(Path(ziglang.__file__).with_name(program)), "cc")


def _output(command: tuple[str, ...]) -> str:
    """What a command prints, given an empty file."""
    try:
        return subprocess.run(command, input="", capture_output=True, text=True, check=True).stdout
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines()[:1] or [f"exit status {error.returncode}"]
        raise DeviceError(f"{shlex.join(command)} fails: {said[0][:_WIDTH]}") from None
    except OSError as error:
        raise DeviceError(f"cannot run {command[0]}: {error.strerror}") from None


def _recognized(command: tuple[str, ...]) -> Compiler:
    macros = _output((*command, "-dM", "-E", "-x", "c", "-"))
    if Path(command[0]).stem == "zig" or "ziglang" in command:
        kind = "zig"
    elif "#define __clang__ " in macros:
        kind = "clang"
    elif "#define __GNUC__ " in macros:
        kind = "gcc"
    else:
        raise DeviceError(f"{shlex.join(command)} is neither gcc nor clang")
    return Compiler(command, kind, _output((*command, "--version")).strip().splitlines()[0])


def link(
    target: Target,
    compiler: Compiler,
    sources: Sequence[Path],
    include: Sequence[Path] = (),
    roots: Sequence[str] = (),
    options: Sequence[str] = ("-Os",),
    defines: Sequence[str] = (),
) -> Image:
    """Compiles sources and links them for the target's emulator; what the roots do not need is dropped.

    Parameters
    ----------
    target : Target
        The processor.
    compiler : Compiler
        What compiles and links.
    sources : sequence of Path
        Files of C.
    include : sequence of Path
        Where they look for headers. ``string.h`` is found without.
    roots : sequence of str
        The functions that are called from outside.
    options : sequence of str
        Options for the compiler. ``-Oz`` stands for the smallest code, whatever the compiler calls it.
    defines : sequence of str
        Macros, as ``"NAME"`` or ``"NAME=value"``.

    Raises
    ------
    DeviceError
        The compiler or the linker refuses; the message quotes it. Or no source defines a root.
    """
    library = BOARDS / "freestanding" / "string.c"
    # The linker scripts keep these apart.
    scaffold = [BOARDS / "start.c", BOARDS / "agent.c"] if target.emulator == "qemu" else [BOARDS / "step.c"]
    common = [
        *compiler.options(target),
        *_LEAN,
        "-ffunction-sections",
        "-fdata-sections",
        "-fno-common",
        "-g0",
        "-std=gnu99",
    ]
    # Without an operating system zig takes memcpy for any function, and calls it for the four bytes of a word.
    common += ["-fhosted"] if compiler.kind == "zig" else []
    common += [
        "-isystem",
        str(BOARDS / "freestanding"),
        f"-I{BOARDS}",
        *(f"-I{folder.resolve()}" for folder in include),
    ]
    common += [f"-D{define}" for define in defines]
    with tempfile.TemporaryDirectory(prefix="qrt-") as folder:

        def compiled(job: tuple[int, Path]) -> str:
            number, source = job
            board = "board-" if source in scaffold else ""
            item = str(Path(folder) / f"{board}{number}.o")
            how = compiler.spelled(options)
            if source == library:
                how += _LIBRARY["gcc" if compiler.kind == "gcc" else "clang"]
            _run([*compiler.command, *common, *how, "-c", str(source.resolve()), "-o", item])
            return item

        with ThreadPoolExecutor(PARALLEL) as pool:
            objects = list(pool.map(compiled, enumerate([*sources, library, *scaffold])))
        image = read_image(_linked(target, compiler, objects, roots, Path(folder)))
    missing = [root for root in roots if root not in image.symbols]
    if missing:
        raise DeviceError(f"no source defines {', '.join(missing)}")
    return image


def _linked(target: Target, compiler: Compiler, objects: list[str], roots: Sequence[str], folder: Path) -> Path:
    whole = folder / "image.elf"
    script = target.board if target.emulator == "qemu" else "emulated"
    kept = ["board_vectors", *roots] if target.emulator == "qemu" else [*roots]
    command = [*compiler.command, *compiler.options(target), *objects, "-nostartfiles", "-Wl,--gc-sections"]
    command += [f"-Wl,-T,{script}.ld", f"-Wl,-e,{kept[0]}", *(f"-Wl,-u,{root}" for root in kept), "-o", str(whole)]
    if compiler.kind == "gcc":
        _run([*command, "-nostdlib", "-lgcc"])
    elif compiler.kind == "clang":
        _run([*command, "-nostdlib", "-fuse-ld=lld"])
    else:
        # Zig builds its library of arithmetic when it is first linked for a core, which takes ten seconds, and
        # most programs need none of it.
        try:
            _run([*command, "-nostdlib"])
        except DeviceError as error:
            if "undefined symbol: __" not in str(error):
                raise
            _run(command)
    return whole


def _run(command: Sequence[str]) -> None:
    """Runs a compiler where the linker scripts are, which include one another."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=BOARDS)
    except OSError as error:
        raise DeviceError(f"cannot run {command[0]}: {error}") from error
    if done.returncode != 0:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        quoted = "\n".join(line[:_WIDTH] for line in lines[:_QUOTED]) or f"exit status {done.returncode}"
        raise DeviceError(f"{Path(command[0]).name} fails:\n{quoted}")
