"""The import rules of the folders, tested on the source text: what may import what, and no circular imports."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from places import ROOT
from source_text import PACKAGES, code, files, name

KERNELS = {"runtime/kernels", "runtime/kernels/portable"}
# What a network is, and what is said of it: every part of the compiler may know these.
GRAPH = {"compiler/ir.py", "compiler/errors.py", "compiler/report.py"}
FRONTEND = {*GRAPH, "compiler/libraries.py", "compiler/untrusted.py", "compiler/integers", "compiler/frontends"}
# For each folder, and each module that lies in none of its own, whom it may know beside itself. A file belongs to the
# longest name here that its path begins with. Python knows by imports, C by includes and by calls.
LAW: dict[str, set[str]] = {
    "schema": set(),
    # Kernels know nothing of files; the engine turns a file into calls of kernels, on devices too; the host adds
    # threads and the choice among kernel sets.
    "runtime/kernels": set(),
    "runtime/kernels/portable": {"runtime/kernels"},
    "runtime/kernels/arm": {*KERNELS},
    "runtime/kernels/x86": {"runtime/kernels"},
    "runtime/kernels/x86/avx2": {*KERNELS, "runtime/kernels/x86"},
    "runtime/kernels/x86/avxvnni": {*KERNELS, "runtime/kernels/x86", "runtime/kernels/x86/avx2"},
    "runtime/kernels/x86/avx512": {*KERNELS, "runtime/kernels/x86"},
    "runtime/kernels/x86/amx": {"runtime/kernels/x86", "runtime/kernels/x86/avx512"},
    "runtime/engine": {"schema", *KERNELS},
    "runtime/host": {
        *("schema", "runtime/engine", *KERNELS),
        *("runtime/kernels/x86", "runtime/kernels/x86/avxvnni", "runtime/kernels/arm"),
    },
    "runtime": {"schema", "runtime/engine", "runtime/host", "runtime/kernels"},
    # As a network flows: frontends -> passes -> integers -> plan -> backends; study looks at it.
    "compiler/errors.py": set(),
    "compiler/libraries.py": set(),
    "compiler/untrusted.py": {"compiler/ir.py", "compiler/errors.py"},
    "compiler/ir.py": {"schema"},
    "compiler/report.py": {"compiler/ir.py", "compiler/integers", "schema"},
    "compiler/integers": {*GRAPH, "schema"},
    "compiler/verify.py": {"compiler/ir.py", "compiler/integers", "schema"},
    "compiler/builder": {"compiler/ir.py", "compiler/integers", "schema"},
    "compiler/frontends": GRAPH,
    "compiler/frontends/onnx": FRONTEND - {"compiler/integers"},
    "compiler/frontends/tflite": {*FRONTEND, "compiler/verify.py", "schema"},
    "compiler/frontends/torch": FRONTEND,
    "compiler/passes/source": {*GRAPH, "compiler/integers"},
    "compiler/passes/absorb": {*GRAPH, "compiler/integers", "schema"},
    "compiler/passes/quantized": {*GRAPH, "compiler/integers", "schema"},
    "compiler/passes/lowered": {*GRAPH, "compiler/integers", "schema"},
    "compiler/passes": {
        *GRAPH,
        "compiler/integers",
        "compiler/untrusted.py",
        "compiler/verify.py",
        *(f"compiler/passes/{stage}" for stage in ("source", "absorb", "quantized", "lowered")),
    },
    "compiler/plan": {*GRAPH, "schema"},
    "compiler/backends": set(),
    "compiler/backends/qfb": {*GRAPH, "compiler/integers", "compiler/plan", "schema"},
    "compiler/backends/tflite": {*GRAPH, "compiler/libraries.py", "compiler/integers"},
    "compiler/study": {*GRAPH, "compiler/integers", "compiler/plan", "compiler/backends/qfb", "schema"},
    "compiler": {
        *GRAPH,
        *(f"compiler/{part}" for part in ("builder", "untrusted.py", "verify.py", "integers", "passes", "plan")),
        "compiler/frontends",
        *(f"compiler/frontends/{kind}" for kind in ("onnx", "torch")),
        "compiler/backends/qfb",
    },
    # Nothing here but tools: how programs are built, and where they run.
    # On devices: C out of what the engine prepared; compilers and emulators to try it.
    "firmware/errors.py": set(),
    "firmware/targets.py": {"firmware/errors.py"},
    "firmware/qrt_device": {"schema", "runtime/engine", *KERNELS, "runtime/kernels/arm"},
    "firmware/boards": set(),
    "firmware/toolchain": {"firmware/errors.py", "firmware/targets.py"},
    "firmware/emulators": {"firmware/errors.py", "firmware/targets.py", "firmware/toolchain"},
    "firmware/generate": {
        "schema",
        "runtime",
        *GRAPH,
        "compiler/plan",
        "compiler/backends/qfb",
        "firmware/errors.py",
        "firmware/targets.py",
    },
    "firmware/generate/turns": {*KERNELS},
    "firmware/projects": {
        *GRAPH,
        *(f"firmware/{part}" for part in ("errors.py", "targets.py", "toolchain", "emulators", "generate")),
    },
    "firmware/limits.py": {"compiler/ir.py", "firmware/targets.py"},
    "firmware": {
        "runtime",
        *(f"firmware/{part}" for part in ("errors.py", "targets.py", "toolchain", "emulators", "generate")),
    },
    # Samples and their labels, out of files; and how right a network is on them.
    "data": {"runtime"},
    "evaluation": {"runtime", "data"},
    # One page about a network, from what the verbs say of it.
    "report": set(),
    "explorer": {"runtime", "compiler/study", "compiler/backends/qfb", *GRAPH},
    "cli": {
        "data",
        "evaluation",
        "report",
        "explorer",
        "schema",
        "runtime",
        "compiler",
        *GRAPH,
        "compiler/plan",
        "compiler/study",
        "compiler/backends/qfb",
        "compiler/backends/tflite",
        "compiler/frontends",
        "firmware",
        *(f"firmware/{part}" for part in ("errors.py", "targets.py", "limits.py", "toolchain", "generate", "projects")),
    },
}
# Methods and functions that go through the front door again: a convenience of what they belong to.
THROUGH_THE_FRONT_DOOR = {
    ("runtime/__init__.py", "evaluation/__init__.py"),
    ("compiler/builder.py", "compiler/__init__.py"),
    ("compiler/frontends/torch/__init__.py", "compiler/__init__.py"),
    ("runtime/__main__.py", "cli/__init__.py"),
}

# Beyond Python's own modules and the project, what the modules of a package import.
LIBRARIES = {
    "schema": {"flatbuffers", "numpy"},
    "runtime": {"numpy", "cython"},
    "compiler": {
        "numpy",
        "flatbuffers",
        "onnx",
        "onnxruntime",
        "tflite",
        "ai_edge_litert",
        "litert_quantizer",
        "tflite_micro",
        "torch",
        "torchao",
    },
    "firmware": {"numpy", "ziglang", "unicorn", "elftools", "capstone"},
    "data": {"numpy", "PIL", "soundfile", "pyarrow", "tomli"},
    "evaluation": {"numpy", "distributed"},
    "report": set(),
    "explorer": {"numpy", "model_explorer"},
    "cli": {"numpy", "click", "rich", "flatbuffers", "matplotlib"},
}
# Where a library, or a package, is imported only when a function needs it, and in which files.
ONLY_WHEN_NEEDED = {
    ("compiler", "onnx"): ("compiler/frontends/onnx/*",),
    ("compiler", "onnxruntime"): ("compiler/frontends/onnx/calibrate.py",),
    ("compiler", "ai_edge_litert"): ("compiler/frontends/tflite/calibrate.py",),
    ("compiler", "litert_quantizer"): ("compiler/frontends/tflite/calibrate.py",),
    ("compiler", "torch"): ("compiler/frontends/torch/*",),
    ("compiler", "torchao"): ("compiler/frontends/torch/*",),
    ("compiler", "tflite"): ("compiler/frontends/tflite/*",),
    ("compiler", "tflite_micro"): ("compiler/study/engine.py",),
    ("firmware", "ziglang"): ("firmware/toolchain/compilers.py",),
    ("firmware", "unicorn"): ("firmware/emulators/unicorn_core.py",),
    ("firmware", "elftools"): ("firmware/toolchain/image.py",),
    ("firmware", "capstone"): ("firmware/emulators/cycles.py",),
    ("data", "PIL"): ("data/*",),
    ("data", "soundfile"): ("data/*",),
    ("data", "pyarrow"): ("data/*",),
    ("data", "tomli"): ("data/*",),
    ("evaluation", "distributed"): ("evaluation/*",),
    ("cli", "matplotlib"): ("cli/plots.py",),
    ("cli", "qrt.compiler"): tuple(
        f"cli/{file}.py"
        for file in (
            *("budget", "compile", "export", "explain", "compare", "calibration", "precision", "summary", "plots"),
            *("trials", "tune"),
            *("contents", "inspect", "turns", "page", "report"),
        )
    ),
    ("cli", "qrt.firmware"): tuple(
        f"cli/{verb}.py" for verb in ("budget", "device_profile", "firmware", "inspect", "report", "target")
    ),
}
# Files about live modules, which others import only in functions.
WITH_TORCH = tuple(
    f"compiler/frontends/torch/{file}.py" for file in ("live", "modules", "backend", "quantizer", "decompose")
)

C_HEADERS = {"stdint.h", "stddef.h", "string.h"}
# Beyond these: the instructions of a CPU, and the system, for what asks what the machine is, for threads, and in
# a plugin of an emulator.
MORE_HEADERS = {
    "runtime/kernels/arm/mve/vectors.h": {"arm_mve.h"},
    "runtime/kernels/arm/neon/neon.h": {"arm_neon.h"},
    "runtime/kernels/x86/x86.h": {"immintrin.h"},
    "runtime/kernels/x86/avx512/winograd_layout.h": {"cpuid.h"},
    "runtime/host/dispatch.c": {"cpuid.h", "sys/auxv.h", "sys/syscall.h", "sys/sysctl.h", "unistd.h"},
    "firmware/emulators/plugin.c": {"stdio.h", "stdlib.h"},
    "runtime/host/clock.c": {"time.h", "windows.h"},
    "runtime/host/threads.h": {"process.h", "pthread.h", "signal.h", "windows.h"},
}
# Where the compiler looks for what a file includes.
INCLUDE = ("schema", "runtime", "runtime/kernels", "firmware/generate")

PYTHON = {name(path) for path in files("*.py")}
CYTHON = {name(path) for path in files("*.pyx", "*.pxd", "*.pxi")}
C = {name(path) for path in files("*.[ch]")}


def room(file: str) -> str:
    """The name in LAW that a file belongs to."""
    return max((known for known in LAW if file.startswith(known)), key=len)


def module(dotted: str) -> str | None:
    """The file of a module of the project."""
    path = dotted.removeprefix("qrt.").replace(".", "/") if dotted.split(".")[1:2] else "runtime"
    if not dotted.startswith("qrt"):
        return None
    places = (path, f"runtime/{path}") if path.split("/")[0] not in PACKAGES[2:] + PACKAGES[:1] else (path,)
    found = (f"{place}{end}" for place in places for end in (".py", "/__init__.py"))
    return next((file for file in found if file in PYTHON), None)


def imports(file: str) -> Iterator[tuple[str, bool]]:
    """The dotted name of each module that a file of Python imports, and whether importing the file does so."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    later = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node not in later) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield (whole if module(whole) else str(node.module)), node not in later


def cimports(file: str) -> Iterator[str]:
    """The modules that a file of Cython imports or cimports."""
    statement = r"^ *(?:from +(\S+) +c?import|c?import +(\S+))"
    for first, second in re.findall(statement, (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE):
        yield first or second


def included(file: str, text: str) -> Iterator[str]:
    """What a file of C includes: a file of the project, or the name of another header."""
    for header in re.findall(r'# *include *[<"]([^>"]+)[>"]', text):
        places = (f"{folder}/{header}" for folder in (str(Path(file).parent), *INCLUDE))
        yield next((place for place in places if place in C), header)


@functools.cache
def known() -> dict[str, set[str]]:
    """For each file, the files of the project that it knows."""
    edges = {file: {found for dotted, _ in imports(file) if (found := module(dotted))} - {file} for file in PYTHON}
    texts = {file: code(ROOT / file) for file in C}
    defined: dict[str, str] = {}
    for file, text in texts.items():
        for function in re.findall(r"^(?!static)\w[\w \*]*?\b(qrt_\w+)\([^;{]*\)\s*\{", text, re.MULTILINE):
            defined[function] = file if defined.get(function, file) == file else ""
    declarations = {Path(file).stem: file for file in CYTHON if file.endswith(".pxd")}
    edges |= {file: {declarations[name] for name in cimports(file) if name in declarations} for file in CYTHON}
    for file, text in texts.items():
        edges[file] = {found for found in included(file, text) if found in C}
        if file.endswith(".c"):
            edges[file] |= {defined[call] for call in re.findall(r"\b(qrt_\w+)\(", text) if defined.get(call)}
        edges[file].discard(file)
    return edges


def test_law() -> None:
    broken = [
        f"{file} knows {other}"
        for file, others in known().items()
        for other in others
        if room(other) not in {room(file), *LAW[room(file)]} and (file, other) not in THROUGH_THE_FRONT_DOOR
    ]
    assert not broken, "\n".join(sorted(broken))


def test_law_states_nothing_that_is_not_so() -> None:
    found = {(room(file), room(other)) for file, others in known().items() for other in others}
    unused = [
        f"{here} does not know {there}" for here in LAW for there in LAW[here] - GRAPH if (here, there) not in found
    ]
    assert not unused, "\n".join(unused)
    assert known().keys() >= {file for pair in THROUGH_THE_FRONT_DOOR for file in pair}


def test_no_circles() -> None:
    edges = {
        file: {other for other in others if (file, other) not in THROUGH_THE_FRONT_DOOR}
        for file, others in known().items()
    }
    # A package's __init__.py runs before its modules, which are none of those that know it.
    fronts = {file for file in edges if file.endswith("__init__.py")}
    graph = {file: {other for other in others if other not in fronts} for file, others in edges.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as circle:
        pytest.fail(f"files that know each other: {' -> '.join(circle.args[1])}")


@pytest.mark.parametrize("package", PACKAGES)
def test_imports(package: str) -> None:
    for file in sorted(PYTHON):
        if not file.startswith(f"{package}/"):
            continue
        for dotted, at_once in imports(file):
            top = dotted.split(".")[0]
            wanted = ".".join(dotted.split(".")[:2]) if top == "qrt" else top
            assert top in LIBRARIES[package] | sys.stdlib_module_names | {"qrt"}, f"{file} imports {dotted}"
            allowed = ONLY_WHEN_NEEDED.get((package, wanted))
            if allowed is not None:
                assert any(fnmatch(file, pattern) for pattern in allowed), f"{file} imports {dotted}"
                assert not at_once or file in WITH_TORCH, f"{file} imports {dotted} before it needs to"
            if (module(dotted) or "") in WITH_TORCH:
                assert not at_once or file in WITH_TORCH, f"{file} imports {dotted} before it needs to"


def test_cython_imports() -> None:
    own = {Path(file).stem for file in CYTHON}
    for file in sorted(CYTHON):
        for dotted in cimports(file):
            top = dotted.split(".")[0]
            allowed = LIBRARIES["runtime"] | sys.stdlib_module_names | own | {"libc", "cpython", "qrt"}
            assert top in allowed, f"{file} imports {dotted}"


def test_c_includes() -> None:
    for file in sorted(C):
        for header in included(file, code(ROOT / file)):
            assert header in C | C_HEADERS | MORE_HEADERS.get(file, set()), f"{file} includes {header}"


def test_running_needs_numpy_only() -> None:
    heavy = {"flatbuffers", "click", "rich", "onnx", "qrt.compiler", "qrt.evaluation"}
    code = f"import sys, qrt; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
