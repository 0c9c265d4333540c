"""Makes a folder of generated C a library for CMake, Make, Arduino, PlatformIO, Zephyr and ESP-IDF; and its check."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qrt.firmware.errors import DeviceError
from qrt.firmware.targets import Target

# Text with @placeholders@, laid out as the library.
TEMPLATES = Path(__file__).with_name("templates")
# Arduino has the strictest rule: a letter first, 63 characters, and names that begin with "Arduino" are reserved. Names
# of kernels begin with "qrt".
NAME = re.compile(r"(?!arduino|qrt)[a-z][a-z0-9_]{0,62}", re.IGNORECASE)
# Targets of the build systems; and headers of C, of what it includes and of the check, which <name>.h would hide.
TAKEN = re.compile(
    "all|app|clean|help|install|main|package|test|zephyr"
    "|assert|complex|ctype|errno|fenv|float|inttypes|iso646|limits|locale|math|setjmp|signal|std[a-z]+|string|tgmath"
    "|threads|time|uchar|wchar|wctype"
    "|alloca|board|endian|features|strings|vectors",
    re.IGNORECASE,
)
# How the names of the GNU tools for bare metal begin, where they are not those of a maker of chips.
TOOLS = {"arm": "arm-none-eabi-", "riscv": "riscv32-unknown-elf-"}
ITEM_SIZE = {"int8": 1, "int16": 2, "int32": 4}
# As the runtime quantizes, in float32.
QUANTIZE = {
    "DIVIDE": "rintf(x / {scale})",
    "MULTIPLY_RECIPROCAL": "rintf(x * (1.0f / {scale}))",
    "DIVIDE_HALF_AWAY": "roundf(x / {scale})",
}
# A paragraph of README.md about a network with state.
STATE_USE = """\
The network remembers: its outputs depend on the runs before. `{name}_reset(&memory)` brings it to the beginning; call
it once before the first run, since the memory need not be cleared, and whenever a new sequence begins. To go on later,
copy the first `{upper}_STATE_SIZE` ({state}) bytes of `memory.bytes`, and copy them back.

"""


@dataclass(frozen=True)
class Edge:
    """An input or output of the network.

    Attributes
    ----------
    name : str
    shape : tuple of int
    dtype : str
        ``"int8"`` or ``"int16"``, or ``"int32"`` for an output that is not requantized.
    scale, zero_point : float, int
        ``real = scale * (code - zero_point)``; a scale of 0 means that none is known.
    labels : tuple of str
        Names of the entries of the last axis, or empty.
    quantize_rule : str
        How real numbers become codes: ``"DIVIDE"``, ``"MULTIPLY_RECIPROCAL"`` or ``"DIVIDE_HALF_AWAY"``.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "int8"
    scale: float = 0.0
    zero_point: int = 0
    labels: tuple[str, ...] = ()
    quantize_rule: str = "DIVIDE"

    @property
    def size(self) -> int:
        """Bytes of its codes."""
        return math.prod(self.shape) * ITEM_SIZE[self.dtype]


@dataclass(frozen=True)
class Library:
    """What the build systems and the reader of README.md must know of a generated library.

    Attributes
    ----------
    name : str
        Prefix of its C identifiers, and the library's name in every build system.
    title : str
        The network's name.
    target : Target
        The processor it is generated for.
    sources : tuple of str
        The C files to compile, below ``src/``; paths relative to the library.
    memory, constants, state : int
        Bytes of RAM, of constants, and of that RAM which must survive from run to run.
    inputs, outputs : tuple of Edge
    row : int
        Bytes of a row of the first input where that comes by rows; else 0.
    board : Board, optional
        The emulated board that its check can run on.
    folder : str
        The name of the folder it is in; by default its own name.
    version : str
        Three numbers with dots between.
    license : str
        SPDX identifier of the code's license.

    Raises
    ------
    DeviceError
        The name does not suit C or one of the build systems.
    """

    name: str
    title: str
    target: Target
    sources: tuple[str, ...]
    memory: int
    constants: int
    inputs: tuple[Edge, ...]
    outputs: tuple[Edge, ...]
    state: int = 0
    row: int = 0
    board: Board | None = None
    folder: str = ""
    version: str = "1.0.0"
    license: str = "Apache-2.0"

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name) or TAKEN.fullmatch(self.name):
            raise DeviceError(
                f"{self.name!r} cannot be the name of a library; take one of at most 63 letters, digits and _ that"
                " begins with a letter, but not with Arduino or qrt, and is no C header and no target of a build system"
            )


@dataclass(frozen=True)
class Vector:
    """A test vector: the bytes of each input, and those of each output that they give.

    `continues`: whether the network's state is that after the vector before it; otherwise it is reset.
    """

    inputs: tuple[bytes, ...]
    outputs: tuple[bytes, ...]
    continues: bool = False


@dataclass(frozen=True)
class Board:
    """How ``make check BOARD=<name>`` builds and runs the check on an emulated board.

    Attributes
    ----------
    name : str
    files : dict
        Name and text of what goes into ``board/``: ``board.h``, which declares ``board_print(text)``, start code that
        ends the emulator with the result of ``main()``, linker scripts.
    compiler, flags, link : str
        Compiler, its options, and those for the linker; paths relative to the library.
    run : str
        The command that takes the linked program as its last argument and ends with its exit status.
    """

    name: str
    files: dict[str, str]
    compiler: str
    flags: str
    link: str
    run: str


def project_files(library: Library) -> dict[str, str]:
    """The files of the build systems, README.md and an example for Arduino: path in the library, and text."""
    values = placeholders(library)
    names = sorted(path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*.in"))
    return {name.removesuffix(".in"): fill(name, values) for name in names if not name.startswith("check/")}


def check_files(library: Library, vectors: Sequence[Vector]) -> dict[str, str]:
    """The program that runs the test vectors, and what an emulated board needs for it: path in the library, and text.

    Raises
    ------
    ValueError
        There is no vector, or one does not fit the inputs and outputs.
    """
    values = placeholders(library)
    files = {name: fill(f"{name}.in", values) for name in ("check/check.c", "check/main.c")}
    files["check/vectors.h"] = vectors_header(library, vectors)
    if library.board is not None:
        files |= {f"board/{name}": text for name, text in library.board.files.items()}
        files[f"board/{library.board.name}.mk"] = board_rules(library.board)
    return files


def fill(template: str, values: dict[str, str]) -> str:
    """A template's text with its placeholders replaced; an unknown one is a KeyError."""
    text = (TEMPLATES / template).read_text(encoding="utf-8")
    return re.sub(r"@(\w+)@", lambda match: values[match[1]], text)


def placeholders(library: Library) -> dict[str, str]:
    """The text of each placeholder."""
    title = plain(library.title) or library.name
    return {
        "name": library.name,
        "NAME": library.name.upper(),
        "title": title,
        "sentence": f"The int8 neural network {title} as C99.",
        "folder": folder_name(library),
        "target": library.target.title,
        "core": library.target.core,
        "kernels": library.target.kernels,
        "tools": TOOLS["arm" if library.target.is_arm else "riscv"],
        "options": " ".join(library.target.gcc),
        "board_check": board_check(library.board),
        "version": library.version,
        "license": library.license,
        "memory": str(library.memory),
        "constants": str(library.constants),
        "cmake_sources": "\n".join(f"    {source}" for source in library.sources),
        "make_sources": " \\\n    ".join(library.sources),
        "edges": "\n".join([*edge_rows("input", library.inputs), *edge_rows("output", library.outputs)]),
        **state_code(library),
        **input_code(library),
        **run_code(library),
        **output_code(library),
    }


def folder_name(library: Library) -> str:
    """The name of the library's folder as a shell and CMake read it."""
    name = plain(library.folder) or library.name
    return name if re.fullmatch(r"[\w.+/-]+", name) else f'"{name}"'


def board_check(board: Board | None) -> str:
    """The line of README.md about the emulated board."""
    if board is None:
        return ""
    needs = f"needs `{board.compiler}` and `{board.run.split()[0]}`, which prints the result to stderr"
    return f"- On an emulated board: `make check BOARD={board.name}`; {needs}.\n"


def plain(text: str) -> str:
    """Text of a model in characters that mean nothing to any of the file formats."""
    return re.sub(r"[^A-Za-z0-9_ .()+,/-]", "_", " ".join(text.split()))


def edge_rows(kind: str, edges: Sequence[Edge]) -> list[str]:
    """The rows of the edges in the table of README.md."""
    rows = []
    for number, edge in enumerate(edges):
        code = f"(code {'+' if edge.zero_point < 0 else '-'} {abs(edge.zero_point)})"
        real = (
            f"real = {literal(edge.scale)} * {code}"
            if edge.scale
            else "a scale for each entry"
            if edge.dtype == "int32"
            else "no scale in the model"
        )
        codes = f"{' x '.join(map(str, edge.shape))} {edge.dtype}, {edge.size} bytes"
        labels = f"; {len(edge.labels)} labels" if edge.labels else ""
        rows.append(f"| {kind} {number}: {plain(edge.name)} | {codes}; {real}{labels} |")
    return rows


def literal(scale: float) -> str:
    """A float32 in the fewest digits that give it back."""
    texts = (f"{scale:.{digits}g}" for digits in range(1, 10))
    return next(text for text in texts if struct.pack("f", float(text)) == struct.pack("f", scale))


def state_code(library: Library) -> dict[str, str]:
    """What README.md, the example and the check say and do about the state of a network, if it has one."""
    if not library.state and not library.row:
        texts = {"memory_use": f"{library.memory} bytes; a network needs no other state"}
        return texts | dict.fromkeys(("state_row", "state_use", "reset", "reset_vector"), "")
    name = library.name
    reset = f"{name}_reset(&memory)"
    return {
        "memory_use": f"{library.memory} bytes; call {reset} before the first {'row' if library.row else 'run'}",
        "state_row": f"| state | the first {library.state} bytes of that memory: what the network remembers |\n"
        if library.state
        else "",
        "state_use": STATE_USE.format(name=name, upper=name.upper(), state=library.state) if library.state else "",
        "reset": f"\n    {reset};",
        "reset_vector": f"        {'if (!vectors[vector].continues) ' if library.state else ''}{reset};\n",
    }


def input_code(library: Library) -> dict[str, str]:
    """How README.md and the example fill the inputs."""
    name, first = library.name.upper(), library.inputs[0]
    function = include = ""
    low, high = (-128, 127) if first.dtype == "int8" else (-32768, 32767)
    if first.scale:
        include = "#include <math.h> /* many toolchains need -lm to link it */\n"
        nearest = QUANTIZE[first.quantize_rule].format(scale=f"{name}_INPUT_0_SCALE")
        function = (
            f"\nstatic {first.dtype}_t quantize(float x) {{\n"
            f"    float code = {nearest} + {name}_INPUT_0_ZERO_POINT;\n"
            f"    return ({first.dtype}_t)(code < {low}.0f ? {low}.0f : code > {high}.0f ? {high}.0f : code);\n"
            "}\n"
        )
    # A zero point of 16 bits is 0, or the example's input is not quite that of zeros.
    zeros = (
        f"    memset({library.name}_input(&memory, {i}), "
        f"{f'{name}_INPUT_{i}_ZERO_POINT' if edge.dtype == 'int8' else 0}, {name}_INPUT_{i}_SIZE);"
        for i, edge in enumerate(library.inputs)
        if i > 0 or not library.row
    )
    pointer, count = f"{library.name}_input(&memory, 0)", f"{name}_INPUT_0_SIZE"
    if first.dtype == "int16":
        pointer, count = f"(int16_t *){pointer}", f"{count} / 2"
    return {
        "include_math": include,
        "quantize": function,
        "input_type": "float" if first.scale else f"{first.dtype}_t",
        "predict": predict(library, pointer, count, "quantize({})" if first.scale else "{}"),
        "zero_inputs": "\n".join(zeros),
    }


def predict(library: Library, pointer: str, count: str, code: str) -> str:
    """The lines of README.md that give the input and run the network."""
    name, dtype = library.name, library.inputs[0].dtype
    if not library.row:
        return (
            f"    {dtype}_t *input = {pointer};\n"
            f"    for (unsigned i = 0; i < {count}; i++) input[i] = {code.format('x[i]')};\n"
            f"    {name}_run(&memory); /* overwrites the inputs: write them before each run */"
        )
    return (
        f"    static {dtype}_t row[{name.upper()}_INPUT_0_ROW_SIZE / sizeof({dtype}_t)];\n"
        "    for (int done = 0; !done; x += sizeof row / sizeof *row) { /* one row after another, as they come */\n"
        f"        for (unsigned i = 0; i < sizeof row / sizeof *row; i++) row[i] = {code.format('x[i]')};\n"
        f"        done = {name}_feed(&memory, (const int8_t *)row);\n"
        "    }"
    )


def run_code(library: Library) -> dict[str, str]:
    """How the example and the check run the network."""
    name = library.name
    if not library.row:
        return {
            "run_zeros": f"    {name}_run(&memory);",
            "first_whole": "0",
            "run_check": f"        {name}_run(&memory);",
        }
    row = f"{name.upper()}_INPUT_0_ROW_SIZE"
    zero = f"{name.upper()}_INPUT_0_ZERO_POINT" if library.inputs[0].dtype == "int8" else "0"
    return {
        "run_zeros": f"    static int8_t row[{row}];\n"
        f"    memset(row, {zero}, sizeof row);\n"
        f"    while (!{name}_feed(&memory, row)) {{\n    }}",
        "first_whole": "1",
        "run_check": "        const int8_t *row = vectors[vector].inputs[0];\n"
        f"        while (!{name}_feed(&memory, row)) row += {row};",
    }


def output_code(library: Library) -> dict[str, str]:
    """How README.md and the example read the first output."""
    name, first = library.name, library.outputs[0]
    pointer = f"{name}_output(&memory, 0)"
    if first.dtype != "int8":
        pointer = f"(const {first.dtype}_t *){pointer}"
    upper, count = f"{name.upper()}_OUTPUT_0", math.prod(first.shape)
    entry = f"output[i] is {first.dtype}, number i of {count}"
    if first.scale:
        entry = f"real value of entry i: {upper}_SCALE * (output[i] - {upper}_ZERO_POINT)"
    labels = f"{name}_output_0_labels"
    # Labels name the entries where there are as many; and codes can be compared unless each has its own scale.
    labelled = len(first.labels) == count
    use = f"    (void)output; /* {entry} */"
    if labelled and (first.dtype != "int32" or first.scale):
        use = (
            f"    int best = 0; /* {entry} */\n"
            f"    for (int i = 1; i < {upper}_LABEL_COUNT; i++) {{\n"
            "        if (output[i] > output[best]) best = i;\n"
            "    }\n"
            f"    puts({labels}[best]);"
        )
    elif first.labels:
        use += f"\n    /* its label: {labels}[i % {upper}_LABEL_COUNT] */"
    label = f"{labels}[i]" if labelled else "i"
    loop = (
        f"    const {first.dtype}_t *output = {pointer};",
        f"    for (int i = 0; i < {count}; i++) {{",
        f"        Serial.print({label});",
        '        Serial.print(": ");',
        "        Serial.println(output[i]);",
        "    }",
    )
    return {
        "output_type": f"{first.dtype}_t",
        "output_pointer": pointer,
        "include_stdio": "#include <stdio.h>\n" if "puts" in use else "",
        "use_output": use,
        "print_output": "\n".join(loop),
    }


def vectors_header(library: Library, vectors: Sequence[Vector]) -> str:
    """The text of ``check/vectors.h``."""
    if not vectors:
        raise ValueError("a check needs at least one test vector")
    lines = [
        f"/* Inputs of {library.name}, and the outputs that `qrt run` gives for them. */",
        f'#include "{library.name}.h"',
        "",
        f"enum {{ VECTOR_COUNT = {len(vectors)}, INPUT_COUNT = {len(library.inputs)},"
        f" OUTPUT_COUNT = {len(library.outputs)} }};",
    ]
    for kind, edges in (("input", library.inputs), ("output", library.outputs)):
        sizes = ", ".join(str(edge.size) for edge in edges)
        lines.append(f"static const int32_t {kind}_sizes[{kind.upper()}_COUNT] = {{{sizes}}};")
    rows = []
    for number, vector in enumerate(vectors):
        names = []
        for kind, edges, parts in (
            ("input", library.inputs, vector.inputs),
            ("output", library.outputs, vector.outputs),
        ):
            if [len(part) for part in parts] != [edge.size for edge in edges]:
                raise ValueError(f"test vector {number} does not have the sizes of the {kind}s")
            arrays = [f"vector_{number}_{kind}_{index}" for index in range(len(parts))]
            for array, part in zip(arrays, parts, strict=True):
                lines += ["", f"static const int8_t {array}[{len(part)}] = {{", *code_lines(part), "};"]
            names.append(", ".join(arrays))
        continues = f", {int(vector.continues)}" if library.state else ""
        rows.append(f"    {{{{{names[0]}}}, {{{names[1]}}}{continues}}},")
    members = "const int8_t *inputs[INPUT_COUNT], *outputs[OUTPUT_COUNT];"
    if library.state:
        members += " int continues;"
    return "\n".join([*lines, "", f"static const struct {{ {members} }} vectors[VECTOR_COUNT] = {{", *rows, "};", ""])


def code_lines(data: bytes) -> list[str]:
    """Bytes as int8 numbers of C."""
    codes = memoryview(data).cast("b").tolist()
    return ["    " + ", ".join(map(str, codes[at : at + 24])) + "," for at in range(0, len(codes), 24)]


def board_rules(board: Board) -> str:
    """The text of ``board/<name>.mk``."""
    sources = " ".join(f"board/{name}" for name in board.files if name.endswith((".c", ".S")))
    variables = {
        "CC": board.compiler,
        "FLAGS": board.flags,
        "SOURCES": sources,
        "LINK": board.link,
        "RUN": board.run,
    }
    lines = (f"BOARD_{name} = {value}" for name, value in variables.items())
    return "\n".join([f"# `make check BOARD={board.name}`", *lines, ""])
