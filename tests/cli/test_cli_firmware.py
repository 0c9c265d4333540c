"""The command line for microcontrollers: `qrt firmware`, `--target` of other verbs, budgets, `--strip`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from c_programs import compiler
from command_line import LABELS, Cli, assert_refused, images, residual
from vectors.encode import encode
from vectors.models import Net

import qrt
from qrt.cli.target import CORES as CORES_IN_HELP
from qrt.compiler import compile
from qrt.compiler.backends.tflite.writer import to_tflite
from qrt.firmware.emulators.qemu import MACHINES
from qrt.firmware.targets import TARGETS

CORES = ["cortex-m0", "cortex-m4", "riscv32"]
PACKAGES = ["ziglang", "unicorn", "elftools", "capstone"]


@pytest.fixture
def content() -> bytes:
    compiled = compile(residual())
    model, vectors = qrt.load(compiled.to_bytes()), []
    for image in images(2):
        vectors.append(([image[np.newaxis]], [model.run(image[np.newaxis])]))
    return compiled.to_bytes(vectors)


@pytest.fixture
def pets(cli: Cli, content: bytes) -> Path:
    """A network in the current folder, with test vectors."""
    Path("pets.qfb").write_bytes(content)
    return Path("pets.qfb")


@pytest.fixture
def zig() -> None:
    for name in PACKAGES:
        pytest.importorskip(name)


def test_firmware_writes_a_library_with_the_bytes_of_run(cli: Cli, pets: Path) -> None:
    result = cli("firmware", "pets.qfb", "-o", "net", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    document = json.loads(result.stdout)
    written = sorted(path.relative_to("net").as_posix() for path in Path("net").rglob("*") if path.is_file())
    assert document["files"] == written
    assert {"src/net.c", "src/net.h", "README.md", "LICENSE", "check/main.c"} <= set(written)
    header = Path("net/src/net.h").read_text(encoding="utf-8")
    assert f"#define NET_MEMORY_SIZE {document['memory']}u" in header
    assert "#define NET_INPUT_0_SCALE 0.5f\n#define NET_INPUT_0_ZERO_POINT (-3)" in header
    assert all(f'"{label}"' in Path("net/src/net.c").read_text(encoding="utf-8") for label in LABELS)
    done = subprocess.run(["make", "-s", "check", f"HOST_CC={compiler()}"], cwd="net", capture_output=True, text=True)
    assert done.stdout == "2 of 2 test vectors have the expected bytes\n", done.stderr


def test_firmware_takes_only_the_kernels_of_the_network(cli: Cli, pets: Path) -> None:
    assert cli("firmware", "pets.qfb", "-o", "net", "-q").exit_code == 0
    taken = {path.stem for path in Path("net/src/portable").glob("*.c")}
    assert taken == {"conv2d", "add", "mean", "linear"}


def test_firmware_of_equal_files_is_equal(cli: Cli, pets: Path) -> None:
    for folder in ("one/net", "two/net"):
        Path(folder).parent.mkdir()
        assert cli("firmware", "pets.qfb", "-o", folder, "-q").exit_code == 0
    for path in Path("one").rglob("*"):
        if path.is_file():
            assert path.read_bytes() == ("two" / path.relative_to("one")).read_bytes()


def test_firmware_replaces_its_own_folder_and_no_other(cli: Cli, pets: Path) -> None:
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("years of work", encoding="utf-8")
    refused = cli("firmware", "pets.qfb", "-o", "mine")
    assert_refused(refused, "qrt firmware: mine: holds files that are not of an earlier run; name a new folder with -o")
    assert [path.name for path in Path("mine").iterdir()] == ["thesis.txt"]
    for _ in range(2):
        assert cli("firmware", "pets.qfb", "-o", "net", "-q").exit_code == 0
    assert_refused(cli("firmware", "pets.qfb", "-o", "pets.qfb"), "qrt firmware: pets.qfb: is a file; name a folder")
    assert_refused(
        cli("firmware", "pets.qfb", "-o", "no/net"), "qrt firmware: no/net: there is no folder no; create it"
    )
    assert not [path for path in Path().iterdir() if path.name.startswith(".qrt")]


def test_firmware_keeps_a_folder_to_which_files_were_added(cli: Cli, pets: Path) -> None:
    assert cli("firmware", "pets.qfb", "-o", "net", "-q").exit_code == 0
    Path("net/build").mkdir()
    Path("net/thesis.txt").write_text("years of work", encoding="utf-8")
    refused = cli("firmware", "pets.qfb", "-o", "net")
    message = "net: would lose thesis.txt, which an earlier run did not write; move it, or name a new folder with -o"
    assert_refused(refused, f"qrt firmware: {message}")
    assert Path("net/build").is_dir() and not list(Path().glob(".qrt*"))


def test_firmware_does_not_replace_the_root(cli: Cli, pets: Path) -> None:
    refused = cli("firmware", "pets.qfb", "-o", Path().resolve().anchor, "--name", "net")
    assert_refused(refused, "qrt firmware: /: holds files that are not of an earlier run; name a new folder with -o")


def test_firmware_takes_a_compiler_by_a_relative_path(cli: Cli, pets: Path) -> None:
    installed = shutil.which("arm-none-eabi-gcc")
    if installed is None:
        pytest.skip("arm-none-eabi-gcc is not installed")
    Path("my tools").mkdir()
    Path("my tools/gcc").write_text(f'#!/bin/sh\nexec {installed} "$@"\n', encoding="utf-8")
    Path("my tools/gcc").chmod(0o755)
    assert cli("firmware", "pets.qfb", "-o", "net", "--cc", "'my tools/gcc' -DX=1", "-q").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--name", "int"], "'int' cannot begin the names of C functions"),
        (["--name", "a-b"], "'a-b' cannot begin the names of C functions"),
        (["--target", "z80"], "there is no target 'z80'; choose one of generic, cortex-m0, "),
        (["--target", "cortexm4"], "there is no target 'cortexm4'; did you mean cortex-m4? There are generic, "),
        (["--board", "uno"], "there is no board 'uno'; choose one of microbit, "),
        (["--target", "riscv32", "--board", "an385"], "there is no board for RISC-V RV32IMC: all have an Arm"),
        (["--cc", "no-such-compiler"], "cannot run no-such-compiler"),
        (["--cc", "'gcc"], "--cc 'gcc: no closing quotation"),
        (["--cc", ""], "--cc is empty"),
        (["--cc", "false"], "false -dM -E -x c - fails: exit status 1"),
        (["--name", ""], "'' cannot begin the names of C functions"),
        (["--name", "vectors"], "'vectors' cannot be the name of a library"),
    ],
)
def test_firmware_refuses(cli: Cli, pets: Path, arguments: list[str], message: str) -> None:
    result = cli("firmware", "pets.qfb", "-o", "net", *arguments)
    assert_refused(result, f"qrt firmware: {message}")
    assert not Path("net").exists()


def test_help_names_every_target_and_board(cli: Cli) -> None:
    assert ", ".join(TARGETS) == CORES_IN_HELP
    boards = " ".join(cli("firmware", "--help").stdout.split())
    assert all(f"{name} (M" in boards for name in MACHINES)


def test_firmware_names_functions_as_the_folder(cli: Cli, pets: Path) -> None:
    for folder, name in (("Key-Words 2", "key_words_2"), ("9lives", "net_9lives"), ("class", "class_net")):
        assert cli("firmware", "pets.qfb", "-o", folder, "-q").exit_code == 0
        assert f"void {name}_run(" in Path(folder, "src", f"{name}.h").read_text(encoding="utf-8")


@pytest.mark.parametrize("verb", ["firmware", "compile"])
def test_budget(cli: Cli, pets: Path, content: bytes, zig: None, verb: str) -> None:
    if verb == "compile":
        pytest.importorskip("tflite")
        from qrt.compiler.backends.qfb.reader import read

        Path("pets.tflite").write_bytes(to_tflite(read(content)).content)
    source, output = ("pets.qfb", "net") if verb == "firmware" else ("pets.tflite", "again.qfb")
    broken = cli(verb, source, "-o", output, "--max-ram", "100", "--max-flash", "1k", "--target", "cortex-m4")
    assert (broken.exit_code, broken.stdout) == (1, "")
    ram, flash = broken.stderr.splitlines()
    assert re.match(rf"qrt {verb}: {source}: over budget: RAM \d+ bytes, limit 100; the most memory: operator \d ", ram)
    assert re.match(rf"qrt {verb}: {source}: over budget: flash [\d,]+ bytes \(.*\), limit 1,024; the largest", flash)
    assert not Path(output).exists()
    described = cli(verb, source, "-o", output, "--max-ram", "100", "--json")
    assert described.exit_code == 1
    assert len(json.loads(described.stdout)["over_budget"]) == 1
    kept = cli(verb, source, "-o", output, "--max-ram", "64k", "--max-flash", "1m", "--target", "cortex-m4")
    assert (kept.exit_code, kept.stderr) == (0, "")
    if verb == "compile":
        assert re.search(
            r"\nOn Arm Cortex-M4: RAM [\d,]+ of 65,536 bytes, flash [\d,]+ of 1,048,576 bytes\n$", kept.stdout
        )
    assert Path(output).exists()


def test_budget_of_a_network_without_operators(cli: Cli) -> None:
    net = Net()
    net.output(net.input((1, 3)))
    Path("none.qfb").write_bytes(encode(net.model()))
    result = cli("firmware", "none.qfb", "--max-ram", "15")
    assert (result.exit_code, result.stderr) == (
        1,
        "qrt firmware: none.qfb: over budget: RAM 16 bytes, limit 15\n",
    )


def test_budget_is_a_size(cli: Cli, pets: Path) -> None:
    result = cli("firmware", "pets.qfb", "--max-ram", "much")
    assert_refused(result, "qrt firmware: invalid value for '--max-ram': 'much' is not a number of bytes; write for")


def test_compile_for_a_target_needs_a_limit(cli: Cli, pets: Path) -> None:
    pytest.importorskip("tflite")
    from qrt.compiler.backends.qfb.reader import read

    Path("pets.tflite").write_bytes(to_tflite(read(pets.read_bytes())).content)
    result = cli("compile", "pets.tflite", "-o", "again.qfb", "--target", "cortex-m4")
    assert_refused(result, "qrt compile: --target and --cc are for --max-ram and --max-flash; give a limit, or leave")
    assert not Path("again.qfb").exists()


@pytest.mark.parametrize("core", CORES)
def test_run_on_an_emulated_core(cli: Cli, pets: Path, zig: None, core: str) -> None:
    np.save("images.npy", images(3))
    here, there = (
        cli("run", "pets.qfb", "images.npy", "--json"),
        cli("run", "pets.qfb", "images.npy", "--target", core, "--json"),
    )
    assert there.exit_code == 0
    assert json.loads(there.stdout)["outputs"] == json.loads(here.stdout)["outputs"]
    assert json.loads(there.stdout)["kernels"] == f"{TARGETS[core].kernels} on {core}"


def test_check_on_an_emulated_core(cli: Cli, pets: Path, content: bytes, zig: None) -> None:
    result = cli("check", "pets.qfb", "--target", "cortex-m3")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.endswith("  portable on cortex-m3  2 of 2 test vectors agree\n")
    compiled = compile(residual())
    wrong = ([images(1)], [np.full((1, 4), 77, np.int8)])
    Path("wrong.qfb").write_bytes(compiled.to_bytes([wrong]))
    result = cli("check", "wrong.qfb", "--target", "cortex-m3")
    assert result.exit_code == 1
    assert "  portable on cortex-m3  0 of 1 test vectors agree" in result.stdout


def test_profile_on_an_emulated_core(cli: Cli, pets: Path, zig: None) -> None:
    result = cli("profile", "pets.qfb", "--target", "cortex-m4", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    found = json.loads(result.stdout)
    operators = found["operators"]
    assert found["instructions"] == sum(op["instructions"] for op in operators)
    assert [op["kind"] for op in operators if op["instructions"] == 0] == ["reshape"]
    assert found["cycles"] > found["instructions"] > found["operators"][0]["macs"]
    assert found["flash"] == found["code"] + found["constants"]
    assert found["ram"] == found["memory"] + found["stack"]
    assert 0 < found["stack"] <= 600
    assert (found["differing_bytes"], found["startup_instructions"]) == (0, 0)
    again = json.loads(cli("profile", "pets.qfb", "--target", "cortex-m4", "--json").stdout)
    assert again == found
    slow = json.loads(cli("profile", "pets.qfb", "--target", "cortex-m4", "--flash-wait-states", "3", "--json").stdout)
    assert slow["instructions"] == found["instructions"]
    assert slow["cycles"] > found["cycles"]
    for op in operators:
        assert (op["fewest_instructions"] is None) == (op["macs"] == 0)
        assert op["kernels"] in ("dsp", "portable")
        if op["macs"]:
            assert 0.5 * op["macs"] < op["fewest_instructions"] < op["instructions"]
            assert 0 < op["fewest_requantize"] < op["fewest_instructions"]


def test_profile_explains_what_is_far_from_the_limit(cli: Cli, pets: Path, zig: None) -> None:
    found = json.loads(cli("profile", "pets.qfb", "--target", "cortex-m4", "--json").stdout)
    assert found["kernels"].startswith("dsp")
    text = cli("profile", "pets.qfb", "--target", "cortex-m4", COLUMNS="60").stdout
    assert "the same bytes" in text
    assert re.search(r"^ *1 +conv2d +[\d,]+ +[\d,]+ +\d+\.\d % ", text, re.MULTILINE)
    assert "limit: the fewest instructions per MAC" in text
    _, far = text.split("1.5 times the limit or more: what takes the instructions\n")
    assert not [line for line in far.splitlines() if len(line) > 60 or "..." in line]
    most = max(found["operators"], key=lambda op: op["instructions"])
    name, count = max(most["functions"].items(), key=lambda item: item[1])
    assert re.search(rf"^ +{name} {100 * count / most['instructions']:.1f} %", far, re.MULTILINE)


@pytest.mark.parametrize("option", [["--kernels", "portable"], ["--threads", "2"], ["--repeats", "3"]])
def test_options_of_this_machine_do_not_go_with_a_target(cli: Cli, pets: Path, option: list[str]) -> None:
    result = cli("profile", "pets.qfb", "--target", "cortex-m4", *option)
    assert_refused(result, f"qrt profile: {option[0]} is for this machine; leave it out with --target")


@pytest.mark.parametrize(
    ("verb", "option"),
    [
        ("profile", ["--cc", "gcc"]),
        ("profile", ["--optimize", "2"]),
        ("profile", ["--flash-wait-states", "1"]),
        ("check", ["--cc", "gcc"]),
    ],
)
def test_options_of_a_target_do_not_go_without_one(cli: Cli, pets: Path, verb: str, option: list[str]) -> None:
    result = cli(verb, "pets.qfb", *option)
    assert_refused(result, f"qrt {verb}: {option[0]} is for an emulated processor; name one with --target")


def test_check_without_test_vectors_runs_random_inputs(cli: Cli, zig: None) -> None:
    Path("bare.qfb").write_bytes(compile(residual()).to_bytes())
    result = cli("check", "bare.qfb", "--target", "cortex-m4")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "contains no test vectors; 2 random inputs are compared with this machine" in result.stdout
    assert "  dsp on cortex-m4  2 of 2 test vectors agree" in result.stdout


def test_inspect_for_a_target(cli: Cli, pets: Path) -> None:
    device = json.loads(cli("inspect", "pets.qfb", "--target", "cortex-m4", "--json").stdout)["device"]
    library = json.loads(cli("firmware", "pets.qfb", "-o", "net", "--target", "cortex-m4", "--json").stdout)
    assert (device["memory"], device["constants"]) == (library["memory"], library["constants"])
    assert device["interpreter_memory"] > device["memory"]
    assert "\nOn Arm Cortex-M4\nas C         RAM " in cli("inspect", "pets.qfb", "--target", "cortex-m4").stdout


def test_strip_leaves_out_inner_names_only() -> None:
    compiled = compile(residual())
    whole, stripped = qrt.load(compiled.to_bytes()), qrt.load(compiled.to_bytes(strip=True))
    assert b"stem" in compiled.to_bytes()
    assert b"stem" not in compiled.to_bytes(strip=True)
    assert (stripped.name, stripped.inputs, stripped.outputs) == (whole.name, whole.inputs, whole.outputs)
    assert stripped.arena_size == whole.arena_size
    np.testing.assert_array_equal(stripped.run(images(3)), whole.run(images(3)))


HIDE = """
import shutil, sys
shutil.which = lambda name, **_: None
for name in {packages!r}:
    sys.modules[name] = None
from qrt.cli import main
sys.argv = {arguments!r}
main()
"""


def without(packages: list[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs qrt where packages, and compilers outside of packages, cannot be found."""
    code = HIDE.format(packages=packages, arguments=["qrt", *arguments])
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


@pytest.mark.parametrize("missing", ["ziglang", "unicorn", "elftools"])
def test_without_the_packages_an_error_says_what_to_install(pets: Path, missing: str) -> None:
    done = without([missing], "profile", "pets.qfb", "--target", "cortex-m4")
    assert (done.returncode, done.stdout) == (2, "")
    assert 'pip install "qrt[device]"' in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_the_packages_firmware_is_written(pets: Path) -> None:
    done = without(PACKAGES, "firmware", "pets.qfb", "-o", "net")
    assert (done.returncode, done.stderr) == (0, "")
    assert 'for the exact size: pip install "qrt[device]"' in " ".join(done.stdout.split())
    done = without(PACKAGES, "firmware", "pets.qfb", "-o", "net", "--max-flash", "1m")
    assert done.returncode == 2
    assert 'pip install "qrt[device]"' in done.stderr
