"""Packages: the sdist builds a wheel, and the wheel runs in a fresh environment."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path, PurePosixPath

import pytest
from places import ROOT
from sanitizers import ENVIRONMENT

import qrt

NEEDED = ("build", "Cython", "setuptools")

RUN = """
import numpy as np, qrt
from qrt.compiler import GraphBuilder
g = GraphBuilder("tiny")
x = g.input("x", (1, 4, 4, 1), scale=0.1)
g.output(g.conv2d(x, np.ones((2, 3, 3, 1)), np.ones(2), scale=0.1))
data = g.compile()
results = [qrt.load(data, kernels=name).run(np.full((1, 4, 4, 1), 10, np.int8)) for name in qrt.kernel_sets()]
print(qrt.__version__, [r.ravel().tolist() for r in results], qrt.__file__)
"""


def run(*command: str | Path, cwd: Path) -> str:
    result = subprocess.run([str(part) for part in command], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the sdist and the wheel: where `make` has built them, or built here."""
    if "QRT_DIST" in os.environ:
        return Path(os.environ["QRT_DIST"])
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"building needs {', '.join(missing)}")
    if not (ROOT / "setup.py").is_file():
        pytest.skip("not a source tree")
    folder = tmp_path_factory.mktemp("dist")
    # Sdist from the tree, then the wheel from that sdist.
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    return folder


def test_sdist_holds_what_a_build_and_a_reader_need(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    for name in (
        "setup.py",
        "LICENSE",
        "SECURITY.md",
        "docs/compile.md",
        "schema/SPEC.md",
        "schema/qrt.fbs",
        "schema/qrt_model.c",
        "runtime/_executor.pyx",
        "runtime/kernels/x86/peak.c",
        "Makefile",
    ):
        assert name in names
    wanted = {"runtime/kernels/qrt_kernels.h", "runtime/engine/qrt_prepare.c", "examples/digits/digits_resnet.onnx"}
    assert wanted <= names
    assert not [name for name in names if name.endswith((".so", ".pyc")) or name.endswith("_executor.c")]
    assert {"report/page/package-lock.json", "report/page/src/main.js"} <= names
    assert not [name for name in names if "node_modules" in name]


def test_wheel_holds_packages_types_and_the_specification(built: Path) -> None:
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        (metadata,) = [name for name in names if name.endswith("METADATA")]
        text = archive.read(metadata).decode()
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    assert {"qrt/py.typed", "qrt/_executor.pyi", "qrt/schema/SPEC.md", f"qrt/_executor{suffix}"} <= names
    wanted = {"qrt/compiler/passes/absorb/qdq.py", "qrt/compiler/frontends/onnx/graph.py", "qrt/cli/run.py"}
    assert wanted <= names
    # The C that a device may need, and no other.
    sources = {str(PurePosixPath(name).parent) for name in names if name.endswith(".c")}
    device = {f"qrt/{folder}" for folder in ("schema", "engine", "firmware", "firmware/generate/turns")}
    device |= {f"qrt/kernels/{folder}" for folder in ("portable", "arm/dsp", "arm/mve")}
    assert sources == device | {f"qrt/firmware/{folder}" for folder in ("boards", "boards/freestanding", "emulators")}
    assert {"qrt/firmware/qrt_device.h", "qrt/firmware/boards/an386.ld"} <= names
    assert {f"qrt/firmware/projects/templates/{name}" for name in ("Makefile.in", "LICENSE.in")} <= names
    # The page of qrt report with the licences of what is in it, and not what it is built from.
    page = {name.removeprefix("qrt/report/") for name in names if name.startswith("qrt/report/page/")}
    assert page == {f"page/built/{name}" for name in ("page.js", "style.css", "licenses.txt")}
    assert not [name for name in names if name.endswith(".pyx")]
    assert {f"qrt/{room}/__init__.py" for room in ("data", "evaluation", "report", "explorer")} <= names
    licenses = {name.split("/licenses/")[1] for name in names if ".dist-info/licenses/" in name}
    assert licenses == {"LICENSE", "NOTICE", "report/page/built/licenses.txt"}
    assert "License-Expression: Apache-2.0 AND " in text
    assert "Author: The qrt authors" in text and "Keywords: neural networks," in text
    for version in ("3.10", "3.11", "3.12", "3.13"):
        assert f"Programming Language :: Python :: {version}" in text


def test_wheel_runs_in_a_fresh_environment(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    environment = tmp_path / "env"
    venv.create(environment, with_pip=True, symlinks=True)
    bin_folder = environment / "bin"
    run(bin_folder / "python", "-m", "pip", "install", "--no-index", "--no-deps", wheel, cwd=tmp_path)
    # The dependencies come from here, behind the wheel's own packages, so that nothing is fetched.
    site = Path(run(bin_folder / "python", "-c", "import site; print(site.getsitepackages()[0])", cwd=tmp_path).strip())
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    printed = run(bin_folder / "python", "-c", RUN, cwd=tmp_path)
    assert str(environment) in printed
    assert str([[100] * 8] * len(qrt.kernel_sets())) in printed
    # What the environment here lacks of its own packages is none of qrt's.
    checked = [str(bin_folder / "python"), "-m", "pip", "check"]
    lines = subprocess.run(checked, env=ENVIRONMENT, capture_output=True, text=True).stdout.splitlines()
    assert lines and not [line for line in lines if line.startswith("qrt ")]
    version = run(bin_folder / "qrt", "--version", cwd=tmp_path)
    assert version == f"qrt {qrt.__version__}, format version {qrt.FORMAT_VERSION}\n"
