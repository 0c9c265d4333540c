"""The library in each build system: built by the system itself where it is installed, otherwise against its rules."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from c_programs import compiler
from copying_library import TWO_NETWORKS, VECTORS, WRONG, library, write
from processes import HANGS

import qrt
from qrt.firmware.errors import DeviceError
from qrt.firmware.projects.board import emulated_board
from qrt.firmware.projects.forms import TEMPLATES, Edge, Library, Vector, check_files, project_files
from qrt.firmware.targets import target

STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]
STUBS = Path(__file__).with_name("stubs")

# Floats from stdin, their codes to stdout.
QUANTIZE_ALL = r"""
#include <stdio.h>
int main(void) {
    float x[10] = {0};
    predict(x);
    while (fread(x, sizeof *x, 1, stdin) == 1) printf("%d\n", quantize(*x));
    return 0;
}
"""


def run(*command: str | Path, cwd: Path, status: int = 0) -> str:
    """What a program prints; it must end with that status."""
    # Not as a part of the make that may run the tests.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    result = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, timeout=HANGS, env=environment
    )
    assert result.returncode == status, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout + result.stderr


def tool(*names: str) -> str:
    """The path of a program; skips the test where there is none of that name."""
    for name in names:
        if path := shutil.which(name):
            return path
    pytest.skip(f"{names[0]} is not installed")


def cmake(source: Path, build: Path, *options: str) -> None:
    run(tool("cmake"), "-S", source, "-B", build, *options, cwd=source)
    run(tool("cmake"), "--build", build, "--parallel", "2", cwd=source)


def stub(name: str, folder: Path) -> Path:
    """A small project with a program that runs the libraries `net` and `other`, which lie beside it."""
    write(folder, library())
    write(folder, library("other"))
    shutil.copytree(STUBS / name, folder / name)
    (folder / name / "main.c").write_text(TWO_NETWORKS, encoding="utf-8")
    return folder / name


# Names and texts


@pytest.mark.parametrize("name", ["net", "Person_Detect2", "a" * 63])
def test_names(name: str) -> None:
    assert library(name).name == name


@pytest.mark.parametrize(
    "name",
    ["", "2net", "_net", "my-net", "my net", "Arduino_net", "a" * 64, "string", "test", "qrt_math", "näht", "n\n"],
)
def test_refused_names(name: str) -> None:
    with pytest.raises(DeviceError, match="cannot be the name of a library"):
        library(name)


def test_a_template_for_every_file() -> None:
    files = {**project_files(library()), **check_files(library(), VECTORS)}
    templates = {path.relative_to(TEMPLATES).as_posix().removesuffix(".in") for path in TEMPLATES.rglob("*.in")}
    assert files.keys() == {*templates, "check/vectors.h"}
    for name, text in files.items():
        assert text.endswith("\n"), name
        assert not re.search(r"@\w+@", text), name


def test_no_text_of_a_model_is_read_as_code() -> None:
    """A hostile title, folder and name of an edge: as many lines, and none of the characters that mean something."""

    def texts(text: str) -> dict[str, str]:
        edge = Edge(text, (1,), scale=0.5)
        net = Library("net", text, target("generic"), ("src/net.c",), 8, 0, (edge,), (edge,), folder=f"a {text}")
        return project_files(net)

    hostile = texts('*/ " $(shell touch x) ${x} \\ `\n| <b>\nurl=x #{')
    for name, text in texts("Q").items():
        assert len(hostile[name].splitlines()) == len(text.splitlines()), name
        for sign in '"$\\`|<>=#{*':
            assert hostile[name].count(sign) == text.count(sign), (name, sign)


def test_vectors_must_fit() -> None:
    with pytest.raises(ValueError, match="at least one"):
        check_files(library(), [])
    with pytest.raises(ValueError, match="test vector 1 does not have the sizes of the inputs"):
        check_files(library(), [VECTORS[0], Vector((b"", b""), VECTORS[0].outputs)])


@pytest.mark.parametrize("rule", ["DIVIDE", "MULTIPLY_RECIPROCAL", "DIVIDE_HALF_AWAY"])
def test_readme_quantizes_as_the_runtime(rule: str, tmp_path: Path) -> None:
    """The C of README.md on every float around the ties of a scale, and far ones."""
    edge = Edge("x", (1, 10), scale=0.1, zero_point=-3, quantize_rule=rule)
    net = replace(library(), inputs=(edge, Edge("more", (1, 4))))
    (block,) = re.findall(r"```c\n(.*?)```", project_files(net)["README.md"], re.DOTALL)
    ties = (np.arange(-140, 140, dtype=np.float32) + np.float32(0.5)) * np.float32(0.1)
    values = [np.nextafter(ties, np.float32(side)) for side in (-np.inf, np.inf)]
    reals = np.concatenate([ties, *values, np.float32([0, 5e9, 1e30, -1e30])])
    info = qrt.TensorInfo("x", (1,), np.dtype(np.int8), 0.1, -3, (), "NHWC", rule, "INT8", None)
    folder = write(tmp_path, library())
    (folder / "main.c").write_text(block + QUANTIZE_ALL, encoding="utf-8")
    run(compiler(), "-std=c99", *STRICT, "-Isrc", "main.c", *net_sources(folder), "-o", "main", "-lm", cwd=folder)
    printed = subprocess.run([folder / "main"], input=reals.tobytes(), capture_output=True, check=True).stdout
    label, *codes = printed.split()
    assert label == b"0"
    assert np.array_equal(np.array(codes, np.int8), info.quantize(reals))


def test_readme_of_a_network_without_scales(tmp_path: Path) -> None:
    folder = write(tmp_path, library())
    sums = Edge("sum", (1, 1), "int32")
    net = replace(library(), inputs=(Edge("x", (1, 10)),), outputs=(sums,))
    (block,) = re.findall(r"```c\n(.*?)```", project_files(net)["README.md"], re.DOTALL)
    (folder / "main.c").write_text(f"{block}\nint main(void) {{ predict(0); return 0; }}\n", encoding="utf-8")
    run(compiler(), "-std=c99", *STRICT, "-Isrc", "-c", "main.c", cwd=folder)


@pytest.mark.parametrize("core", ["generic", "cortex-m0", "cortex-m55", "riscv32"])
def test_readme_has_the_options_of_the_target(core: str) -> None:
    text = project_files(library(core=core))["README.md"]
    tools = "riscv32-unknown-elf" if core == "riscv32" else "arm-none-eabi"
    assert f'CC={tools}-gcc AR={tools}-ar CFLAGS="-Os {" ".join(target(core).gcc)} ' in text
    assert f"kernel set `{target(core).kernels}` |" in text
    assert "BOARD=" not in text


def test_readme_names_the_board_and_its_folder() -> None:
    board = emulated_board("an386", target("cortex-m4"))
    files = project_files(replace(library(board=board), folder="out"))
    for part in ("`make check BOARD=an386`", "add_subdirectory(out)", "make -C out ", "`out/build/libnet.a`"):
        assert part in files["README.md"], part
    assert "add_subdirectory(out)" in files["CMakeLists.txt"]
    assert 'make -C "my net" ' in project_files(replace(library(), folder="my net"))["README.md"]


def test_make_line_of_the_readme(tmp_path: Path) -> None:
    tool("arm-none-eabi-gcc")
    folder = write(tmp_path, library())
    (line,) = re.findall(r"`(make -C [^`]+)`", (folder / "README.md").read_text(encoding="utf-8"))
    run("sh", "-c", line, cwd=tmp_path)
    assert (tmp_path / "net/build/libnet.a").is_file()


def net_sources(folder: Path) -> list[Path]:
    return sorted((folder / "src").rglob("*.c"))


# The check


@pytest.mark.parametrize("name", ["gcc", "clang", "arm-none-eabi-gcc"])
def test_check_has_no_warnings(name: str, tmp_path: Path) -> None:
    folder = write(tmp_path, library())
    for file in ("check/check.c", "check/main.c"):
        run(tool(name), "-std=c99", *STRICT, "-Isrc", "-c", file, cwd=folder)


def test_check_says_what_differs(tmp_path: Path) -> None:
    folder = write(tmp_path, library(), WRONG)
    printed = run(tool("make"), "check", f"HOST_CC={compiler()}", cwd=folder, status=2)
    assert "vector 1, output 1: byte 0 is -2, expected -1\n" in printed
    assert "1 of 2 test vectors have the expected bytes\n" in printed


# Make


def test_make(tmp_path: Path) -> None:
    folder = write(tmp_path, library())
    run(tool("make"), f"CC={compiler()}", cwd=folder)
    assert run(tool("ar"), "t", "build/libnet.a", cwd=folder).split() == ["net.o", "copy.o", "sum.o"]
    printed = run(tool("make"), "check", f"HOST_CC={compiler()}", cwd=folder)
    assert "2 of 2 test vectors have the expected bytes\n" in printed
    run(tool("make"), "clean", cwd=folder)
    assert not (folder / "build").exists()


def test_make_for_a_microcontroller(tmp_path: Path) -> None:
    folder = write(tmp_path, library())
    tools = (
        "CC=arm-none-eabi-gcc",
        "AR=arm-none-eabi-ar",
        "CFLAGS=-Os -mthumb -mcpu=cortex-m4 -DQRT_ON_STEP=qrt_on_step",
    )
    tool("arm-none-eabi-gcc")
    run(tool("make"), *tools, "BUILD=m4", cwd=folder)
    assert "U qrt_on_step" in run("arm-none-eabi-nm", "m4/libnet.a", cwd=folder)


def test_make_compiles_again_when_the_command_changes(tmp_path: Path) -> None:
    folder = write(tmp_path, library())
    make, objects = tool("make"), ("net.o", "portable/copy.o", "portable/sum.o")
    for options in ("-Os", "-O2", "-O2 -DX='\"a b\\n\"'"):
        command = (make, f"CC={compiler()}", f"CFLAGS={options}")
        assert run(*command, cwd=folder).count(" -c ") == len(objects)
        assert " -c " not in run(*command, cwd=folder)
    assert run(make, "CC=false", cwd=folder, status=2).startswith("false ")


@pytest.mark.parametrize("header", ["src/net.h", "src/portable/changed.h", "src/arm/dsp/changed.h"])
def test_make_compiles_again_when_a_header_changes(header: str, tmp_path: Path) -> None:
    folder = write(tmp_path, library())
    (folder / header).parent.mkdir(parents=True, exist_ok=True)
    (folder / header).touch()
    run(tool("make"), f"CC={compiler()}", cwd=folder)
    later = (folder / "build/libnet.a").stat().st_mtime + 10
    os.utime(folder / header, (later, later))
    assert run(tool("make"), f"CC={compiler()}", cwd=folder).count(" -c ") == 3


@pytest.mark.parametrize("core", ["cortex-m0", "cortex-m4", "cortex-m33", "cortex-m55"])
@pytest.mark.parametrize(("vectors", "status"), [(VECTORS, 0), (WRONG, 2)], ids=["right", "wrong"])
def test_make_check_on_an_emulated_board(core: str, vectors: tuple[Vector, ...], status: int, tmp_path: Path) -> None:
    for program in ("arm-none-eabi-gcc", "qemu-system-arm"):
        tool(program)
    board = target(core).board
    folder = write(tmp_path, library(board=emulated_board(board, target(core))), vectors)
    printed = run(tool("make"), "check", f"BOARD={board}", cwd=folder, status=status)
    assert f"{1 if status else 2} of 2 test vectors have the expected bytes\n" in printed


@pytest.mark.parametrize(("core", "board"), [("generic", "microbit"), ("cortex-m0", "an547"), ("cortex-m85", "an386")])
def test_make_check_on_the_board_of_another_core(core: str, board: str, tmp_path: Path) -> None:
    for program in ("arm-none-eabi-gcc", "qemu-system-arm"):
        tool(program)
    folder = write(tmp_path, library(core=core, board=emulated_board(board, target(core))))
    assert "2 of 2 test vectors" in run(tool("make"), "check", f"BOARD={board}", cwd=folder)


@pytest.mark.parametrize(("board", "there"), [(None, "none"), ("an386", "an386")])
def test_make_check_on_a_board_that_is_not_there(board: str | None, there: str, tmp_path: Path) -> None:
    of = library(board=emulated_board(board, target("cortex-m4")) if board else None)
    printed = run(tool("make"), "check", "BOARD=an500", cwd=write(tmp_path, of), status=2)
    assert f"there is no board/an500.mk; boards here: {there}. To change the board: qrt firmware " in printed
    assert "--board an500" in printed


def test_unknown_board() -> None:
    with pytest.raises(DeviceError, match="there is no board 'stm32'; choose one of microbit, "):
        emulated_board("stm32", target("cortex-m4"))


# CMake


def test_cmake_alone_checks_the_network(tmp_path: Path) -> None:
    folder = write(tmp_path, library())
    cmake(folder, tmp_path / "build")
    assert "100% tests passed" in run(tool("ctest"), cwd=tmp_path / "build")


def test_cmake_does_not_check_when_it_cross_compiles(tmp_path: Path) -> None:
    settings = ("SYSTEM_NAME Generic", "C_COMPILER arm-none-eabi-gcc", "TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY")
    tool("arm-none-eabi-gcc")
    (tmp_path / "arm.cmake").write_text("".join(f"set(CMAKE_{setting})\n" for setting in settings), encoding="utf-8")
    folder = write(tmp_path, library())
    cmake(folder, tmp_path / "build", f"-DCMAKE_TOOLCHAIN_FILE={tmp_path / 'arm.cmake'}")
    assert (tmp_path / "build/libnet.a").is_file()


@pytest.mark.parametrize("language", ["C", "CXX"])
def test_cmake_two_networks_in_a_program(language: str, tmp_path: Path) -> None:
    cmake(stub("cmake", tmp_path), tmp_path / "build", f"-DLANGUAGE={language}")
    assert run(tmp_path / "build" / "app", cwd=tmp_path) == "7 7\n"
    # The program that checks a network is built when it is alone.
    assert not (tmp_path / "build" / "net" / "net_check").exists()


# ESP-IDF


def test_esp_idf(tmp_path: Path) -> None:
    """Both ways in which ESP-IDF reads a component: as a script, to find what it needs, and to build it.

    From its tools/cmake/component.cmake: `cmake -D ESP_PLATFORM=1 -P component_get_requirements.cmake`.
    """
    project = stub("esp_idf", tmp_path)
    printed = run(tool("cmake"), "-D", "ESP_PLATFORM=1", "-P", "requirements.cmake", cwd=project)
    assert "net registered, other registered" in printed
    cmake(project, tmp_path / "build")
    assert run(tmp_path / "build" / "app", cwd=tmp_path) == "7 7\n"


def test_esp_idf_manifest(tmp_path: Path) -> None:
    folder = write(tmp_path, library())
    # Read by its own validator below; here without it, the one field that a manifest must have.
    assert re.search(r'^version: "\d+\.\d+\.\d+"$', (folder / "idf_component.yml").read_text(encoding="utf-8"), re.M)
    run(tool("compote"), "manifest", "lint", folder, cwd=folder)


# Zephyr

# The keys of zephyr/module.yml that Zephyr's scripts/zephyr_module.py knows and that a module of code needs. "cmake" is
# a folder with a CMakeLists.txt, "kconfig" a file, both relative to the folder that holds zephyr/.
MODULE_KEYS = {"name": str, "build": dict}
BUILD_KEYS = {"cmake", "kconfig"}


def test_zephyr_module(tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    folder = write(tmp_path, library())
    module = yaml.safe_load((folder / "zephyr/module.yml").read_text(encoding="utf-8"))
    assert {key: type(value) for key, value in module.items()} == MODULE_KEYS
    assert module["build"].keys() == BUILD_KEYS
    assert (folder / module["build"]["cmake"] / "CMakeLists.txt").is_file()
    assert (folder / module["build"]["kconfig"]).is_file()


def test_zephyr_kconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kconfiglib = pytest.importorskip("kconfiglib")
    write(tmp_path, library())
    write(tmp_path, library("other"))
    # As zephyr_module.py writes it.
    menus = (f'menu "{name}"\nosource "{tmp_path}/{name}/zephyr/Kconfig"\nendmenu\n' for name in ("net", "other"))
    (tmp_path / "Kconfig").write_text("".join(menus), encoding="utf-8")
    options = kconfiglib.Kconfig(str(tmp_path / "Kconfig"), warn_to_stderr=False)
    assert not options.warnings
    assert {name: option.str_value for name, option in options.syms.items() if option.nodes} == {
        "QRT_NET": "y",
        "QRT_OTHER": "y",
    }


def test_zephyr_links_every_object_once(tmp_path: Path) -> None:
    """With Zephyr's functions in the words of CMake: its libraries are linked with all their objects."""
    cmake(stub("zephyr", tmp_path), tmp_path / "build")
    assert run(tmp_path / "build" / "app", cwd=tmp_path) == "7 7\n"


# Arduino

# https://arduino.github.io/arduino-cli/latest/library-specification/: all of these are required.
PROPERTIES = {"name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url", "architectures"}
OPTIONAL_PROPERTIES = {"includes", "dot_a_linkage"}


def test_arduino_properties() -> None:
    lines = project_files(library())["library.properties"].splitlines()
    properties = dict(line.split("=", 1) for line in lines)
    assert len(properties) == len(lines)
    assert properties.keys() == PROPERTIES | OPTIONAL_PROPERTIES
    assert all(properties.values())
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 _.-]*", properties["name"])
    assert re.fullmatch(r"\d+\.\d+\.\d+", properties["version"])
    assert properties["category"] == "Data Processing"
    assert properties["includes"] == "net.h"


def test_arduino_layout(tmp_path: Path) -> None:
    """Sources only in src/, and each sketch in a folder of its name."""
    folder = write(tmp_path, library())
    assert not [path for path in folder.iterdir() if path.suffix in (".c", ".cpp", ".h")]
    (sketch,) = folder.rglob("*.ino")
    assert sketch.relative_to(folder).as_posix() == "examples/Run/Run.ino"


def arduino(folder: Path, sketch: Path) -> str:
    """Builds a sketch with the libraries below `folder` for a board that is this machine; what it prints."""
    builder = tool("arduino-builder")
    for name in ("build", "tools"):
        (folder / name).mkdir()
    places = ("-hardware", STUBS / "arduino", "-tools", folder / "tools", "-libraries", folder / "libraries")
    run(builder, *places, "-fqbn", "host:host:pc", "-build-path", folder / "build", sketch, cwd=folder)
    return run(folder / "build" / f"{sketch.name}.elf", cwd=folder)


def test_arduino_builds_the_example(tmp_path: Path) -> None:
    folder = write(tmp_path / "libraries", library())
    printed = arduino(tmp_path, folder / "examples/Run/Run.ino")
    assert printed == "microseconds: 0\n" + "".join(f"{i}: -3\n" for i in range(10))


def test_arduino_two_networks_in_a_sketch(tmp_path: Path) -> None:
    write(tmp_path / "libraries", library())
    write(tmp_path / "libraries", library("other"))
    assert arduino(tmp_path, STUBS / "sketch/sketch.ino") == "7 7\n"


def test_example_for_arduino_is_cplusplus(tmp_path: Path) -> None:
    """The sketch as arduino-builder would compile it, where that is not installed."""
    folder = write(tmp_path, library())
    core = STUBS / "arduino/host/host/cores/host"
    flags = ["-std=c++17", *STRICT, f"-I{core}", "-Isrc", "-include", "Arduino.h"]
    for cplusplus in ("g++", "clang++"):
        if shutil.which(cplusplus):
            run(cplusplus, *flags, "-x", "c++", "-c", "examples/Run/Run.ino", cwd=folder)


# PlatformIO


def test_platformio_manifest() -> None:
    """https://docs.platformio.org/en/latest/manifests/library-json/: name and version are required."""
    manifest = json.loads(project_files(library())["library.json"])
    assert not set(manifest["name"]) & set(":;/,@<>")
    assert re.fullmatch(r"\d+\.\d+\.\d+", manifest["version"])
    assert all(re.fullmatch(r"[a-z\d_+. -]{1,50}", word) for word in manifest["keywords"].split(", "))
    assert manifest["headers"] == "net.h"
    assert manifest["build"] == {"srcDir": "src", "includeDir": "src"}
    # PlatformIO looks the license up in the list of spdx.org.
    assert manifest["license"] == "Apache-2.0"


def test_platformio_packs_the_library(tmp_path: Path) -> None:
    folder = write(tmp_path, library())
    manifest = json.loads((folder / "library.json").read_text(encoding="utf-8"))
    # The list of licenses would be fetched.
    del manifest["license"]
    (folder / "library.json").write_text(json.dumps(manifest), encoding="utf-8")
    environment = {**os.environ, "PLATFORMIO_CORE_DIR": str(tmp_path / "core")}
    command = [tool("pio"), "pkg", "pack", str(folder), "-o", str(tmp_path)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path, timeout=HANGS)
    assert result.returncode == 0, result.stdout + result.stderr
    assert (tmp_path / "net-1.0.0.tar.gz").is_file()
    # The other manifest, which PlatformIO reads where there is no library.json.
    (folder / "library.json").unlink()
    (tmp_path / "net-1.0.0.tar.gz").unlink()
    result = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path, timeout=HANGS)
    assert result.returncode == 0, result.stdout + result.stderr
