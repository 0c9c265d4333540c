"""The command line: usage, `qrt run`, how files are written, and the real program as a process."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import LABELS, Cli, assert_refused, images, text
from places import VECTORS
from processes import HANGS, running

import qrt
from qrt.cli import console, files, verbs
from qrt.compiler import GraphBuilder

PROGRAM = Path(sys.executable).with_name("qrt")


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The worked example of SPEC.md: a linear layer from 3 to 2, without labels, with a test vector."""
    path = tmp_path / "tiny.qfb"
    path.write_bytes((VECTORS / "good" / "format1_linear_3_to_2.qfb").read_bytes())
    return path


# ------------------------------------------------------------------------------------------------- qrt


def test_version(cli: Cli) -> None:
    assert cli("--version").stdout == f"qrt {qrt.__version__}, format version {qrt.FORMAT_VERSION}\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [(["--version"], 0, "format version"), (["inspect", "no.qfb"], 2, "qrt inspect: no.qfb")],
)
def test_python_runs_the_package(arguments: list[str], code: int, said: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "qrt", *arguments]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == code
    assert said in result.stdout + result.stderr


def test_help_lists_the_verbs_in_the_order_of_work(cli: Cli) -> None:
    shown = cli("--help")
    assert shown.exit_code == 0
    listed = shown.stdout.partition("\nCommands:\n")[2].partition("\n\n")[0]
    assert re.findall(r"^  (\w+)  ", listed, re.MULTILINE) == list(verbs.commands)
    assert cli().stdout == shown.stdout
    for verb in verbs.commands:
        argument = {"kernels": "", "tune": " FLOAT."}.get(verb, " MODEL.")
        assert cli(verb, "-h").stdout.startswith(f"Usage: qrt {verb} [OPTIONS]{argument}")


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["rnu"], "qrt: no such command 'rnu'"),
        (["--colour"], "qrt: no such option"),
        (["run"], "qrt run: missing argument 'MODEL.QFB' (see 'qrt run --help')"),
        (["run", "m.qfb"], "qrt run: missing argument 'INPUT...' (see 'qrt run --help')"),
        (["run", "m.qfb", "x.npy", "--top", "0"], "qrt run: invalid value for '--top': 0 is not in the range x>=1"),
        (["check", "m.qfb", "n.qfb"], "qrt check: got unexpected extra argument (n.qfb) (see 'qrt check --help')"),
        (["inspect", "m.qfb"], "qrt inspect: m.qfb: no such file; check the path"),
        (["check", "."], "qrt check: .: is a folder; give a file"),
        (["compile", "."], "qrt compile: .: is a folder; give a file"),
        (["compile", "model.onnx"], "qrt compile: model.onnx: no such file; check the path"),
        (["kernels", "m.qfb"], "qrt kernels: got unexpected extra argument (m.qfb) (see 'qrt kernels --help')"),
        (["profile", "m.qfb"], "qrt profile: m.qfb: no such file; check the path"),
    ],
)
def test_wrong_usage_is_one_line(cli: Cli, args: list[str], line: str) -> None:
    assert_refused(cli(*args), line)


# ------------------------------------------------------------------------------------------------- qrt run


def test_run_prints_a_row_for_a_sample(cli: Cli, tiny: Path) -> None:
    np.save("x.npy", np.array([10, 20, 30], np.int8))
    assert cli("run", "tiny.qfb", "x.npy").stdout == "y  2 codes\n  19 -9\n"
    assert cli("run", "tiny.qfb", "x.npy", "--dequantize").stdout == "y  2 real values\n   4.25 -2.75\n"


def test_run_takes_floats_and_batches(cli: Cli, tiny: Path) -> None:
    np.save("x.npy", 0.5 * (np.array([[10, 20, 30], [0, 0, 0], [-128, 127, 5]]) + 1.0))
    assert cli("run", "tiny.qfb", "x.npy").stdout == text("""
y  3x2 codes
  0    19  -9
  1     4   1
  2   -88  24
""")


def test_run_ranks_by_label(cli: Cli, pets: Path) -> None:
    np.save("one.npy", images(1)[0])
    np.save("three.npy", images(3))
    assert cli("run", "pets.qfb", "one.npy").stdout == text("""
scores  4 codes, the largest of 4
  cat:  6
  dog: -4
  owl: -7
  bee: -9
""")
    assert cli("run", "pets.qfb", "three.npy").stdout == text("""
scores  3x4 codes, the largest of 4
  0   cat:  6   dog: -4   owl: -7   bee: -9
  1   cat:  3   dog: -3   owl: -4   bee: -6
  2   cat: -1   dog: -4   bee: -4   owl: -6
""")
    assert cli("run", "pets.qfb", "three.npy", "--top", "1", "--dequantize").stdout == text("""
scores  3x4 real values, the largest of 4
  0   cat:   0.75
  1   cat:  0.375
  2   cat: -0.125
""")


def test_run_ranks_by_index_without_labels(cli: Cli, tiny: Path) -> None:
    np.save("x.npy", np.array([10, 20, 30], np.int8))
    assert cli("run", "tiny.qfb", "x.npy", "--top", "1").stdout == "y  2 codes, the largest of 2\n  0: 19\n"


def test_run_shows_as_many_entries_and_samples_as_are_readable(cli: Cli, pets: Path) -> None:
    np.save("x.npy", images(25))
    lines = cli("run", "pets.qfb", "x.npy", COLUMNS="40").stdout.splitlines()
    assert len(lines) == 22
    assert max(map(len, lines[:-1])) <= 40
    assert lines[-1] == "... and 5 more samples; -o FILE.npy or --json gives all"


def test_run_wraps_long_rows(cli: Cli, tmp_path: Path) -> None:
    g = GraphBuilder("copy")
    g.output(g.reshape(g.input("x", (1, 40), scale=1.0), (1, 40), name="y"))
    (tmp_path / "copy.qfb").write_bytes(g.compile())
    np.save("x.npy", np.arange(-20, 20, dtype=np.int8))
    assert cli("run", "copy.qfb", "x.npy", COLUMNS="60").stdout == text("""
y  40 codes
  -20 -19 -18 -17 -16 -15 -14 -13 -12 -11 -10  -9  -8  -7
   -6  -5  -4  -3  -2  -1   0   1   2   3   4   5   6   7
    8   9  10  11  12  13  14  15  16  17  18  19
""")


def test_run_prints_one_json_document(cli: Cli, pets: Path) -> None:
    x = images(2)
    np.save("x.npy", x)
    document = json.loads(cli("run", "pets.qfb", "x.npy", "--json", "--top", "2").stdout)
    values = qrt.load(pets).run(x)
    assert (document["file"], document["kernels"]) == ("pets.qfb", qrt.kernel_sets()[-1])
    (output,) = document["outputs"]
    assert output["values"] == values.tolist()
    assert (output["name"], output["shape"], output["dtype"]) == ("scores", [2, 4], "int8")
    for row, best in zip(values, output["top"], strict=True):
        assert [item["value"] for item in best] == sorted(row.tolist(), reverse=True)[:2]
        assert all(LABELS[item["index"]] == item["label"] and row[item["index"]] == item["value"] for item in best)


def test_run_on_a_named_kernel_set(cli: Cli, pets: Path, kernels: str) -> None:
    np.save("x.npy", images(2))
    document = json.loads(cli("run", "pets.qfb", "x.npy", "--json", "--kernels", kernels).stdout)
    assert document["kernels"] == kernels
    assert document["outputs"][0]["values"] == qrt.load(pets).run(images(2)).tolist()


def test_run_writes_an_npy_file(cli: Cli, pets: Path) -> None:
    np.save("x.npy", images(3))
    assert cli("run", "pets.qfb", "x.npy", "-o", "y.npy", "--dequantize").stdout.endswith("\nwrote y.npy\n")
    expected = qrt.load(pets).run(images(3), dequantize=True)
    written = np.load("y.npy")
    assert written.dtype == np.float32
    assert np.array_equal(written, expected)


def test_run_takes_and_writes_several_arrays(cli: Cli) -> None:
    path = VECTORS / "good" / "format1_every_operator.qfb"
    ((inputs, outputs, _),) = qrt.load(path).test_vectors
    np.save("a.npy", inputs[0])
    np.save("b.npy", inputs[1])
    np.savez("ab.npz", z=inputs[1], unused=inputs[0], image=inputs[0])
    for names in (["a.npy", "b.npy"], ["ab.npz"]):
        assert cli("run", str(path), *names, "--layout", "NHWC", "-o", "out.npz").exit_code == 0
        with np.load("out.npz") as written:
            assert written.files == ["codes", "output_1"]
            assert np.array_equal(written["codes"], outputs[0])
            assert np.array_equal(written["output_1"], outputs[1])


def test_run_finds_the_input_among_other_arrays(cli: Cli, pets: Path) -> None:
    np.savez("data.npz", pictures=images(2), others=np.array([0, 3]))
    np.save("x.npy", images(2))
    result = cli("run", "pets.qfb", "data.npz")
    assert result.stdout == cli("run", "pets.qfb", "x.npy").stdout
    assert result.stderr == "qrt run: note: data.npz: others (2,) int64 is not an input; ignored\n"


def test_run_shows_progress_when_it_takes_long(cli: Cli, pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save("x.npy", images(5))
    quick = cli("run", "pets.qfb", "x.npy")
    monkeypatch.setattr(console, "PATIENCE", 0)
    slow = cli("run", "pets.qfb", "x.npy")
    assert (slow.stdout, slow.stderr) == (quick.stdout, "")
    seen = cli("run", "pets.qfb", "x.npy", FORCE_COLOR="1")
    assert seen.stdout == quick.stdout
    assert "samples" in seen.stderr


@pytest.mark.parametrize(
    ("array", "line"),
    [
        (np.zeros((3, 3), np.int8), "input 'image': expected shape (1, 4, 4, 2) NHWC, got (3, 3)"),
        (np.zeros((5, 4, 4, 3), np.int8), "input 'image': expected shape (1, 4, 4, 2) NHWC, got (5, 4, 4, 3)"),
        (np.int8(1), "input 'image': expected shape (1, 4, 4, 2) NHWC, got ()"),
        (np.zeros((4, 4, 2), np.int64), "input 'image': expected int8 codes or floats, got dtype int64"),
        (np.zeros((4, 4, 2), "U1"), "input 'image': expected int8 codes or floats, got dtype <U1"),
        (np.full((4, 4, 2), np.nan), "input 'image': contains NaN, which has no int8 code"),
    ],
)
def test_run_refuses_a_wrong_array(cli: Cli, pets: Path, array: Any, line: str) -> None:
    np.save("x.npy", array)
    assert_refused(cli("run", "pets.qfb", "x.npy"), f"qrt run: pets.qfb: {line}")


def test_run_refuses_wrong_files(cli: Cli, pets: Path, tiny: Path) -> None:
    np.save("x.npy", images(1))
    np.save("objects.npy", np.array([{}]), allow_pickle=True)
    np.savez("none.npz", a=np.zeros(3), b=np.zeros(4))
    Path("picture.npy").write_bytes(b"\x89PNG and more")
    Path("cut.npy").write_bytes(Path("x.npy").read_bytes()[:-5])
    Path("cut.npz").write_bytes(Path("none.npz").read_bytes()[:-5])
    for args, line in [
        (["pet.qfb", "x.npy"], "pet.qfb: no such file; did you mean pets.qfb?"),
        (["x.npy", "x.npy"], "x.npy: not a .qfb file; compile a model with 'qrt compile'"),
        (["pets.qfb", "xx.npy"], "xx.npy: no such file; did you mean x.npy?"),
        (
            ["pets.qfb", "objects.npy"],
            "objects.npy: contains Python objects, which are never loaded; save numbers only",
        ),
        (["pets.qfb", "picture.npy"], "picture.npy: neither .npy nor .npz; write it with numpy.save(path, array)"),
        (["pets.qfb", "cut.npy"], "cut.npy: damaged: "),
        (["pets.qfb", "cut.npz"], "cut.npz: damaged: "),
        (["pets.qfb", "none.npz"], "none.npz: cannot tell which array is for which input; the model's inputs are "),
        (["pets.qfb", "x.npy", "x.npy"], "x.npy: cannot tell which array is for which input; "),
        (["pets.qfb", "x.npy", "--kernels", "gpu"], "unknown kernel set 'gpu'; this machine has reference, "),
        (["pets.qfb", "x.npy", "-o", "y.txt"], "y.txt: outputs are written as .npy or .npz; use one of these suffixes"),
        (["pets.qfb", "x.npy", "-o", "./x.npy"], "x.npy: is an input; name another file with -o"),
        (["pets.qfb", "x.npy", "-o", "no/y.npy"], "no/y.npy: there is no folder no; create it, or write elsewhere"),
    ]:
        assert_refused(cli("run", *args), f"qrt run: {line}")


@pytest.mark.parametrize("verb", ["run", "inspect", "check", "profile"])
def test_an_arena_above_the_limit_is_refused(cli: Cli, pets: Path, verb: str) -> None:
    np.save("x.npy", images(1))
    arguments = [verb, "pets.qfb", *(["x.npy"] if verb == "run" else [])]
    size = qrt.load(pets).arena_size
    refused = f"qrt {verb}: pets.qfb: states an arena of {size} bytes, the limit is 10; "
    assert_refused(cli(*arguments, QRT_MAX_ARENA="10"), refused)
    assert_refused(cli(*arguments, QRT_MAX_ARENA="ten"), f"qrt {verb}: QRT_MAX_ARENA: expected a number of bytes")
    assert cli(*arguments, QRT_MAX_ARENA=str(size)).exit_code == 0


def test_run_refuses_what_outputs_cannot_be(cli: Cli, tmp_path: Path) -> None:
    path = VECTORS / "good" / "format1_every_operator.qfb"
    for i, codes in enumerate(qrt.load(path).test_vectors[0][0]):
        np.save(f"{i}.npy", codes)
    several = cli("run", str(path), "0.npy", "1.npy", "-o", "y.npy", "--layout", "NHWC")
    assert_refused(several, "qrt run: y.npy: an .npy file holds one array, the model has 2 outputs; name it .npz")
    unscaled = cli("run", str(path), "0.npy", "1.npy", "--dequantize", "--layout", "NHWC")
    assert_refused(unscaled, f"qrt run: {path}: output 'codes': the file states no scale")
    g = GraphBuilder("map")
    g.output(g.relu(g.input("x", (1, 2, 2, 3), scale=1.0), name="y"))
    (tmp_path / "map.qfb").write_bytes(g.compile())
    np.save("x.npy", np.zeros((2, 2, 3), np.int8))
    refused = cli("run", "map.qfb", "x.npy", "--top", "2")
    assert_refused(refused, "qrt run: --top needs one row for each sample; output 'y' is 2x2x3")
    assert cli("run", "map.qfb", "x.npy").stdout == text("""
y  2x2x3 codes
  [[[0 0 0]
    [0 0 0]]

   [[0 0 0]
    [0 0 0]]]
""")


# ------------------------------------------------------------------------------------------------- Files


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path, link = tmp_path / "file", tmp_path / "link"
    path.write_bytes(b"old")
    link.symlink_to(path)
    with pytest.raises(KeyboardInterrupt), files.replacing(link) as stream:
        stream.write(b"half")
        stream.flush()
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    with files.replacing(link) as stream:
        stream.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert link.is_symlink()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "link"]


def test_a_pipe_stays_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with files.replacing(path) as stream:
            stream.write(b"through")
        assert os.read(reader, 100) == b"through"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(path.stat().st_mode)


# ------------------------------------------------------------------------------------------------- The program


needs_program = pytest.mark.skipif(not PROGRAM.exists(), reason="qrt is not installed beside this Python")


@needs_program
def test_the_installed_program_runs(tiny: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([10, 20, 30], np.int8))
    command = [PROGRAM, "run", "tiny.qfb", "x.npy"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (result.stdout, result.stderr) == ("y  2 codes\n  19 -9\n", "")
    result = subprocess.run([PROGRAM, "run", "tiny.qfb", "y.npy"], cwd=tmp_path, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (2, "qrt run: y.npy: no such file; check the path\n")


@needs_program
def test_a_closed_pipe_is_quiet(tiny: Path) -> None:
    with subprocess.Popen([PROGRAM, "inspect", tiny], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == -signal.SIGPIPE


@needs_program
def test_closed_streams(tiny: Path) -> None:
    """As in a service that closes them: nothing is printed, and the exit code says how it went."""
    for closed in (">&-", "<&- >&- 2>&-"):
        for path, status in ((str(tiny), 0), ("nothing.qfb", 2)):
            command = ["sh", "-c", f'exec "$0" inspect "$1" {closed}', PROGRAM, path]
            result = subprocess.run(command, capture_output=True, text=True)
            assert (result.returncode, "Traceback" in result.stderr) == (status, False)


@needs_program
def test_ctrl_c_is_quiet(tiny: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.npy")
    with running([PROGRAM, "run", tiny, tmp_path / "x.npy"]) as process:
        # The program waits for input from the pipe, and this line for the program to open it.
        with (tmp_path / "x.npy").open("wb"):
            process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=HANGS) == ("", "\n")
    assert process.returncode == 130


def test_running_loads_neither_rich_nor_the_compiler(tiny: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([10, 20, 30], np.int8))
    code = """
import sys
from qrt.cli import verbs
try:
    verbs.main(sys.argv[1:], "qrt")
finally:
    print({"rich", "onnx", "qrt.compiler"} & set(sys.modules))
"""
    for args in (["--help"], ["run", tiny, tmp_path / "x.npy"]):
        result = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, check=True)
        assert result.stdout.splitlines()[-1] == "set()"
