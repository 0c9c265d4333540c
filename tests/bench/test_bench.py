"""The benchmark: its arithmetic, the networks that it generates, and the results of a quick run. Asserts no speed."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from sanitizers import SANITIZERS

import qrt
from bench import recipes
from bench.__main__ import main
from bench.avx2_only import preload
from bench.chart import draw
from bench.contestants import Runner, runner_of_qrt
from bench.edges import codes_of, given
from bench.measure import Timing, interleaved, repeats_for, seconds_each
from bench.networks import NAMES, Network, Unusable, from_file, from_recipe, plan
from bench.peak import Peaks
from bench.race import ON_AVX2, agreement_of, ratio
from bench.recipes import Recipe
from bench.report import MARK, README, Table, micro, not_run, tables, write_readme


def small() -> Recipe:
    """Every kind of layer that the large networks have."""
    r = Recipe("small")
    y = r.max_pool(r.conv(r.start(16, 16, 3), 8, 3, 2, activation="relu"), 3, 2)
    z = r.conv(y, 16, 1, activation="relu6", deviation=recipes.CLAMPED)
    z = r.conv(z, 16, 3, groups=16, activation="relu6", deviation=recipes.CLAMPED)
    r.linear(r.mean(r.add(r.conv(z, 8, 1, deviation=recipes.BRANCH), y, "relu")), 10)
    return r


@pytest.fixture
def network(tmp_path: Path) -> Network:
    pytest.importorskip("onnx")
    return from_recipe(small(), tmp_path / "networks")


def quick(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    """The document of a run, without peers unless they are named."""
    places = ["--json", str(tmp_path / "out.json"), "--chart", str(tmp_path / "out.png")]
    result = CliRunner().invoke(main, ["--quick", "--engines", "none", "--threads", "1", *places, *arguments])
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    return document


def test_median_of_rounds_and_its_spread() -> None:
    timing = Timing((4.0, 1.0, 3.0, 2.0, 100.0))
    assert timing.seconds == 3.0
    assert timing.spread == (4.0 - 2.0) / 3.0
    assert Timing((2.0,)).spread == 0.0


def test_ratio_is_theirs_over_ours() -> None:
    assert ratio(Timing((6.0, 6.0, 1.0)), Timing((2.0, 9.0, 2.0))) == 3.0


def test_calls_take_turns() -> None:
    order: list[str] = []
    timings = interleaved({name: lambda name=name: order.append(name) for name in "ab"}, rounds=3, seconds=0)
    assert [len(timings[name].rounds) for name in "ab"] == [3, 3]
    # Warming up comes first; then a turn is an unbroken row of one name, and the names alternate.
    turns = [name for i, name in enumerate(order) if i == 0 or order[i - 1] != name]
    assert "".join(turns) == "ab" * 4


def test_calls_elsewhere_have_their_turns_too() -> None:
    turns: list[float] = []

    def take_turn(seconds: float) -> float:
        turns.append(seconds)
        return 2.0 * len(turns)

    timings = interleaved({"here": lambda: None}, rounds=3, seconds=0.0, elsewhere={"there": take_turn})
    assert turns == [0.0] * 3
    assert timings["there"].rounds == (2.0, 4.0, 6.0) and len(timings["here"].rounds) == 3


def test_a_sample_is_long_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("bench.measure.time", SimpleNamespace(perf_counter=lambda: now[0]))

    def call() -> None:
        now[0] += 2**-20

    repeats = repeats_for(call, seconds=2**-10)
    assert 2**10 <= repeats <= 2**11
    assert seconds_each(call, repeats) == 2**-20


def test_same_padding_is_tensorflows() -> None:
    assert recipes.same(224, 7, 2) == (112, (2, 3))
    assert recipes.same(112, 3, 2) == (56, (0, 1))
    assert recipes.same(56, 3, 1) == (56, (1, 1))
    assert recipes.same(56, 1, 2) == (28, (0, 0))


def test_recipe_is_neither_blank_nor_saturated(network: Network) -> None:
    """No tensor of the network is, so every activation counts in what is timed and compared."""
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    model = onnx.load(network.files["ONNX u8s8"])
    kept = [node.output[0] for node in model.graph.node if node.op_type == "QuantizeLinear"]
    model.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.UINT8, None) for name in kept)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for (sample,) in network.samples(2):
        results = session.run(kept, {"input": given(sample, network.inputs[0], sample.shape, np.uint8)})
        for name, codes in zip(kept, results, strict=True):
            assert (codes == 255).sum() <= 1 + 0.05 * codes.size, name
            assert len(np.unique(codes)) >= min(codes.size // 2, 60), name


def test_all_files_of_a_recipe_say_the_same(network: Network) -> None:
    assert set(network.files) == {"ONNX u8s8", "ONNX s8s8", "tflite, exported by qrt"}
    (sample,) = network.samples(1)
    expected = qrt.load(network.content).run(*sample)
    for path in network.files.values():
        other = from_file(path)
        options = {} if path.suffix == ".onnx" else {"match": "xnnpack"}
        difference = np.abs(qrt.load(other.content).run(*sample).astype(int) - expected)
        assert difference.max() <= (1 if options else 0), path.name
        assert other.macs == network.macs
        assert not other.float_edges


def test_large_networks_have_the_published_sizes() -> None:
    sizes = {
        name: sum(layer.weights.size for layer in make().layers if layer.weights is not None)
        for name, make in recipes.NETWORKS.items()
    }
    # The published parameters without those of batch normalization and the biases of 1,000 classes.
    assert sizes == {"resnet18_224": 11_678_912, "resnet50_224": 25_502_912, "mobilenet_v2_qdq": 3_469_760}


def test_edges_turn_and_shift() -> None:
    info = qrt.load(_image_model()).inputs[0]
    codes = np.arange(-24, 24, dtype=np.int8).reshape(info.shape)
    nchw = given(codes, info, (1, 3, 4, 4), np.uint8)
    assert nchw.shape == (1, 3, 4, 4) and nchw.dtype == np.uint8
    assert (nchw.transpose(0, 2, 3, 1).astype(int) - 128 == codes).all()
    assert (codes_of(nchw, info) == codes).all()
    real = given(codes, info, info.shape, np.float32)
    assert np.allclose(real, 0.5 * (codes.astype(float) - 3))
    assert (codes_of(real, info) == codes).all()


def _image_model() -> bytes:
    from qrt.compiler import GraphBuilder

    g = GraphBuilder("image")
    g.output(g.conv2d(g.input("x", (1, 4, 4, 3), scale=0.5, zero_point=3), np.ones((1, 1, 1, 3)), scale=0.5))
    return g.compile()


def test_agreement_counts_codes(network: Network) -> None:
    samples = network.samples(2)
    runner = runner_of_qrt(network, samples[0], network.content, "portable")
    expected = [runner.outputs(sample) for sample in samples]
    assert agreement_of(runner, samples, expected) == {"equal_share": 1.0, "largest": 0, "mean": 0.0}
    off = Runner(runner.call, runner.whole, lambda codes: [y.astype(int) + 3 for y in runner.outputs(codes)])
    assert agreement_of(off, samples, expected) == {"equal_share": 0.0, "largest": 3, "mean": 3.0}


def test_peaks_are_of_sets_with_instructions_of_their_own() -> None:
    peaks = Peaks()
    assert set(peaks.calls) == set(peaks.macs) == set(qrt.kernel_sets()) - {"reference", "portable"}
    for name, call in peaks.calls.items():
        macs, nanoseconds = call()
        assert macs == peaks.macs[name] and nanoseconds > 0


def test_quick_run_writes_its_document(network: Network, tmp_path: Path) -> None:
    document = quick(tmp_path, str(network.files["ONNX u8s8"]), "--networks", "call")
    assert set(document) == {
        "format",
        "machine",
        "settings",
        "peak_gmacs",
        "networks",
        "layers",
        "call",
        "loading",
        "threads",
        "skipped",
        "disagreements",
    }
    (race,) = document["networks"]
    sets = [name for name in qrt.kernel_sets() if name != "reference"]
    assert list(race["sets"]) == sets
    assert race["qrt"] == {key: race["sets"][sets[-1]][key] for key in ("seconds", "spread", "rounds")}
    for entry in race["sets"].values():
        assert len(entry["rounds"]) == document["settings"]["rounds"] == 3
        assert entry["seconds"] == statistics.median(entry["rounds"]) > 0
        assert np.isclose(entry["gmacs"], race["executed_macs"] / entry["seconds"] / 1e9)
    assert race["macs"] == network.macs
    assert race["ratio"] is None and race["peers"] == {} and race["best_peer"] is None
    call = document["call"]
    assert call["overhead_seconds"] == call["run"]["seconds"] - call["kernels_seconds"]
    assert document["machine"]["kernel_sets"] == list(qrt.kernel_sets())
    assert document["disagreements"] == []


def test_a_document_with_peers_becomes_a_table_and_a_chart(network: Network, tmp_path: Path) -> None:
    document = quick(tmp_path, str(network.files["ONNX u8s8"]))
    (race,) = document["networks"]
    slower = {**race["qrt"], "seconds": 2.5 * race["qrt"]["seconds"]}
    race |= {"peers": {"Other": slower}, "best_peer": "Other", "ratio": 2.5}
    document["settings"]["engines"] = ["Other", "Absent"]
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- bench table: begin -->\nold\n<!-- bench table: end -->\nafter\n", encoding="utf-8")
    write_readme(document, readme)
    text = readme.read_text(encoding="utf-8")
    assert text.startswith("before\n<!-- bench table: begin -->\n") and text.endswith(
        "<!-- bench table: end -->\nafter\n"
    )
    assert "old" not in text and "| 2.50 | Other |" in text and document["machine"]["date"] in text
    pytest.importorskip("matplotlib")
    draw(document, tmp_path / "chart.png")
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def avx2_only(tmp_path: Path) -> dict[str, str]:
    """The environment of a process that sees no more than AVX2."""
    if SANITIZERS:
        pytest.skip("a sanitizer wants faults for itself")
    try:
        return {**os.environ, "LD_PRELOAD": f"{os.environ.get('LD_PRELOAD', '')} {preload(tmp_path)}".strip()}
    except Unusable as reason:
        pytest.skip(str(reason))


def test_no_thread_of_a_process_sees_more_than_avx2(avx2_only: dict[str, str]) -> None:
    program = """
import threading, qrt
looked = []
thread = threading.Thread(target=lambda: looked.append(qrt._executor.SETS))
thread.start(); thread.join()
print(qrt.kernel_sets() == looked[0], looked[0][-1])
"""
    done = subprocess.run([sys.executable, "-c", program], env=avx2_only, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "avx2" if "avx2" in qrt.kernel_sets() else "portable"]


def test_its_other_faults_end_it(avx2_only: dict[str, str]) -> None:
    done = subprocess.run([sys.executable, "-c", "import ctypes; ctypes.string_at(1)"], env=avx2_only)
    assert done.returncode == -signal.SIGSEGV


def test_where_nothing_can_be_hidden_the_run_says_so(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ai_edge_litert")
    if "avx2" not in qrt.kernel_sets()[:-1]:
        pytest.skip("this machine supports AVX2 only")
    monkeypatch.setattr("bench.avx2_only.platform.machine", lambda: "aarch64")
    document = quick(tmp_path, str(network.files["tflite, exported by qrt"]), "--engines", "litert")
    reason = "hiding instruction sets from a process is supported on x86-64 Linux only"
    assert {"what": ON_AVX2, "reason": reason} in document["skipped"]
    assert document["networks"][0]["avx2"] is None and document["networks"][0]["peers"]
    assert "AVX2 only" not in [table.title for table in tables(document)]


def test_litert_on_avx2(network: Network, tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    document = quick(tmp_path, str(network.files["tflite, exported by qrt"]), "--engines", "litert")
    (race,) = document["networks"]
    if reasons := [entry["reason"] for entry in document["skipped"] if entry["what"] == ON_AVX2]:
        assert race["avx2"] is None
        pytest.skip(reasons[0])
    theirs = race["avx2"]
    assert len(theirs["rounds"]) == 3 and theirs["seconds"] == statistics.median(theirs["rounds"]) > 0
    assert theirs["configuration"].startswith("tflite, ") and theirs["largest"] <= 1
    (table,) = (table for table in tables(document) if table.title == "AVX2 only")
    assert table.rows[0][:2] == [network.name, micro(race["sets"]["avx2"])]
    assert table.rows[0][2:4] == [f"{theirs['seconds'] / race['sets']['avx2']['seconds']:.2f}", micro(theirs)]


def test_readme_has_the_marks() -> None:
    assert MARK.search(README.read_text(encoding="utf-8"))


def test_what_is_missing_is_said_once_for_all() -> None:
    races = [{"name": name, "absent": {"Engine": "no file"}} for name in ("a", "b")]
    document = {"skipped": [{"what": "c", "reason": "absent"}], "networks": races, "layers": []}
    assert list(not_run(document)) == ["c: absent", "Engine on a, b: no file"]


def test_table_is_aligned() -> None:
    lines = list(Table("t", ["name", "us"], [["a", "1.00"], ["long name", "1,234"]]).lines())
    assert lines == ["name          us", "a           1.00", "long name  1,234"]
    assert [micro({"seconds": s}) for s in (1.234e-6, 12.34e-6, 1.2345e-3)] == ["1.23", "12.3", "1,234"]


def test_plan_names_what_it_leaves_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.networks.PUBLISHED", tmp_path)
    made = plan([], [], tmp_path, quick=True)
    assert set(made.networks) | set(made.skipped) | ({"call"} if made.call else set()) == set(NAMES)
    assert "shared/models" in made.skipped["kws_dscnn"]
    with pytest.raises(Unusable, match="no network 'nonsense'; choose from ic_resnet8"):
        plan([], ["nonsense"], tmp_path, quick=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--networks", "nonsense"], "no network 'nonsense'"),
        (["--engines", "nonsense"], "no engine 'nonsense'"),
        (["--cpu", "9999"], "must be one of"),
    ],
)
def test_bad_options_are_refused(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert message in result.output


def test_a_file_that_cannot_run_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(b"nothing")
    document = quick(tmp_path, str(path))
    assert document["skipped"][-1]["what"] == "model.bin"
    assert document["networks"] == []
