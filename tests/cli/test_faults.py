"""Errors outside the file format: a file is truncated, shrinks or is a device, the disk or the memory is full, a folder
is read-only, no thread can be started, Ctrl-C, SIGTERM.

Each ends with one line that names the file and a nonzero exit code, and leaves every folder unchanged.
"""

from __future__ import annotations

import errno
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from command_line import Cli, assert_refused, images, residual
from processes import HANGS, running
from sanitizers import SANITIZERS

import qrt
from qrt.cli import files
from qrt.compiler import GraphBuilder

QRT = [sys.executable, "-c", "from qrt.cli import main; main()"]
# A size of files that a small network does not fit into.
SMALL = 512


@pytest.fixture
def source() -> Iterator[Path]:
    """A small quantized ONNX file in the current folder."""
    onnx_models = pytest.importorskip("onnx_models", reason="needs onnx and onnxruntime")
    net = onnx_models.Net((1, 2, 8, 8))
    model = onnx_models.quantized(net.model(net.node("Relu", net.conv("x", 4, 2))))
    path = Path("net.onnx")
    path.write_bytes(model.SerializeToString())
    yield path


def everything(folder: Path = Path()) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.is_file()}


def everything_regular() -> dict[str, bytes]:
    """`everything` but for links."""
    return {entry.name: entry.read_bytes() for entry in Path().iterdir() if entry.is_file() and not entry.is_symlink()}


# ------------------------------------------------------------------------------------------------- Reading


@pytest.mark.parametrize("verb", ["check", "inspect", "explain", "export", "profile", "run", "compare"])
def test_a_truncated_model_is_refused_by_every_verb(cli: Cli, pets: Path, verb: str) -> None:
    np.save("x.npy", images(1))
    rest = {
        "explain": ["0"],
        "run": ["x.npy"],
        "compare": ["--against", "net.onnx", "--inputs", "x.npy"],
    }
    whole = pets.read_bytes()
    for length in (0, 7, 100, len(whole) - 1):
        Path("cut.qfb").write_bytes(whole[:length])
        before = everything()
        assert_refused(cli(verb, "cut.qfb", *rest.get(verb, [])), f"qrt {verb}: cut.qfb: ")
        assert everything() == before
        with pytest.raises(qrt.ModelError, match=r"^cut\.qfb: "):
            qrt.load("cut.qfb")


def test_a_model_is_read_once(cli: Cli, pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What was proved of the bytes holds of a file only until somebody writes to it.
    read_bytes, reads = Path.read_bytes, []

    def and_cut(path: Path) -> bytes:
        content = read_bytes(path)
        if path.name == "pets.qfb":
            reads.append(path)
            os.truncate(path, len(content) // 2)
        return content

    monkeypatch.setattr(Path, "read_bytes", and_cut)
    for verb, *rest in (["check"], ["inspect"], ["explain", "0"], ["profile", "--repeats", "1"], ["export"]):
        pets.write_bytes(residual().compile())
        reads.clear()
        assert cli(verb, "pets.qfb", *rest).exit_code == 0, verb
        assert len(reads) == 1, verb


def test_a_file_that_ends_while_it_is_read_is_damaged(cli: Cli, pets: Path) -> None:
    # A pipe whose writer goes away ends as a file does that is cut while it is read.
    np.save("x.npy", images(1))
    content = Path("x.npy").read_bytes()
    os.mkfifo("pipe.npy")
    for kept, status in ((content, 0), (content[:-5], 2)):
        writer = threading.Thread(target=Path("pipe.npy").write_bytes, args=[kept])
        writer.start()
        result = cli("run", "pets.qfb", "pipe.npy")
        writer.join()
        assert result.exit_code == status
    assert_refused(result, "qrt run: pipe.npy: damaged: its header states 32 bytes, 27 follow; write it again")


LIMITED = """
import resource, sys
from qrt.cli import main
import qrt
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), -1))
"""
LOADS = """
try:
    qrt.load(sys.argv[2])
except MemoryError as error:
    sys.exit(str(error))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
@pytest.mark.skipif(bool(SANITIZERS), reason="a sanitizer cannot work in limited memory")
def test_too_little_memory_is_one_line(tmp_path: Path) -> None:
    g = GraphBuilder("arena")
    filters = np.ones((16, 1, 1, 16), np.int8)
    image = g.input("x", (1, 2048, 2048, 16), scale=1.0)
    g.output(g.mean(g.conv2d(image, filters, weights_scale=0.01, scale=1.0), scale=1.0, name="y"))
    (tmp_path / "arena.qfb").write_bytes(g.compile())
    # A file without a block on the disk.
    (tmp_path / "long.qfb").touch()
    os.truncate(tmp_path / "long.qfb", 1 << 33)
    for name in ("arena.qfb", "long.qfb"):
        for program, status, start in ((LOADS, 1, f"{name}: "), ("main()", 2, f"qrt check: {name}: ")):
            result = subprocess.run(
                [sys.executable, "-c", LIMITED + program, "check", name], cwd=tmp_path, capture_output=True, text=True
            )
            assert result.returncode == status, result.stderr
            assert result.stderr.startswith(f"{start}not enough memory; ")
            assert result.stderr.count("\n") == 1


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
def test_a_device_is_refused_before_it_is_read(cli: Cli, pets: Path) -> None:
    np.save("x.npy", images(1))
    for name in ("zero.onnx", "zero.tflite", "zero.pt2", "zero.qfb", "zero.npy"):
        Path(name).symlink_to("/dev/zero")
    before = everything_regular()
    for name, *args in (
        ("zero.onnx", "compile", "zero.onnx", "-o", "y.qfb"),
        ("zero.tflite", "compile", "zero.tflite", "-o", "y.qfb"),
        ("zero.pt2", "compile", "zero.pt2", "-o", "y.qfb"),
        ("zero.qfb", "compile", "x.onnx", "--labels", "zero.qfb"),
        ("zero.qfb", "check", "zero.qfb"),
        ("zero.qfb", "inspect", "zero.qfb"),
        ("zero.qfb", "run", "zero.qfb", "x.npy"),
        ("zero.npy", "run", "pets.qfb", "zero.npy"),
    ):
        Path("x.onnx").touch()
        result = subprocess.run([sys.executable, "-c", LIMITED + "main()", *args], capture_output=True, text=True)
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr.startswith(f"qrt {args[0]}: {name}: is a device, which may have no end; give a file")
        assert result.stderr.count("\n") == 1
        Path("x.onnx").unlink()
        assert everything_regular() == before
    with pytest.raises(OSError, match=r"is a device, which may have no end: 'zero\.qfb'"):
        qrt.load("zero.qfb")


STARTS = """
import os, time
before = len(os.listdir("/proc/self/task"))
for _ in range(10):
    try:
        sys.exit(f"started {qrt.load(sys.argv[2], threads=256).threads}")
    except RuntimeError as error:
        refusal = str(error)
assert qrt.load(sys.argv[2], threads=3).threads == 3
# The system may list a thread for a while after it has been joined.
while len(os.listdir("/proc/self/task")) > before:
    time.sleep(0.01)
sys.exit(refusal)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
def test_threads_that_cannot_be_started_are_one_line(tmp_path: Path) -> None:
    g = GraphBuilder("wide")
    image = g.input("x", (1, 96, 96, 8), scale=1.0)
    wide = g.conv2d(image, np.ones((64, 3, 3, 8), np.int8), weights_scale=0.01, scale=1.0, padding=1)
    g.output(g.max_pool2d(wide, 2, name="y"))
    (tmp_path / "wide.qfb").write_bytes(g.compile())
    np.save(tmp_path / "x.npy", np.zeros((1, 96, 96, 8), np.int8))
    # The stacks of so many threads have no room in what LIMITED leaves; other kernels may be too quick for threads.
    for program, args, status, start in (
        (STARTS, [], 1, ""),
        ("main()", ["x.npy", "--threads", "256"], 2, "qrt run: "),
    ):
        command = [sys.executable, "-c", LIMITED + program, "run", "wide.qfb", *args]
        environment = {**os.environ, "QRT_KERNELS": "portable"}
        result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=HANGS)
        assert (result.returncode, result.stdout) == (status, "")
        assert re.fullmatch(rf"{start}wide\.qfb: cannot start \d+ threads; load with fewer\n", result.stderr)


# ------------------------------------------------------------------------------------------------- Writing


def full(*args: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_the_old_file(cli: Cli, pets: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save("x.npy", images(3))
    for name in ("net.qfb", "pets.tflite", "y.npy", "y.npz"):
        Path(name).write_bytes(b"old")
    before = everything()
    monkeypatch.setattr(files.os, "fsync", full)
    for args, name in (
        (["compile", "net.onnx"], "net.qfb"),
        (["export", "pets.qfb", "-o", "pets.tflite"], "pets.tflite"),
        (["run", "pets.qfb", "x.npy", "-o", "y.npy"], "y.npy"),
        (["run", "pets.qfb", "x.npy", "-o", "y.npz"], "y.npz"),
    ):
        line = f"qrt {args[0]}: {name}: cannot be written: no space left on device; write elsewhere with -o"
        assert_refused(cli(*args), line)
        assert everything() == before


def test_a_file_beyond_the_limit_leaves_the_old_one(cli: Cli, pets: Path, source: Path) -> None:
    np.save("x.npy", np.repeat(images(1), 600, axis=0))
    before = everything()

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL, SMALL))

    for args, name in (
        (["compile", "net.onnx"], "net.qfb"),
        (["run", "pets.qfb", "x.npy", "-o", "y.npy"], "y.npy"),
        (["run", "pets.qfb", "x.npy", "-o", "y.npz"], "y.npz"),
    ):
        result = subprocess.run([*QRT, *args], preexec_fn=limit, capture_output=True, text=True)
        assert (result.returncode, result.stdout) == (2, "")
        line = f"qrt {args[0]}: {name}: cannot be written: file too large; write elsewhere with -o\n"
        assert result.stderr == line
        assert everything() == before


def test_a_full_standard_output_is_one_line(pets: Path) -> None:
    with open("/dev/full", "wb") as stream:
        result = subprocess.run([*QRT, "inspect", pets, "--json"], stdout=stream, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "standard output: no space left on device" in result.stderr


def test_a_foreseen_temporary_name_harms_nobody(cli: Cli, pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files.secrets, "token_hex", lambda length: "known")
    Path("victim").write_bytes(b"precious")
    Path(".qrt-known").symlink_to("victim")
    np.save("x.npy", images(1))
    assert_refused(cli("run", "pets.qfb", "x.npy", "-o", "y.npy"), "qrt run: y.npy: cannot be written: file exists")
    assert Path("victim").read_bytes() == b"precious"
    assert not Path("y.npy").exists()


def test_the_longest_name_can_be_written(cli: Cli, pets: Path) -> None:
    np.save("x.npy", images(1))
    name = "y" * 251 + ".npy"
    assert cli("run", "pets.qfb", "x.npy", "-o", name).exit_code == 0
    assert Path(name).exists()
    assert_refused(cli("run", "pets.qfb", "x.npy", "-o", "y" + name), f"qrt run: y{name}: cannot be written: file name")


def test_a_read_only_folder_is_refused(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        monkeypatch.chdir(folder)
        Path("pets.qfb").write_bytes(residual().compile())
        np.save("x.npy", images(1))
        before = everything()
        folder.chmod(0o555)
        # Permissions do not bind root, so for once be nobody.
        became = os.geteuid() == 0
        if became:
            os.seteuid(65534)
        try:
            refused = [cli("run", "pets.qfb", "x.npy", "-o", "y.npy"), cli("export", "pets.qfb")]
        finally:
            if became:
                os.seteuid(0)
            folder.chmod(0o755)
        for result, line in zip(refused, ("qrt run: y.npy", "qrt export: pets.tflite"), strict=True):
            assert_refused(result, f"{line}: cannot be written: permission denied; write elsewhere with -o")
        assert everything() == before


# ------------------------------------------------------------------------------------------------- Ctrl-C


# Says when the first of what qrt counts is done and the progress bar is there.
WORKS = """
from qrt.cli import console, main
console.PATIENCE = 0
done = console.Progress.done

def done_and_said(progress, count):
    done(progress, count)
    if count == 1:
        print("working", flush=True)

console.Progress.done = done_and_said
main()
"""


def interrupted(args: list[str]) -> None:
    """Runs qrt in the current folder, presses Ctrl-C while it works, and looks at what is left.

    The work takes hours, so that a process that ends has been interrupted.
    """
    before = everything()
    with running([sys.executable, "-c", WORKS, *args]) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "working\n", process.stderr.read()
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=HANGS) == ("", "\n")
    assert process.returncode == 130
    assert everything() == before


def test_ctrl_c_ends_a_long_run(cli: Cli, tmp_path: Path) -> None:
    g = GraphBuilder("slow")
    x = g.input("x", (1, 8, 8, 1), scale=1.0)
    wide = g.conv2d(x, np.ones((128, 1, 1, 1), np.int8), weights_scale=0.01, scale=1.0)
    g.output(g.conv2d(wide, np.ones((128, 3, 3, 128), np.int8), weights_scale=0.01, scale=1.0, padding=1, name="y"))
    Path("slow.qfb").write_bytes(g.compile())
    np.save("x.npy", np.zeros((500_000, 8, 8, 1), np.int8))
    interrupted(["run", "slow.qfb", "x.npy", "-o", "y.npy", "--kernels", "reference"])


def test_ctrl_c_ends_a_long_compilation(cli: Cli, source: Path) -> None:
    Path("net.qfb").write_bytes(b"old")
    interrupted(["compile", "net.onnx", "--test-vectors", "100000000"])


# ------------------------------------------------------------------------------------------------- Being ended


STALLS = """
import time
from qrt.cli import files, main

def stall(stream):
    print("writing", flush=True)
    while True:
        time.sleep(0.1)

files.os.fsync = stall
main()
"""


@pytest.mark.parametrize(
    ("ending", "status"), [(signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_being_ended_leaves_no_half_of_a_file(cli: Cli, pets: Path, ending: signal.Signals, status: int) -> None:
    np.save("x.npy", images(3))
    Path("y.npy").write_bytes(b"old")
    before = everything()
    command = [sys.executable, "-c", STALLS, "run", "pets.qfb", "x.npy", "-o", "y.npy"]
    with running(command) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "writing\n", process.stderr.read()
        process.send_signal(ending)
        assert process.communicate(timeout=HANGS) == ("", "")
    assert process.returncode == status
    after = everything()
    if ending == signal.SIGKILL:
        # Nobody can clean up after that; what it was writing has a name of its own.
        (rest,) = after.keys() - before.keys()
        assert rest.startswith(".qrt-")
        del after[rest]
    assert after == before
