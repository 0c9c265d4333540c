"""README.md and docs/ are correct: Python, C and commands run, links are valid, generated tables match the code.

PYTHONPATH=.:tests python tests/project/test_readme.py    # rewrites the tables
"""

from __future__ import annotations

import builtins
import copy
import functools
import importlib.util
import json
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from arm_programs import kernel_owners
from c_programs import ARM, DEVICE
from click import Command as Verb
from command_line import qrt_in_process
from engines import version_table
from marked_tables import between_marks, columns, write_table
from places import ROOT

import qrt
from bench.__main__ import main as bench
from bench.device.__main__ import main as device_bench
from qrt.cli import verbs
from qrt.compiler import compile
from qrt.compiler.frontends.onnx.nodes import NODES
from qrt.compiler.frontends.onnx.qlinear import QLINEAR_NODES
from qrt.compiler.frontends.tflite.operators import OPERATORS
from qrt.compiler.frontends.torch.nodes import ATEN
from qrt.firmware.emulators import Call, Command, Execution, Settings, Write, execute
from qrt.firmware.generate.memory import interpreter_memory
from qrt.firmware.targets import TARGETS
from qrt.firmware.toolchain.compilers import find_compiler
from qrt.firmware.toolchain.compilers import link as link_program
from qrt.firmware.toolchain.image import Image

README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
KERNELS_PAGE, OPERATORS_PAGE = ROOT / "docs" / "kernels.md", ROOT / "docs" / "operators.md"
COMPILE_PAGE = ROOT / "docs" / "compile.md"
DEVICE_PAGE = ROOT / "docs" / "device.md"
# For those who use qrt, and for those who change it too.
PAGES = [README, *DOCS, ROOT / "SECURITY.md", ROOT / "CHANGELOG.md", ROOT / "examples" / "forum" / "README.md"]
ALL_PAGES = [*PAGES, ROOT / "CONTRIBUTING.md"]
DIGITS = ROOT / "examples" / "digits"
# What emulated processors need, and those that docs/device.md has figures of.
DEVICE_PACKAGES = ("ziglang", "unicorn", "elftools", "capstone")
GCC = "arm-none-eabi-gcc"
CORES = ("cortex-m0", "cortex-m4", "cortex-m33", "riscv32")
# Where the interpreter of a device finds its headers.
INCLUDE = [ROOT / folder for folder in ("firmware", "runtime", "runtime/kernels", "schema")]
REWRITE = "run: PYTHONPATH=.:tests python tests/project/test_readme.py"

# What blocks of Python print, by a piece of their text; one that is not listed prints nothing.
PRINTS = {
    "model.state = state": "True\nTrue\n",
    'print("accuracy"': r"accuracy 0\.99\d+\n",
    'GraphBuilder("tiny")': r"\(1, 1, 4\)\n",
    'skip=["overlap"]': r"369728 MACs; \d+ bytes of arena, lower bound \d+\n",
    "open_dataset(": r"right: 35\d of 360\n",
    "# a single sample": r"\(360, 10\) int8 \(10,\)\n\(1, 8, 8, 1\) 0\.0039\d+ -128\n",
    "model.output_view(0)": r"\[\[.*\]\]\n",
    "ThreadPoolExecutor": r"True\n",
    "pickle.dumps": r"True\n",
    "qrt.evaluate(": r"accuracy 0\.99\d+, wrong: \[333\]\n359 1\.0\n",
    "model.feed(": r"the same True\n",
    "np.nanargmax": r"slowest operator: \d+\n",
    "bytes of RAM": r"\(\d+, 10\) \d+ bytes of RAM for activations\n",
    "scores.shape": r"\(360, 10\)\n",
    'qrt.load("network.qfb").inputs': "x\n",
}
# Files that blocks of Python write, by a piece of their text.
WRITES = {"quantize_static(": "model.onnx", "torch.export.save(": "model.pt2", 'open("model.qfb"': "model.qfb"}


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


# --------------------------------------------------------------------------------------------- generated tables


def kernel_table(others: dict[str, dict[str, str]] | None = None) -> str:
    """The operators as rows, the kernel sets of this machine and others as columns."""
    table = qrt.kernel_table() | (others or {})
    sets = list(table)
    lines = ["| operator | " + " | ".join(sets) + " |", "|---|" + "---|" * len(sets)]
    for op in next(iter(table.values())):
        lines.append(f"| {op} | " + " | ".join(table[name][op] for name in sets) + " |")
    return "\n".join(lines) + "\n"


def source_operators() -> str:
    """What each frontend reads."""
    lists = {
        "ONNX": NODES,
        "ONNX, QOperator": QLINEAR_NODES,
        "TFLite": OPERATORS,
        "PyTorch (ATen)": [name for name in ATEN if not name.startswith("_")],
    }
    rows = [f"| {source} | {', '.join(f'`{name}`' for name in sorted(names))} |" for source, names in lists.items()]
    return "\n".join(["| source | operators |", "|---|---|", *rows]) + "\n"


def test_kernel_table_is_what_the_code_says() -> None:
    """The columns of the sets that this machine has; which others there are is for a machine that has them."""
    shown = columns(between_marks(KERNELS_PAGE, "kernel table"))
    assert {title: shown.get(title) for title in columns(kernel_table())} == columns(kernel_table()), REWRITE
    assert set(shown) == {"operator", *qrt.kernel_sets(), *qrt.absent_kernel_sets()}


def test_source_operators_are_what_the_code_says() -> None:
    assert between_marks(OPERATORS_PAGE, "source operators") == source_operators(), REWRITE


def test_engine_versions_are_what_the_code_says() -> None:
    assert between_marks(COMPILE_PAGE, "engine versions") == version_table(), REWRITE


def device_targets() -> str:
    """The processors, and what emulates them."""
    emulators = {"unicorn": "unicorn", "qemu": "QEMU"}
    rows = [
        f"| `{name}` | {core.title} | `{core.kernels}` | {emulators[core.emulator]} |" for name, core in TARGETS.items()
    ]
    return "\n".join(["| `--target` | processor | kernels | emulated by |", "|---|---|---|---|", *rows]) + "\n"


def device_kernels() -> str:
    """The operators that each kernel set for devices has kernels of its own for."""
    rows = ["| set | operators with a kernel of its own |", "|---|---|"]
    for kernels in ("dsp", "mve"):
        text = (ROOT / "runtime/kernels/arm" / kernels / "rows.h").read_text()
        names = ", ".join(f"`{row}`" for row in re.findall(r"^X\((\w+)\)", text, re.MULTILINE))
        rows.append(f"| `{kernels}` | {names} |")
    return "\n".join(rows) + "\n"


@functools.cache
def profile_of_digits(core: str, *options: str) -> str:
    """What `qrt profile` prints for the network of the digits example."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digits.qfb"
        path.write_bytes(compile(DIGITS / "digits_resnet.onnx").to_bytes())
        return qrt_in_process("profile", str(path), "--target", core, *options, COLUMNS="120").stdout


def device_figures() -> str:
    """What the network of the digits example takes on some cores."""
    found = {core: json.loads(profile_of_digits(core, "--json")) for core in CORES}
    head = "| target | flash: code + constants | RAM: tensors and scratch + stack | instructions | cycles, estimated |"
    rows = [
        f"| {core} | {of['code']:,} + {of['constants']:,} | {of['memory']:,} + {of['stack']:,}"
        f" | {of['instructions']:,} | {'-' if of['cycles'] is None else format(of['cycles'], ',')} |"
        for core, of in found.items()
    ]
    of = found[CORES[0]]
    made_by = f"Bytes; compiled by {of['compiler']} with -O{of['optimize']}."
    return "\n".join([head, "|---|--:|--:|--:|--:|", *rows, "", made_by]) + "\n"


def device_levels() -> str:
    """The digits network on a Cortex-M4 by the compilers' levels of optimization."""
    rows = ["| compiler | `--optimize` | code | instructions |", "|---|---|--:|--:|"]
    for compiler in ((), ("--cc", GCC)):
        for level in ("s", "2"):
            options = compiler if level == "s" else (*compiler, "--optimize", level)
            of = json.loads(profile_of_digits("cortex-m4", "--json", *options))
            rows.append(f"| {of['compiler']} | `{level}` | {of['code']:,} | {of['instructions']:,} |")
    return "\n".join(rows) + "\n"


@functools.cache
def interpreted_digits(kernels: str = "portable") -> tuple[Image, int, Execution]:
    """The application that docs/device.md shows, for a Cortex-M4, the size of its file, and its classes of images."""
    core = TARGETS["cortex-m4"]
    (shown,) = [code for code in blocks(DEVICE_PAGE, "c") if "qrt_device_open(" in code]
    sources = [*DEVICE]
    if kernels != "portable":
        rows = (ROOT / "runtime/kernels/arm" / kernels / "rows.h").read_text()
        for row in re.findall(r"^X\((\w+)\)", rows, re.MULTILINE):
            shown = re.sub(rf"&qrt_device_{row}\b", f"&qrt_device_{row}_{kernels}", shown)
        sources += [*ARM[kernels], ROOT / f"firmware/qrt_device_{kernels}.c"]
    shown = shown.replace("bytes[8192]", "bytes[65536]")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "page.c").write_text(shown, encoding="utf-8")
        roots = ["open_network", "classify"]
        image = link_program(core, find_compiler(core), [folder / "page.c", *sources], INCLUDE, roots)
        stripped = ["-o", str(folder / "digits.qfb"), "--strip", "--quiet"]
        qrt_in_process("compile", str(DIGITS / "digits_resnet.onnx"), *stripped)
        content = (folder / "digits.qfb").read_bytes()
    start, picture = -(-image.free // 16) * 16, image.free + len(content) + 16
    commands: list[Command] = [Write(start, content), Call("open_network", (start, len(content)))]
    for codes in digit_codes():
        commands += [Write(picture, codes.tobytes()), Call("classify", (picture,))]
    return image, len(content), execute(image, core, commands, Settings(count=True))


def digit_codes() -> np.ndarray:
    """The first images of the digits example."""
    images = np.load(DIGITS / "test_digits.npz")["images"][:20].reshape(20, 8, 8, 1)
    return np.rint(images * 255 - 128).astype(np.int8)


def device_forms() -> str:
    """The digits network as generated C beside the interpreter with its file."""
    generated = json.loads(profile_of_digits("cortex-m4", "--json"))
    rows = [
        "| form | code | network | RAM, one block | stack | instructions |",
        "|---|--:|--:|--:|--:|--:|",
        f"| generated C | {generated['code']:,} | {generated['constants']:,} | {generated['memory']:,}"
        f" | {generated['stack']:,} | {generated['instructions']:,} |",
    ]
    for kernels, form in (("portable", "interpreter, 5 operators"), ("dsp", "the same, operators of `dsp`")):
        image, file_size, execution = interpreted_digits(kernels)
        needed = interpreter_memory(compile(DIGITS / "digits_resnet.onnx").to_bytes(), kernels)
        instructions = sum(segment.instructions for segment in execution.calls[-1])
        rows.append(
            f"| {form} | {image.code + image.constants:,} | {file_size:,} | {needed:,}"
            f" | {execution.stack:,} | {instructions:,} |"
        )
    return "\n".join([*rows, "", f"Bytes; compiled by {generated['compiler']}."]) + "\n"


def test_the_interpreter_of_the_page_classifies_as_qrt_run() -> None:
    for package in ("onnx", *DEVICE_PACKAGES):
        pytest.importorskip(package)
    model = qrt.load(compile(DIGITS / "digits_resnet.onnx").to_bytes())
    opened, *classes = interpreted_digits()[2].returned
    assert opened == 0
    assert classes == model.run(digit_codes()).argmax(axis=1).tolist()


DIFFER = r"test vectors that differ: 0\nlabel: [0-9]\n"


@pytest.mark.parametrize(
    ("compiler", "old", "new", "printed"),
    [
        ("gcc", "", "", DIFFER),
        (GCC, "", "", DIFFER),
        ("gcc", "8192", "64", r"error -5: the block must have bytes \d{4}\n"),
        ("gcc", "&qrt_device_add", "&qrt_device_mul", r"error -6: not in the list of operators: add\n"),
        ("gcc", "device, file, size,", "device, file, size - 4,", r"error -4: breaks rule V\d+\n"),
    ],
    ids=["here", "board", "memory", "operator", "invalid"],
)
def test_the_program_of_the_page_runs(compiler: str, old: str, new: str, printed: str, folder: Path) -> None:
    """By the commands of the page, on this machine and on an emulated board; or it says what is wrong."""
    (commands,) = [block for block in blocks(DEVICE_PAGE, "sh") if block.startswith(f"{compiler} ")]
    needed = ["gcc"] if compiler == "gcc" else [GCC, "qemu-system-arm"]
    if missing := [name for name in needed if shutil.which(name) is None]:
        pytest.skip(f"{', '.join(missing)} is not installed")
    for name in ("firmware", "runtime", "schema"):
        (folder / name).symlink_to(ROOT / name)
    for code in blocks(DEVICE_PAGE, "c"):
        if found := re.match(r"/\* (\w+\.c) \*/", code):
            (folder / found[1]).write_text(code.replace(old, new) if old else code, encoding="utf-8")
    image, compiled = np.zeros((1, 8, 8, 1), np.int8), compile(DIGITS / "digits_resnet.onnx")
    outputs = qrt.load(compiled.to_bytes()).run(image)
    (folder / "model.qfb").write_bytes(compiled.to_bytes([([image], [outputs])]))
    done = subprocess.run(["sh", "-c", commands], capture_output=True, text=True, timeout=120)
    assert re.fullmatch(printed.replace("[0-9]", str(outputs.argmax())), done.stdout + done.stderr)


def readme_figures() -> str:
    """The lines about the whole network."""
    lines = profile_of_digits("cortex-m4").splitlines()
    kept = ("processor", "kernels", "compiler", "instructions", "start-up", "flash", "RAM")
    shown = [line for line in lines if line.split("  ")[0] in kept]
    return "\n".join(["```text", *shown, "```"]) + "\n"


def test_targets_are_what_the_code_says() -> None:
    assert between_marks(DEVICE_PAGE, "device targets") == device_targets(), REWRITE
    assert between_marks(DEVICE_PAGE, "device kernels") == device_kernels(), REWRITE


@pytest.mark.parametrize(
    ("page", "title", "made"),
    [
        (README, "device figures", readme_figures),
        (DEVICE_PAGE, "device figures", device_figures),
        (DEVICE_PAGE, "device levels", device_levels),
        (DEVICE_PAGE, "device forms", device_forms),
    ],
    ids=["README.md", "cores", "levels", "forms"],
)
def test_device_figures_are_measured(page: Path, title: str, made: Callable[[], str]) -> None:
    for package in ("onnx", *DEVICE_PACKAGES):
        pytest.importorskip(package)
    shown = between_marks(page, title)
    if made is device_levels and shutil.which(GCC) is None:
        pytest.skip(f"{GCC} is not installed")
    for options in ((), ("--cc", GCC)) if made is device_levels else ((),):
        compiler = json.loads(profile_of_digits("cortex-m4", "--json", *options))["compiler"]
        if compiler not in shown:
            pytest.skip(f"{name_of(page)} has the figures of another compiler than {compiler}")
    assert shown == made(), REWRITE


# ------------------------------------------------------------------------------------------------------- Python


@functools.cache
def torch_names() -> dict[str, Any]:
    """What blocks about PyTorch take as given: a network, images for it, and the network quantized."""
    import torch_networks
    from torch.ao.quantization import get_default_qconfig_mapping
    from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

    model, images = torch_networks.network("residual").eval(), torch_networks.digits()[0][:32]
    prepared = prepare_fx(copy.deepcopy(model), get_default_qconfig_mapping("fbgemm"), (images,))
    prepared(images)
    return {"model": model, "images": images, "quantized": convert_fx(prepared)}


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """What pages take as given, by the names that they use."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    return {
        "model.onnx": (DIGITS / "digits_resnet.onnx").read_bytes(),
        "model.qfb": compile(DIGITS / "digits_resnet.onnx").to_bytes(),
        "images.npz": (DIGITS / "test_digits.npz").read_bytes(),
    }


@pytest.fixture
def folder(files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of a reader."""
    from float_tflite import float_tflite
    from onnx_models import Net, samples

    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    net = Net((1, 2, 6, 6))
    y = net.gemm(net.node("Flatten", net.node("GlobalAveragePool", net.conv("x", 4, 2))), 3, 4)
    (tmp_path / "float.onnx").write_bytes(net.model(y).SerializeToString())
    np.save(tmp_path / "samples.npy", samples(net.shape))
    np.savez(tmp_path / "data.npz", x=samples(net.shape))
    for seed, name in enumerate(("train", "val"), start=2):
        x = samples(net.shape, seed)
        np.savez(tmp_path / f"{name}.npz", x=x, labels=np.arange(len(x)) % 3)
    (tmp_path / "float.tflite").write_bytes(float_tflite(shape=net.shape))
    np.save(tmp_path / "inputs.npy", np.zeros((2, 8, 8, 1), np.float32))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "code",
    [pytest.param(code, id=f"{name_of(page)}-{i}") for page in PAGES for i, code in enumerate(blocks(page, "python"))],
)
def test_python_runs(code: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    written = [name for piece, name in WRITES.items() if piece in code]
    for name in written:
        (folder / name).unlink(missing_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if "torch" in code:
            names |= copy.deepcopy(torch_names())
        exec(builtins.compile(code, "page", "exec"), names)
    expected = next((printed for piece, printed in PRINTS.items() if piece in code), "")
    assert re.fullmatch(expected, capsys.readouterr().out)
    for name in written:
        model = (folder / name).read_bytes() if name.endswith(".qfb") else compile(name).to_bytes()
        assert qrt.load(model).outputs
    if isinstance(names.get("content"), bytes):
        assert qrt.load(names["content"]).outputs


# ------------------------------------------------------------------------------------------------------------ C


@pytest.mark.parametrize(
    "code",
    [pytest.param(code, id=f"{name_of(page)}-{i}") for page in PAGES for i, code in enumerate(blocks(page, "c"))],
)
def test_c_compiles(code: str, folder: Path) -> None:
    """With the library of the digits network, `net`."""
    if (compiler := shutil.which("cc")) is None:
        pytest.skip("there is no C compiler")
    written = qrt_in_process("firmware", "model.qfb", "-o", "net")
    assert written.exit_code == 0, written.stderr
    (folder / "page.c").write_text(code, encoding="utf-8")
    include = [f"-I{path}" for path in ("net/src", *INCLUDE)]
    command = [compiler, "-std=c99", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", *include, "page.c"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# ----------------------------------------------------------------------------------------------------- commands


def lines_of_shell(page: Path) -> Iterator[list[str]]:
    for block in blocks(page, "sh"):
        for line in block.replace("\\\n", "").splitlines():
            if words := shlex.split(line, comments=True):
                yield words


def inline(page: Path) -> list[str]:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.findall(r"`([^`]+)`", text)


def options(command: Verb) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts if name.startswith("-")} | {"--help"}


def check_command(words: list[str]) -> None:
    """A verb that there is, with options that it has."""
    known = verbs.commands.get(words[1]) if not words[1].startswith("-") else None
    if known is None:
        assert words[1] in ("--version", "--help"), f"{shlex.join(words)}: no such command"
        return
    for word in words[2:]:
        assert not word.startswith("-") or word in options(known), f"{shlex.join(words)}: no option {word}"


@pytest.mark.parametrize("page", ALL_PAGES, ids=name_of)
def test_commands_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for words in [*lines_of_shell(page), *(span.split() for span in inline(page))]:
        while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
            words = words[1:]
        if words[:1] == ["qrt"] and len(words) > 1:
            check_command(words)
        elif words[:1] == ["make"] and len(words) > 1 and words[1] != "-C":
            assert words[1] in targets, f"make {words[1]}"
        elif words[:3] == ["python", "-m", "bench"]:
            assert {word for word in words if word.startswith("--")} <= options(bench)
        elif words[:3] == ["python", "-m", "bench.device"]:
            assert {word for word in words if word.startswith("--")} <= options(device_bench)


@pytest.mark.parametrize("verb", verbs.commands)
def test_help_shows_commands_that_exist(verb: str) -> None:
    shown = re.findall(r"^ +(qrt .+?)(?:  |$)", qrt_in_process(verb, "--help").stdout, re.MULTILINE)
    assert shown and all(line.split()[1] == verb for line in shown)
    for line in shown:
        check_command(line.split())


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_options_exist(page: Path) -> None:
    known = set().union(*map(options, verbs.commands.values()), options(bench), options(device_bench))
    named = [span.split()[0] for span in inline(page) if re.fullmatch(r"--?[a-z-]*[a-z]( \S+)?", span)]
    assert set(named) <= known


def test_every_option_of_compile_is_described() -> None:
    page = ROOT / "docs" / "compile.md"
    named = {word for span in inline(page) for word in re.findall(r"--?[a-z-]*[a-z]\d*", span)}
    described = named | {"--output", "--help"}
    assert {max(parameter.opts, key=len) for parameter in verbs.commands["compile"].params} - described == {"source"}


def missing_for(words: list[str]) -> str | None:
    """What a command about a device needs and this machine lacks."""
    if words[0] == "make":
        needed = ("make", "arm-none-eabi-gcc", "qemu-system-arm") if "BOARD" in words[-1] else ("make", "cc")
        return next((name for name in needed if shutil.which(name) is None), None)
    packages = DEVICE_PACKAGES if "--target" in words else ()
    return next((name for name in packages if importlib.util.find_spec(name) is None), None)


@pytest.mark.parametrize("page", [README, *DOCS], ids=name_of)
def test_commands_run(page: Path, folder: Path) -> None:
    """In the order of the page, with the files that it takes as given."""
    ran = [words for words in lines_of_shell(page) if {"qrt", "-C"} & {*words} and "model.pt2" not in words]
    left_out = []
    if any("model.tflite" in words for words in ran):
        pytest.importorskip("litert_quantizer")
        from qrt.compiler.backends.qfb.reader import read
        from qrt.compiler.backends.tflite.writer import to_tflite

        (folder / "model.tflite").write_bytes(to_tflite(read((folder / "model.qfb").read_bytes())).content)
    for words in ran:
        if missing := missing_for(words):
            left_out.append(f"{shlex.join(words)}: {missing} is not installed")
            continue
        if words[0] == "make":
            done = subprocess.run(words, capture_output=True, text=True)
            assert done.returncode == 0, f"{shlex.join(words)}: {done.stderr}"
            continue
        at = words.index("qrt")
        env = dict(word.split("=", 1) for word in words[:at])
        if env.get("QRT_KERNELS", "portable") in qrt.kernel_sets():
            result = qrt_in_process(*words[at + 1 :], **env)
            assert result.exit_code == 0, f"{shlex.join(words)}: {result.stderr}"
    if left_out:
        pytest.skip("the other commands run; " + "; ".join(left_out))


def test_shows_what_the_demo_prints(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All but the time, as far as this machine has the kernel sets."""
    (folder / "build").mkdir()
    source, path = "examples/digits/digits_resnet.onnx", "build/digits.qfb"
    printed = qrt_in_process("compile", source, "-o", path, "--test-vectors", "2").stdout
    printed += qrt_in_process("check", path).stdout
    monkeypatch.setattr(sys, "argv", ["demo.py", path])
    runpy.run_path(str(DIGITS / "demo.py"), run_name="__main__")
    printed += capsys.readouterr().out
    (shown,) = [block for block in blocks(README, "text") if path in block]
    for line in shown.splitlines():
        words = line.split()
        if words and words[0] not in qrt.absent_kernel_sets():
            line = re.sub(r" in [\d.]+ s$", "", line)
            assert re.search(rf"^{re.escape(line)}( in [\d.]+ s)?$", printed, re.MULTILINE), line


def test_shows_both_commands() -> None:
    (quick_start,) = [block for block in blocks(README, "sh") if "make " in block]
    assert re.findall(r"^make (\w+)", quick_start, re.MULTILINE) == ["demo", "test"]


# -------------------------------------------------------------------------------------------------------- links


def anchors(page: Path) -> set[str]:
    """Of the headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", ALL_PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_and_folders_exist(page: Path) -> None:
    top = {path.name for path in ROOT.iterdir() if path.is_dir()} - {"build"}
    for span in inline(page):
        if span.split("/")[0] in top and re.fullmatch(r"[\w./-]+/[\w./-]*", span):
            assert (ROOT / span).exists(), span


def test_the_site_has_every_page() -> None:
    """Building it finds those that are in no list of contents; here without building."""
    listed = re.findall(r"^([\w/]+)$", (ROOT / "docs" / "index.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert {f"docs/{name}.md" for name in listed} >= {name_of(page) for page in DOCS if page.stem != "index"}


if __name__ == "__main__":
    write_table(OPERATORS_PAGE, "source operators", source_operators())
    write_table(COMPILE_PAGE, "engine versions", version_table())
    write_table(DEVICE_PAGE, "device targets", device_targets())
    write_table(DEVICE_PAGE, "device kernels", device_kernels())
    write_table(DEVICE_PAGE, "device figures", device_figures())
    write_table(DEVICE_PAGE, "device levels", device_levels())
    write_table(DEVICE_PAGE, "device forms", device_forms())
    write_table(README, "device figures", readme_figures())
    with tempfile.TemporaryDirectory() as folder:
        arm = kernel_owners(Path(folder), Path(folder))
    if absent := set(qrt.absent_kernel_sets()) - set(arm):
        sys.exit(
            f"the table of kernels needs a machine with all kernel sets; this one lacks {', '.join(sorted(absent))}"
        )
    write_table(KERNELS_PAGE, "kernel table", kernel_table(arm))
