"""`qrt report`: what the page is made of is what the other verbs say, and nothing is written but whole pages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Cli, assert_refused, images, residual
from places import DIGITS
from stateful import remembering, steps

import qrt
from qrt.compiler import CompileError, GraphBuilder, Problem, compile
from qrt.compiler.backends.qfb.reader import read
from qrt.compiler.backends.tflite.writer import to_tflite

DEVICE_PACKAGES = ("ziglang", "unicorn", "elftools", "capstone")
HOSTILE = ["</script><script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "\x1b[31m\u2028\u202e", "a" * 5000]


def document(cli: Cli, *arguments: str) -> dict[str, Any]:
    result = cli("report", *arguments, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def with_vectors(outputs_plus: int = 0) -> bytes:
    """The file of a network with a test vector, whose outputs are off by so many codes."""
    compiled = compile(residual())
    model = qrt.load(compiled.to_bytes())
    codes = images(1)
    outputs = model.run(codes) + np.int8(outputs_plus)
    return compiled.to_bytes([qrt.TestVector([codes], [outputs], False)])


def test_the_parts_are_what_the_verbs_say(cli: Cli, pets: Path) -> None:
    found = document(cli, "pets.qfb")
    assert found.keys() == {"qrt", "model", "layers", "checks", "profile"}
    assert found["model"] == json.loads(cli("inspect", "pets.qfb", "--json").stdout)
    for index, layer in enumerate(found["layers"]):
        said = json.loads(cli("explain", "pets.qfb", str(index), "--json").stdout)
        assert {"file": "pets.qfb", **layer} == said
    assert found["checks"] == json.loads(cli("check", "pets.qfb", "--json").stdout)
    profile = json.loads(cli("profile", "pets.qfb", "--repeats", "1", "--json").stdout)
    assert found["profile"].keys() == profile.keys()
    assert not list(Path().glob("*.html"))


def test_a_source_adds_what_the_compiler_did_and_a_comparison(cli: Cli) -> None:
    pytest.importorskip("onnxruntime")
    source, data = str(DIGITS / "digits_resnet.onnx"), Path("few.npz")
    full = np.load(DIGITS / "test_digits.npz")
    np.savez(data, images=full["images"][:8], labels=full["labels"][:8])
    options = ("-o", "digits.qfb", "--ram", "least", "--test-vectors", "2", "--json")
    summary = json.loads(cli("compile", source, *options).stdout)
    found = document(cli, "digits.qfb", "--against", source, "--inputs", str(data))
    made = found["compile"]
    assert made.pop("same_bytes")
    assert {**made, "seconds": 0} == {**summary, "seconds": 0}
    compared = ("compare", "digits.qfb", "--against", source, "--inputs", str(data))
    assert found["compare"] == json.loads(cli(*compared, "--json").stdout)
    assert all(kernels["agree"] for kernels in found["checks"]["kernels"])
    # Other options than the file was compiled with give other bytes, and the page can say so.
    assert not document(cli, "digits.qfb", "--against", source, "--bias", "int32")["compile"]["same_bytes"]


def test_a_file_that_states_its_preprocessing_is_made_again(cli: Cli) -> None:
    pytest.importorskip("onnx")
    source = str(DIGITS / "digits_resnet.onnx")
    Path("p.toml").write_text("[image]\nresize = [8, 8]\n", encoding="utf-8")
    assert cli("compile", source, "-o", "digits.qfb", "-q", "--preprocess", "p.toml").exit_code == 0
    assert qrt.load("digits.qfb").preprocessing
    assert document(cli, "digits.qfb", "--against", source)["compile"]["same_bytes"]


def test_the_source_of_another_network_is_refused(cli: Cli, pets: Path) -> None:
    pytest.importorskip("onnx")
    source = str(DIGITS / "digits_resnet.onnx")
    assert_refused(cli("report", "pets.qfb", "--against", source), f"qrt report: {source}: has none of the layers of")
    # A file without names may be of any.
    assert cli("compile", source, "-o", "digits.qfb", "-q", "--strip").exit_code == 0
    assert document(cli, "digits.qfb", "--against", source)["compile"]["same_bytes"]


def test_a_source_that_does_not_compile_alone_leaves_a_note(cli: Cli, pets: Path, monkeypatch: Any) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise CompileError([Problem("Conv_0", "Conv", "is float")])

    monkeypatch.setattr("qrt.compiler.compile", refuse)
    monkeypatch.setattr("qrt.compiler.folded_graph", lambda source: None)
    Path("float.onnx").write_bytes(b"")
    found = document(cli, "pets.qfb", "--against", "float.onnx")
    assert "compile" not in found
    ((part, reason),) = found["missing"]
    assert part == "compile" and "is float" in reason


def test_a_processor_adds_its_costs_and_limits(cli: Cli, pets: Path) -> None:
    for name in DEVICE_PACKAGES:
        pytest.importorskip(name)
    result = cli("report", "pets.qfb", "--target", "cortex-m4", "--max-ram", "64", "--max-flash", "1m", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    device = found["device"]
    assert device["limits"] == {"ram": 64, "flash": 1 << 20}
    (problem,) = device["over_budget"]
    assert problem.startswith("RAM ")
    assert device["differing_bytes"] == 0
    assert [op["index"] for op in device["operators"]] == [layer["index"] for layer in found["layers"]]
    assert found["model"]["device"]["target"] == "cortex-m4"


def test_samples_with_labels_add_an_evaluation(cli: Cli, pets: Path) -> None:
    np.savez("pets.npz", images=images(20), labels=np.arange(20) % 4)
    found = document(cli, "pets.qfb", "--evaluate", "pets.npz")["evaluation"]
    assert found == json.loads(cli("eval", "pets.qfb", "pets.npz", "--json").stdout)
    assert found["samples"] == 20 and found["accuracy"] is not None
    assert cli("report", "pets.qfb", "--evaluate", "pets.npz").exit_code == 0


def test_writes_the_page_and_says_so(cli: Cli, pets: Path) -> None:
    result = cli("report", "pets.qfb")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "wrote pets.html\n", "")
    page = Path("pets.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") and page.rstrip().endswith("</html>")
    assert cli("report", "pets.qfb", "-o", "other.html").stdout == "wrote other.html\n"


def test_a_wrong_test_vector_is_on_the_page(cli: Cli) -> None:
    Path("right.qfb").write_bytes(with_vectors())
    Path("wrong.qfb").write_bytes(with_vectors(1))
    assert cli("report", "right.qfb").exit_code == 0
    result = cli("report", "wrong.qfb")
    assert (result.exit_code, result.stdout) == (1, "wrote wrong.html\n")


def test_compare_writes_the_page(cli: Cli) -> None:
    pytest.importorskip("onnxruntime")
    source = str(DIGITS / "digits_resnet.onnx")
    assert cli("compile", source, "-o", "digits.qfb", "-q").exit_code == 0
    np.save("one.npy", np.load(DIGITS / "test_digits.npz")["images"][:1])
    result = cli("compare", "digits.qfb", "--against", source, "--inputs", "one.npy", "--plot", "x.html")
    assert result.exit_code == 0 and result.stdout.endswith("wrote x.html\n")
    assert Path("x.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_names_cannot_leave_the_data(cli: Cli) -> None:
    g = GraphBuilder(HOSTILE[0])
    x = g.input(HOSTILE[1], (1, 4, 4, 2), scale=0.5, zero_point=0)
    weights = np.ones((2, 1, 1, 2), np.int8)
    for number, name in enumerate(HOSTILE):
        x = g.conv2d(x, weights, weights_scale=0.01, scale=0.25, name=f"{name}{number}")
    g.output(x, labels=HOSTILE[:2])
    Path("hostile.qfb").write_bytes(g.compile())
    assert [layer["name"] for layer in document(cli, "hostile.qfb")["layers"]] == [
        f"{name}{number}" for number, name in enumerate(HOSTILE)
    ]
    result = cli("report", "hostile.qfb")
    assert (result.exit_code, result.stdout) == (0, "wrote hostile.html\n")
    page = Path("hostile.html").read_text(encoding="utf-8")
    assert "alert(1)</script>" not in page and "<img src=x" not in page


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--inputs", "x.npz"], "--inputs is about the source; name it with --against"),
        (["--match", "tflm"], "--match is about the source"),
        (["--state", "a=b"], "--state is about the source"),
        (["--reset-every", "3"], "--reset-every is about samples; give some with --inputs or --evaluate"),
        (["--layout", "NCHW"], "--layout is about samples"),
        (["--preprocess", "p.toml"], "--preprocess is about samples"),
        (["--evaluate", "no.npz"], "no.npz: no such file"),
        (["--evaluate", "unlabeled.npy"], "unlabeled.npy"),
        (["--evaluate", "unlabeled.npy", "-o", "unlabeled.npy"], "unlabeled.npy: is read for the page"),
        (["--max-ram", "1k"], "--max-ram, --max-flash and --cc are for a processor"),
        (["--json", "-o", "x.html"], "--json writes no page"),
        (["-o", "pets.qfb"], "pets.qfb: is read for the page; name another file with -o"),
        (["-o", "no/x.html"], "no/x.html: there is no folder no"),
        (["-o", "folder"], "folder: is a folder"),
        (["--node-data", "pets.qfb"], "pets.qfb: no folder can be made: file exists; name another with --node-data"),
        (["--node-data", "no/no"], "no/no: no folder can be made: no such file or directory; name another"),
        (["--against", "no.onnx"], "no.onnx: "),
        (["--target", "z80"], "z80"),
    ],
)
def test_refusals_write_nothing(cli: Cli, pets: Path, arguments: list[str], reason: str) -> None:
    Path("folder").mkdir()
    np.save("unlabeled.npy", images(3))
    content, before = pets.read_bytes(), sorted(Path().rglob("*"))
    result = cli("report", "pets.qfb", *arguments)
    shown, silent = (result.stdout, result.stderr) if "--json" in arguments else (result.stderr, result.stdout)
    assert (result.exit_code, silent) == (2, "") and reason in shown
    assert shown.count("\n") == 1
    assert sorted(Path().rglob("*")) == before and pets.read_bytes() == content


def test_a_bad_file_is_refused(cli: Cli, pets: Path) -> None:
    assert_refused(cli("report", "no.qfb"), "qrt report: no.qfb: no such file")
    Path("cut.qfb").write_bytes(pets.read_bytes()[:500])
    assert_refused(cli("report", "cut.qfb"), "qrt report: cut.qfb: ")


def test_an_earlier_page_stays_when_a_new_one_fails(cli: Cli, pets: Path, monkeypatch: Any) -> None:
    Path("pets.html").write_text("earlier")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("qrt.cli.files.os.fsync", full)
    result = cli("report", "pets.qfb")
    assert result.exit_code == 2 and "cannot be written: no space left on device" in result.stderr
    assert Path("pets.html").read_text() == "earlier"
    assert sorted(path.name for path in Path().iterdir()) == ["pets.html", "pets.qfb"]


def test_states_begin_anew_in_each_part(cli: Cli) -> None:
    compiled = compile(remembering())
    model = qrt.load(compiled.to_bytes())
    runs = [(x[np.newaxis], list(model.run(x[np.newaxis]))) for x in steps(4)]
    vectors = [qrt.TestVector([codes], outputs, index > 0) for index, (codes, outputs) in enumerate(runs)]
    Path("states.qfb").write_bytes(compiled.to_bytes(vectors))
    found = document(cli, "states.qfb")
    assert found["checks"]["test_vectors"] == 4 and all(kernels["agree"] for kernels in found["checks"]["kernels"])
    assert any(tensor["initial"] is not None for tensor in found["model"]["tensors"])
    np.savez("x.npz", x=steps(4), labels=[0, 1, 0, 1])
    evaluated = cli("report", "states.qfb", "--evaluate", "x.npz")
    assert "say how many steps each has with --reset-every N" in evaluated.stderr


def test_a_tflite_source_with_channels_first_is_compared(cli: Cli) -> None:
    """The file has NHWC at its input; the source as written, without optimizations, transposes there."""
    for name in ("tflite", "ai_edge_litert"):
        pytest.importorskip(name)
    g = GraphBuilder("channels first")
    x = g.transpose(g.input("x", (1, 3, 6, 5), scale=0.5, zero_point=0), (0, 2, 3, 1), name="to NHWC")
    weights = (np.arange(4 * 9 * 3).reshape(4, 3, 3, 3) % 19 - 9).astype(np.int8)
    g.output(g.conv2d(x, weights, weights_scale=0.01, scale=0.25, padding=1, name="conv"))
    Path("source.tflite").write_bytes(to_tflite(read(compile(g, skip=["to_nhwc"]).to_bytes())).content)
    assert cli("compile", "source.tflite", "-q").exit_code == 0
    assert qrt.load("source.qfb").inputs[0].source_layout == "NCHW"
    np.save("x.npy", np.random.default_rng(0).normal(size=(4, 3, 6, 5)).astype(np.float32))
    compared = document(cli, "source.qfb", "--against", "source.tflite", "--inputs", "x.npy")["compare"]
    assert compared["first_differing"] is None
    assert [layer["differing"] for layer in compared["layers"]] == [0]
