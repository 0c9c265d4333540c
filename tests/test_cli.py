"""The command line: whole outputs, exit codes, one line for each error, and the real program as a process."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import qrt
from qrt.cli import console, files, verbs
from qrt.cli.contents import read_contents
from qrt.compiler import CompileError, GraphBuilder, build, writer

VECTORS = Path(__file__).parent / "vectors"
PROGRAM = Path(sys.executable).with_name("qrt")
PLAIN = {"COLUMNS": "80", "FORCE_COLOR": None, "NO_COLOR": None, "QRT_KERNELS": None}
LABELS = ["cat", "dog", "owl", "bee"]

Cli = Callable[..., Result]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs qrt in an empty folder, 80 columns wide."""
    monkeypatch.chdir(tmp_path)

    def run(*args: str, **env: str) -> Result:
        result = CliRunner().invoke(verbs, args, env={**PLAIN, **env})
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return run


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The worked example of SPEC.md: a linear layer from 3 to 2, without labels, with a test vector."""
    path = tmp_path / "tiny.qfb"
    path.write_bytes((VECTORS / "good" / "format1_linear_3_to_2.qfb").read_bytes())
    return path


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """A residual network with labels."""
    path = tmp_path / "pets.qfb"
    path.write_bytes(build(residual()).to_bytes())
    return path


def residual() -> GraphBuilder:
    g = GraphBuilder("pets")
    image = g.input("image", (1, 4, 4, 2), scale=0.5, zero_point=-3)
    filters = (np.arange(8 * 9 * 2).reshape(8, 3, 3, 2) % 17 - 8).astype(np.int8)
    a = g.conv2d(image, filters, weights_scale=0.01, scale=0.25, padding=1, name="stem")
    points = (np.arange(64).reshape(8, 1, 1, 8) % 11 - 5).astype(np.int8)
    b = g.conv2d(a, points, np.arange(8, dtype=np.float32), weights_scale=0.02, scale=0.25, activation="relu", name="b")
    mean = g.mean(g.add(a, b, scale=0.5, name="sum"), scale=0.125, name="mean")
    matrix = (np.arange(32).reshape(4, 8) % 7 - 3).astype(np.int8)
    scores = g.linear(g.reshape(mean, (1, 8), name="flat"), matrix, weights_scale=0.05, scale=0.125, name="scores")
    g.output(scores, labels=LABELS)
    return g


def images(count: int) -> np.ndarray:
    return np.random.default_rng(5).integers(-128, 128, (count, 4, 4, 2), dtype=np.int8)


def text(lines: str) -> str:
    """An expected output without the line break after the opening quotes."""
    return lines.removeprefix("\n")


# ------------------------------------------------------------------------------------------------- qrt


def test_version(cli: Cli) -> None:
    assert cli("--version").stdout == f"qrt {qrt.__version__}, format version {qrt.FORMAT_VERSION}\n"


def test_help_lists_the_verbs_in_the_order_of_work(cli: Cli) -> None:
    shown = cli("--help")
    assert shown.exit_code == 0
    assert re.findall(r"^  (compile|run|inspect|check)  ", shown.stdout, re.MULTILINE) == list(verbs.commands)
    assert cli().stdout == shown.stdout
    for verb in verbs.commands:
        assert cli(verb, "-h").stdout.startswith(f"Usage: qrt {verb} [OPTIONS] MODEL.")


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["rnu"], "qrt: no such command 'rnu'"),
        (["--colour"], "qrt: no such option '--colour'"),
        (["run"], "qrt run: missing argument 'MODEL.QFB' (see 'qrt run --help')"),
        (["run", "m.qfb"], "qrt run: missing argument 'INPUT...' (see 'qrt run --help')"),
        (["run", "m.qfb", "x.npy", "--top", "0"], "qrt run: invalid value for '--top': 0 is not in the range x>=1"),
        (["check", "m.qfb", "n.qfb"], "qrt check: got unexpected extra argument (n.qfb) (see 'qrt check --help')"),
        (["inspect", "m.qfb"], "qrt inspect: m.qfb: no such file; check the path"),
        (["check", "."], "qrt check: .: is a directory; give a file that can be used"),
        (["compile", "model.onnx"], "qrt compile: model.onnx: no such file; check the path"),
    ],
)
def test_wrong_usage_is_one_line(cli: Cli, args: list[str], line: str) -> None:
    assert_refused(cli(*args), line)


def assert_refused(result: Result, line: str) -> None:
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(line)
    assert result.stderr.count("\n") == 1


# ------------------------------------------------------------------------------------------------- qrt run


def test_run_prints_a_row_for_a_sample(cli: Cli, tiny: Path) -> None:
    np.save("x.npy", np.array([10, 20, 30], np.int8))
    assert cli("run", "tiny.qfb", "x.npy").stdout == "y  2 codes\n  19  -9\n"
    assert cli("run", "tiny.qfb", "x.npy", "--dequantize").stdout == "y  2 real values\n   4.25 -2.75\n"


def test_run_takes_floats_and_batches(cli: Cli, tiny: Path) -> None:
    np.save("x.npy", 0.5 * (np.array([[10, 20, 30], [0, 0, 0], [-128, 127, 5]]) + 1.0))
    assert cli("run", "tiny.qfb", "x.npy").stdout == text("""
y  3x2 codes
  0     19   -9
  1      4    0
  2    -91  -15
""")


def test_run_ranks_by_label(cli: Cli, pets: Path) -> None:
    np.save("one.npy", images(1)[0])
    np.save("three.npy", images(3))
    assert cli("run", "pets.qfb", "one.npy").stdout == text("""
""")
    assert cli("run", "pets.qfb", "three.npy").stdout == text("""
""")
    assert cli("run", "pets.qfb", "three.npy", "--top", "1", "--dequantize").stdout == text("""
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
    ((inputs, outputs),) = qrt.load(path).test_vectors
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
    np.savez("data.npz", pictures=images(2), labels=np.array([0, 3]))
    np.save("x.npy", images(2))
    result = cli("run", "pets.qfb", "data.npz")
    assert result.stdout == cli("run", "pets.qfb", "x.npy").stdout
    assert result.stderr == "qrt run: note: data.npz: labels (2,) int64 is no input, ignored\n"


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
        (np.full((4, 4, 2), np.nan), "input 'image': contains NaN, which no code stands for"),
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
        (["pets.qfb", "objects.npy"], "objects.npy: holds Python objects, which are never loaded; save numbers only"),
        (["pets.qfb", "picture.npy"], "picture.npy: neither .npy nor .npz; write it with numpy.save(path, array)"),
        (["pets.qfb", "cut.npy"], "cut.npy: damaged: "),
        (["pets.qfb", "cut.npz"], "cut.npz: damaged: "),
        (["pets.qfb", "none.npz"], "none.npz: cannot tell which array is for which input; the model's inputs are "),
        (["pets.qfb", "x.npy", "x.npy"], "x.npy: cannot tell which array is for which input; "),
        (["pets.qfb", "x.npy", "--kernels", "gpu"], "unknown kernel set 'gpu'; this machine has reference, "),
        (["pets.qfb", "x.npy", "-o", "y.txt"], "y.txt: outputs are written as .npy or .npz; name it so"),
        (["pets.qfb", "x.npy", "-o", "no/y.npy"], "no/y.npy: there is no folder no; create it, or write elsewhere"),
    ]:
        assert_refused(cli("run", *args), f"qrt run: {line}")


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


def test_a_newer_format_is_said_to_be_newer(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "FORMAT_VERSION", qrt.FORMAT_VERSION + 1)
    (tmp_path / "new.qfb").write_bytes(residual().compile())
    for verb in ("inspect", "check"):
        assert_refused(cli(verb, "new.qfb"), f"qrt {verb}: new.qfb: needs a newer qrt: this one reads format versions")


# ------------------------------------------------------------------------------------------------- qrt inspect


def test_inspect_shows_a_file(cli: Cli, pets: Path) -> None:
    shown = cli("inspect", "pets.qfb", "--tensors").stdout
    crc32 = f"{read_contents(pets.read_bytes()).crc32:08x}"
    assert shown.replace(crc32, "CRC").replace(qrt.__version__, "VERSION") == text("""
""")


def test_inspect_fits_the_terminal(cli: Cli) -> None:
    path = str(VECTORS / "good" / "format1_every_operator.qfb")
    for width in (60, 80, 120):
        lines = cli("inspect", path, COLUMNS=str(width)).stdout.splitlines()
        plan = lines[lines.index("Memory plan") + 1 : -1]
        assert {len(line) for line in plan} == {width}
        assert all(line == line.rstrip() for line in lines)


def test_inspect_draws_without_unicode(pets: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "COLUMNS": "60"}
    command = [sys.executable, "-m", "qrt.cli", "inspect", str(pets)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "# written  = read  . kept for later  (blank) free"


def test_inspect_json_holds_everything(cli: Cli, pets: Path) -> None:
    document = json.loads(cli("inspect", "pets.qfb", "--json").stdout)
    model = qrt.load(pets)
    assert document["arena_size"] == model.arena_size
    assert document["size"] == len(pets.read_bytes())
    assert document["outputs"][0]["labels"] == LABELS
    assert [op["kind"] for op in document["operators"]] == ["conv2d", "conv2d", "add", "mean", "reshape", "linear"]
    stem = document["operators"][0]
    assert stem["macs"] == 4 * 4 * 8 * 3 * 3 * 2
    assert stem["parameters"]["padding"] == [1, 1, 1, 1]
    assert document["tensors"][document["inputs"][0]["tensor"]]["name"] == "image"


def test_inspect_counts_what_the_compiler_counts(cli: Cli, pets: Path) -> None:
    report = build(residual()).report
    document = json.loads(cli("inspect", "pets.qfb", "--json").stdout)
    operators = document["operators"]
    assert sum(op["macs"] for op in operators) == report.macs
    assert sum(op["weight_bytes"] for op in operators) == report.weight_bytes
    assert sum(op["parameter_bytes"] for op in operators) == report.parameter_bytes
    assert document["lower_bound"] == report.arena_lower_bound


def test_names_cannot_steer_the_terminal(cli: Cli, tmp_path: Path) -> None:
    g = GraphBuilder("\x1b[31m[bold]name")
    g.output(g.relu(g.input("x", (1, 2), scale=1.0)), labels=["\x1b]0;title\x07", "b"])
    (tmp_path / "odd.qfb").write_bytes(g.compile())
    np.save("x.npy", np.zeros(2, np.int8))
    for args in (["inspect", "odd.qfb"], ["run", "odd.qfb", "x.npy"]):
        shown = cli(*args).stdout
        assert "\x1b" not in shown
        assert "\\x1b]0;title\\x07" in shown
    assert "\\x1b[31m[bold]name" in cli("inspect", "odd.qfb").stdout


# ------------------------------------------------------------------------------------------------- qrt check


def with_vectors(path: Path, change: int) -> list[np.ndarray]:
    """Writes pets with three test vectors, the second of which expects `change` more at index [0, 2]; gives it."""
    compiled = build(residual())
    model = qrt.load(compiled.to_bytes())
    vectors = [([x[np.newaxis]], [model.run(x[np.newaxis])]) for x in images(3)]
    expected = vectors[1][1][0]
    expected[0, 2] += np.int8(change)
    path.write_bytes(compiled.to_bytes(vectors))
    return [expected]


def test_check_runs_the_vectors_on_every_set(cli: Cli, tmp_path: Path) -> None:
    with_vectors(tmp_path / "m.qfb", 0)
    result = cli("check", "m.qfb")
    width = max(map(len, qrt.kernel_sets()))
    lines = [f"  {name:<{width}}  3 of 3 test vectors agree" for name in qrt.kernel_sets()]
    assert result.stdout == "\n".join(["m.qfb: valid, format version 1", *lines, ""])
    assert result.exit_code == 0


def test_check_names_the_differing_element(cli: Cli, tmp_path: Path) -> None:
    (expected,) = with_vectors(tmp_path / "m.qfb", 1)
    result = cli("check", "m.qfb")
    wanted = int(expected[0, 2])
    difference = (
        f"first difference: test vector 1, output 0 (scores), index [0, 2]: expected {wanted}, got {wanted - 1}"
    )
    assert result.exit_code == 1
    assert result.stdout.count("2 of 3 test vectors agree\n") == len(qrt.kernel_sets())
    assert result.stdout.count(difference) == len(qrt.kernel_sets())
    document = json.loads(cli("check", "m.qfb", "--json").stdout)
    assert [row["name"] for row in document["kernels"]] == list(qrt.kernel_sets())
    for row in document["kernels"]:
        assert row["agree"] is False
        assert row["differences"] == [
            {"vector": 1, "output": 0, "name": "scores", "index": [0, 2], "expected": wanted, "got": wanted - 1}
        ]


def test_check_says_when_there_is_nothing_to_compare(cli: Cli, pets: Path) -> None:
    result = cli("check", "pets.qfb")
    assert result.exit_code == 0
    assert result.stdout == text("""
pets.qfb: valid, format version 1
holds no test vectors, so no results were compared; 'qrt compile --test-vectors 4' embeds some
""")


def test_check_names_the_broken_rule(cli: Cli) -> None:
    bad = sorted((VECTORS / "bad").glob("v*.qfb"))
    assert bad
    for path in bad:
        rule = int(path.name[1:3])
        assert_refused(cli("check", str(path)), f"qrt check: {path}: breaks rule V{rule} ")
    result = cli("check", "--json", str(path))
    document = json.loads(result.stdout)
    assert (result.exit_code, document["valid"], document["rule"]) == (2, False, rule)


# ------------------------------------------------------------------------------------------------- qrt compile


def onnx_model(bias: Sequence[float] = (1.5, -2.0), unknown: Sequence[str] = ()) -> Any:
    """A quantized convolution with a rectifier, and after it operators of the kinds `unknown`."""
    onnx = pytest.importorskip("onnx")
    make, array = onnx.helper.make_node, onnx.numpy_helper.from_array
    weights = (np.arange(54).reshape(2, 3, 3, 3) % 19 - 9).astype(np.int8)
    constants = {
        "x_scale": np.float32(0.1),
        "x_zero": np.int8(-3),
        "w": weights,
        "w_scale": np.array([0.02, 0.03], np.float32),
        "w_zero": np.zeros(2, np.int8),
        "bias": np.array(bias, np.float32),
        "y_scale": np.float32(0.5),
        "y_zero": np.int8(4),
    }
    nodes = [
        make("QuantizeLinear", ["x", "x_scale", "x_zero"], ["xq"], name="quantize"),
        make("DequantizeLinear", ["xq", "x_scale", "x_zero"], ["xd"], name="dequantize"),
        make("DequantizeLinear", ["w", "w_scale", "w_zero"], ["wd"], name="weights", axis=0),
        make("Conv", ["xd", "wd", "bias"], ["conv"], name="conv", pads=[1, 1, 1, 1]),
        make("Relu", ["conv"], ["relu"], name="relu"),
    ]
    last = "relu"
    for kind in unknown:
        nodes.append(make(kind, [last], [f"{kind}_out"], name=f"node_{kind}"))
        last = f"{kind}_out"
    nodes.append(make("QuantizeLinear", [last, "y_scale", "y_zero"], ["yq"], name="quantize_y"))
    nodes.append(make("DequantizeLinear", ["yq", "y_scale", "y_zero"], ["y"], name="dequantize_y"))
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        "tiny",
        [value("x", onnx.TensorProto.FLOAT, [1, 3, 6, 5])],
        [value("y", onnx.TensorProto.FLOAT, [1, 2, 6, 5])],
        [array(np.asarray(data), name) for name, data in constants.items()],
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)


def write_onnx(name: str, **options: Any) -> None:
    Path(name).write_bytes(onnx_model(**options).SerializeToString())


def test_compile_sums_up(cli: Cli) -> None:
    write_onnx("m.onnx")
    result = cli("compile", "m.onnx", "--test-vectors", "2", "--name", "net")
    assert (result.exit_code, result.stderr) == (0, "")
    head, _, notes = result.stdout.partition("\nWhat the passes did\n")
    source, written = Path("m.onnx").stat().st_size, Path("m.qfb").stat().st_size
    assert re.sub(r"in \d+\.\d\d s", "in TIME", head) == text(f"""
m.onnx -> m.qfb in TIME
name          net
operators     1 conv2d
MACs          1,620
weights       54 bytes, and 18 of multipliers, shifts, biases
file          {written:,} bytes, {100 * written / source:.1f} % of the source
arena         160 bytes, which is the lower bound
test vectors  2, computed by the reference kernels
""")
    assert [line.split(maxsplit=1) for line in notes.splitlines()] == [list(n) for n in build("m.onnx").report.notes]
    assert len(qrt.load("m.qfb").test_vectors) == 2
    assert cli("check", "m.qfb").exit_code == 0
    assert os.listdir() == ["m.onnx", "m.qfb"] or set(os.listdir()) == {"m.onnx", "m.qfb"}


def test_compile_is_reproducible_and_takes_labels(cli: Cli) -> None:
    write_onnx("m.onnx")
    Path("labels.txt").write_text("café\nowl\n", encoding="utf-8")
    for name in ("a.qfb", "b.qfb"):
        args = ["compile", "m.onnx", "-o", name, "-q", "--test-vectors", "1", "--labels", "labels.txt"]
        result = cli(*args)
        assert (result.exit_code, result.output) == (0, "")
    assert Path("a.qfb").read_bytes() == Path("b.qfb").read_bytes()
    assert qrt.load("a.qfb").outputs[0].labels == ("café", "owl")


def test_compile_prints_one_json_document(cli: Cli) -> None:
    write_onnx("m.onnx")
    document = json.loads(cli("compile", "m.onnx", "--json").stdout)
    assert document["operators"] == {"conv2d": 1}
    assert document["output"] == "m.qfb"
    assert document["output_size"] == Path("m.qfb").stat().st_size
    assert document["arena_lower_bound"] == document["arena_size"] == qrt.load("m.qfb").arena_size


def test_compile_reports_rescues_even_when_quiet(cli: Cli) -> None:
    write_onnx("m.onnx", bias=(1e7, 1.0))
    (rescue,) = build("m.onnx").report.rescues
    assert rescue.channels == (0,)
    line = f"conv (conv2d), channel 0: {rescue.text}"
    shown = cli("compile", "m.onnx").stdout
    title, told = "\nRescued, where the integers would have overflowed or vanished\n", " ".join(shown.split())
    assert title in shown
    assert line in told
    assert cli("compile", "m.onnx", "-q").stderr == f"qrt compile: note: m.onnx: {line}\n"


def test_compile_lists_all_problems_and_writes_nothing(cli: Cli) -> None:
    write_onnx("m.onnx", unknown=("Det", "NonZero"))
    with pytest.raises(CompileError) as caught:
        build("m.onnx")
    problems = [str(problem) for problem in caught.value.problems]
    assert len(problems) == 2
    Path("m.qfb").write_bytes(b"an older file")
    result = cli("compile", "m.onnx")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [
        "qrt compile: m.onnx: 2 problems, nothing was written",
        *(f"  {problem}" for problem in problems),
    ]
    assert Path("m.qfb").read_bytes() == b"an older file"
    result = cli("compile", "m.onnx", "--json")
    assert result.exit_code == 2
    assert [problem["kind"] for problem in json.loads(result.stdout)["problems"]] == ["Det", "NonZero"]


def test_compile_refuses_wrong_files(cli: Cli) -> None:
    write_onnx("m.onnx")
    write_onnx("one.onnx", unknown=("Det",))
    Path("m.txt").write_text("")
    Path("three.txt").write_text("a\nb\nc\n")
    Path("latin.txt").write_bytes(b"\xe9\n")
    for args, line in [
        (["one.onnx"], "one.onnx: node_Det (Det): "),
        (["m.txt"], "m.txt: "),
        (["m.onnx", "-o", "m.onnx"], "m.onnx: is the source itself; name another file with -o"),
        (["m.onnx", "-o", "no/m.qfb"], "no/m.qfb: there is no folder no; create it, or write elsewhere with -o"),
        (["m.onnx", "-o", "."], ".: is a folder; name a file in it with -o"),
        (["m.onnx", "--labels", "three.txt"], "m.onnx: relu (labels): has 2 entries, got 3 labels"),
        (["m.onnx", "--labels", "latin.txt"], "latin.txt: not UTF-8 text; write one label on each line"),
    ]:
        assert_refused(cli("compile", *args), f"qrt compile: {line}")
    assert not list(Path().glob("*.qfb"))


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
    assert (result.stdout, result.stderr) == ("y  2 codes\n  19  -9\n", "")
    result = subprocess.run([PROGRAM, "run", "tiny.qfb", "y.npy"], cwd=tmp_path, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (2, "qrt run: y.npy: no such file; did you mean x.npy?\n")


@needs_program
def test_a_closed_pipe_is_quiet(tiny: Path) -> None:
    with subprocess.Popen([PROGRAM, "inspect", tiny], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == -signal.SIGPIPE


@needs_program
def test_ctrl_c_is_quiet(tiny: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.npy")
    with subprocess.Popen([PROGRAM, "run", tiny, tmp_path / "x.npy"], stderr=subprocess.PIPE) as process:
        # The program waits for input from the pipe, and this line for the program to open it.
        with (tmp_path / "x.npy").open("wb"):
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            assert process.stderr.read() == b"\n"
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
