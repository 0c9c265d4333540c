"""The command line on models: `qrt compile`, `qrt inspect` and `qrt check`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import LABELS, Cli, assert_refused, images, residual, text
from places import SHARED, VECTORS

import qrt
from qrt.cli.contents import read_contents
from qrt.compiler import CompileError, GraphBuilder, compile
from qrt.compiler.backends.qfb import writer

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
matches       onnxruntime, but for 1 operator, see below
operators     1 conv2d
MACs          1,620
weights       54 bytes, and 18 of multipliers, shifts, biases
file          {written:,} bytes, {100 * written / source:.1f} % of the source
arena         128 bytes, which is the lower bound
test vectors  2, computed by the reference kernels

Codes that can differ from onnxruntime's, by 1
conv2d  conv: summed in float32 by the engine, cases not counted
""")
    assert [line.split(maxsplit=1) for line in notes.splitlines()] == [list(n) for n in compile("m.onnx").report.notes]
    assert len(qrt.load("m.qfb").test_vectors) == 2
    assert cli("check", "m.qfb").exit_code == 0
    assert set(os.listdir()) == {"m.onnx", "m.qfb"}


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
    (rescue,) = compile("m.onnx").report.rescues
    assert rescue.channels == (0,)
    line = f"conv (conv2d), channel 0: {rescue.text}"
    shown = cli("compile", "m.onnx").stdout
    title, told = "\nRescued, because the integers would have overflowed or become 0\n", " ".join(shown.split())
    assert title in shown
    assert line in told
    assert cli("compile", "m.onnx", "-q").stderr == f"qrt compile: note: m.onnx: {line}\n"


def test_compile_lists_all_problems_and_writes_nothing(cli: Cli) -> None:
    write_onnx("m.onnx", unknown=("Det", "NonZero"))
    with pytest.raises(CompileError) as caught:
        compile("m.onnx")
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
        (["m.onnx", "--labels", "three.txt"], "m.onnx: y (labels): has 2 entries, got 3 labels"),
        (["m.onnx", "--labels", "latin.txt"], "latin.txt: not UTF-8 text; write one label on each line"),
    ]:
        assert_refused(cli("compile", *args), f"qrt compile: {line}")
    assert not list(Path().glob("*.qfb"))


# ------------------------------------------------------------------------------------------------- qrt inspect


def test_inspect_shows_a_file(cli: Cli, pets: Path) -> None:
    shown = cli("inspect", "pets.qfb", "--tensors").stdout
    crc32 = f"{read_contents(pets.read_bytes()).crc32:08x}"
    assert shown.replace(crc32, "CRC").replace(qrt.__version__, "VERSION") == text("""
file          pets.qfb
size          1,584 bytes, crc32 CRC
name          pets
made by       qrt VERSION, format version 1
operators     6: 2 conv2d, 1 add, 1 mean, 1 reshape, 1 linear
MACs          3,360
weights       240 bytes, and 52 of multipliers, shifts, biases
arena         256 bytes, which is the lower bound
test vectors  0

Inputs and outputs
input   image  1x4x4x2  real = 0.5 * (code + 3)
output  scores  1x4  real = 0.125 * code
        labels cat, dog, owl, bee

Operators
#  operator  shapes                        MACs  bytes
0  conv2d    1x4x4x2 -> 1x4x4x8           2,304    149
   stem  3x3, padding 1, per tensor factor 0.02, SINGLE
1  conv2d    1x4x4x8 -> 1x4x4x8           1,024    101
   b  1x1, per tensor factor 0.02, bias, SINGLE, output 0 to 127
2  add       1x4x4x8, 1x4x4x8 -> 1x4x4x8
   sum  COMMON_SHIFT
3  mean      1x4x4x8 -> 1x1x1x8                      5
   mean  per tensor factor 0.25, SINGLE
4  reshape   1x1x1x8 -> 1x8
   flat
5  linear    1x8 -> 1x4                      32     37
   scores  per tensor factor 0.05, SINGLE

Tensors
   shape    bytes  codes                    arena       layers        tensor
A  1x4x4x2     32  real = 0.5 * (code + 3)  112 to 144  inputs to 0   image
   8x3x3x2    144  constant
B  1x4x4x8    128  real = 0.25 * code       0 to 128    0 to 2        stem
   8x1x1x8     64  constant
C  1x4x4x8    128  real = 0.25 * code       128 to 256  1 to 2        b
D  1x4x4x8    128  real = 0.5 * code        0 to 128    2 to 3        sum
E  1x1x1x8      8  real = 0.125 * code      128 to 136  3 to 4        mean
F  1x8          8  real = 0.125 * code      128 to 136  4 to 5        flat
   4x8         32  constant
G  1x4          4  real = 0.125 * code      0 to 4      5 to outputs  scores

Memory plan
#  operator  writes  bytes  │0                                              256│
   inputs    A          32  │                     A██████                      │
0  conv2d    B         128  │B████████████████████████▒▒▒                      │
1  conv2d    C         128  │B▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒C████████████████████████│
2  add       D = B     128  │D████████████████████████C▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒│
3  mean      E           8  │D▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒E                        │
4  reshape   F = E       8  │                         F                        │
5  linear    G           4  │G                        F                        │
   outputs                  │G                                                 │
█ written  ▒ read  ░ kept for later  (blank) free
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
    command = [sys.executable, "-c", "from qrt.cli import main; main()", "inspect", str(pets)]
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


@pytest.mark.parametrize("name", ["residual", "tables"])
def test_inspect_counts_what_the_compiler_counts(cli: Cli, name: str) -> None:
    network = residual()
    if name == "tables":
        network = GraphBuilder("tables")
        x = network.resize2d(
            network.input("x", (1, 2, 2, 3), scale=0.02), [0, 0, 1, 1], [0, 1], row_weight=[0, 9, 9, 0]
        )
        network.output(network.softmax(network.lut(x, "tanh", scale=1 / 128)))
    report = compile(network).report
    Path("model.qfb").write_bytes(network.compile())
    document = json.loads(cli("inspect", "model.qfb", "--json").stdout)
    operators = document["operators"]
    assert sum(op["macs"] for op in operators) == report.macs
    assert sum(op["weight_bytes"] for op in operators) == report.weight_bytes
    assert sum(op["parameter_bytes"] for op in operators) == report.parameter_bytes
    assert document["weight_bytes"] == report.weight_bytes
    assert document["lower_bound"] == report.arena_lower_bound
    assert document["peak"] == json.loads(json.dumps(report.as_dict()["arena_peak"]))


def test_what_blocks_a_smaller_plan_is_said(cli: Cli) -> None:
    """In the summary of compile, in inspect, and in the JSON of both: the layer with the most bytes live, and these."""
    source = SHARED / "models" / "person_detect.tflite"
    if not source.exists():
        pytest.skip("the shared models are not on this machine")
    compiled = cli("compile", str(source), "-o", "net.qfb").stdout
    arena = re.search(r"^arena +(46,080 bytes; lower bound 37,248, gap 23.7 %)$", compiled, re.MULTILINE)
    (most,) = re.findall(r"^most live +(.*)$", compiled, re.MULTILINE)
    assert arena is not None
    assert re.fullmatch(r"layer 2 conv2d: \S+ 36,864 \+ \S+ 18,432 - 18,048 that two share", most)
    inspected = cli("inspect", "net.qfb").stdout
    assert f"\nmost live     {most}\n" in inspected
    assert f"\narena         {arena[1]}\n" in inspected
    peak = json.loads(cli("inspect", "net.qfb", "--json").stdout)["peak"]
    assert (peak["size"], peak["first"], peak["last"], peak["kind"]) == (37_248, 2, 2, "conv2d")
    assert sum(size for _, size in peak["tensors"]) - peak["shared"] == peak["size"]


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
    compiled = compile(residual())
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
contains no test vectors, so no results were compared; 'qrt compile --test-vectors 4' embeds some
""")


def test_check_names_the_broken_rule(cli: Cli) -> None:
    bad = sorted((VECTORS / "bad").glob("v*.qfb"))
    assert bad
    for path in bad:
        rule = int(path.name[1:3])
        fault = "goes on behind its end: it has " if rule == 6 else f"breaks rule V{rule} "
        fault = "is truncated: it has only " if path.stem == "v01_root_past_the_end" else fault
        assert_refused(cli("check", str(path)), f"qrt check: {path}: {fault}")
    result = cli("check", "--json", str(path))
    document = json.loads(result.stdout)
    assert (result.exit_code, document["valid"], document["rule"]) == (2, False, rule)


def test_a_newer_format_is_said_to_be_newer(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "FORMAT_VERSION", qrt.FORMAT_VERSION + 1)
    (tmp_path / "new.qfb").write_bytes(residual().compile())
    for verb in ("inspect", "check"):
        assert_refused(cli(verb, "new.qfb"), f"qrt {verb}: new.qfb: needs a newer qrt: this one reads format versions")
